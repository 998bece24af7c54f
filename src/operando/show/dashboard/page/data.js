// Questions to the server; whole series of maps stay here, so that moving in time or space asks nothing.
const kept = new Map();
const failures = new Map(); // questions that got no answer; they are asked again at the next poll
export const runs = []; // of each run what the server says of it, with the time axis and quantities by name
let generation = 0;

export class Trouble extends Error {
  constructor(told) { super(told.what); Object.assign(this, told); }
}

async function reply(name, asked, sent = null) {
  const words = new URLSearchParams({ ...asked });
  const token = new URLSearchParams(location.search).get("token");
  if (token) words.set("token", token);
  let answer;
  try { answer = await fetch(`/api/${name}?${words}`, sent === null ? {} : { method: "POST", body: sent }); } catch {
    throw new Trouble({ what: "The server does not answer", where: "", fix: "Was operando show stopped? Start it again; this page goes on by itself." });
  }
  if (!answer.ok) throw new Trouble((await answer.json().catch(() => ({}))).error || { what: `The server said ${answer.status}`, where: "", fix: "" });
  return answer;
}

export async function ask(name, asked = {}) { return (await reply(name, asked)).json(); }

export async function askArrays(name, asked, sent = null) { // head, and the bytes behind it; `sent` is posted
  const buffer = await (await reply(name, asked, sent)).arrayBuffer();
  const size = new Uint32Array(buffer, 0, 1)[0];
  return { ...JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size))), buffer, at: 4 + size };
}

export function once(key, make) { // one request for each thing, however often it is wanted
  if (!kept.has(key)) {
    const entry = { value: null, failed: null, promise: null };
    const born = generation;
    entry.promise = make().then((value) => { if (born === generation) entry.value = value; return value; }, (error) => { entry.failed = error; if (born === generation) failures.set(key, error); throw error; });
    entry.promise.catch(() => {});
    kept.set(key, entry);
    if (kept.size > 120) kept.delete(kept.keys().next().value);
  }
  return kept.get(key);
}

export function retry() { // the first failure since the last call; what failed may be asked again
  const [first] = failures.values();
  for (const key of failures.keys()) kept.delete(key);
  failures.clear();
  return first ?? null;
}

export function forget() { generation += 1; kept.clear(); }

export const maps = (run, name) => once(`maps ${run} ${name}`, async () => {
  const a = await askArrays("maps", { run, name });
  const [steps, rows, columns] = a.shape, n = steps * rows * columns;
  const found = { steps, rows, columns, values: new Float32Array(a.buffer, a.at, n), errors: null, flags: null };
  let at = a.at + 4 * n;
  if (a.has_error) { found.errors = new Float32Array(a.buffer, at, n); at += 4 * n; }
  if (a.has_flag) found.flags = new Uint16Array(a.buffer, at, n);
  return found;
});

export const array = (run, group, variable) => once(`array ${run} ${group} ${variable}`, async () => {
  const a = await askArrays("array", { run, group, variable });
  return { ...a, values: new Float32Array(a.buffer, a.at) };
});

export const peak = (run, ring, [row, column]) => once(`peak ${run} ${ring} ${row} ${column}`, () => ask("peak", { run, ring, row, column }));

export const pattern = (run, step, [row0, row1, column0, column1]) => once(`pattern ${run} ${step} ${row0} ${row1} ${column0} ${column1}`, async () => {
  const a = await askArrays("pattern", { run, step, row0, row1, column0, column1 });
  const n = a.shape[1];
  return { ...a, values: new Float32Array(a.buffer, a.at, n), errors: new Float32Array(a.buffer, a.at + 4 * n, n) };
});

export const tracks = (run) => once(`tracks ${run}`, () => ask("tracks", { run }));

export async function load(number) {
  const run = await ask("run", { run: number });
  run.byName = Object.fromEntries(run.quantities.map((q) => [q.name, q]));
  runs[number] = run;
  return run;
}

export const grid = (run, quantity) => runs[run].grids[runs[run].byName[quantity].grid];

export function nearest(times, t) {
  let best = 0;
  for (let i = 1; i < times.length; i++) if (Math.abs(times[i] - t) < Math.abs(times[best] - t)) best = i;
  return best;
}

export function sameGrid(a, b) { // whether points of two runs lie at the same places
  const same = (u, v) => u.length === v.length && u.every((x, i) => Math.abs(x - v[i]) <= 1e-3 * Math.abs((u[1] ?? 1) - u[0] || 1));
  return same(a.row, b.row) && same(a.column, b.column);
}

// Weighted mean over a rectangle at each step: weights 1/error^2 where errors are known, else equal. `shares` has of
// each bit of the flags the share of points that carry it.
export function regionHistory(m, [row0, row1, column0, column1], trusted) {
  const found = { values: [], errors: [], spread: [], points: [], flags: [], shares: [] }, all = (row1 - row0 + 1) * (column1 - column0 + 1);
  for (let s = 0; s < m.steps; s++) {
    let w = 0, wv = 0, n = 0, sum = 0, squares = 0, first = 0, flags = 0;
    const counts = new Float64Array(16);
    for (let r = row0; r <= row1; r++) for (let c = column0; c <= column1; c++) {
      const i = (s * m.rows + r) * m.columns + c, value = m.values[i];
      if (m.flags && m.flags[i]) { flags |= m.flags[i]; for (let bit = 0; bit < 16; bit++) counts[bit] += (m.flags[i] >> bit) & 1; }
      if (!Number.isFinite(value) || (trusted && m.flags && m.flags[i])) continue;
      const error = m.errors ? m.errors[i] : 1;
      if (m.errors && !(error > 0)) continue;
      const weight = 1 / (error * error);
      if (!n) first = value;
      w += weight; wv += weight * (value - first); n += 1; sum += value - first; squares += (value - first) ** 2;
    }
    found.values.push(n ? first + wv / w : NaN);
    found.errors.push(n && m.errors ? 1 / Math.sqrt(w) : NaN);
    found.spread.push(n > 1 ? Math.sqrt(Math.max(0, (squares - sum * sum / n) / (n - 1))) : NaN);
    found.points.push(n); found.flags.push(flags); found.shares.push(counts.map((c) => c / all));
  }
  return found;
}
