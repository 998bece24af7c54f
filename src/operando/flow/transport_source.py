"""The label volumes that transport is calculated of: files, cut to what is asked, with cubes and domains in voxels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from operando.core import digest
from operando.core.errors import ExperimentError, InputError, ReadError
from operando.core.trust import reads
from operando.core.voxel import voxel_of

from .sections.transport import TransportSection

#: of [segmentation]: phases that [transport] does not name (they block); voxels that are no number or not labelled
REST, UNKNOWN = 254, 255


#: domains or cubes of one volume
MOST_PARTS = 1_000_000


@dataclass(frozen=True)
class LabelVolume:
    """Labels (z, y, x) with their voxel (z, y, x) in um; `unknown` is the label of what lies outside, or None."""

    name: str
    labels: np.ndarray = field(repr=False)
    voxel_um: tuple[float, float, float]
    unknown: int | None = None

    @cached_property
    def digest(self) -> str:
        return digest(self.labels, self.voxel_um, self.unknown)

    @property
    def known(self) -> np.ndarray:
        return np.ones(self.labels.shape, bool) if self.unknown is None else self.labels != self.unknown

    def voxels(self, size_um: Sequence[float], what: str) -> tuple[int, int, int]:
        """A size (x, y, z) in um as voxels (x, y, z). Raises `ExperimentError` where that is none or more than all, and
        where more than `MOST_PARTS` of that size fit."""
        count = [round(s / v) for s, v in zip(size_um, self.voxel_um[::-1], strict=True)]
        fit = math.prod(m // max(n, 1) for n, m in zip(count, self.labels.shape[::-1], strict=True))
        if min(count) < 1 or fit > MOST_PARTS:
            voxel = " x ".join(f"{v:.4g}" for v in self.voxel_um[::-1])
            much = f"{fit:,} fit into {self.name}" if min(count) else "that is less than one"
            asked = " x ".join(f"{s:.4g}" for s in size_um)
            raise ExperimentError(
                f"{asked} um are too small for voxels of {voxel} um: {much}", where=f"transport.{what}",
                fix=f"Write a larger {what}.",
            )  # fmt: skip
        if any(n > m for n, m in zip(count, self.labels.shape[::-1], strict=True)):
            have = " x ".join(
                f"{n * v:.4g}" for n, v in zip(self.labels.shape[::-1], self.voxel_um[::-1], strict=True)
            )
            asked = " x ".join(f"{s:.4g}" for s in size_um)
            raise ExperimentError(
                f"{self.name} is {have} um (x, y, z), smaller than {asked} um", where=f"transport.{what}",
                fix=f"Write a smaller {what}.",
            )  # fmt: skip
        return (count[0], count[1], count[2])

    def cubes(self, edge_um: float, most: int) -> list[LabelVolume]:
        """Up to `most` cubes without unknown voxels, spread evenly over those that fit, from the first face on."""
        nx, ny, nz = self.voxels((edge_um, edge_um, edge_um), "cube_um")
        known = self.known
        corners = [
            (k * nz, j * ny, i * nx)
            for k in range(self.labels.shape[0] // nz)
            for j in range(self.labels.shape[1] // ny)
            for i in range(self.labels.shape[2] // nx)
        ]
        parts = [
            tuple(slice(c, c + n) for c, n in zip(corner, (nz, ny, nx), strict=True)) for corner in corners
        ]
        whole = [part for part in parts if known[part].all()]
        places = np.linspace(0, max(len(whole) - 1, 0), min(most, len(whole)))
        chosen = np.unique(places.round().astype(int))
        return [
            LabelVolume(
                f"{self.name}, cube {n + 1}", np.ascontiguousarray(self.labels[whole[k]]), self.voxel_um
            )
            for n, k in enumerate(chosen)
        ]


def from_files(section: TransportSection) -> list[LabelVolume]:
    """The volumes of `labels`, with their names. Raises `OperandoError` for files and labels that do not serve."""
    given = section.labels
    paths = [Path(p) for p in ([given] if isinstance(given, str) else given or [])]
    names = section.names or [p.stem for p in paths]
    if len(names) != len(paths) or len(set(names)) < len(names):
        raise ExperimentError(
            f"{len(set(names))} names for {len(paths)} volumes", where="transport.names",
            fix="Give every volume a name of its own, in the order of the files.",
        )  # fmt: skip
    return [one_file(section, path, name) for path, name in zip(paths, names, strict=True)]


def one_file(section: TransportSection, path: Path, name: str) -> LabelVolume:
    labels, voxel = read_labels(path, section.dataset, section.voxel_um)
    if section.rows is not None:
        labels = labels[section.rows[0] : section.rows[1]]
    if section.region is not None:
        y0, y1, x0, x1 = section.region
        labels = labels[:, y0:y1, x0:x1]
    if not labels.size:
        raise ExperimentError(
            f"nothing is left of {path.name}", where="transport.rows",
            fix="Rows and region count voxels: rows = [first, end], region = [y0, y1, x0, x1].",
        )  # fmt: skip
    return checked(
        section, LabelVolume(name, without_nan(labels, section.outside, str(path)), voxel), str(path)
    )


def without_nan(labels: np.ndarray, outside: int | None, where: str) -> np.ndarray:
    """Whole numbers; NaN becomes the label of what lies outside. Raises `ReadError` for NaN and fractions otherwise."""
    if labels.dtype.kind != "f":
        return labels
    unknown = np.isnan(labels)
    if unknown.any() and outside is None:
        raise ReadError(
            f"{unknown.sum()} voxels have no label (NaN)", where=where,
            fix="Write outside = 65535 (any label that no phase has): such voxels then count as outside of the sample.",
        )  # fmt: skip
    filled = np.where(unknown, 0 if outside is None else outside, labels)
    if not (filled == np.round(filled)).all():
        raise ReadError("the volume holds grey values, not labels", where=where, fix="Segment it first.")
    return filled.astype(np.int32)


def read_labels(
    path: Path, dataset: str | None, voxel_um: float | None
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Labels (z, y, x) and voxel (z, y, x) in um of a zarr, HDF5 or TIFF file, or a folder of TIFFs."""
    if path.suffix == ".zarr":
        return _zarr(path, dataset, voxel_um)
    if path.is_dir():
        from operando.read.volume_file import open_volume

        if voxel_um is None:
            raise _no_voxel(path)
        return open_volume(path).read(), (voxel_um,) * 3
    from operando.read.label_volume import read_label_volume

    try:
        found = read_label_volume(path, dataset, voxel_um=(voxel_um,) * 3)
    except ReadError as error:
        if voxel_um is None and error.what == "no voxel size":
            raise _no_voxel(path) from error
        raise
    z, y, x = (
        float(np.diff(v).mean()) if len(v) > 1 else 2 * float(v[0]) for v in (found[d].values for d in "zyx")
    )
    return found.values, (z, y, x)


@reads("this volume")
def _zarr(path: Path, dataset: str | None, voxel_um: float | None):
    from operando.core.errors import require_extra

    zarr = require_extra("zarr", "tomo", "reading zarr volumes")
    store = zarr.open(path, mode="r")
    if not isinstance(store, zarr.Array):
        three = [key for key, array in store.arrays() if array.ndim == 3]
        name = dataset or ("labels" if "labels" in three else three[0] if len(three) == 1 else None)
        if name is None or name not in three:
            raise ReadError(f"no volume of labels; arrays of three axes: {', '.join(three) or 'none'}",
                            where=str(path), fix="Name the dataset.")  # fmt: skip
        store = store[name]
    if store.ndim != 3:
        raise ReadError(f"{store.ndim} axes, not z, y, x", where=str(path), fix="Give a segmented volume.")
    voxel = voxel_of(store.attrs.get("voxel_um") if voxel_um is None else voxel_um)
    if voxel is None:
        raise _no_voxel(path)
    return np.asarray(store[:]), voxel


def _no_voxel(path: Path) -> ExperimentError:
    return ExperimentError(
        f"the voxel size of {path.name} is not known",
        where="transport.labels",
        fix="Write voxel_um = 1.0 (at the command line: --voxel-um 1).",
    )


def checked(section: TransportSection, volume: LabelVolume, where: str) -> LabelVolume:
    """The volume with its `unknown` label. Raises `InputError` for labels without a phase, and where no phase is."""
    wanted = {phase.label for phase in section.phases.values()}
    found = set(np.unique(volume.labels).tolist())
    strange = sorted(found - wanted - {section.outside})
    if strange:
        raise InputError(
            f"{volume.name} holds labels {strange[:8]} of no phase", where=where,
            fix="Write phases = { NAME = { label = ... }, ... } for all of them, or outside = LABEL for one.",
        )  # fmt: skip
    if not found & wanted:
        raise InputError(f"{volume.name} holds nothing but the outside", where=where, fix="Check outside.")
    unknown = section.outside if section.outside in found else None
    return LabelVolume(volume.name, volume.labels, volume.voxel_um, unknown)
