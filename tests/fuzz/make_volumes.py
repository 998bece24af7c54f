"""Folders of small whole inputs: volumes, what is calculated of them, projections and spectra."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

TIMES = (1_741_123_700.0, 1_741_126_000.0)  # at rest and under current, of the record of the twin
STEEL, VOID, LITHIUM, SOLID = 1.43, 0.0, 0.0892, 0.411
EXPERIMENT = "experiment.toml"
PHASES = ("steel", "lithium", "void", "electrolyte")

TOMOGRAPHY = """title = "Volumes of a symmetric cell"
[cell]
area_cm2 = 6.35543e-05
layers = [{{ name = "Li_bottom", thickness_um = 18.0 }}, {{ name = "Li10SnP2S12", thickness_um = 40.0 }}]
[cycler]
file = "cell.csv"
clock_offset_s = 0.0
[tomography]
volumes = ["v_0.zarr", "v_1.h5"]
voxel_um = 1.7
times_s = {times}
greys = {{ void = 0.0, lithium = 0.0892, interphase = 0.357, electrolyte = 0.411, steel = 1.43 }}
thresholds = {{ pore = 0.2 }}
window = 7
still = [1, 2]
binning = 1
margin_um = 3.4
[symmetric_model]
electrolyte_um = 40.0
interphase_um = [4.0, 4.0]
"""
SEGMENTATION = """title = "Two volumes"
[segmentation]
volumes = ["v_*.tif"]
voxel_um = 1.7
times_s = [0.0, 900.0]
phases = ["steel", "lithium", "void", "electrolyte"]
train = [{ scan = 1, labels = "strokes.json" }]
held = [{ scan = 2, labels = "labels.h5", values = { steel = 1, lithium = [2], void = 3, electrolyte = 4 } }]
ratios = [{ name = "voids", part = ["void"], whole = ["void", "lithium"] }]
contact = { of = "lithium", void = ["void"], voxels = 3, least = 1 }
trees = 5
sigmas = [0.7]
depth = 6
dimensions = 2
[transport]
source = "segmentation"
phases = { void = {}, electrolyte = { conductivity_mS_per_cm = 2.1 } }
rows = [6, 14]
domain_um = [6.8, 6.8, 6.8]
cube_um = 6.8
cubes = 1
stiffness = false
tolerance = 0.05
"""
TRANSPORT = """title = "Labels"
[transport]
labels = ["grains.h5", "grains.zarr"]
names = ["a", "b"]
voxel_um = 1.0
phases = { pore = { label = 0 }, grain = { label = 1, conductivity_mS_per_cm = 1.0, young_GPa = 10.0, poisson = 0.2 }, boundary = { label = 2, conductivity_mS_per_cm = 0.1, young_GPa = 1.0, poisson = 0.3 } }
bulk = "grain"
rows = [0, 12]
region = [0, 12, 0, 24]
outside = 9
domain_um = [6.0, 6.0, 12.0]
cube_um = 12.0
cubes = 1
tolerance = 0.05
synthetic = { grain_um = 6.0, seeds = 2, boundary_voxels = 1.0 }
hot_spot = { diameter_um = 4.0, times = 10.0 }
seed = 1
"""  # noqa: E501
IMPEDANCE = """title = "Spectra"
[impedance]
files = ["eis_1.csv", "eis_2.csv"]
circuit = "R0-p(R1,CPE1)"
bulk = "R0"
area_cm2 = 0.5
thickness_um = 500.0
interfaces = 2
"""
PROJECTIONS = """title = "Projections of a symmetric cell"
[cell]
area_cm2 = 6.35543e-05
layers = [{ name = "Li_bottom", thickness_um = 18.0 }, { name = "Li10SnP2S12", thickness_um = 40.0 }]
[tomography]
scans = "ct/scan_*.h5"
voxel_um = 1.7
energy_keV = 28.0
distance_mm = 40.0
electrolyte = "Li10SnP2S12"
collector = "Fe"
row_0 = "bottom"
centre = 31.5
region = [16, 48, 16, 48]
binning = 1
stripes = "sorting"
memory_gb = 1.0
blur_um = 1.1
"""


def have_volumes() -> bool:
    """Whether the extras are there that read and analyse volumes."""
    try:
        import cc3d  # noqa: F401
        import sklearn  # noqa: F401
        import tifffile  # noqa: F401
        import xraylib  # noqa: F401
        import zarr  # noqa: F401
    except ImportError:
        return False
    return True


def layered(side: int, height: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Grey values of steel, lithium, solid, lithium, steel along z with voids at the faces, and labels from 1."""
    rng = np.random.default_rng(seed)
    z = np.broadcast_to(np.arange(height)[:, None, None], (height, side, side))
    y, x = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    waves = 0.6 * np.sin(x / 4 + seed) + 0.6 * np.cos(y / 5)
    labels = np.full((height, side, side), 1, np.uint8)
    end, face = height // 9, height // 3
    labels[(z >= end) & (z < height - end)] = 2
    solid = (z >= face + waves) & (z < height - face + waves)
    labels[solid] = 4
    voids = (np.hypot(x - side / 2, y - side / 2) < side / 5) & ((z >= face - 3) & (z < face + waves))
    labels[voids & ~solid] = 3
    labels[solid & (rng.random(labels.shape) < 0.01)] = 3
    grey = np.array([0, STEEL, LITHIUM, VOID, SOLID])[labels]
    return (grey + 0.02 * rng.standard_normal(grey.shape)).astype(np.float32), labels


def _hdf5(path: Path, values: np.ndarray, name: str, voxel: float | None = None) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        made = file.create_dataset(name, data=values, chunks=values.shape, compression="gzip")
        if voxel is not None:
            made.attrs["voxel_um"] = voxel


def _zarr(path: Path, values: np.ndarray, name: str, voxel: float) -> None:
    import zarr

    group = zarr.open_group(path, mode="w")
    array = group.create_array(name, shape=values.shape, chunks=values.shape, dtype=values.dtype)
    array[:] = values
    array.attrs["voxel_um"] = voxel


def tomography(place: Path) -> Path:
    """Two volumes of a cell with its record and its model."""
    from tomography_twin import image

    from operando.twin.symmetric_cell import SymmetricCell, simulate

    folder, cell = place / "tomography", SymmetricCell.tiny(scan_period_s=3600.0, projections=4)
    simulate(cell, place / "record")
    folder.mkdir()
    shutil.copy(place / "record/echem/cell.csv", folder / "cell.csv")
    shutil.rmtree(place / "record")
    first, last = (image(cell.block(), k).values[:, :32, :32] for k in range(2))
    _zarr(folder / "v_0.zarr", first, "attenuation", 1.7)
    _hdf5(folder / "v_1.h5", last, "volume")
    (folder / "experiment.toml").write_text(TOMOGRAPHY.format(times=list(TIMES)))
    return folder


def segmentation(place: Path) -> Path:
    """Two TIFF stacks, strokes on the first, labels of the second; what the solid conducts."""
    import tifffile

    folder = place / "segmentation"
    folder.mkdir()
    for k in range(2):
        grey, labels = layered(side=16, height=28, seed=k)
        tifffile.imwrite(folder / f"v_{k}.tif", grey)
    _hdf5(folder / "labels.h5", labels, "labels", 1.7)
    rng, first = np.random.default_rng(1), layered(side=16, height=28)[1]
    strokes = []
    for value, name in enumerate(PHASES, 1):
        spots = np.argwhere(first == value)
        chosen = spots[rng.integers(len(spots), size=20)].tolist()
        strokes += [{"phase": name, "points": [spot], "radius_vox": 0} for spot in chosen]
    told = {"format": "operando strokes", "version": 1, "volume": "v_0", "shape": list(first.shape),
            "voxel_um": 1.7, "phases": list(PHASES), "strokes": strokes}  # fmt: skip
    (folder / "strokes.json").write_text(json.dumps(told, indent=0))
    (folder / "experiment.toml").write_text(SEGMENTATION)
    return folder


def transport(place: Path) -> Path:
    """A polycrystal in HDF5 and in zarr."""
    from operando import transport

    folder = place / "transport"
    folder.mkdir()
    rng = np.random.default_rng(1)
    grains = transport.polycrystal(
        (12, 12, 24), rng, grain_size=6.0, porosity=0.1, pore_size=3.0, boundary=1.0
    )
    labels = grains.values.astype(np.uint8)
    _hdf5(folder / "grains.h5", labels, "labels", 1.0)
    _zarr(folder / "grains.zarr", labels, "labels", 1.0)
    (folder / "experiment.toml").write_text(TRANSPORT)
    return folder


def impedance(place: Path) -> Path:
    """Two spectra of one circuit."""
    folder = place / "impedance"
    folder.mkdir()
    f = np.geomspace(1e5, 1, 25)
    for number, resistance in enumerate((50.0, 60.0), 1):
        z = 10 + resistance / (1 + (2j * np.pi * f * 1e-3) ** 0.9)
        rows = "\n".join(f"{a:.8g},{b.real:.8g},{b.imag:.8g}" for a, b in zip(f, z, strict=True))
        (folder / f"eis_{number}.csv").write_text("freq/Hz,Re(Z)/Ohm,Im(Z)/Ohm\n" + rows + "\n")
    (folder / "experiment.toml").write_text(IMPEDANCE)
    return folder


def projections(place: Path) -> Path:
    """One scan of few projections, its volume made in the run."""
    from operando.twin.symmetric_cell import SymmetricCell, simulate

    folder = place / "projections"
    simulate(SymmetricCell.tiny(scans=1, scan_period_s=3600.0, projections=32), folder)
    shutil.rmtree(folder / "echem")
    (folder / "truth.h5").unlink()
    (folder / "experiment.toml").write_text(PROJECTIONS)
    return folder


def volumes(place: Path) -> Path:
    """One volume in every format, grey values and labels."""
    import tifffile

    folder = place / "volumes"
    folder.mkdir()
    grey, labels = layered(side=12, height=28)
    _zarr(folder / "grey.zarr", grey, "attenuation", 1.7)
    _zarr(folder / "labels.zarr", labels, "labels", 1.7)
    _hdf5(folder / "grey.h5", grey, "volume", 1.7)
    _hdf5(folder / "labels.h5", labels, "labels", 1.7)
    for name, values in (("grey", grey), ("labels", labels)):
        tifffile.imwrite(folder / f"{name}.tif", values)
        tifffile.imwrite(folder / f"{name}_packed.tif", values, compression="zlib")
        (folder / f"{name}_slices").mkdir()
        for k, plane in enumerate(values):
            tifffile.imwrite(folder / f"{name}_slices" / f"s_{k}.tif", plane)
    return folder


def forest(folder: Path) -> None:
    """A forest trained on one of these volumes."""
    from operando.flow.segmentation_files import train_files

    how = {"dimensions": 2, "sigmas": (0.7,), "trees": 5, "depth": 6}
    train_files([folder / "grey.h5"], [folder / "labels.h5"], PHASES, "forest", folder / "model", how=how)
