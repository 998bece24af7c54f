"""The projections behind a volume: line integrals of a whole scan, and the operators that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from operando.core.errors import InputError
from operando.tomography.fourier_backproject import Backprojector
from operando.tomography.fourier_lines import Beams
from operando.tomography.fourier_project import Projector
from operando.tomography.slabs import ReconSettings


@dataclass(frozen=True)
class RaySource:
    """How the projections of a volume are opened again: the file, which half of it, and as it was reconstructed."""

    path: str
    pixel_um: float | None
    energy_keV: float | None
    distance_mm: float | None
    settings: ReconSettings
    part: int | None = None
    binning: int = 1


@dataclass
class Rays:
    """-ln I/I0 of a scan without phase retrieval, (z, angles, columns) from the lower collector up; its operators."""

    paths: np.ndarray
    back: Backprojector
    project: Projector


def rays_of(source: RaySource, centre: float, voxel_um: float, flip: bool) -> Rays:
    """Read and correct all projections of a scan, as they were for its volume."""
    from operando.read.projections import open_projections
    from operando.tomography.correct import sinograms
    from operando.tomography.flats import plan_flats
    from operando.tomography.projections_used import usable

    from .tomography_source import half

    scan = open_projections(
        Path(source.path),
        pixel_um=source.pixel_um,
        energy_keV=source.energy_keV,
        distance_mm=source.distance_mm,
    )
    scan = scan if source.part is None else half(scan, source.part)
    flats = plan_flats(scan)
    keep, _ = usable(scan, flats, partial=source.settings.partial)
    rows = source.settings.rows or (0, scan.rows)
    paths = sinograms(
        scan, flats, slice(*rows), source.settings.correction, keep=keep, threads=source.settings.cores
    )
    lost = ~np.isfinite(paths[:, 0, 0])
    if lost.any():
        if lost.mean() > 0.5:
            raise InputError("over half of the rows hold no numbers", where=source.path)
        good = np.flatnonzero(~lost)
        paths[lost] = paths[good[np.abs(np.flatnonzero(lost)[:, None] - good).argmin(1)]]
    centre, paths = binned(centre, paths, source.binning)
    beams = Beams(scan.angles_deg[keep], paths.shape[2], centre)
    back = Backprojector(beams, pixel_um=voxel_um, threads=source.settings.cores)
    return Rays(np.ascontiguousarray(paths[:: -1 if flip else 1]), back, Projector(beams, pixel_um=voxel_um))


def binned(centre: float, paths: np.ndarray, count: int) -> tuple[float, np.ndarray]:
    """Centre and line integrals on pixels that are `count` times as large: their light is added up."""
    if count == 1:
        return centre, paths
    rows, angles, columns = (paths.shape[0] // count, paths.shape[1], paths.shape[2] // count)
    whole = paths[: rows * count, :, : columns * count].reshape(rows, count, angles, columns, count)
    return (centre - (count - 1) / 2) / count, -np.log(np.exp(-whole).mean((1, 4)))
