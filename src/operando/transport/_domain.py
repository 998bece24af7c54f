"""One voxel domain between two electrodes: percolation, precision, flux, its error."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from . import _kernels, _percolation

MOST_STEPS = 500


@dataclass(frozen=True)
class Flow:
    """What a solve found. Lengths in units of the last axis' voxel; potential one at the first end, zero at the last.

    `conductance` total flux (first electrode at one) or, for a given current, power at that current; `err` its
    numerical error; `spread` (max - min) / mean flux over all planes; `potential` None where nothing percolates.
    """

    conductance: float
    err: float
    spread: float
    steps: int
    open_fraction: float
    converged: bool
    potential: np.ndarray | None = None


NOTHING = Flow(0.0, 0.0, 0.0, 0, 0.0, True)


def face_scale(spacing: tuple[float, float, float]) -> np.ndarray:
    """Face area over distance of each axis, in units of the last spacing."""
    h = np.asarray(spacing, float) / spacing[2]
    return h.prod() / h**2


def between_electrodes(k: np.ndarray, spacing, tolerance: float, keep: bool = False) -> Flow:
    """Flux along axis 0 of `k` (z, y, x), the electrodes half a voxel from the centres of the end voxels."""
    k, fraction = _open_only(k)
    if not fraction:
        return NOTHING
    scale = _last(face_scale(spacing))
    low, high = 2 * scale[2] * k[..., 0], 2 * scale[2] * k[..., -1]
    ramp = 1 - (np.arange(k.shape[2]) + 0.5) / k.shape[2]
    return _solved(k, scale, low, low, high, ramp.astype(k.dtype), tolerance, fraction, keep)


def from_current(k: np.ndarray, current: np.ndarray, spacing, tolerance: float) -> Flow:
    """Potential of `k` for a current (y, x) given to each voxel of the first slab; the last end is at zero."""
    k, fraction = _open_only(k)
    scale = _last(face_scale(spacing))
    source = np.where(k[..., 0] > 0, current, 0.0)
    if not fraction or not source.any():
        return NOTHING
    high = 2 * scale[2] * k[..., -1]
    return _solved(
        k, scale, source, np.zeros_like(high), high, np.zeros(1, k.dtype), tolerance, fraction, True
    )


def _last(values: np.ndarray) -> np.ndarray:
    """Axis 0, that of the flux, behind the others."""
    return np.moveaxis(values, 0, -1) if values.ndim == 3 else np.roll(values, -1)


def _open_only(k: np.ndarray) -> tuple[np.ndarray, float]:
    """Conductivity, axis 0 put last, with everything closed that does not lead from end to end; the share left."""
    dtype = k.dtype if k.dtype.kind == "f" else np.dtype(np.float32)
    k = np.ascontiguousarray(_last(k))
    open_ = _percolation.percolating(k if k.dtype == bool else k > 0)
    left = np.count_nonzero(open_)
    return (open_.astype(dtype) if k.dtype == bool else np.where(open_, k, dtype.type(0))), left / k.size


def _solved(k, scale, source, low, high, u0, tolerance, fraction, keep) -> Flow:
    """In float32; again in float64 if the rounding keeps the fluxes from agreeing (contrasts over some 10^4)."""
    peak = float(k.max())
    uniform = bool(((k == 0) | (k == peak)).all())
    inputs = (k if peak == 1 else k / peak, scale, source / peak, low / peak, high / peak, u0 * (k > 0))
    flow = NOTHING
    for dtype in (np.float32, np.float64):
        arrays = [np.ascontiguousarray(a, dtype) for a in inputs]
        u, flux, power, steps, falls = _kernels.solve(
            *arrays, tolerance=0.9 * tolerance, most=MOST_STEPS, uniform=uniform
        )
        flow = _judged(u, flux, power, steps, falls, source / peak, low, peak, tolerance, fraction)
        if flow.converged:
            break
    return flow if keep else replace(flow, potential=None)


def _judged(u, flux, power, steps, falls, source, low, peak, tolerance, fraction) -> Flow:
    mean = abs(flux.mean())
    spread = float(np.ptp(flux) / mean) if mean > 0 else np.inf
    given = not low.any()
    value = 2 * float((source * u[..., 0].astype(float)).sum()) - power if given else power
    err = _energy_left(falls) + 1e-7 * abs(value)
    converged = bool(spread < tolerance)
    return Flow(
        float(value * peak), float(err * peak), spread, int(steps), fraction, converged, np.moveaxis(u, -1, 0)
    )


def _energy_left(falls: np.ndarray) -> float:
    """Energy that further steps would still take: a geometric series after the last fall."""
    if not (falls[3] > 0 and falls[0] >= 0) or not np.isfinite(falls).all():
        return abs(float(falls[0]))
    ratio = min((falls[0] / falls[3]) ** (1 / 3), 0.95)
    return float(falls[0] * ratio / (1 - ratio))
