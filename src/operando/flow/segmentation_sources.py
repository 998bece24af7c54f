"""Which volumes are segmented, and which of their voxels are known: to learn from, and held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from operando.core.errors import ExperimentError
from operando.read.volume_file import VolumeFile, open_volume

from .sections.segmentation import LabelledSection, SegmentationSection
from .segmentation_known import Known, Scan, read_known

if TYPE_CHECKING:
    from .running import Run

PAINTING = "painting"


def scans_of(job: Run, section: SegmentationSection) -> list[Scan]:
    """The volumes to segment, in order of time: those named, else those of [tomography]."""
    if section.volumes is None:
        return _of_tomography(job)
    paths = [section.volumes] if isinstance(section.volumes, str) else list(section.volumes)
    files = [open_volume(p) for p in paths]
    if section.times_s is not None and len(section.times_s) != len(files):
        raise ExperimentError(f"{len(section.times_s)} times for {len(files)} volumes", where="segmentation.times_s",
                              fix="Give one time (s) for every volume.")  # fmt: skip
    utc = np.array(section.times_s or [np.nan if f.started_s is None else f.started_s for f in files], float)
    if len(files) == 1:
        utc = np.zeros(1)
    if not np.isfinite(utc).all() or len(set(utc)) < len(utc):
        raise ExperimentError(
            "the times of the volumes are not known, or two are the same", where="segmentation.volumes",
            fix="Write times_s = [0, 900, ...]: the middle of each scan in s, in the order of the files.",
        )  # fmt: skip
    order = np.argsort(utc, kind="stable")
    return [
        Scan(files[k], n, _voxel(files[k], section.voxel_um), float(utc[k] - utc[order[0]]))
        for n, k in enumerate(order, 1)
    ]


def _voxel(file: VolumeFile, given: float | None) -> float:
    if given is None and file.voxel_um is None:
        raise ExperimentError(f"the voxel size of {file.name} is not known", where="segmentation.volumes",
                              fix="Write voxel_um = 1.7.")  # fmt: skip
    return float(given if given is not None else file.voxel_um)  # type: ignore[arg-type]


def _of_tomography(job: Run) -> list[Scan]:
    from .running import Listener
    from .tomography_source import series

    if job.experiment.tomography is None:
        raise ExperimentError("there are no volumes to segment", where="segmentation.volumes",
                              fix="Write volumes = ..., or a section [tomography].")  # fmt: skip
    volumes = series(
        replace(job, listener=Listener(), notes=[])
    )  # they are there; what is to be said of them was said
    found = []
    for number, one in enumerate(volumes, 1):
        file = replace(open_volume(Path(one.path)), digest=one.digest, flip=one.flip)
        since = 0.0 if len(volumes) == 1 else one.utc - volumes[0].utc
        found.append(Scan(file, number, one.voxel_um, since))
    return found


def training(job: Run, section: SegmentationSection, scans: list[Scan]) -> list[Known]:
    if section.train is not None:
        return all_known(section.train, section, scans, "segmentation.train")
    found: list[Known] = []
    for scan in scans:
        path = job.folder / PAINTING / f"{scan.name}.json"
        if path.exists():
            found += read_known(path, scan, section.phases)
    return found


def all_known(
    items: list[LabelledSection], section: SegmentationSection, scans: list[Scan], where: str
) -> list[Known]:
    return [k for n, item in enumerate(items) for k in known_of(item, section, scans, f"{where}.{n}")]


def known_of(
    item: LabelledSection, section: SegmentationSection, scans: list[Scan], where: str
) -> list[Known]:
    if item.scan is not None:
        if item.scan > len(scans):
            raise ExperimentError(f"there is no scan {item.scan}, only {len(scans)}", where=where,
                                  fix="Scans are counted from 1 in order of time.")  # fmt: skip
        scan = scans[item.scan - 1]
    else:
        names = [item.volume] if isinstance(item.volume, str) else list(item.volume or [])
        if len(names) != 1:
            raise ExperimentError(
                f"{len(names)} volumes for one file of labels", where=where, fix="Name one volume."
            )
        file = open_volume(names[0])
        scan = Scan(file, 0, _voxel(file, section.voxel_um or scans[0].voxel_um), np.nan)
    return read_known(Path(item.labels), scan, section.phases, item.values)


def planes(known: list[Known]) -> set[tuple[Path, int]]:
    """Slices along z that hold labels."""
    return {
        (k.scan.file.path, int(z) + k.box[0].start)
        for k in known
        for z in np.flatnonzero(k.labels.any((1, 2)))
    }


def held_known(job: Run, phases: Sequence[str]) -> list[Known]:
    """What is known of the volumes that are held out, with the phases of the classifier where the file names none."""
    section = job.experiment.segmentation
    assert section is not None
    if section.phases is None:
        section = section.model_copy(update={"phases": list(phases)})
    return all_known(section.held, section, scans_of(job, section), "segmentation.held")
