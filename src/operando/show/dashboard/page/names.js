// What a quantity and its group are called on the page. What is not named here is called by its variable, in words.
const GROUPS = {
  lithium: "Lithium content", xrd: "Whole frames", compton: "Compton imaging", "compton/change": "Compton imaging, change",
  "tomography/maps": "Tomography, along the stack", "tomography/sections": "Tomography, sections", "tomography/current": "Local current density",
  "tomography/porosity": "Porosity", "segmentation/maps": "Segmentation, along the stack", "segmentation/sections": "Segmentation, sections",
};
const RING = {
  d: "plane spacing d", q: "peak position q", width: "peak width", area: "peak area", goodness: "reduced deviance",
  slope: "slope of background", fraction: "share of peak 1", bic_gain: "BIC gain of two peaks", peaks: "number of peaks",
  q_mean: "mean position q", ratio: "ratio of areas", "phases:goodness": "reduced deviance of two peaks",
};
const OTHERS = {
  "lithium:x_li": "Li content x", "xrd:transmission": "absorbance", "xrd:total_counts": "counts of a frame", "xrd:frames": "frames at a point",
  "compton:x_li": "Li content x, fit", "compton:x_li_emr": "Li content x, momentum ratio", "compton:ratio": "ratio of components",
  "compton:chi2": "chi-square of the fit", "compton:emr": "momentum ratio", "compton:slow": "counts at low momentum", "compton:fast": "counts at high momentum",
  "compton/change:difference": "change of x", "compton/change:sigma": "change of x over its error", "compton/change:significant": "significant change of x",
  "segmentation/maps:touching": "contact by labels", "segmentation/sections:confidence": "probability of the phase", "segmentation/sections:grey": "grey value",
  "segmentation/sections:label": "number of the phase", "tomography/maps:contact": "contact", "tomography/maps:face": "height of the face", "tomography/maps:gap": "lithium and void",
  "tomography/maps:gain": "gain of the void fit", "tomography/maps:height_extra": "error by voids", "tomography/maps:inside": "inside the sample", "tomography/maps:level": "gap less mean void",
  "tomography/maps:lithium": "lithium thickness", "tomography/maps:used": "columns used", "tomography/maps:void": "void thickness",
  "tomography/porosity:near": "porosity below the face", "tomography/current:hot": "hot spots, by number",
  "tomography/sections:xz": "grey value, middle of y", "tomography/sections:yz": "grey value, middle of x", "tomography/sections:xy_bottom": "grey value, bottom interface",
  "tomography/sections:xy_top": "grey value, top interface",
};
const IN_RING = { phases: "two peaks", ratio: "families" };
const words = (name) => name.replaceAll("_", " ");

export function groupName(group) {
  const [technique, ring, part] = group.split("/");
  if (technique === "xrd" && ring) return part ? `${ring}, ${IN_RING[part] ?? words(part)}` : ring;
  return GROUPS[group] ?? words(group).replaceAll("/", ", ");
}

export function quantityName(q) { // LCO003 c perp; lithium thickness bottom
  const [technique, ring, part] = q.group.split("/"), labels = q.labels.filter((label) => label !== "all");
  if (technique !== "xrd" || !ring) return [OTHERS[`${q.group}:${q.variable}`] ?? words(q.variable), ...labels].join(" ");
  const peak = part === "phases" && labels.length > 1 ? [`of peak ${labels.pop()}`] : [];
  return [ring, RING[`${part}:${q.variable}`] ?? RING[q.variable] ?? words(q.variable), ...peak, ...labels].join(" ");
}
