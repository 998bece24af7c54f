// Grains: azimuth against time, one line a track; click one to find it on the map.
import { axes, extent, frame, legend, padded, panel, size, words } from "./chart.js";
import { grid, nearest, runs, tracks } from "./data.js";
import { on, refresh, set, state } from "./state.js";
import { onScan, scanned } from "./view.js";
import { number, timeUnit } from "./words.js";

const KINDS = [["ephemeral", "var(--soft)", "2 3"], ["unstable", "var(--s4)", "7 3"], ["stable", "var(--s2)"]]; // told apart without colour too
let made, box, per, unit, data = null, spots = [];

export function start() {
  made = panel("tracks", "Grains", table);
  on("run size tracks", draw);
  on("g", draw);
  on("t", cursor);
  made.svg.addEventListener("click", choose);
}

function draw() {
  const followed = runs[0].groups.includes("grains/table");
  made.section.hidden = !followed;
  if (!followed) return;
  const entry = tracks(0);
  if (!entry.value) { if (!entry.failed && !entry.told) { entry.told = true; entry.promise.then(() => refresh("tracks"), () => {}); } return; }
  data = entry.value;
  const [width, height] = size(made), n = data.grains, lines = new Map();
  made.title.textContent = `Grains of ${data.ring}: azimuth against time`;
  const time = (i) => n.time?.[i] ?? data.time[n.map_index[i]];
  [per, unit] = timeUnit(data.time);
  box = axes({ left: 54, top: 20, width: width - 68, height: height - 56, x: padded(extent(data.time.map((t) => t / per)), 0.015), y: [0, 360] });
  spots = [];
  n.azimuth.forEach((angle, i) => {
    if (angle === null) return;
    const spot = { i, x: box.px(time(i) / per), y: box.py(angle), angle, track: n.track?.[i] ?? -1 };
    spots.push(spot);
    if (!lines.has(spot.track)) lines.set(spot.track, []);
    lines.get(spot.track).push(spot);
  });
  const kind = (track) => data.tracks?.kind?.[track] ?? 0;
  const paths = [[], [], []], dots = [[], [], []];
  let chosen = "";
  for (const [track, list] of lines) {
    list.sort((a, b) => a.x - b.x);
    const d = list.map((s, k) => `${k && track >= 0 && Math.abs(s.angle - list[k - 1].angle) < 180 ? "L" : "M"}${s.x.toFixed(1)} ${s.y.toFixed(1)}`).join("");
    if (track >= 0) paths[kind(track)].push(d);
    dots[kind(track)].push(list.map((s) => `M${s.x.toFixed(1)} ${s.y.toFixed(1)}h0`).join(""));
    if (track >= 0 && track === state.g) chosen = `<path class="track-under" d="${d}"/><path class="track" d="${d}"/>${list.map((s) => `<circle class="track-spot" cx="${s.x.toFixed(1)}" cy="${s.y.toFixed(1)}" r="4"/>`).join("")}`;
  }
  const up = { at: [0, 90, 180, 270, 360], decimals: 0 };
  let out = frame(box, { ylabel: "azimuth / °", yticks: up, xlabel: `time since the first map began / ${unit}` });
  KINDS.forEach(([, colour, dash], k) => { out += `<path d="${paths[k].join("")}" stroke="${colour}" fill="none" stroke-width="${k === 2 ? 2 : 1.3}"${dash ? ` stroke-dasharray="${dash}"` : ""}/><path d="${dots[k].join("")}" stroke="${colour}" stroke-width="${k ? 4.5 : 3.5}" stroke-linecap="round"/>`; });
  made.svg.innerHTML = `${out}${chosen}${legend(KINDS, 54, 12)}<g class="cursor"><path d="M0 ${box.top}v${box.height}"/></g>`;
  cursor();
}

function choose(event) {
  if (!data) return;
  const at = made.svg.getBoundingClientRect(), x = event.clientX - at.left, y = event.clientY - at.top;
  let best = null, far = 18;
  for (const s of spots) { const away = Math.hypot(s.x - x, s.y - y); if (away < far && s.track >= 0) { far = away; best = s; } }
  if (!best) { set({ g: null }, event); return; }
  const n = data.grains, q = onScan() ? state.q : scanned()?.name;
  if (!q) return;
  const g = grid(0, q);
  const p = n.z[best.i] === null ? state.p : [nearest(g.row, n.z[best.i]), nearest(g.column, n.x[best.i])];
  set({ q, g: best.track, p, r: null, t: g.time[nearest(g.time, data.time[n.map_index[best.i]])] }, event);
}

function cursor() {
  if (!box || !data) return;
  made.svg.querySelector(".cursor")?.setAttribute("transform", `translate(${box.px(state.t / per).toFixed(1)} 0)`);
  const n = data.grains, step = nearest(data.time, state.t), here = n.map_index.filter((m) => m === step).length;
  const k = data.tracks, g = state.g;
  made.note.textContent = `${here} ${here === 1 ? "grain" : "grains"} in this map, ${k?.kind?.length ?? 0} tracks. ` + (g !== null && k?.kind?.[g] !== undefined
    ? `Track ${g}: ${KINDS[k.kind[g]]?.[0] ?? ""}, seen in ${k.maps[g]} maps, azimuth ${number(k.azimuth[g], 4)}°${k.rotation_rate?.[g] != null ? `, turns ${number(k.rotation_rate[g], 3)}${k.rotation_rate_err?.[g] != null ? ` ± ${number(k.rotation_rate_err[g], 2)}` : ""} °/h` : ""}.`
    : "Click one to find it on the map.");
}

function table() {
  const n = data?.grains ?? {}, names = Object.keys(n).filter((name) => n[name]);
  return { columns: names, rows: (n.azimuth ?? []).map((_, i) => names.map((name) => n[name][i])) };
}
