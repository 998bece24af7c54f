// What is shown, shared by all panels and kept in the address of the page.
const integers = (count) => (text) => { const all = text.split(",").map(Number); return all.length === count && all.every((n) => Number.isInteger(n) && n >= 0) ? all : null; };
export const finite = (text) => (text.trim() && Number.isFinite(Number(text)) ? Number(text) : null);
export const word = (text) => text;
const KINDS = {}; // of each key its value where the address has none, and how the address is read

export const state = {};
export function keep(key, none, read) { // a key of the state; `read` makes a value of its text, null where that has none
  KINDS[key] = { none, read };
  state[key] = none;
}
for (const [key, none, read] of [["t", null, finite], ["q", null, word], ["m", "value", word], ["p", null, integers(2)], ["r", null, integers(4)], ["g", null, finite], ["ring", null, word], ["v", "all", word]]) keep(key, none, read);

const listeners = [];
let changed = new Set(), cause = null, frame = 0;
export const timings = []; // of each interaction: what changed, and ms from the event until it was painted

export function on(keys, draw) { listeners.push({ keys: keys.split(" "), draw }); }

export function set(patch, event) {
  for (const [key, value] of Object.entries(patch)) {
    if (JSON.stringify(state[key]) === JSON.stringify(value)) continue;
    state[key] = value;
    changed.add(key);
  }
  if (!changed.size) return;
  cause ??= event ? { start: event.timeStamp, kind: event.kind || event.type } : null;
  frame ||= requestAnimationFrame(render);
}

export function refresh(...keys) {
  keys.forEach((key) => changed.add(key));
  frame ||= requestAnimationFrame(render);
}

function render() {
  const keys = changed, why = cause;
  changed = new Set(); cause = null; frame = 0;
  for (const { keys: wanted, draw } of listeners) {
    try { if (wanted.some((key) => keys.has(key))) draw(); } catch (error) { reportError(error); } // the other panels go on
  }
  remember();
  if (!why) return;
  const after = new MessageChannel(); // its message comes after this frame was painted
  after.port1.onmessage = () => {
    timings.push({ kind: why.kind, keys: [...keys].join(" "), ms: performance.now() - why.start });
    if (timings.length > 1000) timings.shift();
  };
  after.port2.postMessage(0);
}

let late = 0;
function remember() { // browsers limit how often an address may change
  clearTimeout(late);
  late = setTimeout(() => {
    const words = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) if (value !== null && value !== KINDS[key].none) words.set(key, value);
    history.replaceState(null, "", location.pathname + location.search + "#" + words.toString().replaceAll("%2C", ",").replaceAll("%3A", ":").replaceAll("%2F", "/"));
  }, 150);
}

export function recall() {
  const words = new URLSearchParams(location.hash.slice(1)), found = {};
  for (const [key, { none, read }] of Object.entries(KINDS)) found[key] = words.has(key) ? read(words.get(key)) ?? none : none;
  return found;
}
