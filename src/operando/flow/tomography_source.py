"""The volumes of a series: reconstructed once each into the run folder, or read from files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from operando.core import digest
from operando.core.errors import ExperimentError, InputError
from operando.core.projections import ImageStack, Projections
from operando.core.voxel import is_grey
from operando.read.volume_file import VolumeFile, open_volume

from .sections.tomography import TomographySection
from .tomography_plan import opened, part_of, recon_settings, require_room
from .tomography_rays import RaySource

if TYPE_CHECKING:
    from .running import Run


@dataclass(frozen=True)
class Volume:
    """One volume on disk: where, what it is (digest), its voxels, when (s since the epoch or NaN), how it was made.

    rows, region, binning   part of the file that is meant, and how many of its voxels make one of `voxel_um`
    """

    path: str
    digest: str
    voxel_um: float
    utc: float
    flip: bool = False
    rows: tuple[int, int] | None = None
    region: tuple[int, ...] | None = None
    binning: int = 1
    centre: float = np.nan
    centre_err: float = np.nan
    centre_apart: float = np.nan
    source: RaySource | None = None  # the projections it was made from

    @property
    def name(self) -> str:
        return Path(self.path).stem

    def read(self) -> np.ndarray:
        """(z, y, x) float32, z from the lower collector up; values that are not known become the median."""
        values = open_volume(self.path).read(self.rows, self.region, self.binning)
        values = np.ascontiguousarray(values[::-1]) if self.flip else values
        bad = ~is_grey(values)
        if bad.any():
            if bad.mean() > 0.5:
                raise InputError("over half of the voxels are not numbers", where=self.path,
                                 fix="Choose what was reconstructed: region = [y0, y1, x0, x1].")  # fmt: skip
            values[bad] = np.median(values[~bad])
        return values


@dataclass(frozen=True)
class Half:
    """Every second image of a stack, from the first or the second on."""

    stack: ImageStack
    start: int

    @property
    def name(self) -> str:
        return f"{self.stack.name}, every second image from {self.start + 1}"

    @property
    def shape(self) -> tuple[int, int, int]:
        n, rows, columns = self.stack.shape
        return len(range(self.start, n, 2)), rows, columns

    @property
    def dtype(self) -> np.dtype:
        return self.stack.dtype

    @property
    def digest(self) -> str:
        return digest(self.stack.digest, "half", self.start)

    def read(self, images=slice(None), rows: slice = slice(None)) -> np.ndarray:
        mine = np.arange(self.start, self.stack.shape[0], 2)[
            images if isinstance(images, slice) else list(images)
        ]
        return self.stack.read([int(i) for i in mine], rows)


def half(scan: Projections, start: int) -> Projections:
    """Every second projection of a scan, with all its flats."""
    pick = np.arange(start, len(scan), 2)
    after = None if scan.flat_after is None else np.searchsorted(pick, np.asarray(scan.flat_after))
    return replace(
        scan, name=f"{scan.name} ({'odd' if start else 'even'} projections)", images=Half(scan.images, start),
        angles_deg=scan.angles_deg[pick], flat_after=after,
        time_s=None if scan.time_s is None else np.asarray(scan.time_s)[pick],
    )  # fmt: skip


def series(job: Run) -> list[Volume]:
    """All volumes in order of time. Raises `ExperimentError` for times that are unknown or equal."""
    section = job.experiment.tomography
    assert section is not None
    files = section.scans if section.scans is not None else section.volumes
    paths = [files] if isinstance(files, str) else list(files or [])
    if section.times_s is not None and len(section.times_s) != len(paths):
        raise ExperimentError(
            f"{len(section.times_s)} times for {len(paths)} files", where="tomography.times_s",
            fix="Give one time (s) for every file, or leave times_s out where the files hold them.",
        )  # fmt: skip
    require_room(job, [Path(p) for p in paths])
    made = [
        reconstructed(job, Path(p), k) if section.scans is not None else given(job, section, Path(p))
        for k, p in enumerate(paths)
    ]
    if section.times_s is not None:
        made = [replace(v, utc=float(t)) for v, t in zip(made, section.times_s, strict=True)]
    utc = np.array([v.utc for v in made])
    if len(made) > 1 and (not np.isfinite(utc).all() or (np.diff(np.sort(utc)) <= 0).any()):
        raise ExperimentError(
            "the times of the scans are not known, or two are the same", where="tomography",
            fix="Write times_s = [0, 900, ...]: the middle of each scan in s, in the order of the files.",
        )  # fmt: skip
    return sorted(made, key=lambda v: v.utc) if len(made) > 1 else made


def reconstructed(
    job: Run, path: Path, number: int, part: int | None = None, centre: float | None = None
) -> Volume:
    """The volume of a scan (or of every second projection of it), made now or found in RUN/volumes."""
    from .recon import VERSION, reconstruct

    section = job.experiment.tomography
    assert section is not None
    scan = opened(section, path)
    whole = scan if part is None else half(scan, part)
    settings = recon_settings(section, centre)
    label = f"scan_{number:04d}" + ("" if part is None else f"_half_{part}")
    target = job.folder / "volumes" / f"{label}.zarr"

    def told(done: int, total: int) -> None:
        job.listener.progress(f"tomography {label}", done, total)

    done = reconstruct(whole, target, settings, progress=told, overwrite=True)
    for note in done.notes:
        job.notes.append(f"tomography, {path.name}: {note}")
    job.listener.say("tomography", f"{path.name}: centre {done.centre.sentence()}")
    values = [e.centre for e in done.centre.estimates]
    when = scan.started_s if scan.time_s is None else float(np.mean(scan.time_s))
    return Volume(
        str(target), digest(VERSION, whole.digest, settings, section.binning),
        float(scan.pixel_um or np.nan) * section.binning, np.nan if when is None else when, section.row_0 == "top",
        binning=section.binning, centre=done.centre.value, centre_err=done.centre.err,
        centre_apart=max(values) - min(values) if values else np.nan,
        source=RaySource(
            str(path), section.voxel_um, section.energy_keV, section.distance_mm, settings, part, section.binning
        ),
    )  # fmt: skip


def given(job: Run, section: TomographySection, path: Path) -> Volume:
    """A volume that was made elsewhere: zarr of ours, TIFF stack or folder, HDF5."""
    file = open_volume(path)
    voxel = section.voxel_um or file.voxel_um
    if voxel is None:
        raise ExperimentError(f"the voxel size of {path.name} is not known", where="tomography.volumes",
                              fix="Write voxel_um = 1.7.")  # fmt: skip
    if file.voxel_um is not None and abs(voxel - file.voxel_um) > 1e-3 * voxel:
        raise ExperimentError(
            f"voxel_um = {voxel:g}, but {path.name} says {file.voxel_um:g} um", where="tomography.voxel_um",
            fix="Leave voxel_um out where the files know it, or correct the one that is wrong.",
        )  # fmt: skip
    absent = not_numbers(file)
    if absent:
        job.notes.append(f"tomography, {path.name}: {100 * absent:.2g} % of the voxels are not numbers; the median "
                         "grey value is put there")  # fmt: skip
    rows, region = part_of(section)
    return Volume(
        str(path), digest(state_of(path), rows, region, section.binning), float(voxel) * section.binning,
        np.nan if file.started_s is None else file.started_s, section.row_0 == "top", rows, region, section.binning,
    )  # fmt: skip


def not_numbers(file: VolumeFile) -> float:
    """Share of voxels without a number, of eight planes."""
    if file.dtype.kind != "f":
        return 0.0
    planes = np.unique(np.linspace(0, file.shape[0] - 1, 8).astype(int))
    return float(np.mean([(~is_grey(file.read((int(k), int(k) + 1)))).mean() for k in planes]))


def state_of(path: Path) -> tuple:
    """Name, size and time of a file, or of all files of a folder: another state is another volume."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return tuple((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
