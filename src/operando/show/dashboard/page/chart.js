// Panels and line charts, as SVG: what is seen is what is saved.
import { escaped, tickText, ticks } from "./words.js";
import { saveButtons } from "./save.js";

export const SERIES = ["var(--s0)", "var(--s1)", "var(--s2)", "var(--s3)", "var(--s4)", "var(--s5)"];
const f = (v) => (Math.round(v * 100) / 100).toString();

export function panel(id, title, table) { // header with controls and save buttons, body with an SVG, one line of words
  const section = document.getElementById(id);
  section.innerHTML = `<div class="head"><h2>${escaped(title)}</h2><div class="controls"></div><div class="save"></div></div>
    <div class="body"><svg xmlns="http://www.w3.org/2000/svg" role="img"></svg></div><p class="note" aria-live="polite"></p>`;
  const part = (query) => section.querySelector(query);
  const made = { section, title: part("h2"), controls: part(".controls"), body: part(".body"), svg: part("svg"), note: part(".note"), table };
  saveButtons(made, id, part(".save"));
  return made;
}

export function size(made) {
  const width = Math.max(160, made.body.clientWidth), height = Math.max(90, made.body.clientHeight);
  made.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  made.svg.setAttribute("width", width); made.svg.setAttribute("height", height);
  return [width, height];
}

export function words(x, y, text, more = "") { return `<text x="${f(x)}" y="${f(y)}" ${more}>${escaped(text)}</text>`; }

export function select(made, name, choices, value, change) { // choices: [value, text] or {group, choices}
  const wanted = JSON.stringify([choices, value]);
  let box = made.controls.querySelector(`select[name=${name}]`);
  if (!box) {
    box = document.createElement("select");
    box.name = name; box.setAttribute("aria-label", name);
    box.addEventListener("change", (event) => change(box.value, event));
    made.controls.append(box);
  }
  if (box.dataset.made === wanted) return;
  box.dataset.made = wanted;
  const option = ([v, text]) => `<option value="${escaped(v)}"${v === value ? " selected" : ""}>${escaped(text)}</option>`;
  box.innerHTML = choices.map((c) => (c.group === undefined ? option(c) : `<optgroup label="${escaped(c.group)}">${c.choices.map(option).join("")}</optgroup>`)).join("");
  box.value = value;
}

export function extent(...arrays) {
  let low = Infinity, high = -Infinity;
  for (const array of arrays) for (const v of array ?? []) if (v !== null && Number.isFinite(v)) { if (v < low) low = v; if (v > high) high = v; }
  return low <= high ? [low, high] : [0, 1];
}

export function padded([low, high], share = 0.07) {
  const pad = (high - low) * share || Math.abs(high) * 1e-3 || 0.5;
  return [low - pad, high + pad];
}

// A box with scales. root: y on a square-root scale. Returns positions in it, and what draws into it.
export function axes({ left, top, width, height, x, y, root = false }) {
  const fold = root ? (v) => Math.sqrt(Math.max(0, v)) : (v) => v;
  const [y0, y1] = y.map(fold);
  return {
    left, top, width, height, x, y, root,
    px: (v) => left + ((v - x[0]) / (x[1] - x[0])) * width,
    py: (v) => top + height - ((fold(v) - y0) / (y1 - y0)) * height,
    vx: (p) => x[0] + ((p - left) / width) * (x[1] - x[0]),
  };
}

export function frame(a, { xlabel = "", ylabel = "", xticks = true, xat = null, yticks = null, most = 0, grid = true } = {}) {
  const bottom = a.top + a.height, out = [`<g class="frame"><path d="M${f(a.left)} ${f(a.top)}V${f(bottom)}H${f(a.left + a.width)}" class="axis"/>`];
  const across = xat ?? ticks(a.x[0], a.x[1], Math.max(4, Math.floor(a.width / 75)));
  for (const v of across.at) {
    out.push(`<path class="axis" d="M${f(a.px(v))} ${f(bottom)}v4"/>`);
    if (xticks) out.push(words(a.px(v), bottom + 15, tickText(v, across.decimals, Math.abs(a.x[1])), 'text-anchor="middle"'));
  }
  const up = yticks ?? (a.root ? rootTicks(a.y) : ticks(a.y[0], a.y[1], most || Math.max(2, Math.floor(a.height / 32))));
  for (const v of up.at) out.push(grid ? `<path class="grid" d="M${f(a.left)} ${f(a.py(v))}h${f(a.width)}"/>` : "", words(a.left - 5, a.py(v) + 3.5, tickText(v, up.decimals, Math.max(Math.abs(a.y[0]), Math.abs(a.y[1]))), 'text-anchor="end"'));
  if (xlabel) out.push(words(a.left + a.width / 2, bottom + 30, xlabel, 'text-anchor="middle" class="label"'));
  if (ylabel) out.push(words(0, 0, ylabel, `text-anchor="middle" class="label" transform="translate(11 ${f(a.top + a.height / 2)}) rotate(-90)"`));
  return out.join("") + "</g>";
}

export function rootTicks([low, high]) {
  const at = [];
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const raw = (Math.sqrt(Math.max(low, 0)) + share * (Math.sqrt(high) - Math.sqrt(Math.max(low, 0)))) ** 2;
    if (raw <= 0) { at.push(0); continue; }
    const power = 10 ** Math.floor(Math.log10(raw)), lead = [1, 2, 3, 5, 7, 10].reduce((a, b) => (Math.abs(b - raw / power) < Math.abs(a - raw / power) ? b : a));
    if (lead * power <= high && lead * power >= low && !at.includes(lead * power)) at.push(lead * power);
  }
  return { at, decimals: high < 2 ? 2 : high < 20 ? 1 : 0 };
}

export function line(a, x, y, colour, { width = 1.4, dash = "", dots = 0 } = {}) { // broken where a value is missing
  let d = "", down = false;
  const marks = [];
  for (let i = 0; i < x.length; i++) {
    if (x[i] === null || y[i] === null || !Number.isFinite(x[i]) || !Number.isFinite(y[i])) { down = false; continue; }
    const at = `${f(a.px(x[i]))} ${f(a.py(y[i]))}`;
    d += (down ? "L" : "M") + at; down = true;
    if (dots) marks.push(`M${at}h0`);
  }
  const path = width ? `<path d="${d}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-linejoin="round"${dash ? ` stroke-dasharray="${dash}"` : ""}/>` : "";
  return path + (dots ? `<path d="${marks.join("")}" stroke="${colour}" stroke-width="${dots}" stroke-linecap="round"/>` : "");
}

export function band(a, x, low, high, colour) { // filled between two lines
  let out = "", start = 0;
  const good = (i) => Number.isFinite(low[i]) && Number.isFinite(high[i]);
  while (start < x.length) {
    if (!good(start)) { start += 1; continue; }
    let stop = start;
    while (stop < x.length && good(stop)) stop += 1;
    const up = [], down = [];
    for (let i = start; i < stop; i++) { up.push(`${f(a.px(x[i]))} ${f(a.py(high[i]))}`); down.unshift(`${f(a.px(x[i]))} ${f(a.py(low[i]))}`); }
    out += stop - start > 1 ? `<path d="M${up.join("L")}L${down.join("L")}Z" fill="${colour}" fill-opacity="0.22"/>` : `<path d="M${up[0]}L${down[0]}" stroke="${colour}" stroke-opacity="0.4" stroke-width="3"/>`;
    start = stop;
  }
  return out;
}

export function legend(items, x, y) { // [text, colour, dash]
  let out = "", at = x;
  for (const [text, colour, dash] of items) {
    out += `<path d="M${f(at)} ${f(y - 3.5)}h14" stroke="${colour}" stroke-width="2.5"${dash ? ` stroke-dasharray="${dash}"` : ""}/>${words(at + 18, y, text)}`;
    at += 30 + text.length * 5.9;
  }
  return `<g class="legend">${out}</g>`;
}

export function clip(id, a) {
  return `<clipPath id="${id}"><rect x="${f(a.left)}" y="${f(a.top - 1)}" width="${f(a.width)}" height="${f(a.height + 2)}"/></clipPath>`;
}
