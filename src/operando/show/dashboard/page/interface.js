// The face of an electrode as a surface in space at the cursor; its colours are height, contact, void or current.
import { limits, table as colours } from "./colour.js";
import { panel, select, size } from "./chart.js";
import { grid, maps, nearest, runs } from "./data.js";
import { bar } from "./raster.js";
import { keep, on, refresh, set, state, word } from "./state.js";
import { edges, render, START, stretched, turnable } from "./surface.js";
import { label, number } from "./words.js";

const MOST = 170; // points along a side that are drawn
const COLOURS = [["height", "height"], ["contact", "contact"], ["void", "void thickness"], ["current", "local current density"], ["lithium", "lithium thickness"]];
const SOURCE = { height: "tomography/maps:face", contact: "tomography/maps:contact", void: "tomography/maps:void", current: "tomography/current:current_density", lithium: "tomography/maps:lithium" };
let made, turning = 0;
for (const key of ["e", "k", "a"]) keep(key, null, word); // electrode, what the colour is, and the view: yaw, pitch, zoom

const faces = () => runs[0].quantities.filter((q) => q.group === "tomography/maps" && q.variable === "face");
const electrodes = () => faces().map((q) => q.labels[0]);
const electrode = () => (electrodes().includes(state.e) ? state.e : electrodes()[0]);
const chosen = () => (runs[0].byName[`${SOURCE[state.k] ?? ""}:${electrode()}`] ? state.k : "height");
const looking = () => { const [yaw, pitch, zoom] = (state.a ?? "").split(",").map(Number); return [yaw, pitch, zoom].every(Number.isFinite) && zoom > 0 ? { yaw, pitch, zoom } : { ...START }; };

export function start() {
  made = panel("interface", "Interface", table);
  made.canvas = document.createElement("canvas");
  made.body.prepend(made.canvas);
  made.body.tabIndex = 0;
  made.body.setAttribute("role", "application");
  made.body.setAttribute("aria-label", "Interface in space: drag or press the arrow keys to turn it, plus and minus to enlarge, Home to begin anew");
  turnable(made.body, looking, (v) => {
    clearTimeout(turning);
    turning = setTimeout(() => { turning = 0; refresh("a"); }, 120); // fine again when it rests
    set({ a: `${v.yaw},${v.pitch},${Number(v.zoom.toFixed(3))}` }, { timeStamp: performance.now(), kind: "turn" });
  });
  on("run size surface t e k a", draw);
}

function values(name) { // of all times, or null until they are here
  if (!runs[0].byName[name]) return null;
  const entry = maps(0, name);
  if (!entry.value && !entry.failed && !entry.drawn) { entry.drawn = true; entry.promise.then(() => refresh("surface"), () => {}); }
  return entry.value;
}

function shown() { // heights and colours at the cursor; both scales hold for all times
  const face = `tomography/maps:face:${electrode()}`, kind = chosen(), name = `${SOURCE[kind]}:${electrode()}`;
  const heights = values(face), paint = values(name);
  if (!heights || !paint) return null;
  const g = grid(0, face), h = grid(0, name), n = heights.rows * heights.columns, all = levels(heights, n);
  const step = nearest(g.time, state.t), ended = kind === "current" && state.t < h.time[0] - 1e-6;
  const other = nearest(h.time, state.t), scale = kind === "height" ? all.limits : kind === "contact" ? [0, 1] : limits(paint.values, kind === "current" ? "change" : "amount");
  return { g, kind, q: runs[0].byName[name], heights: heights.values.subarray(step * n, (step + 1) * n), mean: all.mean[step],
    paint: ended ? null : paint.values.subarray(other * n, (other + 1) * n), limits: scale, z: all.limits, map: kind === "current" ? "change" : "amount", time: g.time[step] };
}

let kept = {};
function levels(heights, n) { // mean of each scan, and limits of what differs from it
  if (kept.of === heights) return kept;
  const mean = [], all = new Float32Array(heights.values.length);
  for (let s = 0; s < heights.steps; s++) {
    let sum = 0, count = 0;
    for (let i = s * n; i < (s + 1) * n; i++) if (heights.values[i] === heights.values[i]) { sum += heights.values[i]; count += 1; }
    mean.push(sum / count);
    for (let i = s * n; i < (s + 1) * n; i++) all[i] = heights.values[i] - mean[s];
  }
  let [low, high] = limits(all, "change");
  return (kept = { of: heights, mean, limits: [low, high] });
}

function mesh(found, thin) { // every thin-th point, heights kept within the scale
  const rows = [], columns = [];
  for (let r = 0; r < found.g.row.length; r += thin) rows.push(r);
  for (let c = 0; c < found.g.column.length; c += thin) columns.push(c);
  const from = new Int32Array(rows.length * columns.length), z = new Float32Array(from.length);
  let [r0, r1, c0, c1] = [Infinity, -1, Infinity, -1];
  rows.forEach((r, j) => columns.forEach((c, i) => {
    const k = j * columns.length + i;
    from[k] = r * found.g.column.length + c;
    z[k] = Math.max(found.z[0], Math.min(found.z[1], found.heights[from[k]] - found.mean));
    if (z[k] === z[k]) { r0 = Math.min(r0, j); r1 = Math.max(r1, j); c0 = Math.min(c0, i); c1 = Math.max(c1, i); }
  }));
  const x = columns.map((c) => found.g.column[c]), y = rows.map((r) => found.g.row[r]), box = { x: [x[c0], x[c1]], y: [y[r0], y[r1]], z: found.z };
  box.stretch = stretched(box.x, box.y, box.z);
  return { x, y, z, from, box };
}

function draw() {
  made.section.hidden = !faces().length;
  if (made.section.hidden) return;
  select(made, "electrode", electrodes().map((e) => [e, `${e} electrode`]), electrode(), (value, event) => set({ e: value }, event));
  select(made, "colour", COLOURS.filter(([k]) => runs[0].byName[`${SOURCE[k]}:${electrode()}`]).map(([k, w]) => [k, `colour: ${w}`]), chosen(), (value, event) => set({ k: value }, event));
  const found = shown(), [width, height] = size(made);
  made.section.dataset.ready = found ? `${electrode()} ${found.kind}` : "";
  if (!found) { made.note.textContent = "reading …"; return; }
  const wide = width - 110, view = { ...looking(), width: wide, height };
  const side = Math.max(found.g.row.length, found.g.column.length), most = turning ? MOST / 2 : MOST, net = mesh(found, Math.ceil(side / most));
  const sharp = turning ? 1 : Math.min(2, devicePixelRatio || 1) * (wide < 900 ? 1.5 : 1);
  made.canvas.width = Math.round(wide * sharp); made.canvas.height = Math.round(height * sharp);
  Object.assign(made.canvas.style, { left: "0px", top: "0px", width: `${wide}px`, height: `${height}px`, background: "none", imageRendering: "auto" });
  made.canvas.dataset.box = [0, 0, wide, height].join(" ");
  render(made.canvas.getContext("2d"), net, view, painter(found, net));
  const scale = found.kind === "contact" ? legend(wide) : bar({ left: wide + 14, top: 24, height: height - 60 }, found.limits, found.map, label(found.q.variable === "face" ? "height less its mean" : found.q.variable.replaceAll("_", " "), found.q.units), "bar-interface");
  made.svg.innerHTML = `${edges(net.box, view, "µm")}${scale}`;
  const clipped = found.kind === "height" ? " Colours and heights end at 1 and 99 %." : "";
  const gone = found.paint ? "" : " No current before this scan: grey.";
  made.note.textContent = `Face of the solid at the ${electrode()} electrode, mean height ${number(found.mean, 4)} µm taken off; z is drawn ${found.kind && net.box.stretch} times larger than x and y.${clipped}${gone} Drag to turn, + and − to enlarge.`;
}

const CONTACT = [[0xe4, 0x57, 0x2e], [0x0b, 0x6f, 0xb3]]; // as in the report: void, contact
function painter(found, net) {
  const pixels = colours(found.map), [low, high] = found.limits;
  return (k) => {
    const v = found.kind === "height" ? net.z[k] : found.paint?.[net.from[k]];
    if (v === undefined || v !== v) return null;
    if (found.kind === "contact") return CONTACT[v > 0.5 ? 1 : 0];
    const p = pixels[Math.max(0, Math.min(255, Math.round((255 * (v - low)) / (high - low))))];
    return [p & 255, (p >> 8) & 255, (p >> 16) & 255];
  };
}

const legend = (left) => ["void between", "contact"].map((word, k) => `<rect x="${left + 8}" y="${24 + 20 * k}" width="11" height="11" fill="rgb(${CONTACT[k]})"/><text x="${left + 24}" y="${34 + 20 * k}">${word}</text>`).join("");

function table() {
  const found = shown(), rows = [], heights = found.heights;
  found.g.row.forEach((y, r) => found.g.column.forEach((x, c) => { const i = r * found.g.column.length + c; if (heights[i] === heights[i]) rows.push([found.time, x, y, heights[i], found.kind === "height" ? heights[i] : found.paint?.[i] ?? NaN]); }));
  return { columns: ["time / s", "x / um", "y / um", "face / um", found.q.variable === "face" ? "face / um" : `${found.q.variable} / ${found.q.units || "1"}`], rows };
}
