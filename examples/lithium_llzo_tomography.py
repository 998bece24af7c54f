"""Li, LLZO, Li under tomography: figures of the local-current-density paper (003), from the twin, on arrays.

    python examples/lithium_llzo_tomography.py OUT [--small] [--unet SECONDS]

Hot-spot flux and sections (Fig. 1), maps of local current density with their noise floor and hot spots (Fig. 2),
learned segmentation and porosity of the lithium (Fig. 3), sub-surface porosity and tortuosity of a sound and of a
failed pellet (Fig. 4), microstructure factors of imaged and synthetic domains (Fig. 5). Not made: the semicircles of
Fig. 1c, d, which the twin does not grow, and the polarisation curves of the supplement.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import _llzo_figures as figures
import _llzo_transport as pellets
import numpy as np
import xarray as xr
from _page import Page
from _volumes import BLUR, CONTRAST_TO_NOISE, LITHIUM, greys, painted, retrieved

from operando import tomography as tomo
from operando.twin.symmetric_cell import Label, SymmetricCell, truth

VOID_ERROR = 0.25  # relative, of the mean void: docs/tomography.md
STEPS = ("pristine", "at rest", "plated", "stripped")  # of the bottom electrode, scan by scan
PHASES = {"steel": 1, "lithium": 2, "void": 3, "solid": (4, 5), "pore": 6}


def cell_of(small: bool) -> SymmetricCell:
    """A block of the oxide cell: two scans at rest, then lithium is plated on the bottom, then stripped from it."""
    width, height, lithium, electrolyte = (64, 72, 20.0, 50.0) if small else (176, 112, 28.0, 104.0)
    return SymmetricCell.oxide(
        scans=4, scan_period_s=3600.0, rest_s=3650.0, half_cycle_s=3600.0, current_mA_cm2=1.0, hot_spot_gain=4.0,
        hot_spot_um=(12.0, -10.0), current_correlation_um=40.0, contact_start=(0.85, 0.85), contact_gain=0.10,
        diameter_um=None, casing_um=0.0, width=width, height=height, steel_um=12.0, lithium_um=(lithium, lithium),
        electrolyte_um=electrolyte,
    )  # fmt: skip


def electrode(cell: SymmetricCell, grey: xr.DataArray, name: str) -> tuple[xr.Dataset, xr.Dataset]:
    """Face and voids of one electrode, and its thickness."""
    steel, solid = (float(greys(cell)[k]) for k in (Label.STEEL, Label.ELECTROLYTE))
    noise = LITHIUM / CONTRAST_TO_NOISE
    layer = tomo.fit_void_layer(
        grey, tomo.LayerModel(steel, LITHIUM, 0.0, solid, BLUR * cell.voxel_um, noise), name
    )
    reach = cell.steel_um + 0.6 * cell.lithium_um[0]
    ends = (
        (0, reach)
        if name == "bottom"
        else (cell.stack_um - 0.6 * cell.lithium_um[1], cell.height * cell.voxel_um)
    )
    sides = (steel, LITHIUM) if name == "bottom" else (LITHIUM, steel)
    collector = tomo.surface_heights(grey, *sides, z_um=ends, noise=noise)
    return layer, tomo.electrode_thickness(layer, collector)


def currents(page: Page, cell: SymmetricCell, scans, known) -> tuple[xr.Dataset, list[xr.Dataset]]:
    """Fig. 2: local current density of the bottom electrode between scans, its noise floor and hot spots."""
    layers, thick = zip(*(electrode(cell, grey, "bottom") for grey, _ in scans), strict=True)
    level = xr.concat([t["level"] for t in thick], "time").assign_coords(time=known.maps["time"].values)
    floor = tomo.noise_floor(level[0], level[1])
    found = tomo.local_current_density(level[1:], floor, molar_volume=13.02)
    spots = tomo.find_hot_spots(found, floor)
    true = known.maps["current_density_prescribed"].sel(electrode="bottom").isel(interval=slice(1, None))
    void = [VOID_ERROR * float(layer["void"].mean()) for layer in layers]  # what all columns share
    for k, step in enumerate(STEPS[2:]):
        shared = np.hypot(void[k + 1], void[k + 2]) * float(found["floor"][k] / floor["difference"])
        error = np.hypot(found["mean_err"][k], shared)
        page.row(f"mean current density, {step}", found["mean"][k], error, unit="mA/cm²",
                 truth=true.isel(interval=k).mean(), paper="0.006 to 0.025 applied")  # fmt: skip
    page.row(
        "noise floor of one column, 1 h", found["floor"][0], unit="mA/cm²", paper="not given; 0.025 applied"
    )
    page.row("hot spots", spots.sizes["spot"], truth=1)
    if spots.sizes["spot"]:
        best = int(np.argmax(spots["significance"].values))
        first = true.isel(interval=0)
        page.row("hot spot, peak over median", spots["ratio"][best], abs(spots["peak_err"][best] / first.median()),
                 truth=abs(first).max() / abs(first.median()))  # fmt: skip
        middle = cell.width * cell.voxel_um / 2
        off = [
            float(spots[f"peak_{a}"][best]) - middle - v for a, v in zip("xy", cell.hot_spot_um, strict=True)
        ]
        page.row("hot spot, distance from its true place", np.hypot(*off), unit="µm")
    thickness = [t["lithium"] for t in thick]
    page.figures += [figures.current_maps(found, spots, true, thickness, scans, layers)]
    return found, list(layers)


def segmentation(page: Page, scans, layers, unet_s: float):
    """Fig. 3: a forest trained on painted voxels of half of the first scan, judged on its other half."""
    half = scans[0][0].sizes["y"] // 2
    grey, label = (v.isel(y=slice(0, half)) for v in scans[0])
    forest = tomo.train_forest(
        grey,
        painted(label, 0.02, np.random.default_rng(0)),
        features=tomo.FeatureSettings(dimensions=3),
        balanced=False,
        depth=14,
    )
    guess = [forest.probabilities(grey) for grey, _ in scans]
    temperature = tomo.fit_temperature(
        guess[0].isel(y=slice(half, None)), scans[0][1].isel(y=slice(half, None))
    )
    guess = [tomo.apply_temperature(p, temperature) for p in guess]
    labels = [tomo.most_likely(p) for p in guess]
    confusion = tomo.confusion_matrix(
        labels[0].isel(y=slice(half, None)), scans[0][1].isel(y=slice(half, None))
    )
    page.row("segmentation: Dice of void, stripped scan", dice(labels[3], scans[3][1], "void"))
    page.row("segmentation: mean confidence", float(guess[3].max("phase").mean()), paper="over 0.80")
    page.row("confidence less accuracy (ECE)", tomo.reliability(guess[3], scans[3][1])["ece"], truth=0)
    if unet_s:
        page.row(
            "U-Net: Dice of void, stripped scan", dice(network(scans, half, unet_s), scans[3][1], "void")
        )
    near = []
    for k in (0, 2, 3):
        found, true = near_interface(labels[k], scans[k][1], layers[k], confusion)
        near.append((STEPS[k], found, true))
        paper = {"pristine": "about 0.1", "plated": "falls", "stripped": "rises"}[STEPS[k]]
        page.row(f"porosity of Li near the interface, {STEPS[k]}", found["share_corrected"], found["share_err"],
                 truth=true, paper=paper)  # fmt: skip
    page.figures.append(figures.segmented(scans[3], labels[3], guess[3], layers[3], near))
    page.figures.append(lithium_depth(labels, scans, layers))
    return forest, labels


def dice(guess: xr.DataArray, truth_: xr.DataArray, name: str) -> float:
    k = list(guess.attrs["phases"]).index(name)
    a, b = guess.values == k, truth_.values == k + 1
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def network(scans, half: int, seconds: float) -> xr.DataArray:
    """The stripped scan by a U-Net that was trained on half of the first scan."""
    grey, label = (v.isel(y=slice(0, half)) for v in scans[0])
    size = tuple(n // 16 * 16 for n in (grey.sizes["z"], grey.sizes["x"]))
    unet = tomo.train_unet(
        [grey], [label], tomo.UNetSettings("light", 2, "y", 16),
        tomo.TrainSettings(patch=size, time_s=seconds, epochs=1000, steps=40, patience=1000), threads=1,
    )  # fmt: skip
    return tomo.predict_volume(unet, scans[3][0], threads=1)["label"].assign_attrs(phases=list(PHASES))


def near_interface(labels, known, layer, confusion) -> tuple[xr.Dataset, float]:
    """Share of void in the lithium of the slab from 12 um under the mean face to 4 um over it; and the true one."""
    face = float(layer["face"].mean()) / layer.attrs["voxel_um"]
    slab = slice(max(int(face - 12 / 1.7), 0), int(face + 4 / 1.7))
    volumes = tomo.corrected_volumes(labels.isel(z=slab), confusion, rng=np.random.default_rng(1))
    part = known.isel(z=slab).values
    return tomo.corrected_share(volumes, "void", ["void", "lithium"]), float(
        (part == 3).sum() / np.isin(part, (2, 3)).sum()
    )


def lithium_depth(labels, scans, layers):
    """Fig. 3c: porosity of the lithium against the distance from the solid, found and true."""
    rows = []
    for k in (0, 2, 3):
        for values, shift in ((labels[k], 0), (scans[k][1], 1)):
            z = (np.arange(values.sizes["z"])[:, None, None] + 0.5) * values.attrs["voxel_um"]
            inside = np.isin(values.values, [1 + shift, 2 + shift]) & (z < layers[k]["face"].values)
            pore = values.astype(float).copy(data=np.where(inside, values.values == 2 + shift, np.nan))
            rows.append(
                tomo.porosity_profile(pore, layers[k]["face"], into="down", bin_um=5.0, depth_um=15.0)
            )
    return figures.lithium_depth([STEPS[k] for k in (0, 2, 3)], rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--small", action="store_true", help="64 x 64 x 72 voxels")
    parser.add_argument("--unet", type=float, default=0.0, help="also train a U-Net for so many seconds")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    page = Page(given.out, "Li, LLZO, Li: local current density, segmentation, transport")
    cell = cell_of(given.small)
    known = truth(cell)
    scans = [retrieved(cell, k, PHASES) for k in range(4)]
    page.figures.append(figures.hot_spot_and_sections(scans, STEPS))
    _, layers = currents(page, cell, scans, known)
    forest, labels = segmentation(page, scans, layers, given.unet)
    failed = retrieved(replace(cell, seed=cell.seed + 1, porosity=2.2 * cell.porosity), 0, PHASES)
    guess = tomo.most_likely(forest.probabilities(failed[0]))
    block = pellets.electrolyte(page, cell, {"sound": (labels[0], scans[0][1]), "failed": (guess, failed[1])})
    pellets.domains(page, block, given.small)
    page.write()


if __name__ == "__main__":
    main()
