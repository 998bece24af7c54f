// The panels of the page. A panel is a module with `start()`, which calls `panel(id, title, table)` of chart.js and
// listens with `on(keys, draw)` of state.js; it hides its section (`made.section.hidden`) where a run has nothing for it.
// A new one is a module beside this file (it is served by being here) and one line in FURTHER; what it asks the server
// is one function in answers.py; what it wants kept in the address it tells with `keep(key, none, read)` of state.js.
import * as clock from "./clock.js";
import * as history from "./history.js";
import * as space from "./interface.js";
import * as map from "./map.js";
import * as paint from "./paint.js";
import * as pattern from "./pattern.js";
import * as tracks from "./tracks.js";

const FIXED = [clock, map, pattern, history, tracks]; // their places are in page.html

// Panels below the others, two abreast where there is room: [id, what it is for who cannot see it, module, wide].
export const FURTHER = [
  ["interface", "Interface of an electrode in space", space, true],
  ["paint", "Paint phases on slices of the volumes", paint, true],
];

export function startPanels() {
  const place = document.getElementById("further");
  for (const [id, label, , wide] of FURTHER) {
    const section = Object.assign(document.createElement("section"), { id, className: wide ? "panel wide" : "panel", hidden: true });
    section.setAttribute("aria-label", label);
    place.append(section);
  }
  for (const part of [...FIXED, ...FURTHER.map(([, , module]) => module)]) part.start();
}
