// A picture of values under an SVG: hatched where there is no value, with a colour bar.
import { hexes } from "./colour.js";
import { rootTicks, words } from "./chart.js";
import { tickText, ticks } from "./words.js";

export function canvasOf(made, { left, top, width, height }, columns, rows) {
  let canvas = made.body.querySelector("canvas");
  if (!canvas) { canvas = document.createElement("canvas"); made.body.prepend(canvas); }
  if (canvas.width !== columns || canvas.height !== rows) { canvas.width = columns; canvas.height = rows; }
  Object.assign(canvas.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
  canvas.dataset.box = [left, top, width, height].join(" ");
  return canvas.getContext("2d");
}

export const hatch = ({ left, top, width, height }, id) => `<defs><pattern id="${id}" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="7" height="7" fill="var(--missing)"/><path d="M0 0V7" stroke="var(--hatch)" stroke-width="1.6"/></pattern></defs><rect class="ground" x="${left}" y="${top}" width="${width}" height="${height}" fill="url(#${id})"/>`;

export function bar({ left, top, height }, [low, high], kind, label, id, root = false) { // colour bar with ticks on its right
  const stops = hexes(kind), gradient = stops.map((c, i) => `<stop offset="${(i / (stops.length - 1)).toFixed(4)}" stop-color="${c}"/>`).join("");
  const t = root ? rootTicks([low, high]) : ticks(low, high, Math.max(2, Math.floor(height / 42))), share = (v) => { const s = (v - low) / (high - low); return root ? Math.sqrt(s) : s; };
  const marks = t.at.map((v) => { const y = top + height * (1 - share(v)); return `<path class="axis" d="M${left + 11} ${y}h4"/>${words(left + 18, y + 3.5, tickText(v, t.decimals, Math.max(Math.abs(low), Math.abs(high))))}`; }).join("");
  return `<defs><linearGradient id="${id}" x1="0" y1="1" x2="0" y2="0">${gradient}</linearGradient></defs><rect x="${left}" y="${top}" width="11" height="${height}" fill="url(#${id})"/>${marks}${words(0, 0, label, `class="label" text-anchor="middle" transform="translate(${left + 76} ${top + height / 2}) rotate(-90)"`)}`;
}
