// The pattern of the point, region or map at the cursor; the ring's fitted peak; the ring image.
import { paint } from "./colour.js";
import { axes, band, clip, extent, frame, legend, line, padded, panel, select, SERIES, size, words } from "./chart.js";
import { array, grid, nearest, pattern, peak, runs } from "./data.js";
import { bar, canvasOf, hatch } from "./raster.js";
import { on, refresh, set, state } from "./state.js";
import { onScan, times } from "./view.js";
import { label, number, withError } from "./words.js";
import { place } from "./history.js";

let whole, zoom, picture;

export function start() {
  whole = panel("pattern", "Pattern", () => table(points()));
  zoom = panel("peak", "Fitted peak", peakTable);
  picture = panel("image", "Ring image", imageTable);
  on("run size grid t p r q ring data other patterns", () => { drawPattern(); drawPeak(); drawImage(); });
}

function soon(entry) { // the value, or null now and another drawing when it has come
  if (!entry.value && !entry.failed && !entry.told) { entry.told = true; entry.promise.then(() => refresh("patterns"), () => refresh("patterns")); }
  return entry.value;
}

const has = (run, group) => runs[run]?.groups.includes(group);
const mean = (run) => (has(run, "xrd/pattern") ? soon(array(run, "xrd/pattern", "intensity")) : null);
const at = (a, step) => a.values.subarray(step * a.axes.q.length, (step + 1) * a.axes.q.length);

let lastPoints = null;
function points() { // the pattern to show: of the point or region where patterns of points were kept, else of the map
  const g = runs[0].byName[state.q] ? grid(0, state.q) : null;
  if (g && has(0, "points") && (state.p || state.r) && onScan()) {
    const where = place(g), found = soon(pattern(0, nearest(g.time, state.t), where.box));
    if (found) lastPoints = { q: found.q, values: found.values, errors: found.errors, units: found.units, said: where.kind === "point" ? "this point" : `mean of the ${where.kind}`, of: where.kind };
    if (lastPoints) return lastPoints;
  } else lastPoints = null;
  const a = mean(0);
  if (!a) return null;
  const step = nearest(a.axes.time, state.t);
  return { q: a.axes.q, values: at(a, step), errors: null, units: a.units, said: "mean over the map", of: "map" };
}

function drawPattern() {
  whole.section.hidden = !has(0, "xrd/pattern") && !has(0, "points");
  if (whole.section.hidden) return;
  const [width, height] = size(whole), p = points(), all = runs[0].reflections, phases = [...new Set(all.map((r) => r.phase))];
  whole.title.textContent = p ? `Pattern, ${p.said}` : "Pattern";
  if (!p) return;
  const first = p.of === "map" ? at(mean(0), 0) : null, other = mean(1), theirs = other ? at(other, nearest(other.axes.time, state.t)) : null;
  const low = [...p.values].filter((v) => v > 0), room = phases.length ? 13 : 0, [lowest, highest] = extent(low, first ? [...first].filter((v) => v > 0) : [], theirs ? [...theirs].filter((v) => v > 0) : []);
  const a = axes({ left: 54, top: 18, width: width - 66, height: height - 18 - 34 - room, x: [p.q[0], p.q.at(-1)], y: [0.9 * lowest, 1.05 * highest], root: true });
  let out = `<defs>${clip("clip-pattern", a)}</defs>${frame(a, { ylabel: label("intensity", p.units) })}`;
  const ring = chosenRing();
  if (ring?.q[0] != null) out += `<rect class="window" x="${a.px(ring.q[0])}" y="${a.top}" width="${Math.max(1, a.px(ring.q[1]) - a.px(ring.q[0]))}" height="${a.height}"/>`;
  const items = [["now", SERIES[0]]];
  out += `<g clip-path="url(#clip-pattern)">`;
  if (first) { out += line(a, p.q, first, "var(--soft)", { width: 0.8 }); items.push(["first map", "var(--soft)"]); }
  if (theirs) { out += line(a, other.axes.q, theirs, SERIES[1], { width: 0.9, dash: "4 2" }); items.push([runs[1].folder, SERIES[1], "4 2"]); }
  out += line(a, p.q, p.values, SERIES[0], { width: 1.1 }) + "</g>" + legend(items, 54, 11);
  phases.forEach((phase, i) => {
    const y = a.top + a.height + 20;
    out += `<path stroke="${SERIES[(i + 2) % 6]}" stroke-width="1.2" d="${all.filter((r) => r.phase === phase && r.q >= a.x[0] && r.q <= a.x[1]).map((r) => `M${a.px(r.q).toFixed(1)} ${y}v8`).join("")}"/>`;
  });
  if (phases.length) out += legend(phases.map((phase, i) => [phase, SERIES[(i + 2) % 6]]), a.left, height - 3);
  whole.svg.innerHTML = out + words(a.left + a.width, height - 3, "q / Å⁻¹", 'text-anchor="end" class="label"');
  whole.note.textContent = p.of === "map" && (state.p || state.r) && onScan() && !has(0, "points") ? "Of a point only with point_patterns = true." : "";
}

export function chosenRing() {
  const rings = runs[0].rings, mine = /^xrd\/([^/]+)/.exec(runs[0].byName[state.q]?.group ?? "")?.[1];
  return rings.find((r) => r.name === (state.ring ?? mine)) ?? rings.find((r) => r.name === mine) ?? rings[0];
}

// I(q) = background + slope (q - middle of the window) + area N(q; position, width)
const model = (f, s, middle) => (q) => f.background[s] + (f.slope?.[s] ?? 0) * (q - middle) + (f.area[s] / (f.width[s] * Math.sqrt(2 * Math.PI))) * Math.exp(-0.5 * ((q - f.q[s]) / f.width[s]) ** 2);

function fits(ring) {
  const g = grid(0, state.q);
  if (!state.p || !onScan() || state.p[0] >= g.row.length || state.p[1] >= g.column.length) return [];
  const found = soon(peak(0, ring.name, state.p)), s = nearest(times(), state.t), middle = (ring.q[0] + ring.q[1]) / 2;
  return Object.entries(found?.families ?? {}).map(([family, f]) => ({ family, f, good: [f.q, f.width, f.area, f.background].every((v) => v?.[s] != null), curve: model(f, s, middle), at: f.q?.[s], error: f.q_err?.[s], units: f.units }));
}

function drawPeak() {
  const ring = chosenRing();
  zoom.section.hidden = !ring;
  if (!ring) return;
  select(zoom, "ring", runs[0].rings.map((r) => [r.name, r.name]), ring.name, (value, event) => set({ ring: value }, event));
  const [width, height] = size(zoom), p = points(), found = fits(ring), q = Array.from({ length: 121 }, (_, i) => ring.q[0] + (i / 120) * (ring.q[1] - ring.q[0]));
  const inside = p && ring.q[0] !== null ? [...p.q.keys()].filter((i) => p.q[i] >= ring.q[0] && p.q[i] <= ring.q[1]) : [];
  const curves = found.filter((one) => one.good).map((one) => q.map(one.curve));
  const dots = inside.map((i) => p.values[i]), own = p && p.of !== "map";
  const factor = !own && curves.length && dots.length ? Number((Math.max(...curves.flat()) / Math.max(...dots)).toPrecision(2)) : 1;
  const scaled = dots.map((v) => v * factor), error = p?.errors ? inside.map((i) => p.errors[i]) : null;
  const a = axes({ left: 54, top: 18, width: width - 66, height: height - 52, x: ring.q, y: padded(extent(scaled, ...curves, [0]), 0.06) });
  const items = dots.length ? [[`${p.said}${factor === 1 ? "" : ` × ${number(factor, 2)}`}`, "var(--soft)"]] : [];
  let out = frame(a, { ylabel: label("intensity", p?.units ?? "counts") });
  const x = inside.map((i) => p.q[i]);
  if (error) out += band(a, x, scaled.map((v, i) => v - error[i]), scaled.map((v, i) => v + error[i]), "var(--soft)");
  out += line(a, x, scaled, "var(--soft)", { width: 0.7, dots: 4 });
  let k = 0;
  found.forEach((one, i) => {
    if (!one.good) return;
    out += line(a, q, curves[k++], SERIES[i % 6]) + `<path d="M${a.px(one.at)} ${a.top}v${a.height}" stroke="${SERIES[i % 6]}" stroke-dasharray="2 3"/>`;
    items.push([`fit ${one.family}`, SERIES[i % 6]]);
  });
  zoom.svg.innerHTML = out + legend(items, 54, 11) + words(a.left + a.width / 2, height - 3, "q / Å⁻¹", 'text-anchor="middle" class="label"');
  const told = found.map((one) => (one.good ? `${one.family} ${withError(one.at, one.error)}` : `${one.family} no valid fit`));
  zoom.note.textContent = zoom.note.title = !state.p || !onScan() ? `Click a point of ${onScan() ? "the" : "a diffraction"} map for its fit.` : !found.length ? "" : `q / Å⁻¹: ${told.join(", ")}.${found.length ? ` Fits: azimuths of each family; dots: all.` : ""}`;
  zoom.drawn = { q, curves, families: found.filter((one) => one.good).map((one) => one.family), p: p ? { x, y: dots } : null };
}

const peakTable = () => ({ columns: ["what", "q / 1/angstrom", "intensity"], rows: [...(zoom.drawn?.p?.x ?? []).map((x, i) => ["pattern", x, zoom.drawn.p.y[i]]), ...(zoom.drawn?.curves ?? []).flatMap((c, k) => c.map((v, i) => [`fit ${zoom.drawn.families[k]}`, zoom.drawn.q[i], v]))] });
const table = (p) => ({ columns: ["q / 1/angstrom", "intensity", "error"], rows: p ? p.q.map((q, i) => [q, p.values[i], p.errors?.[i]]) : [] });

const QUARTERS = { at: [0, 90, 180, 270, 360], decimals: 0 };
const scales = new WeakMap();
function scaleOf(a) { // the same at all times
  if (!scales.has(a)) {
    const some = a.values.filter((v, i) => Number.isFinite(v) && i % Math.max(1, Math.floor(a.values.length / 50000)) === 0).sort();
    scales.set(a, [some[Math.floor(0.01 * some.length)] ?? 0, some[Math.floor(0.998 * (some.length - 1))] ?? 1]);
  }
  return scales.get(a);
}

function drawImage() {
  const ring = chosenRing(), a = ring?.image ? soon(array(0, `xrd/${ring.name}/image`, "intensity")) : null;
  picture.section.hidden = !ring?.image;
  if (picture.section.hidden) return;
  const [width, height] = size(picture);
  picture.title.textContent = `Ring ${ring.name}`;
  if (!a) return;
  const [, azimuths, bins] = a.shape, step = nearest(a.axes.time, state.t), start = step * azimuths * bins, limits = scaleOf(a);
  const half = (a.axes.q[1] - a.axes.q[0]) / 2, turn = (a.axes.azimuth[1] - a.axes.azimuth[0]) / 2;
  const b = axes({ left: 54, top: 6, width: width - 54 - 102, height: height - 6 - 34, x: [a.axes.azimuth[0] - turn, a.axes.azimuth.at(-1) + turn], y: [a.axes.q[0] - half, a.axes.q.at(-1) + half] });
  const context = canvasOf(picture, b, azimuths, bins);
  context.clearRect(0, 0, azimuths, bins);
  paint(context, azimuths, bins, (c, l) => a.values[start + c * bins + (bins - 1 - l)], limits, "amount", true);
  picture.svg.innerHTML = hatch(b, "hatch-image") + frame(b, { ylabel: "q / Å⁻¹", xat: QUARTERS, grid: false }) + bar({ left: b.left + b.width + 12, top: b.top, height: b.height }, limits, "amount", a.units, "bar-image", true) + words(b.left + b.width / 2, height - 3, "azimuth / °   (0 along +x, 90 along +z)", 'text-anchor="middle" class="label"');
  picture.note.textContent = "Mean over the map; √ scale, the same at all times.";
  picture.drawn = { a, start };
}

function imageTable() {
  const rows = [], { a, start } = picture.drawn ?? {};
  if (a) a.axes.azimuth.forEach((angle, i) => a.axes.q.forEach((q, k) => rows.push([angle, q, a.values[start + i * a.axes.q.length + k]])));
  return { columns: ["azimuth / deg", "q / 1/angstrom", `intensity / ${a?.units ?? ""}`], rows };
}
