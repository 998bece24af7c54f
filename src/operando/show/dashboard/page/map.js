// The map of one quantity at the cursor: hover, click a point, brush a region.
import { paint } from "./colour.js";
import { axes, line, panel, select, SERIES, size, words } from "./chart.js";
import { array, grid, nearest, runs, sameGrid, tracks } from "./data.js";
import { bar, canvasOf, hatch } from "./raster.js";
import { on, refresh, set, state } from "./state.js";
import { current, field, onScan, quantityChoices } from "./view.js";
import { label, number, pretty, reasons, ticks, tickText, withError } from "./words.js";

const NICE = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500];
const MODES = [["value", "value"], ["change", "change since first"], ["error", "error"]];
let made, box, hover = null;

export function start() {
  made = panel("map", "Map", table);
  on("run size grid q m v data other", draw);
  on("t p r g tracks", update);
  const cellAt = (event) => {
    const at = made.svg.getBoundingClientRect(), x = event.clientX - at.left - box.left, y = event.clientY - at.top - box.top;
    if (!box || x < 0 || y < 0 || x >= box.width || y >= box.height) return null;
    const line = Math.floor((y / box.height) * box.rows), column = Math.floor((x / box.width) * box.columns);
    return [box.up ? box.rows - 1 - line : line, box.right ? column : box.columns - 1 - column];
  };
  let from = null;
  made.svg.addEventListener("pointerdown", (event) => { if (!box || event.button) return; from = cellAt(event); if (from) made.svg.setPointerCapture(event.pointerId); });
  made.svg.addEventListener("pointermove", (event) => {
    if (!box) return;
    const at = cellAt(event);
    if (from && at && (at[0] !== from[0] || at[1] !== from[1])) set({ r: rectangle(from, at) }, { timeStamp: event.timeStamp, kind: "brush" });
    hover = at; tell();
  });
  made.svg.addEventListener("pointerup", (event) => {
    const at = cellAt(event);
    if (from && at && at[0] === from[0] && at[1] === from[1]) set({ p: at, r: null }, { timeStamp: event.timeStamp, kind: "click" });
    from = null;
  });
  made.svg.addEventListener("pointercancel", () => { from = null; });
  made.svg.addEventListener("pointerleave", () => { hover = null; tell(); });
}

const rectangle = (a, b) => [Math.min(a[0], b[0]), Math.max(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[1], b[1])];
const edges = (c) => (c.length < 2 ? [c[0] - 0.5, c[0] + 0.5] : [c[0] - (c[1] - c[0]) / 2, c.at(-1) + (c.at(-1) - c.at(-2)) / 2]);

function layout(width, height, g) { // equal scale where that looks like a map, else a round stretch
  const left = 52, top = 8, wide = width - left - 100, tall = height - top - 40;
  const dx = Math.abs(edges(g.column)[1] - edges(g.column)[0]), dz = Math.abs(edges(g.row)[1] - edges(g.row)[0]);
  let stretch = 1;
  const equal = (wide * dz) / dx;
  if (equal < 0.35 * tall || equal > 3 * tall) {
    const goal = Math.min(tall, 1.6 * wide) / equal;
    stretch = [...NICE, ...NICE.map((n) => 1 / n)].filter((s) => s * equal <= tall * 1.001).reduce((a, b) => (Math.abs(Math.log(b / goal)) < Math.abs(Math.log(a / goal)) ? b : a), 1 / 500);
  }
  const h = Math.min(tall, equal * stretch), w = Math.min(wide, h / ((dz / dx) * stretch));
  return { left, top, width: Math.round(w), height: Math.round(h), stretch };
}

function draw() {
  const q = current();
  if (!q) return;
  const other = runs[1]?.byName[state.q] && sameGrid(grid(0, state.q), grid(1, state.q));
  select(made, "quantity", quantityChoices(), state.q, (value, event) => set({ q: value }, event));
  select(made, "shows", other ? [...MODES, ["difference", "difference of runs"]] : MODES, state.m, (value, event) => set({ m: value }, event));
  select(made, "points", [["all", "all"], ["trusted", "no flags"]], state.v, (value, event) => set({ v: value }, event));
  const g = grid(0, state.q), [width, height] = size(made), shape = layout(width, height, g);
  box = { ...shape, rows: g.row.length, columns: g.column.length, up: g.row.at(-1) >= g.row[0], right: g.column.at(-1) >= g.column[0] };
  const shown = field();
  let out = hatch(box, "hatch-map") + ruler(g);
  if (shown) made.title.textContent = shown.label;
  if (shown) out += bar({ left: box.left + box.width + 14, top: box.top, height: box.height }, shown.limits, shown.kind, label(shown.label, shown.units), "bar-map");
  made.svg.innerHTML = `${out}<g class="marks"></g>`;
  update();
}

function ruler(g) { // ticks at round coordinates, wherever the grid has them
  const out = [], bottom = box.top + box.height;
  const place = (c, v) => { let i = 0; while (i < c.length - 2 && (c[i + 1] - v) * (c[1] - c[0]) < 0) i += 1; return c.length < 2 ? 0.5 : i + (v - c[i]) / (c[i + 1] - c[i]) + 0.5; };
  const column = ticks(...edges(g.column).sort((a, b) => a - b), Math.max(2, Math.floor(box.width / 70))), row = ticks(...edges(g.row).sort((a, b) => a - b), Math.max(2, Math.floor(box.height / 40)));
  for (const v of column.at) {
    const share = place(g.column, v) / box.columns, x = box.left + box.width * (box.right ? share : 1 - share);
    out.push(`<path class="axis" d="M${x} ${bottom}v4"/>`, words(x, bottom + 15, tickText(v, column.decimals, 1), 'text-anchor="middle"'));
  }
  for (const v of row.at) {
    const share = place(g.row, v) / box.rows, y = box.top + box.height * (box.up ? 1 - share : share);
    out.push(`<path class="axis" d="M${box.left} ${y}h-4"/>`, words(box.left - 7, y + 3.5, tickText(v, row.decimals, 1), 'text-anchor="end"'));
  }
  out.push(words(box.left + box.width / 2, bottom + 31, label(g.dims[2], g.column_units), 'text-anchor="middle" class="label"'));
  out.push(words(0, 0, label(g.dims[1], g.row_units), `class="label" text-anchor="middle" transform="translate(11 ${box.top + box.height / 2}) rotate(-90)"`));
  return out.join("");
}

function update() {
  if (!box) return;
  const shown = field(), g = grid(0, state.q), step = nearest(g.time, state.t), context = canvasOf(made, box, box.columns, box.rows);
  context.clearRect(0, 0, box.columns, box.rows);
  if (shown) {
    const start = step * box.rows * box.columns;
    paint(context, box.columns, box.rows, (c, l) => shown.values[start + (box.up ? box.rows - 1 - l : l) * box.columns + (box.right ? c : box.columns - 1 - c)], shown.limits, shown.kind);
  }
  made.svg.querySelector(".marks").innerHTML = marks(g, step);
  tell();
}

const corner = (row, column) => [box.left + ((box.right ? column : box.columns - 1 - column) / box.columns) * box.width, box.top + ((box.up ? box.rows - 1 - row : row) / box.rows) * box.height];

function marks(g, step) {
  const w = box.width / box.columns, h = box.height / box.rows;
  let out = "";
  const ring = (x, y, wide, tall, dash) => `<rect class="mark-under" x="${x}" y="${y}" width="${wide}" height="${tall}"/><rect class="mark" x="${x}" y="${y}" width="${wide}" height="${tall}"${dash ? ' stroke-dasharray="5 4"' : ""}/>`;
  if (state.r && inside(state.r[1], state.r[3])) {
    const [x0, y0] = corner(state.r[box.up ? 1 : 0], state.r[box.right ? 2 : 3]);
    out += ring(x0, y0, w * (state.r[3] - state.r[2] + 1), h * (state.r[1] - state.r[0] + 1), true);
  }
  if (state.p && inside(...state.p)) out += ring(...corner(...state.p), w, h, false);
  const seen = runs[0].groups.includes("grains/table") && onScan() ? tracks(0).value : null;
  if (seen) {
    const n = seen.grains, at = nearest(seen.time, g.time[step]), a = axes({ left: box.left, top: box.top, width: box.width, height: box.height, x: edges(g.column), y: edges(g.row) });
    for (let i = 0; i < n.map_index.length; i++) {
      const mine = state.g !== null && n.track?.[i] === state.g;
      if (n.map_index[i] !== at || n.x[i] === null || n.z[i] === null) continue;
      out += `<circle class="grain-under" cx="${a.px(n.x[i]).toFixed(1)}" cy="${a.py(n.z[i]).toFixed(1)}" r="${mine ? 6 : 3}"/><circle class="${mine ? "grain chosen" : "grain"}" cx="${a.px(n.x[i]).toFixed(1)}" cy="${a.py(n.z[i]).toFixed(1)}" r="${mine ? 6 : 3}"/>`;
    }
  }
  return out + overlay(g, step);
}

// Faces of the electrolyte (lines) and the far side of the voids (dashed) along a tomographic section.
function overlay(g, step) {
  if (current().group !== "tomography/sections" || g.dims[1] !== "z") return "";
  const a = axes({ left: box.left, top: box.top, width: box.width, height: box.height, x: edges(g.column), y: edges(g.row) }), n = g.column.length;
  const heights = (what, electrode) => {
    const entry = array(0, "tomography/sections", `${what}_${electrode}_${g.dims[2]}`);
    if (!entry.value && !entry.failed && !entry.told) { entry.told = true; entry.promise.then(() => refresh("tracks"), () => {}); }
    return entry.value?.values.subarray(step * n, (step + 1) * n);
  };
  return ["bottom", "top"].map((electrode, k) => {
    const face = heights("face", electrode), thick = heights("void", electrode);
    if (!face || !thick) return "";
    return line(a, g.column, face, SERIES[k]) + line(a, g.column, face.map((v, i) => v + (k ? thick[i] : -thick[i])), SERIES[k], { dash: "4 3" });
  }).join("");
}

const inside = (row, column) => row < box.rows && column < box.columns;

function tell() { // the value under the pointer, else of the chosen point
  const shown = field(), g = grid(0, state.q), where = hover ?? (state.p && inside(...state.p) ? state.p : null);
  const scale = box.stretch === 1 ? "Equal scale along both axes." : `${g.dims[box.stretch > 1 ? 1 : 2]} is drawn ${number(box.stretch > 1 ? box.stretch : 1 / box.stretch, 3)} times larger than ${g.dims[box.stretch > 1 ? 2 : 1]}.`;
  made.section.dataset.ready = shown ? state.q : "";
  if (!shown) { made.note.textContent = "reading …"; return; }
  if (!where) { const name = current().long_name; made.note.textContent = `${name[0].toUpperCase()}${name.slice(1)}. ${scale} Hatched: no valid value. One colour scale for all times.`; return; }
  const step = nearest(g.time, state.t), i = (step * box.rows + where[0]) * box.columns + where[1];
  const why = shown.flags ? reasons(shown.flags[i], runs[0].flags) : [];
  made.note.textContent = `${g.dims[2]} ${number(g.column[where[1]])}, ${g.dims[1]} ${number(g.row[where[0]])} ${pretty(g.row_units)}: ${shown.label} ${withError(shown.values[i], shown.errors?.[i], shown.units)}${why.length ? ` · ${why.join(", ")}` : ""}`;
}

function table() {
  const shown = field(), g = grid(0, state.q), step = nearest(g.time, state.t), rows = [];
  g.row.forEach((z, r) => g.column.forEach((x, c) => {
    const i = (step * g.row.length + r) * g.column.length + c;
    rows.push([g.time[step], z, x, shown.values[i], shown.errors?.[i], shown.flags ? reasons(shown.flags[i], runs[0].flags).join(" ") : ""]);
  }));
  return { columns: ["time / s", `${g.dims[1]} / ${g.row_units}`, `${g.dims[2]} / ${g.column_units}`, `${state.q} ${state.m === "value" ? "" : state.m} / ${shown.units || "1"}`, "error", "flag"], rows };
}
