"""What a series of volumes will take, before any work: sizes, memory of the analysis, disk of the volumes."""

from __future__ import annotations

import os
import shutil
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from operando.core.errors import ExperimentError, OperandoError, require_extra
from operando.core.projections import Projections
from operando.read.volume_file import open_volume

from .sections.tomography import TomographySection

if TYPE_CHECKING:
    from operando.tomography.slabs import ReconSettings

    from .job import Run

#: peak of the arrays held at once, in float32 volumes: measured with tracemalloc on the twin (23)
PEAK_VOLUMES = 25
SHARE = 0.9  # of the free memory


@dataclass(frozen=True)
class Planned:
    """One volume to come: its voxels after region and binning, and the bytes it will take on disk."""

    name: str
    shape: tuple[int, int, int]
    voxel_um: float | None
    bytes: int


def opened(section: TomographySection, path: Path) -> Projections:
    from operando.read.projections import open_projections

    return open_projections(
        path, pixel_um=section.voxel_um, energy_keV=section.energy_keV, distance_mm=section.distance_mm
    )


def part_of(section: TomographySection) -> tuple[tuple[int, int] | None, tuple[int, ...] | None]:
    """Rows and region, as tuples."""
    return (
        None if section.rows is None else (section.rows[0], section.rows[1]),
        None if section.region is None else tuple(section.region),
    )


def recon_settings(section: TomographySection, centre: float | None = None) -> ReconSettings:
    from operando.tomography.correct import Correction
    from operando.tomography.slabs import ReconSettings

    rows, region = part_of(section)
    return ReconSettings(
        centre=section.centre if centre is None else centre, rows=rows, region=region,  # type: ignore[arg-type]
        correction=Correction(stripes=section.stripes), outside="keep",  # type: ignore[arg-type]
        memory_gb=section.memory_gb,
    )  # fmt: skip


def planned(section: TomographySection, path: Path) -> Planned:
    """Of projections or of a volume; nothing but heads of files is read."""
    rows, region = part_of(section)
    if section.scans is not None:
        scan = opened(section, path)
        whole = (scan.rows, scan.columns, scan.columns)
        voxel = scan.pixel_um
    else:
        file = open_volume(path)
        whole, voxel = file.shape, section.voxel_um or file.voxel_um
        file.part(rows, region)
    z0, z1 = rows or (0, whole[0])
    y0, y1, x0, x1 = region or (0, whole[1], 0, whole[2])
    sides = (z1 - z0, y1 - y0, x1 - x0)
    size = 4 * sides[0] * sides[1] * sides[2] if section.scans is not None else 0
    return Planned(path.stem, tuple(n // section.binning for n in sides), voxel, size)  # type: ignore[arg-type]


def require_room(job: Run, paths: list[Path]) -> None:
    """Raise before any work: `ExperimentError` for volumes that differ in size or voxel or need more memory than there
    is, `OperandoError` for a disk without room for all volumes, `ExtraMissing` for spam where it is asked for."""
    section = job.experiment.tomography
    assert section is not None
    if section.displacement == "spam":
        require_extra("spam.DIC", "spam", 'displacement = "spam"')
    plans = [planned(section, p) for p in paths]
    same_size(plans)
    require_memory(section, plans[0])
    require_disk(job, plans)


def same_size(plans: list[Planned]) -> None:
    first = plans[0]
    for one in plans:
        apart = one.voxel_um and first.voxel_um and abs(one.voxel_um - first.voxel_um) > 1e-3 * one.voxel_um
        if one.shape != first.shape or apart:
            raise ExperimentError(
                f"{one.name} is {one.shape} voxels of {one.voxel_um or float('nan'):g} um, {first.name} is "
                f"{first.shape} of {first.voxel_um or float('nan'):g} um", where="tomography",
                fix="Use scans of one detector setting, or choose the same region and rows.",
            )  # fmt: skip


def require_memory(section: TomographySection, plan: Planned) -> None:
    need, limit = analysis_bytes(plan.shape), allowed_bytes(section)
    if need <= limit:
        return
    nz, ny, nx = plan.shape
    larger = range(section.binning + 1, max(plan.shape) * section.binning + 2)  # at the last, nothing is left
    more = larger[bisect_left(larger, True, key=lambda b: analysis_bytes(_binned(plan, section, b)) <= limit)]
    taken = analysis_bytes(_binned(plan, section, more))
    raise ExperimentError(
        f"measuring {nz} x {ny} x {nx} voxels takes about {need / 1e9:.3g} GB of memory at once, "
        f"{limit / 1e9:.3g} GB are {'allowed' if section.memory_gb else 'free'}", where="tomography",
        fix=f"Nothing was done yet. Measure a part (region = [y0, y1, x0, x1], rows = [first, end]), or larger voxels: "
            f"binning = {more} takes {taken / 1e9:.3g} GB.",
    )  # fmt: skip


def _binned(plan: Planned, section: TomographySection, binning: int) -> tuple[int, ...]:
    return tuple(n * section.binning // binning for n in plan.shape)


def analysis_bytes(shape: tuple[int, ...]) -> float:
    return 4.0 * PEAK_VOLUMES * shape[0] * shape[1] * shape[2]


def allowed_bytes(section: TomographySection) -> float:
    """What the user allows, else most of what is free."""
    if section.memory_gb is not None:
        return section.memory_gb * 1e9
    try:
        with open("/proc/meminfo") as file:
            return SHARE * next(
                int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable")
            )
    except (OSError, StopIteration):
        return (
            SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            if hasattr(os, "sysconf")
            else 1e15
        )


def require_disk(job: Run, plans: list[Planned]) -> None:
    """Room for every volume that is not made yet, the two halves of the first scan among them."""
    folder = job.folder / "volumes"
    names = [(f"scan_{k:04d}", plan) for k, plan in enumerate(plans)]
    names += [(f"scan_0000_half_{k}", plans[0]) for k in range(2) if len(plans) > 1]
    need = 1.02 * sum(plan.bytes for name, plan in names if not (folder / f"{name}.zarr").exists())
    place = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(place).free
    if need > free:
        raise OperandoError(
            f"the volumes of {len(plans)} scans need {need / 1e9:.3g} GB, the disk has {free / 1e9:.3g} GB free",
            where=str(place), fix="Nothing was done yet. Free some space, run elsewhere (--output), or choose a "
            "smaller region or fewer rows.",
        )  # fmt: skip
