// Starts the panels, keeps up with a run that is being written, and listens to the keys.
import { ask, forget, grid, load, nearest, retry, runs, sameGrid, Trouble } from "./data.js";
import { startPanels } from "./panels.js";
import { recall, refresh, set, state, timings } from "./state.js";
import { times } from "./view.js";
import { age, escaped } from "./words.js";

const EVERY_MS = 2000;
const versions = [];
let playing = 0, busy = false;
const element = (id) => document.getElementById(id);

function trouble(error) {
  const box = element("trouble");
  box.hidden = !error;
  if (error) box.innerHTML = `<strong>${escaped(error.what ?? "The page failed")}</strong> ${escaped(error.where ?? "")} <span>${escaped(error.fix ?? error.message ?? "")}</span>`;
}

function name() {
  document.title = `${runs[0].folder} · operando`;
  element("title").textContent = runs[0].title || "operando";
  element("folder").textContent = runs[0].folder;
  element("other").hidden = !runs[1];
  if (runs[1]) element("other").innerHTML = `<i></i>compared with ${escaped(runs[1].folder)}: ${escaped(runs[1].title)}${comparable() ? "" : " (no quantity on the same grid)"}`;
}

const comparable = () => runs[0].quantities.some((q) => runs[1].byName[q.name] && sameGrid(grid(0, q.name), grid(1, q.name)));

function fitted(found) { // a state that this run can show
  const q = runs[0].byName[found.q] ? found.q : runs[0].quantities[0]?.name ?? null;
  const all = q ? grid(0, q).time : [0];
  const modes = ["value", "change", "error", ...(runs[1] ? ["difference"] : [])];
  return { ...found, q, t: all[found.t === null ? all.length - 1 : nearest(all, found.t)], m: modes.includes(found.m) ? found.m : "value", v: found.v === "trusted" ? "trusted" : "all" };
}

async function poll() { // takes up what was rewritten; says how old it is
  if (busy) return;
  busy = true;
  try {
    const told = (await ask("state")).runs;
    const failed = told.find((run) => run.error);
    if (failed) throw new Trouble(failed.error);
    const fresh = told.map((run, i) => run.version !== versions[i]);
    if (fresh.some(Boolean)) await take(told, fresh);
    const failed_ = retry();
    if (failed_) { refresh("data", "patterns", "tracks"); throw failed_; }
    trouble(runs[0].quantities.length ? null : { what: "Nothing in this run can be drawn as maps", where: "", fix: "The cycler's record is shown." });
    element("live").textContent = ` · ${following(runs[0].live)}written ${age(told[0].age_s)} ago`;
    element("alerts").hidden = !runs[0].alerts.length;
    element("alerts").innerHTML = runs[0].alerts.map((one) => `<p><strong>${escaped(one.kind)}</strong> ${escaped(one.where)}: ${escaped(one.text)}</p>`).join("");
    element("live").classList.toggle("young", told[0].age_s < 120);
  } catch (error) {
    trouble(error);
  } finally { busy = false; }
}

async function take(told, fresh) {
  const first = !runs[0], atEnd = !first && state.t === times().at(-1);
  await Promise.all(told.map((_, i) => (fresh[i] ? load(i) : null)));
  forget();
  told.forEach((run, i) => { versions[i] = run.version; });
  name();
  const next = fitted(first ? recall() : { ...state });
  if (atEnd) next.t = (next.q ? grid(0, next.q).time : [0]).at(-1);
  set(next);
  refresh("run");
}

function following(live) { // a watch tells how far it is behind the detector
  if (!live || live.complete) return "";
  return `live: lag ${age(live.lag_s ?? 0)}, ${live.frames_done} of ${live.frames_seen} frames, ${live.maps_complete} maps complete · `;
}

function step(by, event) {
  const all = times(), i = nearest(all, state.t);
  set({ t: all[Math.max(0, Math.min(all.length - 1, i + by))] }, event);
}

function another(by, event) {
  const all = runs[0].quantities, i = all.findIndex((q) => q.name === state.q);
  const q = all[(i + by + all.length) % all.length].name, t = grid(0, q).time;
  set({ q, ring: null, t: t[nearest(t, state.t)] }, event);
}

function play() {
  clearInterval(playing);
  playing = playing ? 0 : setInterval(() => { const all = times(); set({ t: all[(nearest(all, state.t) + 1) % all.length] }); }, 250);
}

const KEYS = {
  ArrowLeft: (e) => step(e.shiftKey ? -10 : -1, e), ArrowRight: (e) => step(e.shiftKey ? 10 : 1, e),
  Home: (e) => step(-1e9, e), End: (e) => step(1e9, e), ArrowUp: (e) => another(-1, e), ArrowDown: (e) => another(1, e),
  Escape: (e) => set({ p: null, r: null, g: null }, e), " ": () => play(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !runs[0]?.quantities.length) return;
  const own = event.target.closest("select, input, button, summary, a");
  if (own && event.key !== "Escape" && !(own.tagName === "BUTTON" && event.key.startsWith("Arrow"))) return;
  if (KEYS[event.key]) { event.preventDefault(); KEYS[event.key](event); }
});

window.addEventListener("error", (event) => trouble({ what: "A part of the page failed.", fix: `Please report it: ${event.message}` }));
window.addEventListener("hashchange", () => { if (runs[0]) set(fitted(recall())); });
new ResizeObserver(() => runs[0] && refresh("size")).observe(document.querySelector("main"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => runs[0] && refresh("size"));

startPanels();
window.operando = { state, timings, runs };
poll();
setInterval(poll, EVERY_MS);
