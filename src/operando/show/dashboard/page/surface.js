// A height map as a lit surface that can be turned, drawn by the processor: no WebGL, so it looks the same everywhere.
import { tickText, ticks } from "./words.js";

export const START = { yaw: -35, pitch: 32, zoom: 1 };
const NICE = [1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50];
const MISSING = [150, 156, 162];

// Where a point (um) of the box is on the picture: seen from afar, `pitch` degrees above the plane, turned by `yaw`.
export function camera({ x, y, z, stretch }, view, width, height) {
  const [xm, ym, zm] = [x, y, z].map(([a, b]) => (a + b) / 2), turn = (view.yaw * Math.PI) / 180, up = (view.pitch * Math.PI) / 180;
  const [c, s, cp, sp] = [Math.cos(turn), Math.sin(turn), Math.cos(up), Math.sin(up)];
  const wide = Math.hypot(x[1] - x[0], y[1] - y[0]), tall = (z[1] - z[0]) * stretch;
  const scale = view.zoom * Math.min((width - 130) / wide, (height - 76) / (0.86 * wide * sp + tall * cp));
  return (px, py, pz) => {
    const dx = px - xm, dy = py - ym, dz = (pz - zm) * stretch, across = dx * c - dy * s, away = dx * s + dy * c;
    return [width / 2 + scale * across, height / 2 - 10 - scale * (away * sp + dz * cp), dz * sp - away * cp];
  };
}

export function stretched(x, y, z) { // how much larger heights are drawn, a round number
  const goal = (0.22 * Math.hypot(x[1] - x[0], y[1] - y[0])) / Math.max(z[1] - z[0], 1e-9);
  return NICE.filter((n) => n <= goal).at(-1) ?? 1;
}

// mesh: { x, y (coordinates), z (heights, row by row), box }; colour(i): [r, g, b] of a point or null where unknown.
export function render(context, mesh, view, colour) {
  const { width, height } = context.canvas, image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer);
  const depth = new Float32Array(width * height).fill(-Infinity), nx = mesh.x.length, ny = mesh.y.length;
  const ratio = width / view.width, at = camera(mesh.box, view, view.width, view.height);
  const u = new Float32Array(nx * ny), v = new Float32Array(nx * ny), d = new Float32Array(nx * ny);
  for (let r = 0, i = 0; r < ny; r++) for (let c = 0; c < nx; c++, i++) {
    const p = at(mesh.x[c], mesh.y[r], mesh.z[i]);
    u[i] = p[0] * ratio; v[i] = p[1] * ratio; d[i] = p[2];
  }
  const shade = lit(mesh, view);
  for (let r = 0; r + 1 < ny; r++) for (let c = 0; c + 1 < nx; c++) {
    const a = r * nx + c, corners = [a, a + 1, a + nx, a + nx + 1];
    if (!corners.every((k) => mesh.z[k] === mesh.z[k])) continue;
    const [red, green, blue] = colour(a) ?? MISSING, l = shade(a, nx);
    const paint = (255 << 24 | Math.min(255, blue * l) << 16 | Math.min(255, green * l) << 8 | Math.min(255, red * l)) >>> 0;
    triangle(a, a + 1, a + nx, paint); triangle(a + 1, a + nx + 1, a + nx, paint);
  }
  context.putImageData(image, 0, 0);

  function triangle(i, j, k, paint) {
    const area = (u[j] - u[i]) * (v[k] - v[i]) - (u[k] - u[i]) * (v[j] - v[i]);
    if (!area) return;
    const left = Math.max(0, Math.floor(Math.min(u[i], u[j], u[k]))), right = Math.min(width - 1, Math.ceil(Math.max(u[i], u[j], u[k])));
    const top = Math.max(0, Math.floor(Math.min(v[i], v[j], v[k]))), bottom = Math.min(height - 1, Math.ceil(Math.max(v[i], v[j], v[k])));
    for (let py = top; py <= bottom; py++) for (let px = left; px <= right; px++) {
      const x = px + 0.5, y = py + 0.5;
      const b = ((x - u[i]) * (v[k] - v[i]) - (u[k] - u[i]) * (y - v[i])) / area, c = ((u[j] - u[i]) * (y - v[i]) - (x - u[i]) * (v[j] - v[i])) / area;
      if (b < -1e-4 || c < -1e-4 || b + c > 1.0001) continue;
      const away = d[i] + b * (d[j] - d[i]) + c * (d[k] - d[i]), at_ = py * width + px;
      if (away > depth[at_]) { depth[at_] = away; pixels[at_] = paint; }
    }
  }
}

function lit({ x, y, z, box }, view) { // brightness of a cell: light from the upper left of who looks
  const dx = (x.at(-1) - x[0]) / (x.length - 1), dy = (y.at(-1) - y[0]) / (y.length - 1), turn = (view.yaw * Math.PI) / 180;
  const light = [-0.5, 0.35, 0.79], [c, s] = [Math.cos(turn), Math.sin(turn)];
  const lx = light[0] * c + light[1] * s, ly = -light[0] * s + light[1] * c;
  return (i, nx) => {
    const gx = (box.stretch * (z[i + 1] - z[i])) / dx, gy = (box.stretch * (z[i + nx] - z[i])) / dy;
    return 0.55 + 0.45 * Math.max(0, (light[2] - gx * lx - gy * ly) / Math.hypot(1, gx, gy));
  };
}

// The two front edges of the floor and one upright edge, with ticks in um, as SVG.
export function edges(box, view, label = "um") {
  const at = camera(box, view, view.width, view.height), floor = box.z[0], out = [];
  const corners = [0, 1, 2, 3].map((k) => [box.x[k & 1], box.y[k >> 1]]), seen = corners.map(([x, y]) => at(x, y, floor));
  const near = seen.reduce((best, p, k) => (p[2] > seen[best][2] ? k : best), 0), left = seen.reduce((best, p, k) => (p[0] < seen[best][0] ? k : best), 0);
  const middle = at((box.x[0] + box.x[1]) / 2, (box.y[0] + box.y[1]) / 2, floor);
  const line = (a, b) => out.push(`<path class="axis" d="M${a[0].toFixed(1)} ${a[1].toFixed(1)}L${b[0].toFixed(1)} ${b[1].toFixed(1)}"/>`);
  const text = (p, words, more = "") => out.push(`<text x="${p[0].toFixed(1)}" y="${(p[1] + 4).toFixed(1)}" ${more}>${words}</text>`);
  const outward = (p, by) => { const dx = p[0] - middle[0], dy = p[1] - middle[1], n = Math.hypot(dx, dy) || 1; return [p[0] + (by * dx) / n, p[1] + (by * dy) / n + 0.25 * by]; };
  const anchor = (p) => { const dx = (p[0] - middle[0]) / (Math.hypot(p[0] - middle[0], p[1] - middle[1]) || 1); return `text-anchor="${dx > 0.45 ? "start" : dx < -0.45 ? "end" : "middle"}"`; };
  const along = (axis, fixed, name) => {
    const range = box[axis], place = (v) => (axis === "x" ? at(v, fixed, floor) : at(fixed, v, floor)), t = ticks(range[0], range[1], 4);
    line(place(range[0]), place(range[1]));
    for (const v of t.at) { const p = place(v); line(p, outward(p, 4)); text(outward(p, 14), tickText(v, t.decimals, 1), anchor(p)); }
    const half = place((range[0] + range[1]) / 2);
    text(outward(half, 36), `${name} / ${label}`, `${anchor(half)} class="label"`);
  };
  along("x", corners[near][1], "x"); along("y", corners[near][0], "y");
  const post = corners[left], t = ticks(box.z[0], box.z[1], 3), foot = at(...post, box.z[0]), head = at(...post, box.z[1]);
  line(foot, head);
  for (const v of t.at) { const p = at(...post, v); line(p, [p[0] - 4, p[1]]); text([p[0] - 7, p[1]], tickText(v, t.decimals, 1), 'text-anchor="end"'); }
  text([head[0], head[1] - 14], `z / ${label}${box.stretch === 1 ? "" : ` (× ${box.stretch})`}`, 'text-anchor="middle" class="label"');
  return out.join("");
}

// Drag, wheel and keys turn and enlarge; change(view) is told of every new view.
export function turnable(element, view, change) {
  const moved = (by) => {
    const next = { ...view(), ...by };
    change({ ...next, yaw: Math.round(((((next.yaw + 180) % 360) + 360) % 360) - 180), pitch: Math.round(Math.max(5, Math.min(90, next.pitch))), zoom: Math.max(0.5, Math.min(6, next.zoom)) });
  };
  let from = null;
  element.addEventListener("pointerdown", (event) => { if (event.button) return; from = { x: event.clientX, y: event.clientY, ...view() }; element.setPointerCapture(event.pointerId); });
  element.addEventListener("pointermove", (event) => { if (from) moved({ yaw: from.yaw + 0.5 * (event.clientX - from.x), pitch: from.pitch + 0.5 * (event.clientY - from.y) }); });
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => { from = null; });
  element.addEventListener("wheel", (event) => { if (!event.ctrlKey && document.activeElement !== element) return; event.preventDefault(); moved({ zoom: view().zoom * Math.exp(-event.deltaY / 600) }); }, { passive: false });
  element.addEventListener("dblclick", () => moved(START));
  element.addEventListener("keydown", (event) => {
    const v = view(), steps = { ArrowLeft: { yaw: v.yaw - 5 }, ArrowRight: { yaw: v.yaw + 5 }, ArrowUp: { pitch: v.pitch + 5 }, ArrowDown: { pitch: v.pitch - 5 }, "+": { zoom: v.zoom * 1.2 }, "-": { zoom: v.zoom / 1.2 }, Home: START };
    if (event.ctrlKey || event.metaKey || event.altKey || !steps[event.key]) return;
    event.preventDefault(); event.stopPropagation(); moved(steps[event.key]);
  });
}
