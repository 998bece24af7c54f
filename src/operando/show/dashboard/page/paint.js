// Strokes on the slices of the run's volumes: brush, phases, undo, a quick prediction over them, where to paint next.
import { panel, size } from "./chart.js";
import { ask, askArrays } from "./data.js";
import { keep, on, set, state, word } from "./state.js";
import { escaped, number } from "./words.js";

const AXES = ["z", "y", "x"], KNOWN = { air: "#dfe3e6", void: "#e4572e", pore: "#f2a65a", steel: "#4a5560", lithium: "#c9a227", interphase: "#0b6fb3", electrolyte: "#7fb0d8", solid: "#7fb0d8", casing: "#b49fd0" };
const TURN = ["#0c8a66", "#a8488c", "#8a6d00", "#3d7f99", "#b48ead", "#d8875f", "#7a5195", "#88b0b8"];
const SAVE_MS = 500, MOST_POINTS = 3900;
keep("paint", null, word); // volume, axis, slice

let made, told = null;
let volume = 0, axis = 0, at = 0, phase = 0, radius = 2, rubbing = false, shown = true, low = 0, high = 1;
let grey = null, guess = null, drawing = null, hover = null, places = [], view = null, panning = null;
const strokes = [], undone = []; // of each volume
const busy = { slice: 0, train: false, suggest: false };
let unsaved = new Set(), timer = 0, words = "";

const other = () => [0, 1, 2].filter((a) => a !== axis);
const now = () => told?.volumes[volume];
const name = () => told.phases[phase];
const colour = (p) => KNOWN[p.toLowerCase()] ?? TURN[told.phases.filter((q) => !KNOWN[q.toLowerCase()]).indexOf(p) % TURN.length];
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

export function start() {
  made = panel("paint", "Paint", table);
  made.body.insertAdjacentHTML("beforebegin", `<div class="paint-tools">
    <span class="paint-phases" role="radiogroup" aria-label="Phase to paint"></span><span class="paint-new"><input name="new" size="9" maxlength="40" placeholder="new phase" aria-label="Name of a new phase"><button type="button" data-do="add" title="Add this phase">+</button></span>
    <label>brush <input type="range" name="radius" min="0" max="30" value="2"><output name="radius"></output></label>
    <button type="button" data-do="rub" aria-pressed="false" title="Rub out what is painted (e)">eraser</button><button type="button" data-do="undo" title="Undo (Ctrl+Z)">undo</button><button type="button" data-do="redo" title="Redo (Ctrl+Y)">redo</button>
    <button type="button" data-do="train" class="main" title="Train a quick forest on all strokes and show what it makes of this slice">train and preview</button><label><input type="checkbox" name="shown" checked>preview</label>
    <button type="button" data-do="suggest" title="Places of which the quick forest is least sure">where next?</button>
  </div><div class="paint-tools"><label class="wide">slice <input type="range" name="at" min="0" max="0" value="0"><output name="at"></output></label>
    <label>dark <input type="range" name="low" min="0" max="100" value="0"></label><label>bright <input type="range" name="high" min="0" max="100" value="100"></label>
    <button type="button" data-do="fit" title="Show the whole slice">whole slice</button></div>`);
  for (const box of made.section.querySelectorAll(".paint-tools input[type=range], .paint-tools input[type=checkbox]")) box.addEventListener("input", () => changed(box));
  for (const button of made.section.querySelectorAll("[data-do]")) button.addEventListener("click", () => DO[button.dataset.do]());
  part("input[name=new]").addEventListener("keydown", (event) => { if (event.key === "Enter") DO.add(); });
  const canvas = document.createElement("canvas");
  made.body.prepend(canvas);
  listen();
  on("run", () => about());
  on("size", () => draw());
  document.addEventListener("keydown", keys, true);
}

const part = (query) => made.section.querySelector(query);

async function about() { // what there is to paint on; strokes that are here and not yet saved stay
  try {
    const fresh = await ask("painting", { run: 0 });
    const first = !told, before = told?.phases ?? [];
    told = fresh;
    told.phases = [...new Set([...before, ...fresh.phases])];
    fresh.volumes.forEach((v, k) => { if (!unsaved.has(k) && !drawing) strokes[k] = v.strokes; undone[k] ??= []; });
    made.section.hidden = !told.volumes.length;
    if (!told.volumes.length) return;
    if (first) recallPlace();
    controls();
    if (first || !grey) load();
    draw();
  } catch (error) { made.section.hidden = !told; tell(error.what ?? String(error)); }
}

function recallPlace() {
  const [v, a, s] = (state.paint ?? "").split(",").map(Number);
  volume = told.volumes[v] ? v : 0;
  axis = [0, 1, 2].includes(a) ? a : 1;
  at = Number.isInteger(s) && s >= 0 && s < now().shape[axis] ? s : now().shape[axis] >> 1;
}

function controls() {
  const pick = (label, choices, value, change) => {
    let box = made.controls.querySelector(`select[name=${label}]`);
    if (!box) { box = document.createElement("select"); box.name = label; box.setAttribute("aria-label", label); made.controls.append(box); box.addEventListener("change", () => change(Number(box.value))); }
    const html = choices.map((text, k) => `<option value="${k}"${k === value ? " selected" : ""}>${escaped(text)}</option>`).join("");
    if (box.dataset.made !== html) { box.dataset.made = html; box.innerHTML = html; }
    box.value = value;
  };
  pick("volume", told.volumes.map((v) => v.name), volume, (v) => { volume = v; at = Math.min(at, now().shape[axis] - 1); places = []; view = null; load(); });
  pick("across", AXES.map((a) => `slices across ${a}`), axis, (a) => { axis = a; at = now().shape[axis] >> 1; places = []; view = null; load(); });
  part(".paint-phases").innerHTML = told.phases.map((p, k) => `<button type="button" role="radio" aria-checked="${k === phase && !rubbing}" data-phase="${k}" title="Paint ${escaped(p)} (${k + 1})"><i></i>${escaped(p)}</button>`).join("");
  part(".paint-phases").querySelectorAll("button").forEach((button) => {
    button.querySelector("i").style.background = colour(told.phases[button.dataset.phase]);
    button.addEventListener("click", () => { phase = Number(button.dataset.phase); rubbing = false; controls(); });
  });
  part("[data-do=rub]").setAttribute("aria-pressed", rubbing);
  part("[data-do=undo]").disabled = !strokes[volume]?.length;
  part("[data-do=redo]").disabled = !undone[volume]?.length;
  part("[data-do=train]").disabled = busy.train;
  part("[data-do=suggest]").disabled = busy.suggest || !told.trained.includes(AXES[axis]);
  Object.assign(part("input[name=at]"), { max: now().shape[axis] - 1, value: at });
  part("output[name=at]").textContent = `${at + 1} of ${now().shape[axis]}${now().voxel_um ? `, ${AXES[axis]} ${number((at + 0.5) * now().voxel_um, 4)} µm` : ""}`;
  part("input[name=radius]").value = radius;
  part("output[name=radius]").textContent = `${radius} px`;
}

function changed(box) {
  if (box.name === "at") { at = Number(box.value); load(); }
  if (box.name === "radius") radius = Number(box.value);
  if (box.name === "shown") shown = box.checked;
  if (box.name === "low") { low = Math.min(Number(box.value) / 100, high - 0.01); box.value = 100 * low; shade(); }
  if (box.name === "high") { high = Math.max(Number(box.value) / 100, low + 0.01); box.value = 100 * high; shade(); }
  controls(); draw();
}

const DO = {
  add() { const box = part("input[name=new]"), text = box.value.trim(); if (text && !told.phases.includes(text)) { told.phases.push(text); phase = told.phases.length - 1; rubbing = false; } box.value = ""; controls(); },
  rub() { rubbing = !rubbing; controls(); },
  undo() { const last = strokes[volume].pop(); if (last) { undone[volume].push(last); save(); } controls(); draw(); },
  redo() { const last = undone[volume].pop(); if (last) { strokes[volume].push(last); save(); } controls(); draw(); },
  fit() { view = null; draw(); },
  async train() {
    busy.train = true; tell("training …"); controls();
    try {
      await flush();
      const done = await send("train", { axis });
      if (!told.trained.includes(AXES[axis])) told.trained.push(AXES[axis]);
      const all = Object.values(done.painted).reduce((a, b) => a + b, 0);
      tell(`trained on ${all} painted voxels of ${done.phases.join(", ")}; ${(100 * done.accuracy).toFixed(1)} % of them are recognised (too good for voxels elsewhere: those of a stroke resemble each other)`);
      shown = true; part("input[name=shown]").checked = true;
      await predict();
    } catch (error) { tell(error.what ? `${error.what}. ${error.fix ?? ""}` : String(error)); } finally { busy.train = false; controls(); draw(); }
  },
  async suggest() {
    const asked = [volume, axis].join(",");
    busy.suggest = true; tell("looking for places of which the quick forest is unsure …"); controls();
    try {
      const found = (await ask("suggest", { run: 0, volume, axis })).places;
      if (asked !== [volume, axis].join(",")) return; // another volume or axis is shown by now
      places = found;
      if (!places.length) { tell("the quick forest is sure everywhere it looked"); return; }
      at = places[0].slice; view = null;
      tell(`1 of ${places.length}: is it ${places[0].first} or ${places[0].second}? Circles mark the places of this slice; press again for others after painting`);
      load();
    } catch (error) { tell(error.what ?? String(error)); } finally { busy.suggest = false; controls(); }
  },
};

async function send(what, asked, body = "") { // posted, answered with JSON
  const text = new URLSearchParams({ run: 0, ...asked }), token = new URLSearchParams(location.search).get("token");
  if (token) text.set("token", token);
  const answer = await fetch(`/api/${what}?${text}`, { method: "POST", body }), json = await answer.json();
  if (!answer.ok) throw json.error ?? { what: `The server said ${answer.status}` };
  return json;
}

function save() { // what is painted goes to the run folder half a second after the last stroke
  unsaved.add(volume);
  clearTimeout(timer);
  timer = setTimeout(() => flush().catch((error) => tell(`not saved: ${error.what ?? error}. ${error.fix ?? ""}`)), SAVE_MS);
  tell("");
}

let saving = Promise.resolve();
function flush() { // one after the other, so that an older state never comes after a newer one
  clearTimeout(timer);
  saving = saving.catch(() => {}).then(write);
  return saving;
}

async function write() {
  for (const k of [...unsaved]) {
    unsaved.delete(k); // a stroke that is painted while this one is sent asks for another
    try {
      const json = await send("strokes", { volume: k }, JSON.stringify({ phases: told.phases, strokes: strokes[k] }));
      made.section.dataset.saved = json.strokes;
      tell(`${json.strokes} ${json.strokes === 1 ? "stroke" : "strokes"} saved in ${json.saved}`);
    } catch (error) { unsaved.add(k); throw error; }
  }
}

async function load() { // grey values of the slice at hand; the last one asked for wins
  const mine = ++busy.slice;
  set({ paint: [volume, axis, at].join(",") });
  controls();
  try {
    const found = await askArrays("slice", { run: 0, volume, axis, at });
    if (mine !== busy.slice) return;
    const [rows, columns] = found.shape;
    grey = { rows, columns, values: new Uint16Array(found.buffer, found.at, rows * columns), low: found.low, high: found.high };
    guess = null;
    shade(); draw();
    made.section.dataset.slice = `${volume},${axis},${at}`;
    if (told.trained.includes(AXES[axis])) await predict();
  } catch (error) { tell(error.what ?? String(error)); }
}

async function predict() {
  const mine = busy.slice, found = await askArrays("preview", { run: 0, volume, axis, at });
  if (mine !== busy.slice) return;
  const [rows, columns] = found.shape, n = rows * columns;
  const label = new Uint8Array(found.buffer, found.at, n), sure = new Uint8Array(found.buffer, found.at + n, n);
  const colours = found.phases.map((p) => rgb(colour(p)));
  guess = { label, sure, phases: found.phases, picture: picture(rows, columns, (k) => [...colours[label[k]], 15 + 0.42 * sure[k]]) };
  made.section.dataset.preview = `${volume},${axis},${at}`;
  draw();
}

function picture(rows, columns, pixel) {
  const canvas = document.createElement("canvas");
  canvas.width = columns; canvas.height = rows;
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let k = 0; k < rows * columns; k++) { const p = pixel(k); if (p) image.data.set(p, 4 * k); }
  context.putImageData(image, 0, 0);
  return canvas;
}

function shade() {
  if (!grey) return;
  const a = 65535 * low, b = 65535 * Math.max(high - low, 0.01);
  grey.picture = picture(grey.rows, grey.columns, (k) => { const v = grey.values[k]; if (!v) return null; const g = Math.max(0, Math.min(255, (255 * (v - a)) / b)); return [g, g, g, 255]; });
}

// Painted voxels of this slice: the same discs along the same lines as operando.tomography.paint_strokes.
function painted() {
  const out = new Uint8Array(grey.rows * grey.columns), [u, v] = other();
  for (const s of [...(strokes[volume] ?? []), ...(drawing ? [drawing] : [])]) {
    const b = AXES.indexOf(s.across ?? "z"), r = s.radius_vox, value = s.phase === null ? 0 : told.phases.indexOf(s.phase) + 1;
    for (const p of along(s.points)) {
      const off = Math.abs(p[axis] - at);
      if (b === axis ? off : off > r) continue;
      const reach = Math.ceil(r), du = b === u ? 0 : reach, dv = b === v ? 0 : reach;
      for (let i = Math.max(p[u] - du, 0); i <= Math.min(p[u] + du, grey.rows - 1); i++) for (let j = Math.max(p[v] - dv, 0); j <= Math.min(p[v] + dv, grey.columns - 1); j++) {
        const far = (i - p[u]) ** 2 + (j - p[v]) ** 2 + (b === axis ? 0 : off * off);
        if (far <= r * r) out[i * grey.columns + j] = value;
      }
    }
  }
  return out;
}

function along(points) { // voxels no more than half a voxel apart, rounded to even as in numpy
  const out = [], round = (q) => { const f = Math.floor(q), d = q - f; return d > 0.5 || (d === 0.5 && f % 2) ? f + 1 : f; };
  const put = (p) => out.push(p.map(round));
  put(points[0]);
  for (let k = 1; k < points.length; k++) {
    const a = points[k - 1], b = points[k], steps = Math.max(Math.ceil(2 * Math.max(...a.map((q, i) => Math.abs(b[i] - q)))), 1);
    for (let s = 1; s <= steps; s++) put(a.map((q, i) => q + ((b[i] - q) * s) / steps));
  }
  return out;
}

function place() { // scale and corner of the slice in the panel; z points up
  const [width, height] = size(made), whole = Math.min(width / grey.columns, height / grey.rows);
  view ??= { scale: whole, x: (width - whole * grey.columns) / 2, y: (height - whole * grey.rows) / 2 };
  return { ...view, width, height, whole, up: axis !== 0 };
}

function draw() {
  if (!grey || made.section.hidden) return;
  const v = place(), canvas = made.body.querySelector("canvas"), context = canvas.getContext("2d");
  if (canvas.width !== v.width || canvas.height !== v.height) { canvas.width = v.width; canvas.height = v.height; }
  Object.assign(canvas.style, { left: 0, top: 0, width: `${v.width}px`, height: `${v.height}px`, background: "none" });
  canvas.dataset.box = [0, 0, v.width, v.height].join(" ");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, v.width, v.height);
  context.imageSmoothingEnabled = false;
  context.setTransform(v.scale, 0, 0, v.up ? -v.scale : v.scale, v.x, v.up ? v.y + v.scale * grey.rows : v.y);
  context.drawImage(grey.picture, 0, 0);
  if (shown && guess) context.drawImage(guess.picture, 0, 0);
  const marks = painted(), colours = told.phases.map((p) => rgb(colour(p)));
  context.drawImage(picture(grey.rows, grey.columns, (k) => marks[k] && [...colours[marks[k] - 1], 235]), 0, 0);
  over(v);
}

const onScreen = (v, row, column) => [v.x + (column + 0.5) * v.scale, v.up ? v.y + v.scale * (grey.rows - row - 0.5) : v.y + (row + 0.5) * v.scale];

function over(v = place()) { // brush, suggested places, scale bar
  let out = "";
  for (const p of places) if (p.slice === at) { const [x, y] = onScreen(v, p.row, p.column); out += `<circle class="mark-under" cx="${x}" cy="${y}" r="11"/><circle class="mark" cx="${x}" cy="${y}" r="11"/><text class="paint-ask" x="${x + 15}" y="${y + 4}">${escaped(p.first)} or ${escaped(p.second)}?</text>`; }
  if (now().voxel_um) {
    const nice = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000].filter((n) => (n / now().voxel_um) * v.scale < 160).at(-1) ?? 1, wide = (nice / now().voxel_um) * v.scale;
    out += `<rect x="10" y="${v.height - 30}" width="${wide + 16}" height="24" rx="3" fill="var(--card)" opacity="0.8"/><path d="M18 ${v.height - 12}h${wide}" stroke="var(--ink)" stroke-width="2.5"/><text x="${18 + wide / 2}" y="${v.height - 17}" text-anchor="middle">${nice} µm</text>`;
  }
  if (hover) { const [x, y] = onScreen(v, ...hover); out += `<circle cx="${x}" cy="${y}" r="${Math.max((radius + 0.5) * v.scale, 2)}" fill="none" stroke="${rubbing ? "#fff" : colour(name())}" stroke-width="1.6"${rubbing ? ' stroke-dasharray="3 3"' : ""}/>`; }
  made.svg.innerHTML = out;
  tell(words);
}

function cell(event) { // row and column under the pointer, in voxels
  const box = made.svg.getBoundingClientRect(), v = place();
  const column = (event.clientX - box.left - v.x) / v.scale - 0.5, line = (event.clientY - box.top - v.y) / v.scale - 0.5;
  return [v.up ? grey.rows - 1 - line : line, column];
}

const point = ([row, column]) => { const p = [0, 0, 0], [u, v] = other(); p[axis] = at; p[u] = clamp(row, grey.rows); p[v] = clamp(column, grey.columns); return p; };
const clamp = (value, n) => Math.round(100 * Math.max(-0.49, Math.min(n - 0.51, value))) / 100;
const inside = ([row, column]) => row > -0.5 && column > -0.5 && row < grey.rows - 0.5 && column < grey.columns - 0.5;

function listen() {
  const svg = made.svg;
  svg.addEventListener("pointerdown", (event) => {
    if (!grey) return;
    const here = cell(event);
    if (event.button === 1 || event.button === 2 || event.shiftKey) { panning = [event.clientX, event.clientY]; svg.setPointerCapture(event.pointerId); return; }
    if (!inside(here)) return;
    svg.setPointerCapture(event.pointerId);
    drawing = { phase: rubbing ? null : name(), points: [point(here)], radius_vox: radius, across: AXES[axis] };
    draw();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!grey) return;
    if (panning) { view.x += event.clientX - panning[0]; view.y += event.clientY - panning[1]; panning = [event.clientX, event.clientY]; draw(); return; }
    hover = cell(event);
    if (drawing) {
      const next = point(hover), last = drawing.points.at(-1);
      if (Math.hypot(...next.map((q, k) => q - last[k])) >= 0.7 && drawing.points.length < MOST_POINTS) drawing.points.push(next);
      draw();
    } else over();
  });
  const end = () => {
    panning = null;
    if (!drawing) return;
    strokes[volume].push(drawing); undone[volume] = []; drawing = null;
    save(); controls(); draw();
  };
  svg.addEventListener("pointerup", end);
  svg.addEventListener("pointercancel", () => { drawing = null; panning = null; draw(); });
  svg.addEventListener("pointerleave", () => { hover = null; if (grey) over(); });
  svg.addEventListener("contextmenu", (event) => event.preventDefault());
  svg.addEventListener("wheel", (event) => {
    if (!grey) return;
    event.preventDefault();
    const v = place(), box = svg.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const scale = Math.max(v.whole, Math.min(60, v.scale * 1.0015 ** -event.deltaY)), share = scale / v.scale;
    view = scale === v.whole ? null : { scale, x: x - (x - v.x) * share, y: y - (y - v.y) * share };
    hover = cell(event); draw();
  }, { passive: false });
}

function keys(event) { // only while the pointer is over the slice, so that the page keeps its own keys
  if (!hover || !told || event.target.closest("select, input[name=new]")) return;
  const move = (by) => { at = Math.max(0, Math.min(now().shape[axis] - 1, at + by)); load(); };
  const done = {
    "[": () => { radius = Math.max(0, radius - 1); }, "]": () => { radius = Math.min(30, radius + 1); }, e: () => { rubbing = !rubbing; },
    ",": () => move(-1), ".": () => move(1), PageDown: () => move(-10), PageUp: () => move(10),
  }[event.key];
  const held = event.ctrlKey || event.metaKey;
  if (held && event.key === "z") DO.undo(); else if (held && event.key === "y") DO.redo();
  else if (!held && done) done();
  else if (!held && /^[1-9]$/.test(event.key) && told.phases[event.key - 1]) { phase = event.key - 1; rubbing = false; }
  else return;
  event.preventDefault(); event.stopImmediatePropagation();
  controls(); over();
}

function tell(text) {
  words = text;
  if (!told?.volumes.length) return;
  const here = hover && grey && inside(hover) ? hover.map(Math.round) : null, k = here && here[0] * grey.columns + here[1];
  const value = here && grey.values[k] ? ` ${number(grey.low + ((grey.values[k] - 1) / 65534) * (grey.high - grey.low), 3)} ${now().units === "1" ? "" : now().units.replace("1/cm", "cm⁻¹")}` : "";
  const seen = here && shown && guess ? ` · ${guess.phases[guess.label[k]]} with ${Math.round((100 * guess.sure[k]) / 255)} %` : "";
  const [u, v] = other().map((a) => AXES[a]);
  made.note.textContent = `${here ? `${u} ${here[0]}, ${v} ${here[1]}:${value}${seen} · ` : ""}${words || "Paint lines within each phase. Wheel: zoom, Shift or right button: move, [ ]: brush, e: eraser, 1-9: phase, comma and full stop: slice."}`;
}

function table() {
  const rows = (strokes[volume] ?? []).flatMap((s, k) => s.points.map((p) => [k, s.phase ?? "", s.across, s.radius_vox, ...p]));
  return { columns: ["stroke", "phase", "across", "radius / voxel", "z / voxel", "y / voxel", "x / voxel"], rows };
}

export const forTests = () => ({ volume, axis, at, strokes, places, view: grey && place(), marks: grey && [...painted()] });
