"""The rows of an inspection for what is neither frames of diffraction nor a record: scans of tomography, energy
histograms, volumes, orientation maps, masks, truths of twins.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import NUMPY_DAMAGE, OperandoError, ReadError
from ..core.moments import moment
from .hdf5 import Files, attribute, damage_told
from .inspection import Inspection, Row

if TYPE_CHECKING:
    import h5py

NOT_SAID = "not in the file"
EBSD = (".ang", ".ctf", ".cpr", ".crc", ".h5oina", ".oina")


def hdf5_of_science(path: Path) -> Inspection | None:
    """A scan of tomography, histograms, a segmented volume or a truth of a twin; None for other HDF5 files."""
    from .inspect_volumes import labels

    with Files() as files, damage_told(path):
        return projections(files, path) or _truth(files.file(path), path) or _spectra(files.file(path), path) or (
            labels(files.file(path), path)
        )  # fmt: skip


def projections(files: Files, path: Path) -> Inspection | None:
    """Images, flats, darks, angles, pixel size of a Data Exchange or NXtomo file; None for another file."""
    from .projections_hdf5 import data_exchange, is_data_exchange, nxtomo, nxtomo_entry

    if is_data_exchange(files, path):
        kind, facts = "Data Exchange", data_exchange(files, path)
    elif (entry := nxtomo_entry(files, path)) is not None:
        kind, facts = "NXtomo", nxtomo(files, path, entry)
    else:
        return None
    size = files.find(path, facts["images"].dataset).id.get_storage_size()
    return _scan(path, f"{kind} projections", facts, float(size))


def picture_scan(path: Path) -> Inspection | None:
    """Images of a scan in a folder, with flats, darks or angles beside them; None for a folder of other images."""
    from .projections_tiff import folder

    try:
        facts = folder(path)
    except ReadError:
        return None
    if facts["angles"] is None and (facts["flats"] is None or facts["darks"] is None):
        return None  # frames of diffraction may have a dark or a flat beside them too
    _, rows, columns = facts["images"].shape
    size = facts["images"].shape[0] * rows * columns * facts["images"].dtype.itemsize
    return _scan(path, "projections in image files", facts, float(size))


def _scan(path: Path, kind: str, facts: dict[str, Any], size: float) -> Inspection:
    why = _why_not(path)
    start = moment(round(facts["started_s"])) if facts.get("started_s") else ""
    started = f" · started {start}" if start else ""
    return Inspection(f"{path} · {kind}{started}", tuple(_projection_rows(facts, size)), not why, why)


def _why_not(path: Path) -> str:
    """What `operando recon` would stop at, with what to do; nothing where it would go on."""
    from .projections import open_projections

    try:
        open_projections(path)
    except OperandoError as error:
        return f"{error.what}\n{error.fix}".strip()
    return ""


def _projection_rows(facts: dict[str, Any], size: float) -> list[Row]:
    from .inspect_frames import in_bytes

    stack = facts["images"]
    n, rows, columns = stack.shape
    found: list[Row] = [
        ("projections", _place(stack), f"{n} x {rows} x {columns} {stack.dtype}, {in_bytes(size)} on disk")
    ]
    for kind in ("flats", "darks"):
        held = facts.get(kind)
        found.append((kind, "" if held is None else _place(held), str(held.shape[0]) if held else "none"))
    found.append(("angles", facts.get("angle_unit") or "", _angles(facts.get("angles"))))
    for name, key, units in (
        ("pixel", "pixel_um", "um"), ("energy", "energy_keV", "keV"), ("distance", "distance_mm", "mm"),
    ):  # fmt: skip
        value = facts.get(key)
        found.append((name, "", NOT_SAID if value is None else f"{value:.6g} {units}"))
    return found


def _place(stack: Any) -> str:
    """Dataset, or name of the files."""
    return getattr(stack, "dataset", Path(stack.name).name)


def _angles(angles: np.ndarray | None) -> str:
    if angles is None or not len(angles):
        return "none in the file: give them with --angles"
    held = angles[np.isfinite(angles)]
    lost = f", {len(angles) - len(held)} missing" if len(held) < len(angles) else ""
    if not len(held):
        return f"{len(angles)}, none of them a number"
    step = f", steps of {np.median(np.diff(held)):.4g}" if len(held) > 1 else ""
    return f"{len(angles)}, {held[0]:.5g} to {held[-1]:.5g}{step}{lost}"


def _truth(file: h5py.File, path: Path) -> Inspection | None:
    """The truth of a twin: told by the settings of its cell, kept as JSON."""
    import h5py

    try:
        cell = json.loads(file.attrs["cell"])
    except (KeyError, TypeError, ValueError):
        return None
    if not isinstance(cell, dict):
        return None
    rows: list[Row] = [("seed", "", str(cell.get("seed", NOT_SAID)))]

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.ndim > 1:
            rows.append(("array", name, f"{' x '.join(map(str, item.shape))} {item.dtype}"))

    file.visititems(visit)
    return Inspection(f"{path} · truth of a twin: what the maps should show; no data to analyse", tuple(rows))


def _spectra(file: h5py.File, path: Path) -> Inspection | None:
    """Energy histograms of pixels: an array whose last axis has energies beside it, or that calls itself spectrum."""
    from .hexitec import EXPOSURE, MONITOR, find_counts, number_beside
    from .hexitec_axes import energy_axis, in_keV

    try:
        stored = find_counts(file, path, None, 3)
        axis, values, units = energy_axis(file, stored, path, None)
    except ReadError:
        return None
    marked = attribute(stored, "interpretation") in ("spectrum", b"spectrum")
    if stored.ndim != 3 or (axis != stored.ndim - 1 and not marked):  # frames at several energies are frames
        return None
    try:
        keV = in_keV(values, units, None, f"{path}::{stored.name}")
        why = "" if np.isfinite(keV).all() else "energies that are no numbers"
        reach = f"{keV.min():.5g} to {keV.max():.5g} keV, {len(keV)} channels"
    except ReadError as error:
        reach, why = f"{values.min():.5g} to {values.max():.5g}, units not said", f"{error.what}\n{error.fix}"
    shape = [n for i, n in enumerate(stored.shape) if i != axis]
    rows: list[Row] = [
        ("histograms", stored.name, f"{' x '.join(map(str, shape))} pixels, {stored.dtype}"),
        ("energies", f"axis {axis}", reach),
    ]
    for name, names in (("exposure", EXPOSURE), ("monitor", MONITOR)):
        value = number_beside(file, stored, names)
        rows.append((name, "", f"{value:.6g}" if np.isfinite(value) else NOT_SAID))
    return Inspection(f"{path} · energy histograms of a pixel detector", tuple(rows), not why, why.strip())


def orientation_file(path: Path) -> Inspection:
    """Points, steps, phases and share not indexed of an EBSD map. A phase without symmetry is said, not an error."""
    from .ebsd import read_points

    points = read_points(path)
    lost = 100 * float((points.phase == 0).mean()) if len(points.phase) else 100.0
    grid = "hexagonal" if points.hexagonal else "square"
    rows: list[Row] = [
        ("points", grid, f"{points.rows} x {points.columns}, {points.step_y_um:g} x {points.step_x_um:g} um"),
        ("indexed", "", f"{100 - lost:.4g} % of the points"),
    ]
    for number, crystal in enumerate(points.crystals, 1):
        share = 100 * float((points.phase == number).mean()) if len(points.phase) else 0.0
        laue = crystal.laue or "symmetry not said: give laue"
        rows.append(("phase", f"{number} {crystal.name}", f"{laue}, {share:.4g} % of the points"))
    return Inspection(f"{path} · orientation map (EBSD) · {points.format}", tuple(rows))


def array_file(path: Path) -> Inspection:
    """A `.npy` array: as a mask where its values are two, as angles where it is one line of numbers."""
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(held, np.ndarray):
            raise ValueError("several arrays, as numpy.savez writes them")
    except NUMPY_DAMAGE as error:
        why = "no plain numbers" if "pickle" in str(error) else error  # numpy proposes what is unsafe
        raise ReadError(
            f"not a whole .npy file ({why})", where=str(path), fix="Save it again with numpy.save."
        ) from error
    shape = " x ".join(map(str, held.shape)) or "one number"
    rows: list[Row] = [("array", "", f"{shape} {held.dtype}")]
    if held.ndim == 2 and held.size and held.dtype.kind in "biu":
        masked = 100 * np.count_nonzero(held) / held.size
        rows.append(("mask", "non-zero is masked", f"{masked:.3g} % of pixels"))
        return Inspection(f"{path} · mask", tuple(rows))
    if held.ndim == 1 and held.size and held.dtype.kind in "iuf":
        rows.append(("numbers", "angles?", _angles(np.asarray(held, float))))
    return Inspection(f"{path} · numpy array", tuple(rows))
