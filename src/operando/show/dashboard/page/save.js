// A panel as PNG, SVG or csv, with the colours as they are seen.
const INLINE = ["fill", "stroke", "stroke-width", "font-size", "font-family", "font-weight", "opacity"];

export function saveButtons(made, id, place) {
  for (const kind of ["PNG", "SVG", "csv"]) {
    const button = document.createElement("button");
    button.type = "button"; button.textContent = kind; button.title = `Save this panel as ${kind}`;
    button.addEventListener("click", async () => {
      const data = kind === "csv" ? new Blob([csv(made.table())], { type: "text/csv" }) : kind === "SVG" ? new Blob([svgText(made)], { type: "image/svg+xml" }) : await png(made);
      give(data, `${id}.${kind.toLowerCase()}`);
    });
    place.append(button);
  }
}

function give(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = [document.getElementById("folder").textContent || "operando", name].join("-").replace(/[^\w.-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export function csv({ columns, rows }) {
  const cell = (v) => (v === null || v === undefined || Number.isNaN(v) ? "" : typeof v === "number" ? String(Number(v.toPrecision(9))) : /[",\n]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v);
  return [columns, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";
}

export function svgText(made) { // the drawing with its style written out, pictures put inside, and its words below
  const copy = made.svg.cloneNode(true), originals = made.svg.querySelectorAll("*"), copies = copy.querySelectorAll("*");
  copies.forEach((element, i) => {
    const style = getComputedStyle(originals[i]);
    for (const name of INLINE) if (originals[i].closest("defs") === null && style[name.replace(/-(.)/, (_, c) => c.toUpperCase())] !== undefined) element.setAttribute(name, style.getPropertyValue(name));
  });
  const root = getComputedStyle(document.documentElement), [, , width, height] = copy.getAttribute("viewBox").split(" ").map(Number);
  const note = made.note.textContent, title = made.title.textContent;
  for (const canvas of made.body.querySelectorAll("canvas")) {
    const box = canvas.dataset.box.split(" "), image = document.createElementNS("http://www.w3.org/2000/svg", "image");
    ["x", "y", "width", "height"].forEach((key, i) => image.setAttribute(key, box[i]));
    image.setAttribute("preserveAspectRatio", "none"); image.setAttribute("image-rendering", "pixelated");
    image.setAttribute("href", canvas.toDataURL());
    (copy.querySelector(".ground") ?? copy.firstChild).after(image);
  }
  const text = (x, y, words, more) => `<text x="${x}" y="${y}" fill="${root.getPropertyValue("--ink")}" font-family="sans-serif" ${more}>${words.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`)}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -24 ${width} ${height + 46}" width="${width}" height="${height + 46}"><rect x="0" y="-24" width="${width}" height="${height + 46}" fill="${root.getPropertyValue("--card")}"/>${text(10, -8, title, 'font-size="13" font-weight="600"')}${copy.innerHTML.replace(/var\((--[\w-]+)\)/g, (_, name) => root.getPropertyValue(name))}${text(10, height + 14, note, 'font-size="11"')}</svg>`;
}

export async function png(made, scale = 2) {
  const image = new Image();
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(svgText(made));
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.width * scale; canvas.height = image.height * scale;
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
