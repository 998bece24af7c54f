// Numbers, units and reasons as people write them.
const UNITS = { angstrom: "Å", "1/angstrom": "Å⁻¹", um: "µm", degree: "°", degrees: "°", deg: "°", "1": "", dimensionless: "", "mAh/cm2": "mAh/cm²", "mA/cm2": "mA/cm²", "1/cm": "cm⁻¹", "counts*angstrom": "counts Å" };
const LONG = 1e-9;
export const pretty = (unit) => UNITS[unit] ?? (unit || "").replace("/angstrom", "/Å");
export const label = (name, unit) => (pretty(unit) ? `${name} / ${pretty(unit)}` : name);
export const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const minus = (text) => text.replace("-", "−");

export function grouped(value, decimals) {
  const [whole, part] = Math.abs(value).toFixed(decimals).split(".");
  const sign = value < 0 && Number(value.toFixed(decimals)) !== 0 ? "−" : "";
  return sign + (whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") : whole) + (part ? `.${part}` : "");
}

export function number(value, digits = 4) {
  if (!Number.isFinite(value)) return "no value";
  if (value === 0) return "0";
  const power = Math.floor(Math.log10(Math.abs(value)));
  if (power < -3 || power > 6) return exponent(value, digits - 1);
  let text = grouped(value, Math.max(0, digits - 1 - power));
  if (text.includes(".")) text = text.replace(/\.?0+$/, "");
  return text;
}

function exponent(value, decimals) {
  const [mantissa, power] = value.toExponential(Math.max(0, decimals)).split("e");
  const up = [...String(Number(power))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
  return `${minus(mantissa)}·10${up}`;
}

export function withError(value, error, unit = "") {
  const tail = pretty(unit) ? ` ${pretty(unit)}` : "";
  if (!Number.isFinite(value)) return "no valid value";
  if (!(error > 0) || !Number.isFinite(error)) return number(value, 5) + tail;
  const power = Math.floor(Math.log10(error));
  const decimals = -power + (error / 10 ** power < 1.95 ? 1 : 0);
  if (decimals > 6 || Math.abs(value) >= 1e7) return `${exponent(value, 3)} ± ${exponent(error, 1)}${tail}`;
  return `${grouped(value, Math.max(0, decimals))} ± ${grouped(error, Math.max(0, decimals))}${tail}`;
}

export function timeUnit(times) {
  const finite = times.filter(Number.isFinite), span = Math.max(...finite.map(Math.abs), LONG);
  return span > 3 * 86400 ? [86400, "d"] : span > 3 * 3600 ? [3600, "h"] : span > 300 ? [60, "min"] : [1, "s"];
}

export function prefixed(values, unit) { // factor and unit that bring the largest between 1 and 1000
  const bases = { mAh: ["Ah", 1e-3], mA: ["A", 1e-3], mV: ["V", 1e-3] }, [base, factor] = bases[unit] || [unit, 1];
  let largest = 0;
  for (const v of values) if (Number.isFinite(v)) largest = Math.max(largest, Math.abs(v) * factor);
  const power = largest ? Math.max(-9, Math.min(3, 3 * Math.floor(Math.log10(largest) / 3 + LONG))) : 0;
  return [factor / 10 ** power, ({ "-9": "n", "-6": "µ", "-3": "m", 0: "", 3: "k" })[power] + base];
}

export function reasons(flag, names) { // words of the bits of a flag
  return Object.entries(names).filter(([bit]) => flag & Number(bit)).map(([, word]) => word);
}

export function ticks(low, high, most = 6) {
  const span = high - low;
  if (!(span > 0)) return { at: [low], decimals: 2 };
  const STEPS = [1, 2, 2.5, 5, 10];
  let raw = span / most, step = 0, at = [];
  for (let k = 0; k < 4 && at.length < 2; k++, raw = 0.45 * step) { // one mark alone says nothing of the scale
    const power = 10 ** Math.floor(Math.log10(raw));
    step = STEPS.find((m) => m * power >= raw * 0.999) * power; at = [];
    for (let i = Math.ceil(low / step - 1e-6); i * step <= high + 1e-6 * span; i++) at.push(i * step);
  }
  let decimals = 0;
  while (decimals < 9 && Math.abs(Math.round(step * 10 ** decimals) - step * 10 ** decimals) > 1e-6 * step * 10 ** decimals) decimals += 1;
  return { at, decimals };
}

export function tickText(value, decimals, largest) {
  if (largest >= 1e6 || (largest < 1e-4 && largest > 0)) return value === 0 ? "0" : exponent(value, 1);
  return grouped(Math.abs(value) < 10 ** -(decimals + 1) ? 0 : value, decimals);
}

export function age(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}
