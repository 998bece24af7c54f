"""What is known of volumes: strokes of the dashboard and label files, cut to the boxes that they touch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core import digest
from operando.core.errors import InputError, ReadError
from operando.core.voxel import is_grey
from operando.read.volume_file import Box, VolumeFile, open_volume

STROKES, VERSION = "operando strokes", 1
APART = 12  # slices without paint that part two boxes
MOST_UNKNOWN = 0.5
MOST_RADIUS = 1000.0  # voxels


@dataclass(frozen=True)
class Scan:
    """One volume of the series: its file, number from 1, voxel (um), time (s)."""

    file: VolumeFile
    number: int
    voxel_um: float
    time_s: float

    @property
    def name(self) -> str:
        return self.file.name


@dataclass(frozen=True)
class Known:
    """Labels of a box of a scan: 0 not known, k for the k-th of the phases."""

    scan: Scan
    box: Box
    labels: np.ndarray
    phases: tuple[str, ...]

    @property
    def digest(self) -> str:
        edges = [(s.start, s.stop) for s in self.box]
        return digest(self.scan.file.digest, edges, self.labels, self.phases)

    def image(self, reach: Sequence[int]) -> tuple[xr.DataArray, xr.DataArray]:
        """Grey values of the box and `reach` voxels around it, and its labels; what is no number is unpainted."""
        wide = grown(self.box, reach, self.scan.file.shape)
        values, bad = filled(self.scan.file.box(wide), self.scan.name)
        labels = np.zeros(values.shape, np.uint8)
        inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(self.box, wide, strict=True))
        labels[inner] = self.labels
        labels[bad] = 0
        attrs = {"voxel_um": self.scan.voxel_um, "units": self.scan.file.units}
        return (
            xr.DataArray(values, dims=("z", "y", "x"), attrs=attrs),
            xr.DataArray(labels, dims=("z", "y", "x"), attrs=attrs | {"phases": list(self.phases)}),
        )


def filled(values: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """float32 with the median where a voxel is no number, and where that is. Raises InputError where most are none."""
    with np.errstate(over="ignore"):
        values = np.array(values, np.float32)
    bad = ~is_grey(values)
    if bad.all():
        raise InputError("a part of the volume holds no number at all", where=name,
                         fix="Crop the volume to where it was reconstructed.")  # fmt: skip
    if bad.any():
        values[bad] = np.median(values[~bad])
    return values, bad


def grown(box: Box, reach: Sequence[int], shape: Sequence[int]) -> Box:
    """The box and `reach` voxels around it, within the volume."""
    a, b, c = (
        slice(max(s.start - r, 0), min(s.stop + r, n)) for s, r, n in zip(box, reach, shape, strict=True)
    )
    return a, b, c


def read_known(
    path: Path, scan: Scan, phases: Sequence[str] | None, values: dict[str, Any] | None = None
) -> list[Known]:
    """What a file says of a scan. Raises InputError and ReadError for what does not belong to it."""
    if path.suffix == ".json":
        return _strokes(path, scan, phases)
    if phases is None:
        raise InputError(
            "the names of the phases are not known", where=str(path),
            fix='Write phases = ["lithium", "void", ...]: label 1 is the first, 0 is not known.',
        )  # fmt: skip
    return [_label_file(path, scan, tuple(phases), values)]


def read_strokes(path: Path) -> dict[str, Any]:
    """Strokes as the page of the dashboard keeps them, checked. Raises `ReadError`."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        if told["format"] != STROKES or int(told["version"]) > VERSION:
            raise ValueError
        for stroke in told["strokes"]:
            _checked(stroke)
        if not all(isinstance(n, int) for n in told["shape"]) or not all(
            isinstance(name, str) and name for name in [*told["phases"]]
        ):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ReadError("no strokes of the dashboard", where=str(path),
                        fix="Paint in the page of operando show, or give a label volume.") from error  # fmt: skip
    return told


def _checked(stroke: dict[str, Any]) -> None:
    """Raise ValueError, KeyError or TypeError for what is no stroke of points (z, y, x) in one phase, or of none."""
    if any(isinstance(v, str) for point in stroke["points"] for v in point):
        raise TypeError("a word among the numbers")
    points, radius = np.array(stroke["points"], float), float(stroke["radius_vox"])
    phase, across = stroke["phase"], stroke.get("across", "z")
    whole = points.ndim == 2 and len(points) and points.shape[1] == 3 and np.isfinite(points).all()
    if not (whole and 0 <= radius <= MOST_RADIUS and across in ("z", "y", "x")):
        raise ValueError("no stroke")
    if phase is not None and not isinstance(phase, str):
        raise TypeError("no name of a phase")


def _strokes(path: Path, scan: Scan, phases: Sequence[str] | None) -> list[Known]:
    told = read_strokes(path)
    if tuple(told["shape"]) != scan.file.shape:
        raise InputError(
            f"painted on {tuple(told['shape'])} voxels, {scan.name} is {scan.file.shape}", where=str(path),
            fix="Name the scan that was painted on.",
        )  # fmt: skip
    names = list(phases or told["phases"])
    up = (lambda z: scan.file.shape[0] - 1 - z) if scan.file.flip else float
    strokes = [
        tomo.Stroke(
            s["phase"], tuple((up(z), y, x) for z, y, x in s["points"]), float(s["radius_vox"]), s.get("across", "z")
        )
        for s in told["strokes"]
    ]  # fmt: skip
    if not strokes:
        raise InputError("nothing is painted", where=str(path), fix="Paint strokes of two phases.")
    found = []
    for group in _together(strokes):
        box = _around(group, scan.file.shape)
        low = [s.start for s in box]
        moved = [
            replace(s, points=tuple(tuple(np.subtract(point, low)) for point in s.points)) for s in group
        ]
        blank = xr.DataArray(
            np.zeros([s.stop - s.start for s in box], np.uint8), dims=("z", "y", "x"),
            attrs={"voxel_um": scan.voxel_um},
        )  # fmt: skip
        try:
            painted = tomo.paint_strokes(moved, blank, phases=names).values
        except InputError as error:
            raise InputError(error.what, where=str(path), fix=error.fix) from error
        found.append(Known(scan, box, painted, tuple(names)))
    return found


def _together(strokes: list) -> list[list]:
    """Strokes in groups whose slices lie near each other, each in the order of painting."""
    spans = [
        (min(p[0] for p in s.points) - _reach(s)[0], max(p[0] for p in s.points) + _reach(s)[0])
        for s in strokes
    ]
    order = np.argsort([a for a, _ in spans], kind="stable")
    groups: list[list[int]] = []
    end = -np.inf
    for k in order:
        if not groups or spans[k][0] > end + APART:
            groups.append([])
        groups[-1].append(int(k))
        end = max(end, spans[k][1])
    return [[strokes[k] for k in sorted(group)] for group in groups]


def _reach(stroke: Any) -> np.ndarray:
    """How far the brush reaches along z, y and x."""
    return np.array([0.0 if axis == stroke.across else stroke.radius_vox for axis in "zyx"])


def _around(strokes: list, shape: Sequence[int]) -> Box:
    low, high = [], []
    for stroke in strokes:
        points = np.asarray(stroke.points, float).reshape(-1, 3)
        if not len(points) or (points < -0.5).any() or (points > np.array(shape) - 0.5).any():
            raise InputError(
                "a stroke leaves the volume", where="strokes", fix="Paint on the volume that is named."
            )
        low.append(points.min(0) - _reach(stroke))
        high.append(points.max(0) + _reach(stroke))
    least, most = np.floor(np.min(low, 0) / 2) * 2, np.ceil(np.max(high, 0)) + 1  # even: halves round to even
    a, b, c = (slice(max(int(i), 0), min(int(j), n)) for i, j, n in zip(least, most, shape, strict=True))
    return a, b, c


def _label_file(path: Path, scan: Scan, phases: tuple[str, ...], values: dict[str, Any] | None) -> Known:
    file = open_volume(path, sparse=True).flipped(scan.file.flip)
    if file.shape != scan.file.shape:
        raise InputError(
            f"labels of {file.shape} voxels, {scan.name} is {scan.file.shape}", where=str(path),
            fix="Give labels of the whole volume, 0 where nothing is known.",
        )  # fmt: skip
    labels = file.box(tuple(slice(0, n) for n in file.shape))  # type: ignore[arg-type]
    if labels.dtype.kind not in "iub":
        raise InputError(f"labels are {labels.dtype}, not whole numbers", where=str(path))
    if values is not None:
        missing = sorted(set(values) ^ set(phases))
        if missing:
            raise InputError(f"values name {sorted(values)}, phases are {list(phases)}", where=str(path),
                             fix="Give one value (or a list) for every phase.")  # fmt: skip
        own = np.zeros(labels.shape, np.uint8)
        for k, name in enumerate(phases, 1):
            own[np.isin(labels, np.atleast_1d(values[name]))] = k
        labels = own
    if labels.min() < 0 or labels.max() > len(phases):
        raise InputError(
            f"labels from {labels.min()} to {labels.max()}, {len(phases)} phases", where=str(path),
            fix="Say which numbers are which phase: values = { lithium = 2, void = [3, 6] }.",
        )  # fmt: skip
    if not labels.any():
        raise InputError("no voxel has a label", where=str(path), fix="0 is not known; 1 is the first phase.")
    box = []
    for axis in range(3):
        touched = np.flatnonzero(labels.any(tuple(a for a in range(3) if a != axis)))
        box.append(slice(int(touched[0]), int(touched[-1]) + 1))
    return Known(scan, tuple(box), labels[tuple(box)].astype(np.uint8), phases)  # type: ignore[arg-type]
