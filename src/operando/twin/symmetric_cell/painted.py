"""What a person would paint on a scan of the twin, and the labels of a scan that is held out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .cell import SymmetricCell
from .composition import Label
from .voxels import volumes

#: phases in the order of `Label`
PHASES = tuple(label.name.lower() for label in Label)
LONGEST = 12  # voxels of a stroke
#: a forest that learns in seconds; transport of the solid between the electrodes, of the demo's size
QUICK = """sigmas = [1.4]
trees = 10
depth = 12

[transport]
source = "segmentation"
rows = [38, 54]
region = [32, 96, 32, 96]
phases = { pore = {}, electrolyte = { conductivity_mS_per_cm = 2.1 } }
domain_um = [27.2, 27.2, 27.2]
cube_um = 27.2
cubes = 4
stiffness = false
"""


def paint(cell: SymmetricCell, scan: int, *, each: int = 150, seed: int = 0) -> dict:
    """Strokes in the form of the dashboard: `each` lines along x in every phase, none of which leaves it."""
    labels, _ = volumes(cell, scan)
    rng = np.random.default_rng([cell.seed, 71, scan, seed])
    strokes = []
    for value, name in enumerate(PHASES):
        spots = np.argwhere(labels == value)
        if not len(spots):
            continue
        for z, y, x in spots[rng.integers(len(spots), size=min(each, len(spots)))]:
            row = labels[z, y, x : x + LONGEST] != value
            length = int(np.argmax(row)) if row.any() else len(row)
            line = [[int(z), int(y), int(x)], [int(z), int(y), int(x) + length - 1]]
            strokes.append({"phase": name, "points": line[: 2 if length > 1 else 1], "radius_vox": 0})
    return {
        "format": "operando strokes", "version": 1, "volume": f"scan_{scan:04d}", "shape": list(labels.shape),
        "voxel_um": cell.voxel_um, "phases": list(PHASES), "strokes": strokes,
    }  # fmt: skip


def write_painted(
    cell: SymmetricCell,
    folder: str | Path,
    *,
    painted: tuple[int, ...] = (0, 3),
    held: tuple[int, ...] = (1, 2),
) -> str:
    """Write painting/ (strokes on some scans) and labels/ (all voxels of others); returns [segmentation] as TOML.

    The labels are the twin's: 0 not known, k for the k-th phase, z from below. Contact is by three voxels of void: in
    volumes that are not phase retrieved the edges of propagation look like thin voids.
    """
    import h5py

    folder = Path(folder)
    (folder / "painting").mkdir(exist_ok=True)
    (folder / "labels").mkdir(exist_ok=True)
    for scan in painted:
        (folder / f"painting/scan_{scan:04d}.json").write_text(json.dumps(paint(cell, scan)))
    for scan in held:
        with h5py.File(folder / f"labels/scan_{scan:04d}.h5", "w") as file:
            values = volumes(cell, scan)[0] + np.uint8(1)
            made = file.create_dataset("labels", data=values, compression="gzip", compression_opts=1)
            made.attrs["voxel_um"] = cell.voxel_um
    train = ", ".join(f'{{ scan = {s + 1}, labels = "painting/scan_{s:04d}.json" }}' for s in painted)
    judge = ", ".join(f'{{ scan = {s + 1}, labels = "labels/scan_{s:04d}.h5" }}' for s in held)
    return "\n".join([
        "[segmentation]", f"phases = {json.dumps(list(PHASES))}", f"train = [{train}]", f"held = [{judge}]",
        'ratios = [{ name = "porosity of the solid", part = ["pore"], whole = ["pore", "electrolyte"] }]',
        'contact = { of = "lithium", void = ["void"], least = 3 }', "",
    ])  # fmt: skip
