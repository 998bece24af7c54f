// The chosen point or region against time: value, error band, flags; the other run in another colour.
import { axes, band, extent, frame, legend, line, padded, panel, SERIES, size, words } from "./chart.js";
import { grid, nearest, regionHistory, runs, sameGrid } from "./data.js";
import { on, set, state } from "./state.js";
import { field, series } from "./view.js";
import { label, number, pretty, reasons, timeUnit, withError } from "./words.js";

let made, box, per, unit, drawn = [];

export function start() {
  made = panel("history", "History", table);
  on("run size grid q m v data p r other", draw);
  on("t", cursor);
  made.svg.addEventListener("click", (event) => {
    if (!box) return;
    const g = grid(0, state.q), t = box.vx(event.clientX - made.svg.getBoundingClientRect().left) * per;
    set({ t: g.time[nearest(g.time, t)] }, event);
  });
}

const across = (dim, c, first, last) => `${dim} ${number(c[first])}${last > first ? ` to ${number(c[last])}` : ""}`;

export function place(g) { // rectangle of points that is meant, and its words
  const rows = g.row.length, columns = g.column.length, at = (r, c) => `${g.dims[2]} ${number(g.column[c])}, ${g.dims[1]} ${number(g.row[r])} ${pretty(g.row_units)}`;
  if (state.r && state.r[1] < rows && state.r[3] < columns) return { box: state.r, said: `region ${across(g.dims[2], g.column, state.r[2], state.r[3])}, ${across(g.dims[1], g.row, state.r[0], state.r[1])} ${pretty(g.row_units)}`, kind: "region" };
  if (state.p && state.p[0] < rows && state.p[1] < columns) return { box: [state.p[0], state.p[0], state.p[1], state.p[1]], said: `point at ${at(...state.p)}`, kind: "point" };
  return { box: [0, rows - 1, 0, columns - 1], said: "whole map", kind: "whole map" };
}

function histories() {
  const shown = field(), g = grid(0, state.q), where = place(g), found = [];
  if (!shown) return { found, where };
  const shape = { steps: g.time.length, rows: g.row.length, columns: g.column.length };
  const one = (m, time, colour, name) => found.push({ time, colour, name, ...(where.kind === "point" ? single(m, where.box) : regionHistory(m, where.box, state.v === "trusted")) });
  one({ ...shape, ...shown }, g.time, SERIES[0], runs[0].folder);
  if (state.m === "value" && runs[1]?.byName[state.q] && sameGrid(g, grid(1, state.q))) {
    const other = series(1), time = grid(1, state.q).time;
    if (other) one(other, time, SERIES[1], runs[1].folder === runs[0].folder ? `${runs[1].folder} (other)` : runs[1].folder);
  }
  return { found, where };
}

function single(m, [row, , column]) {
  const at = (array, s) => (array ? array[(s * m.rows + row) * m.columns + column] : NaN), steps = [...Array(m.steps).keys()];
  const trusted = (s) => !(state.v === "trusted" && m.flags && at(m.flags, s));
  return { values: steps.map((s) => (trusted(s) ? at(m.values, s) : NaN)), errors: steps.map((s) => at(m.errors, s)), flags: steps.map((s) => at(m.flags, s) || 0), points: steps.map((s) => Number(Number.isFinite(at(m.values, s)))), spread: steps.map(() => NaN) };
}

function draw() {
  const q = runs[0].byName[state.q];
  if (!q) return;
  const [width, height] = size(made), shown = field(), { found, where } = histories();
  drawn = found;
  made.title.textContent = `History of the ${where.kind === "whole map" ? "whole map" : where.kind}`;
  if (!shown) { made.svg.innerHTML = ""; return; }
  [per, unit] = timeUnit(found.flatMap((h) => h.time));
  const low = found.map((h) => h.values.map((v, i) => v - (h.errors[i] > 0 ? h.errors[i] : 0))), high = found.map((h) => h.values.map((v, i) => v + (h.errors[i] > 0 ? h.errors[i] : 0)));
  const x = padded(extent(...found.map((h) => h.time.map((t) => t / per))), 0.03), lanes = flagLanes(found[0]);
  const top = 22, bottom = 36 + 15 * lanes.length;
  const left = Math.max(66, ...lanes.map(([, word]) => 5.1 * word.length + 12));
  box = axes({ left, top, width: width - left - 12, height: Math.max(60, height - top - bottom), x, y: padded(extent(...low, ...high), 0.06) });
  let out = found.length > 1 ? legend(found.map((h) => [h.name, h.colour]), 66, 12) : "";
  out += flagRows(lanes, found[0]) + frame(box, { ylabel: label(shown.label, shown.units), most: Math.max(3, Math.floor(box.height / 55)) });
  found.forEach((h, k) => { const t = h.time.map((v) => v / per); out += band(box, t, low[k], high[k], h.colour) + line(box, t, h.values, h.colour, { dots: h.values.length <= 120 ? 4.5 : 0 }); });
  out += words(box.left + box.width / 2, height - 4, `time since the first map began / ${unit}`, 'text-anchor="middle" class="label"');
  made.svg.innerHTML = `${out}<g class="cursor"><path d="M0 ${box.top}v${box.height}"/></g>`;
  cursor();
}

function flagLanes(h) { // one lane for each reason that occurs
  const all = h.flags.reduce((a, b) => a | b, 0);
  return Object.entries(runs[0].flags).filter(([bit]) => all & Number(bit)).slice(0, 5);
}

function flagRows(lanes, h) {
  return lanes.map(([bit, word], k) => {
    const y = box.top + box.height + 31 + 15 * k;
    const place = Math.log2(Number(bit)), wide = Math.max(1.5, Math.min(6, 0.8 * box.width / h.time.length));
    const mark = (x, i) => (h.shares ? `M${x} ${y + 1}v${(-10 * h.shares[i][place]).toFixed(1)}` : `M${x - 3} ${y - 7}l6 6m0 -6l-6 6`);
    const at = h.time.map((t, i) => (h.flags[i] & Number(bit) ? mark(Math.round(10 * box.px(t / per)) / 10, i) : "")).join("");
    return `${h.shares ? `<path class="grid" d="M${box.left} ${y + 1}h${box.width}"/>` : ""}<path d="${at}" stroke="var(--warn)" stroke-width="${h.shares ? wide : 1.3}" fill="none"/>${words(box.left - 5, y, word, 'text-anchor="end" class="soft small"')}`;
  }).join("");
}

function cursor() {
  const line_ = made.svg.querySelector(".cursor");
  if (!line_ || !box || !drawn.length) return;
  line_.setAttribute("transform", `translate(${box.px(state.t / per).toFixed(1)} 0)`);
  const shown = field(), { said, kind } = place(grid(0, state.q));
  const parts = drawn.map((h) => {
    const i = nearest(h.time, state.t), why = kind === "point" ? reasons(h.flags[i], runs[0].flags) : [];
    const spread = drawn.length === 1 && Number.isFinite(h.spread[i]) ? `, spread ${number(h.spread[i], 2)}` : "";
    return `${drawn.length > 1 ? `${h.name} ` : ""}${withError(h.values[i], h.errors[i], shown.units)}${spread}${why.length ? ` · ${why.join(", ")}` : ""}`;
  });
  const i = nearest(drawn[0].time, state.t), of = `; ${drawn[0].errors.some(Number.isFinite) ? "weighted " : ""}mean of ${drawn[0].points[i]} points.${flagLanes(drawn[0]).length ? " Bars: share flagged." : ""}`;
  made.note.textContent = made.note.title = `${said[0].toUpperCase()}${said.slice(1)}: ${parts.join(" · ")}${kind === "point" ? "" : of}`;
}

function table() {
  const q = runs[0].byName[state.q], rows = drawn.flatMap((h) => h.time.map((t, i) => [h.name, t, h.values[i], h.errors[i], h.spread[i], h.points[i], reasons(h.flags[i], runs[0].flags).join(" ")]));
  return { columns: ["run", "time / s", `${state.q} / ${q.units || "1"}`, "error", "spread", "points", "flags"], rows };
}
