// Colour maps that keep their order for the colour blind and in grey: amounts, lattice, changes (zero white), angles.
const TABLES = {
  amount: "440154471063481f70472d7b4439834046883b528b365d8d31688e2c728e287c8e24868e21918c1f9a8a20a48628ae8035b77948c16e5ec96275d05490d743addc30c8e020e5e419fde725",
  lattice: "00224e002a5f0031701a386f2a3f6d38476c434e6c4d556c575d6d61656f6a6c717374757d7c78868379918b789b9476a59c74b0a571bcae6cc6b667d2c060dec958e9d34ef6dd3ffee838",
  change: "05306110457e1c5c9f2a71b23783bb4997c56bacd18ac0dba7d0e4c2ddecd7e8f1e7f0f4f7f6f6f9ebe3fcdfcffbccb4f7b799f19e7de48066d86551c94741ba2832a5142984092467001f",
  grey: "000000ffffff",
  angle: "e2d9e2d1d5dab3c6ce95b5c77ba1c26b8cbf6276ba5f5eb35e43a5592a8f4e186f3d114d2f14363f123d581647741e4f8e2c50a24050b25652be6f5bc6896ccca389d4bcacddd0cee2d9e2",
};

const stops = (name) => TABLES[name].match(/.{6}/g).map((hex) => [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16)));
export const hexes = (name) => TABLES[name].match(/.{6}/g).map((hex) => `#${hex}`);

const made = {};
export function table(name) { // 256 colours as 32-bit pixels (little endian)
  return (made[name] ??= Uint32Array.from({ length: 256 }, (_, i) => {
    const s = stops(name), at = (i / 255) * (s.length - 1), k = Math.min(Math.floor(at), s.length - 2), f = at - k;
    const [r, g, b] = [0, 1, 2].map((c) => Math.round(s[k][c] * (1 - f) + s[k + 1][c] * f));
    return (255 << 24 | b << 16 | g << 8 | r) >>> 0;
  }));
}

function percentiles(values, low, high) { // of at most some 40 000 of the finite values
  const step = Math.max(1, Math.floor(values.length / 40000)), some = [];
  for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) some.push(values[i]);
  if (!some.length) return null;
  const sorted = Float64Array.from(some).sort();
  return [low, high].map((p) => sorted[Math.round((p / 100) * (sorted.length - 1))]);
}

export function limits(values, kind, noise = 0) { // one scale for all times
  if (kind === "angle") return [0, 360];
  let [low, high] = percentiles(values, 1, 99) ?? [0, 1];
  if (kind === "change") { high = Math.max(Math.abs(low), Math.abs(high), 5 * noise) || 1e-12; return [-high, high]; }
  if (kind === "grey") return high > low ? [low, high] : [low - 0.5, low + 0.5];
  if (kind === "amount" && low < 0.35 * high && low > -0.05 * high) low = 0;
  const short = Math.max(0, 6 * noise - (high - low)) / 2;
  if (kind !== "amount") { low -= short; high += short; }
  if (!(high > low)) { const pad = Math.abs(low) * 1e-6 || 0.5; low -= pad; high += pad; }
  return [low, high];
}

export function median(values) {
  return percentiles(values, 50, 50)?.[0] ?? 0;
}

export function paint(context, width, height, at, [low, high], kind, root = false) { // at(column, line from the top) is a value
  const image = context.createImageData(width, height), pixels = new Uint32Array(image.data.buffer), colours = table(kind);
  const scale = root ? (v) => Math.sqrt(Math.max(0, (v - low) / (high - low))) : (v) => (v - low) / (high - low);
  let i = 0;
  for (let line = 0; line < height; line++) for (let column = 0; column < width; column++, i++) {
    const value = at(column, line);
    if (value === value) pixels[i] = colours[Math.max(0, Math.min(255, Math.round(255 * scale(value))))];
  }
  context.putImageData(image, 0, 0);
}
