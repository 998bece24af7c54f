// Voltage, current and charge against time, a tick for each map, and the cursor that all panels share.
import { axes, extent, frame, line, padded, panel, SERIES, size, words } from "./chart.js";
import { nearest, runs } from "./data.js";
import { on, set, state } from "./state.js";
import { grouped, label, number, prefixed, timeUnit } from "./words.js";
import { times } from "./view.js";

const NAMES = [["voltage", "voltage"], ["current", "current"], ["capacity", "charge"]];
let made, box, per, unit;

export function start() {
  made = panel("clock", "What the cell did", table);
  made.body.tabIndex = 0;
  made.body.setAttribute("role", "slider"); made.body.setAttribute("aria-label", "Time");
  let held = false;
  const move = (event) => {
    if (!box) return;
    const t = box.vx(event.clientX - made.svg.getBoundingClientRect().left) * per, all = times();
    set({ t: all[nearest(all, t)] }, { timeStamp: event.timeStamp, kind: "slide" });
  };
  made.body.addEventListener("pointerdown", (event) => { if (event.button) return; held = true; made.body.setPointerCapture(event.pointerId); move(event); });
  made.body.addEventListener("pointermove", (event) => { if (held) move(event); });
  for (const end of ["pointerup", "pointercancel"]) made.body.addEventListener(end, () => { held = false; });
  on("run size grid", draw);
  on("t", cursor);
}

function shown() { // record where there is one, else the values paired with the maps
  const c = runs[0].clock, source = c.record.time ? c.record : c.maps;
  return { c, source, names: NAMES.filter(([name]) => source[name]?.some((v) => v !== null)) };
}

function draw() {
  const { c, source, names } = shown(), all = times(), joined = c.joined || !c.record.time;
  made.note.textContent = joined ? "" : "The record and the maps share no absolute time: only the maps are shown on this axis.";
  const [width, height] = size(made);
  [per, unit] = timeUnit([...(source.time ?? []), ...all]);
  const span = extent(joined ? (source.time ?? []).map((t) => t / per) : [], all.map((t) => t / per));
  const x = padded(span, 0.012), left = 54, right = 104, top = 16, bottom = 32, share = names.length > 1 ? [0, 1.3, 2.15, 3].map((v) => v * (height - top - bottom) / (names.length > 2 ? 3 : 2.25)) : [0, height - top - bottom];
  let out = "", boxes = [];
  (names.length ? names : [["", "maps"]]).forEach(([name, said], i) => {
    const raw = source[name] ?? [], [factor, si] = prefixed(raw, c.units?.[name] ?? "");
    const values = raw.map((v) => (v === null ? null : v * factor)), paired = (c.maps[name] ?? []).map((v) => (v === null ? null : v * factor));
    const a = axes({ left, top: top + share[i], width: width - left - right, height: share[i + 1] - share[i] - (names.length > 1 ? 9 : 0), x, y: padded(extent(values, paired), 0.1) });
    const last = i === Math.max(1, names.length) - 1;
    boxes.push(a);
    if (all.length <= 200) out += `<path class="map-line" d="${all.map((t) => `M${a.px(t / per).toFixed(1)} ${a.top}v${a.height}`).join("")}"/>`;
    out += frame(a, { xticks: last, most: Math.max(2, Math.floor(a.height / 14)), xlabel: last ? `time since the first map began / ${unit}` : "" });
    out += `<g class="legend"><path d="M${a.left + a.width + 8} ${a.top + a.height / 2}h10" stroke="${SERIES[i]}" stroke-width="2.5"/>${words(a.left + a.width + 22, a.top + a.height / 2 + 4, label(said, si))}</g>`;
    if (name && joined) out += line(a, source.time.map((t) => (t === null ? null : t / per)), values, SERIES[i]);
    if (name && all.length <= 60) out += line(a, (c.maps.time ?? []).map((t) => t / per), paired, SERIES[i], { width: 0, dots: 5 });
  });
  box = boxes[0];
  const step = Math.max(1, Math.ceil(all.length / Math.max(4, Math.floor(box.width / 34))));
  out += words(left - 5, 11, "map", 'text-anchor="end" class="soft"') + all.map((t, i) => (i % step ? "" : words(box.px(t / per), 11, String(i + 1), 'text-anchor="middle" class="soft"'))).join("");
  made.svg.innerHTML = `${out}<g class="cursor"><path d="M0 ${top - 2}V${height - bottom}"/><path class="grip" d="M-6 ${top - 3}h12l-6 8z"/></g>`;
  cursor();
}

function cursor() {
  if (!box || state.t === null) return;
  made.svg.querySelector(".cursor").setAttribute("transform", `translate(${box.px(state.t / per).toFixed(1)} 0)`);
  const all = times(), i = nearest(all, state.t), c = runs[0].clock, k = c.maps.time ? nearest(c.maps.time, state.t) : -1;
  const said = NAMES.filter(([name]) => k >= 0 && c.maps[name]?.[k] != null).map(([name]) => { const [factor, si] = prefixed([c.maps[name][k]], c.units[name]); return `${grouped(c.maps[name][k] * factor, name === "voltage" ? 3 : 2)} ${si}`; });
  const words = [`map ${i + 1} of ${all.length}`, `${number(state.t / per, 4)} ${unit}`, ...said].join(" · ");
  document.getElementById("now").textContent = words;
  for (const [key, value] of [["valuemin", 1], ["valuemax", all.length], ["valuenow", i + 1], ["valuetext", words]]) made.body.setAttribute(`aria-${key}`, value);
}

function table() {
  const { c, source, names } = shown();
  return { columns: ["time / s", ...names.map(([name]) => `${name} / ${c.units[name]}`)], rows: (source.time ?? []).map((t, i) => [t, ...names.map(([name]) => source[name][i])]) };
}
