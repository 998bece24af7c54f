"""Label volumes of the same run's [segmentation], and held-out blocks of which the true labels are known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core.errors import ExperimentError, InputError, require_extra
from operando.read.volume_file import Box

from .sections.transport import TransportSection
from .segmentation_known import Known
from .segmentation_sources import held_known
from .transport_source import REST, UNKNOWN, LabelVolume

if TYPE_CHECKING:
    from .running import Run

FEW = 1e-3  # of the voxels: mistakes of the segmentation


@dataclass(frozen=True)
class HeldPair:
    """The same voxels as they were segmented and as they are; unknown where there is no held-out label."""

    segmented: LabelVolume
    true: LabelVolume


def from_segmentation(
    job: Run, section: TransportSection, groups: dict[str, xr.Dataset]
) -> tuple[list[LabelVolume], list[HeldPair]]:
    """What [segmentation] labelled, scan by scan, and the held-out volumes as labelled and as they are.

    Both are cut to `rows` and `region` and have the labels of `transport.phases`: phases that are not named there
    have `REST` and block. Raises ExperimentError for phases that were not segmented.
    """
    if "segmentation" not in groups:
        job.notes.append("transport: nothing was segmented, so there is nothing to calculate")
        return [], []
    told = groups["segmentation"]
    table = lookup(section, [str(n) for n in told["phase"].values])
    stems = [str(n) for n in np.atleast_1d(told.attrs["volumes"])]
    names = section.names or stems
    if len(names) != len(stems) or len(set(names)) < len(names):
        raise ExperimentError(
            f"{len(set(names))} names for {len(stems)} volumes",
            where="transport.names",
            fix="Name every scan.",
        )
    folder = job.folder / "segmentation"
    found = [
        of_labels(section, name, *read(folder / f"{stem}.zarr", section), table)
        for name, stem in zip(names, stems, strict=True)
    ]
    note_rest(job, found)
    return found, held_pairs(job, section, told["phase"].values.tolist(), folder)


def note_rest(job: Run, volumes: list[LabelVolume]) -> None:
    shares = {v.name: float((v.labels == REST).mean()) for v in volumes}
    most = max(shares, key=lambda name: shares[name])
    if shares[most] > FEW:
        job.notes.append(
            f"transport: {100 * shares[most]:.2g} % of {most} within rows and region are phases that [transport] "
            "does not name: they are taken to conduct nothing. Name those that do"
        )


def lookup(section: TransportSection, phases: list[str]) -> np.ndarray:
    """Label of `transport.phases` for each label of the segmentation (uint8)."""
    strange = [name for name in section.phases if name not in phases]
    if strange:
        raise ExperimentError(
            f"{', '.join(strange)} not among the segmented phases {', '.join(phases)}", where="transport.phases",
            fix="Name phases of [segmentation]; those that are left out block.",
        )  # fmt: skip
    table = np.full(256, REST, np.uint8)
    table[255] = UNKNOWN
    for name, phase in section.phases.items():
        table[phases.index(name)] = phase.label
    return table


def read(path: Path, section: TransportSection) -> tuple[np.ndarray, float]:
    """Labels of the segmentation within `rows` and `region`, and their voxel (um)."""
    zarr = require_extra("zarr", "tomo", "reading volumes")
    array = zarr.open_group(path, mode="r")["label"]
    return array[window(section, array.shape)], float(array.attrs["voxel_um"])


def window(section: TransportSection, shape: tuple[int, ...]) -> Box:
    z0, z1 = section.rows or (0, shape[0])
    y0, y1, x0, x1 = section.region or (0, shape[1], 0, shape[2])
    box = slice(z0, min(z1, shape[0])), slice(y0, min(y1, shape[1])), slice(x0, min(x1, shape[2]))
    if any(s.stop <= s.start for s in box):
        raise ExperimentError(
            f"nothing is left of {shape} voxels (z, y, x)", where="transport.rows",
            fix="Rows and region count voxels: rows = [first, end], region = [y0, y1, x0, x1].",
        )  # fmt: skip
    return box


def of_labels(
    section: TransportSection, name: str, labels: np.ndarray, voxel_um: float, table: np.ndarray
) -> LabelVolume:
    values = table[labels]
    if not np.isin(values, [p.label for p in section.phases.values()]).any():
        raise InputError(
            f"{name} holds none of {', '.join(section.phases)}", where="transport.phases",
            fix="Check rows and region, or what was segmented.",
        )  # fmt: skip
    return LabelVolume(name, values, (voxel_um,) * 3, UNKNOWN if (values == UNKNOWN).any() else None)


def held_pairs(job: Run, section: TransportSection, phases: list[str], folder: Path) -> list[HeldPair]:
    """Of every volume with held-out labels within `rows` and `region`."""
    table, found = lookup(section, phases), []
    for number, known in enumerate(held_known(job, phases), 1):
        path = labels_of(folder, known)
        segmented, voxel = read(path, section)
        true = np.full(known.scan.file.shape, UNKNOWN, np.uint8)
        true[known.box] = np.where(known.labels > 0, known.labels - 1, UNKNOWN)
        true = true[window(section, true.shape)]
        if (true != UNKNOWN).any():
            name = f"held out {number}"
            found.append(HeldPair(
                LabelVolume(name, table[segmented], (voxel,) * 3, UNKNOWN),
                LabelVolume(f"{name}, true", table[true], (voxel,) * 3, UNKNOWN),
            ))  # fmt: skip
    return found


def labels_of(folder: Path, known: Known) -> Path:
    """Where the labels of a volume with held-out labels are: those of a scan, or beside them."""
    name = f"{known.scan.name}.zarr"
    return folder / name if known.scan.number else folder / "held" / name
