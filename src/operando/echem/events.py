"""Clock offset and drift from events that both clocks saw: current switches and changes in the images."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .clock import Clock, _stamps, current_state


def current_events(table: xr.Dataset, *, min_rest_s: float = 0.0) -> xr.Dataset:
    """Moments at which the current starts, stops or turns, on the cycler clock.

    Where the step index changes with the current, the first record of the new step (less its own step
    time, where the file has it) is the moment; else it lies anywhere between two records: the middle,
    with the error of a uniform distribution. Events closer than `min_rest_s` to the one before are left out.

    Returns over `event`: utc, utc_err (s), before and after (A).
    """
    current = table["current"].values
    stamps = _stamps(table)
    row = np.flatnonzero(np.diff(current_state(current)) != 0) + 1
    stepped = (table["step"].values[row] != table["step"].values[row - 1]) | (
        table["cycle"].values[row] != table["cycle"].values[row - 1]
    )
    since = np.zeros(len(row))
    if "step_time_s" in table:
        since = np.clip(table["step_time_s"].values[row], 0, stamps[row] - stamps[row - 1])
    gap = stamps[row] - stamps[row - 1]
    moment = np.where(stepped, stamps[row] - since, stamps[row] - 0.5 * gap)
    error = np.where(stepped, 0.0, gap / np.sqrt(12))
    keep = np.diff(moment, prepend=-np.inf) >= min_rest_s
    return xr.Dataset(
        {
            "utc": ("event", moment[keep], {"units": "s"}),
            "utc_err": ("event", error[keep], {"units": "s"}),
            "before": ("event", current[row - 1][keep], {"units": "A"}),
            "after": ("event", current[row][keep], {"units": "A"}),
        }
    )


def find_clock(
    utc: np.ndarray, signal: np.ndarray, table: xr.Dataset, *, signal_err: np.ndarray | None = None,
    guess_s: float = 0.0, search_s: float = 600.0, window_s: float = 3600.0, exposure_s: float = 0.0,
    kind: str = "slope", drift: bool = True, min_significance: float = 5.0,
) -> Clock:  # fmt: skip
    """Cycler minus detector clock from the current switches that show in a series of image values.

    utc, signal   (n,) middle of each frame or row on the detector clock and a value from the images that
                  answers to the current (an intensity, a ring position, a contrast), any order
    signal_err    (n,) its 1-sigma error, or None: taken from the scatter around the fit
    guess_s       expected offset, searched within +- search_s
    window_s      how much of the series around each switch is used; cut at the neighbouring switches
    exposure_s    duration over which one value averages (a row of 15 s): the corner is rounded by it
    kind          "slope": the signal bends at the switch (it follows the charge); "step": it jumps
    drift         fit a drift where at least two switches are found

    At each switch the signal is a straight line, plus a bend or jump at the unknown moment; the offset
    with the smallest chi-square is taken, with the error of the linearised fit. Offsets of all switches
    that are significant give offset and drift by weighted least squares.

    Raises `InputError` when no switch can be seen in the signal.
    """
    order = np.argsort(utc)
    utc, signal = np.asarray(utc, float)[order], np.asarray(signal, float)[order]
    error = None if signal_err is None else np.asarray(signal_err, float)[order]
    good = np.isfinite(utc) & np.isfinite(signal)
    utc, signal, error = utc[good], signal[good], None if error is None else error[good]
    events = current_events(table)
    moments = events.utc.values
    found = []
    for index, moment in enumerate(moments):
        low = moments[index - 1] if index else -np.inf
        high = moments[index + 1] if index + 1 < len(moments) else np.inf
        fit = event_offset(
            utc, signal, float(moment), error=error, bounds=(float(low), float(high)), guess_s=guess_s,
            search_s=search_s, window_s=window_s, exposure_s=exposure_s, kind=kind,
        )  # fmt: skip
        if fit is not None and fit["significance"] >= min_significance:
            found.append(
                (moment - fit["offset"], fit["offset"], np.hypot(fit["error"], events.utc_err.values[index]))
            )
    if not found:
        raise InputError(
            f"none of {len(moments)} current switches shows in the images within {search_s:g} s of {guess_s:g} s",
            where=str(table.attrs.get("source", "cycler table")),
            fix="Give clock_offset_s as a number, or use a quantity that answers to the current.",
        )
    return _combine(np.array(found), drift)


def _combine(found: np.ndarray, drift: bool) -> Clock:
    """Weighted straight line through (detector time, offset, error) of single events."""
    moment, offset, error = found.T
    weight = 1 / error**2
    reference = float(np.average(moment, weights=weight))
    mean = float(np.average(offset, weights=weight))
    mean_err = float(weight.sum() ** -0.5)
    source = f"{len(found)} current switches seen in the images"
    if not drift or len(found) < 2:
        return Clock(mean, mean_err, 0.0, 0.0, reference, source)
    spread = float((weight * (moment - reference) ** 2).sum())
    slope = float((weight * (moment - reference) * (offset - mean)).sum() / spread)
    residual = offset - mean - slope * (moment - reference)
    scale = 1.0
    if len(found) > 2:  # events that disagree more than their errors say widen the error, never narrow it
        scale = max(1.0, float(np.sqrt((weight * residual**2).sum() / (len(found) - 2))))
    return Clock(mean, mean_err * scale, slope, scale * spread**-0.5, reference, source)


def event_offset(
    utc: np.ndarray, signal: np.ndarray, moment: float, *, error: np.ndarray | None = None,
    bounds: tuple[float, float] = (-np.inf, np.inf), guess_s: float = 0.0, search_s: float = 600.0,
    window_s: float = 3600.0, exposure_s: float = 0.0, kind: str = "slope",
) -> dict[str, float] | None:  # fmt: skip
    """Offset (s) of one switch at cycler time `moment`, its error, and how many sigma the bend or jump has.

    `bounds` are the cycler times of the switches before and after. None where there are too few points.
    """
    centre = moment - guess_s
    low = max(centre - window_s, bounds[0] - guess_s + search_s * np.isfinite(bounds[0]))
    high = min(centre + window_s, bounds[1] - guess_s - search_s * np.isfinite(bounds[1]))
    inside = (utc >= low) & (utc <= high)
    if inside.sum() < 8:
        return None
    time, value = utc[inside] - centre, signal[inside]
    weight = np.ones(len(time)) if error is None else 1 / error[inside]
    spacing = float(np.median(np.diff(time)))
    first, last = max(-search_s, time[2]), min(search_s, time[-3])
    if not first < last:
        return None
    grid = np.arange(first, last, max(0.25 * spacing, (last - first) / 2000))

    def chi2(corner: float) -> float:
        return _solve(time, value, weight, corner, exposure_s, kind)[0]

    best = float(grid[int(np.argmin([chi2(c) for c in grid]))])
    from scipy.optimize import minimize_scalar

    step = grid[1] - grid[0] if len(grid) > 1 else spacing
    best = float(
        minimize_scalar(chi2, bounds=(best - step, best + step), method="bounded", options={"xatol": 1e-3}).x
    )
    return _judge(time, value, weight, best, exposure_s, kind, guess_s, error is None)


def _judge(time, value, weight, corner, exposure_s, kind, guess_s, scale_errors) -> dict[str, float]:
    smallest, coefficients = _solve(time, value, weight, corner, exposure_s, kind)
    delta = max(1e-3, 1e-3 * float(np.ptp(time)))
    shape = _shape(time, corner, exposure_s, kind)
    slope = (
        _shape(time, corner + delta, exposure_s, kind) - _shape(time, corner - delta, exposure_s, kind)
    ) / (2 * delta)
    parts = [np.ones_like(time), time, shape, coefficients[2] * slope]
    spacing = float(np.median(np.diff(time)))
    sharp = kind == "step" and exposure_s < spacing  # the jump lies anywhere between two frames
    design = np.column_stack(parts[:3] if sharp else parts) * weight[:, None]
    scale = smallest / max(len(time) - 4, 1) if scale_errors else 1.0
    size = np.linalg.norm(design, axis=0)  # columns of one size, or the inverse loses the small ones
    covariance = np.linalg.pinv((design / size).T @ (design / size)) * scale / np.outer(size, size)
    significance = abs(coefficients[2]) / max(float(np.sqrt(covariance[2, 2])), 1e-300)
    error = spacing / np.sqrt(12) if sharp else float(np.sqrt(covariance[3, 3]))
    if sharp:
        after = int(np.clip(np.searchsorted(time, corner), 1, len(time) - 1))
        corner = 0.5 * float(time[after - 1] + time[after])
    return {"offset": guess_s - corner, "error": error, "significance": float(significance)}


def _shape(time: np.ndarray, corner: float, exposure_s: float, kind: str) -> np.ndarray:
    """A bend or a jump at `corner`, averaged over the exposure."""
    since = time - corner
    if exposure_s <= 0:
        return np.maximum(since, 0.0) if kind == "slope" else (since > 0).astype(float)
    half = 0.5 * exposure_s
    part = np.clip((since + half) / exposure_s, 0.0, 1.0)
    if kind == "step":
        return part
    return np.where(np.abs(since) < half, 0.5 * exposure_s * part**2, np.maximum(since, 0.0))


def _solve(time, value, weight, corner, exposure_s, kind) -> tuple[float, np.ndarray]:
    design = (
        np.column_stack([np.ones_like(time), time, _shape(time, corner, exposure_s, kind)]) * weight[:, None]
    )
    coefficients, *_ = np.linalg.lstsq(design, value * weight, rcond=None)
    return float(((design @ coefficients - value * weight) ** 2).sum()), coefficients
