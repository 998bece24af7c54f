// What the chosen quantity, mode and time mean: the field that the map and the history draw.
import { limits, median } from "./colour.js";
import { grid, maps, nearest, runs, sameGrid } from "./data.js";
import { groupName, quantityName } from "./names.js";
import { refresh, state } from "./state.js";

export const times = () => {
  const run = runs[0], chosen = run.byName[state.q] ? grid(0, state.q).time : null;
  return chosen ?? run.clock.maps.time ?? [0];
};

export const current = () => runs[0]?.byName[state.q];

export const scanned = () => runs[0].quantities.find((q) => q.group.startsWith("xrd") && q.dims[1] === "z");

export function onScan() { // whether the points of the chosen quantity are those of the diffraction scan
  const first = scanned();
  return Boolean(first && current() && sameGrid(grid(0, first.name), grid(0, state.q)));
}

export function quantityChoices() {
  const groups = new Map();
  for (const q of runs[0].quantities) {
    const name = groupName(q.group);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push([q.name, quantityName(q)]);
  }
  return [...groups].map(([group, choices]) => ({ group, choices }));
}

export function series(run) { // the maps of the quantity, or null until they are here
  if (!runs[run]?.byName[state.q]) return null;
  const entry = maps(run, state.q);
  if (!entry.value && !entry.failed && !entry.told) { entry.told = true; entry.promise.then(() => refresh("data"), () => refresh("data")); }
  return entry.value;
}

let last = { key: [], made: null };
export function field() { // values, errors, flags, limits of all times in the chosen mode
  const q = current(), m = q ? series(0) : null;
  if (!m) return null;
  const other = state.m === "difference" ? series(1) : null;
  const key = [m, other, state.m, state.v];
  if (key.every((part, i) => part === last.key[i])) return last.made;
  const made = compute(q, m, other);
  if (made) last = { key, made };
  return made;
}

function compute(q, m, other) {
  let { values, errors, flags } = m;
  if (state.v === "trusted" && flags) values = values.map((v, i) => (flags[i] ? NaN : v));
  const made = { values, errors, flags, units: q.units, kind: q.colours, label: quantityName(q) };
  const n = m.rows * m.columns;
  if (state.m === "error") Object.assign(made, { values: errors ? errors.map((e, i) => (Number.isFinite(values[i]) ? e : NaN)) : new Float32Array(values.length).fill(NaN), errors: null, kind: "amount", label: `error of ${made.label}` });
  if (state.m === "change") subtract(made, (i) => i % n, values, errors, "change of ");
  if (state.m === "difference") {
    if (!other) return null;
    const mine = grid(0, state.q).time, theirs = grid(1, state.q).time, pair = mine.map((t) => nearest(theirs, t));
    subtract(made, (i) => pair[Math.floor(i / n)] * n + (i % n), other.values, other.errors, "difference in ");
  }
  const noise = made.errors ? median(made.errors) : 0, seen = q.colours === "grey" && made.kind === "grey" ? centre(made.values, m) : made.values;
  return Object.assign(made, { limits: limits(seen, made.kind, noise) });
}

function centre(values, m) { // of a section its middle half along both axes: collectors and air would take the whole scale
  const found = [];
  for (let s = 0; s < m.steps; s++) for (let r = Math.floor(m.rows / 4); r < 0.75 * m.rows; r++) for (let c = Math.floor(m.columns / 4); c < 0.75 * m.columns; c++) found.push(values[(s * m.rows + r) * m.columns + c]);
  return found;
}

function subtract(made, index, values, errors, before) {
  const mine = made.errors, angle = made.kind === "angle";
  made.errors = mine && errors ? mine.map((e, i) => Math.hypot(e, errors[index(i)])) : null;
  made.values = made.values.map((v, i) => { const d = v - values[index(i)]; return angle ? ((d + 540) % 360) - 180 : d; });
  made.kind = "change"; made.label = before + made.label;
}
