"""What is the same for all scans of an experiment: geometry, mask, rings, and what one pass has to keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from operando import diffraction, stream
from operando.core import Geometry, Scan
from operando.core.errors import GeometryError, InputError

from .experiment import Experiment
from .facts import Ring, geometry_of, rings_of
from .masks import correction_image, mask_of
from .sections import XrdSection


@dataclass(frozen=True)
class Plan:
    """Facts and reductions of an experiment, resolved against its first scan.

    pixels     of every ring that is fitted by families: how they sample its spots
    behind     whether the monitor is behind the sample: then it tells the transmission
    points     whether the pattern of every point is kept
    reference  the monitor reading that intensities are scaled to: the 99th percentile of the first scan, about that
               of the open beam; None leaves intensities as counted
    """

    geometry: Geometry
    mask: np.ndarray | None
    rings: tuple[Ring, ...]
    reductions: tuple[Any, ...]
    reference: float | None
    behind: bool
    points: bool
    pixels: dict[str, diffraction.RingPixels]


def plan_for(experiment: Experiment, scan: Scan) -> Plan:
    """Resolve geometry, mask and rings. Raises `InputError` when no monitor was recorded and none was renounced."""
    xrd = experiment.xrd
    assert xrd is not None
    reference = None if xrd.monitor == "none" else open_beam(scan)
    geometry = geometry_of(xrd, scan)
    mask = mask_of(xrd.mask, scan, geometry)
    rings = tuple(rings_of(experiment, geometry))
    reductions = _reductions(xrd, geometry, mask, rings)
    pixels = {} if xrd.splitting != "none" else _pixels(reductions, rings, scan.frames.mask)
    return Plan(
        geometry, mask, rings, reductions, reference, xrd.monitor_place == "behind", xrd.point_patterns, pixels
    )  # fmt: skip


def _pixels(
    reductions: Sequence[Any], rings: Sequence[Ring], gaps: np.ndarray | None
) -> dict[str, diffraction.RingPixels]:
    """The live pixels of the windows of rings with families, weighted as the reductions weigh them."""
    from operando.stream.tables import bin_index, live_pixels, pixel_weights

    found = {}
    by_name = {r.name: r for r in reductions}
    for ring in rings:
        window = by_name[ring.name]
        if not ring.families:
            continue
        geometry = window.geometry
        q = geometry.q().ravel()
        bins = bin_index(q, *ring.q_range, window.q_bins)
        inside = np.flatnonzero((bins >= 0) & live_pixels(window, geometry.shape, gaps))
        azimuth, weight = geometry.azimuth().ravel(), pixel_weights(window)
        found[ring.name] = diffraction.RingPixels(q[inside], azimuth[inside], weight[inside], bins[inside])
    return found


def open_beam(scan: Scan) -> float:
    """The 99th percentile of the monitor's positive readings. Raises `InputError` where there are none."""
    monitor = scan.frames.monitor
    fix = 'Write monitor = "none" under [xrd] to leave intensities as counted.'
    if monitor is None:
        raise InputError("no beam monitor was recorded", where=scan.name, fix=fix)
    good = monitor[np.isfinite(monitor) & (monitor > 0)]
    if not len(good):
        raise InputError(
            "the beam monitor reads zero, less or nothing in every frame", where=scan.name,
            fix=f"Name another counter with monitor = ..., or leave this scan out. {fix}",
        )  # fmt: skip
    return float(np.percentile(good, 99))


def _on_detector(q_range: tuple[float, float] | None, geometry: Geometry) -> None:
    """Raise `GeometryError` for a range of the pattern that is mostly not seen: a slip, and endless to index."""
    q = geometry.q()
    if q_range is not None and (q_range[1] > 2 * q.max() or q_range[0] >= q.max() or q_range[1] <= q.min()):
        raise GeometryError(
            f"q_range {q_range[0]:g} to {q_range[1]:g} is not on the detector, which sees {q.min():.3f} to "
            f"{q.max():.3f} 1/angstrom", where="xrd.q_range", fix="Correct q_range (1/angstrom), or the geometry.",
        )  # fmt: skip


def _reductions(
    xrd: XrdSection, geometry: Geometry, mask: np.ndarray | None, rings: Sequence[Ring]
) -> tuple[Any, ...]:
    assert geometry.shape is not None
    common: dict[str, Any] = {
        "geometry": geometry, "mask": mask, "solid_angle": xrd.solid_angle, "polarisation": xrd.polarisation,
        "splitting": xrd.splitting, "flat": correction_image(xrd.flat, geometry.shape, "xrd.flat"),
        "dark": correction_image(xrd.dark, geometry.shape, "xrd.dark"),
    }  # fmt: skip
    windows = [
        stream.RingWindow(
            name=ring.name, q_range=ring.q_range, azimuth_bins=xrd.azimuth_bins,
            q_bins=ring.q_bins, **common,
        )
        for ring in rings
    ]  # fmt: skip
    _on_detector(xrd.q_range, geometry)
    pattern = stream.Pattern(
        q_bins=xrd.pattern_bins, q_range=xrd.q_range, spacing=xrd.pattern_spacing, **common
    )
    return (stream.TotalCounts(mask=mask), stream.Monitor(), pattern, *windows)
