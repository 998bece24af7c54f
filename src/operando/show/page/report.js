// Saves a figure as the page shows it: SVG with its colours resolved, PNG at three times its size.
(() => {
  const resolved = svg => {
    const copy = svg.cloneNode(true), style = getComputedStyle(document.documentElement);
    const box = svg.viewBox.baseVal;
    copy.setAttribute("width", box.width); copy.setAttribute("height", box.height);
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const ground = style.getPropertyValue("--card").trim() || "#fff";
    copy.setAttribute("style", "background:" + ground);
    const text = new XMLSerializer().serializeToString(copy)
      .replace(/var\((--fig-\d+),[^)]*\)/g, (_, name) => style.getPropertyValue(name).trim())
      .replace(/var\(--sans,sans-serif\)/g, "Helvetica, Arial, sans-serif");
    return { text, box, ground };
  };
  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob); link.download = name; link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 5000);
  };
  const png = ({ text, box, ground }, name) => {
    const image = new Image(), scale = 3;
    image.onload = () => {
      const canvas = document.createElement("canvas"), pen = canvas.getContext("2d");
      canvas.width = box.width * scale; canvas.height = box.height * scale;
      pen.fillStyle = ground; pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob(blob => save(blob, name + ".png"), "image/png");
    };
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  };
  for (const button of document.querySelectorAll("[data-save]")) {
    const figure = button.closest("figure");
    button.hidden = false;
    button.addEventListener("click", () => {
      const drawn = resolved(figure.querySelector(".plot svg"));
      if (button.dataset.save === "png") png(drawn, figure.dataset.name);
      else save(new Blob([drawn.text], { type: "image/svg+xml" }), figure.dataset.name + ".svg");
    });
  }
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(d => { d.dataset.was = d.open; d.open = true; }));
  addEventListener("afterprint", () => document.querySelectorAll("details").forEach(d => { d.open = d.dataset.was === "true"; }));
})();
