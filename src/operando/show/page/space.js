// The faces of the electrodes in the report, as surfaces that can be turned.
for (const figure of document.querySelectorAll("figure.space")) {
  const told = JSON.parse(figure.querySelector("script[type='application/json']").textContent), canvas = figure.querySelector("canvas"), svg = figure.querySelector("svg");
  const part = (name) => figure.querySelector(`[name=${name}]`), words_ = figure.querySelector(".now"), stage = figure.querySelector(".stage");
  let view = { ...START }, resting = 0;
  const numbers = (text, kind) => { const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0)); return new kind(bytes.buffer); };
  for (const one of told.surfaces) { one.z = numbers(one.z, Int16Array); for (const paint of one.paints) paint.values = numbers(paint.values, Int16Array); }
  const MISSING_16 = -32768, scaled = (v, [low, high]) => (v === MISSING_16 ? NaN : low + ((v + 32767) / 65534) * (high - low));

  function draw() {
    const one = told.surfaces[part("electrode").value], n = told.x.length * told.y.length, step = Number(part("time").value), paint = one.paints[part("colour").value];
    const width = stage.clientWidth, height = Math.max(300, Math.min(480, Math.round(0.62 * width))), wide = width - 100, sharp = resting ? 1 : 2;
    const z = Float32Array.from(one.z.subarray(step * n, (step + 1) * n), (v) => scaled(v, one.range)), box = { x: [told.x[0], told.x.at(-1)], y: [told.y[0], told.y.at(-1)], z: one.range };
    box.stretch = stretched(box.x, box.y, box.z);
    const mesh = { x: told.x, y: told.y, z, box }, now = { ...view, width: wide, height };
    canvas.width = wide * sharp; canvas.height = height * sharp;
    canvas.style.width = `${wide}px`; canvas.style.height = stage.style.height = `${height}px`;
    const pixels = table(paint.map), values = paint.values.subarray(step * n, (step + 1) * n);
    render(canvas.getContext("2d"), mesh, now, (i) => {
      if (values[i] === MISSING_16) return null;
      if (paint.map === "contact") return told.contact[values[i] > 0 ? 1 : 0];
      const p = pixels[Math.round((255 * (values[i] + 32767)) / 65534)];
      return [p & 255, (p >> 8) & 255, (p >> 16) & 255];
    });
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`); svg.setAttribute("width", width); svg.setAttribute("height", height);
    svg.innerHTML = edges(box, now, "µm") + (paint.map === "contact" ? key(wide) : scale(paint, wide, height));
    words_.textContent = `${told.times[step]} · ${one.electrode} electrode · mean height ${number(one.mean[step], 4)} µm taken off · z × ${box.stretch}`;
  }

  const key = (left) => ["void", "contact"].map((word, k) => `<rect x="${left + 6}" y="${20 + 20 * k}" width="11" height="11" fill="rgb(${told.contact[k]})"/><text x="${left + 22}" y="${30 + 20 * k}">${word}</text>`).join("");
  function scale(paint, left, height) {
    const top = 20, tall = height - 70, [low, high] = paint.range, t = ticks(low, high, 5), colours = hexes(paint.map);
    const stops = colours.map((c, i) => `<stop offset="${(i / (colours.length - 1)).toFixed(3)}" stop-color="${c}"/>`).join("");
    const marks = t.at.map((v) => { const y = top + tall * (1 - (v - low) / (high - low)); return `<path class="axis" d="M${left + 17} ${y}h4"/><text x="${left + 24}" y="${y + 4}">${tickText(v, t.decimals, Math.max(Math.abs(low), Math.abs(high)))}</text>`; }).join("");
    return `<defs><linearGradient id="space-${paint.map}" x1="0" y1="1" x2="0" y2="0">${stops}</linearGradient></defs><rect x="${left + 6}" y="${top}" width="11" height="${tall}" fill="url(#space-${paint.map})"/>${marks}<text class="label" text-anchor="middle" transform="translate(${left + 82} ${top + tall / 2}) rotate(-90)">${label(paint.name, paint.units)}</text>`;
  }

  part("electrode").innerHTML = told.surfaces.map((s, k) => `<option value="${k}">${s.electrode} electrode</option>`).join("");
  part("colour").innerHTML = told.surfaces[0].paints.map((p, k) => `<option value="${k}">colour: ${p.name}</option>`).join("");
  part("time").max = told.times.length - 1; part("time").value = told.times.length - 1;
  part("time").hidden = told.times.length < 2;
  for (const name of ["electrode", "colour", "time"]) part(name).addEventListener("input", draw);
  turnable(stage, () => view, (next) => { view = next; clearTimeout(resting); resting = setTimeout(() => { resting = 0; draw(); }, 150); requestAnimationFrame(draw); });
  addEventListener("resize", draw);
  figure.hidden = false;
  draw();
  figure.dataset.ready = "1";
}
