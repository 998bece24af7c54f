"""The volumes of a series: reconstructed once each into the run folder, or read from files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from operando.core import digest
from operando.core.errors import ExperimentError, InputError, ReadError
from operando.core.projections import ImageStack, Projections

from .sections.tomography import TomographySection

if TYPE_CHECKING:
    from .running import Run


@dataclass(frozen=True)
class Volume:
    """One volume on disk: where, what it is (digest), its voxels, when (s since the epoch or NaN), how it was made."""

    path: str
    digest: str
    voxel_um: float
    utc: float
    flip: bool = False
    centre: float = np.nan
    centre_err: float = np.nan
    centre_apart: float = np.nan

    @property
    def name(self) -> str:
        return Path(self.path).stem

    def read(self) -> np.ndarray:
        """(z, y, x) float32, z from the lower collector up; values that are not known become the median."""
        values = np.ascontiguousarray(load(Path(self.path))[:: -1 if self.flip else 1], np.float32)
        bad = ~np.isfinite(values)
        if bad.any():
            if bad.mean() > 0.5:
                raise InputError("over half of the voxels are not numbers", where=self.path)
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
    made = [
        reconstructed(job, Path(p), k) if section.scans is not None else given(section, Path(p))
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


def opened(section: TomographySection, path: Path) -> Projections:
    from operando.read.projections import open_projections

    return open_projections(
        path, pixel_um=section.voxel_um, energy_keV=section.energy_keV, distance_mm=section.distance_mm
    )


def reconstructed(
    job: Run, path: Path, number: int, part: int | None = None, centre: float | None = None
) -> Volume:
    """The volume of a scan (or of every second projection of it), made now or found in RUN/volumes."""
    from operando.tomography.correct import Correction
    from operando.tomography.slabs import ReconSettings

    from .recon import reconstruct

    section = job.experiment.tomography
    assert section is not None
    scan = opened(section, path)
    whole = scan if part is None else half(scan, part)
    cleaning: dict[str, Any] = {"stripes": section.stripes}
    settings = ReconSettings(
        centre=section.centre if centre is None else centre,
        rows=None if section.rows is None else (section.rows[0], section.rows[1]),
        region=None if section.region is None else tuple(section.region),  # type: ignore[arg-type]
        correction=Correction(**cleaning), outside="keep", memory_gb=section.memory_gb,
    )  # fmt: skip
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
        str(target), digest(whole.digest, settings), float(scan.pixel_um or np.nan), np.nan if when is None else when,
        section.row_0 == "top", done.centre.value, done.centre.err, max(values) - min(values) if values else np.nan,
    )  # fmt: skip


def given(section: TomographySection, path: Path) -> Volume:
    """A volume that was made elsewhere: zarr of ours, TIFF stack, HDF5."""
    voxel, when = section.voxel_um, np.nan
    if path.suffix == ".zarr":
        import zarr

        attrs = dict(zarr.open_group(path, mode="r").attrs)
        started = attrs.get("started_s")
        when = np.nan if started is None else float(str(started))
        voxel = voxel or float(str(zarr.open_group(path, mode="r")["attenuation"].attrs["voxel_um"]))
    if voxel is None:
        raise ExperimentError(
            f"the voxel size of {path.name} is not known",
            where="tomography.volumes",
            fix="Write voxel_um = 1.7.",
        )
    stat = path.stat()
    return Volume(
        str(path),
        digest(str(path), stat.st_size, stat.st_mtime_ns),
        float(voxel),
        when,
        section.row_0 == "top",
    )


def load(path: Path) -> np.ndarray:
    """Values (z, y, x) of a volume file. Raises `ReadError` where it holds none."""
    if path.suffix == ".zarr":
        import zarr

        return np.asarray(zarr.open_array(path / "attenuation", mode="r")[:])
    if path.is_dir() or path.suffix.lower() in (".tif", ".tiff"):
        return _tiff(path)
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            found: list[str] = []
            file.visititems(
                lambda n, o: found.append(n) if isinstance(o, h5py.Dataset) and o.ndim == 3 else None
            )
            if len(found) == 1:
                return np.asarray(file[found[0]])
    except OSError as error:
        raise ReadError("neither TIFF, zarr nor HDF5", where=str(path)) from error
    raise ReadError(
        f"{len(found)} arrays of three axes, not one", where=str(path), fix="Keep one volume a file."
    )


def _tiff(path: Path) -> np.ndarray:
    import tifffile

    from operando.read.hdf5 import natural

    if path.is_dir():
        files = sorted((str(p) for p in path.iterdir() if p.suffix.lower() in (".tif", ".tiff")), key=natural)
        if not files:
            raise ReadError("no TIFF in this folder", where=str(path))
        return np.stack([tifffile.imread(f) for f in files])
    values = tifffile.imread(path)
    if values.ndim != 3:
        raise ReadError(f"{values.ndim} axes, not a stack over z, y, x", where=str(path))
    return values
