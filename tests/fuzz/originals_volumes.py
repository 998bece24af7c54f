"""Originals of volumes, of what is calculated of them, and of spectra: which files to spoil, and what is asked."""

from __future__ import annotations

from pathlib import Path

from make_volumes import (
    EXPERIMENT,
    forest,
    have_volumes,
    impedance,
    projections,
    segmentation,
    tomography,
    transport,
    volumes,
)

Words = tuple[str, ...]
TOML = (EXPERIMENT,)
SIZES = ("--cube-um", "8", "--cubes", "1", "--domain-um", "8", "8", "8", "--voxel-um", "1.7")
CONDUCT = ("pore=0", "a=1,1,10,0.2", "b=2,1", "c=3,1", "d=4,1")
SOLVE = (
    "model",
    "transport",
    "{top}",
    "-o",
    "out",
    *(w for one in CONDUCT for w in ("--phase", one)),
    *SIZES,
)
LABEL = ("segment", "predict", "model.npz", "{top}", "-o", "out", "--voxel", "1.7")
FOREST = ("segment", "predict", "model.npz", "grey.tif", "-o", "out", "--voxel", "1.7")
INSIDE = ("v_0.zarr/zarr.json", "v_0.zarr/attenuation/zarr.json", "v_0.zarr/attenuation/c/0/0/0", "v_1.h5")
PAINTED = ("v_0.tif", "v_1.tif", "labels.h5", "strokes.json", "strokes.json")
GRAINS = ("grains.h5", "grains.zarr/zarr.json", "grains.zarr/labels/zarr.json", "grains.zarr/labels/c/0/0/0")


def quick_volumes(place: Path, look: Words, run: Words, check: bool) -> list[dict]:
    """Those that are made and read in a moment: what an `Original` is told of them."""
    found = [_told("toml of impedance", impedance(place), TOML, (run,), 3)]
    if not have_volumes():
        return found
    seen = volumes(place)
    files = tuple(name for name in _files(seen) if name != "grey.h5")  # of which an inspection says nothing
    top = tuple("{top}" if word == "{file}" else word for word in look)
    return [
        *found,
        _told("volumes", seen, files, (top,), 6),
        _told("toml of transport", transport(place), TOML, (("check", EXPERIMENT) if check else run,), 3),
    ]


def long_volumes(place: Path, look: Words, run: Words) -> list[dict]:
    """Those of which a case may take seconds. After `quick_volumes`, in the same place."""
    if not have_volumes():
        return []
    cell, labelled, rays = tomography(place), segmentation(place), projections(place)
    seen = place / "volumes"
    forest(seen)
    return [
        _told("toml of tomography", cell, TOML, (run, run, look), 8),
        _told("toml of projections", rays, TOML, (run,), 4),
        _told("toml of segmentation", labelled, TOML, (run, run, look), 8),
        _told("volumes of a cell in a run", cell, INSIDE, (run,), 4),
        _told("projections in a run", rays, ("ct/scan_0000.h5",), (run,), 3),
        _told("volumes and strokes in a run", labelled, PAINTED, (run,), 5),
        _told("label volumes in a run", place / "transport", GRAINS, (run,), 5),
        _told("spectra in a run", place / "impedance", ("eis_1.csv",), (run,), 2),
        _told("volumes solved", seen, _files(seen, "labels"), (SOLVE,), 4),
        _told("volumes labelled", seen, _files(seen, "grey"), (LABEL,), 4),
        _told("a forest", seen, ("model.npz",), (FOREST,), 3),
    ]


def _told(name: str, folder: Path, files: Words, commands: tuple[Words, ...], share: int) -> dict:
    return {"name": name, "folder": folder, "files": files, "commands": commands, "share": share}


def _files(folder: Path, word: str = "") -> Words:
    """Every file of the volumes whose name begins with `word`; of folders of slices three."""
    found = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file() and p.suffix != ".npz")
    rest = [f"s_{k}.tif" for k in range(3, 99)]
    return tuple(str(p) for p in found if p.parts[0].startswith(word) and p.name not in rest)
