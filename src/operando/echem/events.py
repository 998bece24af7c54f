"""Clock offset and drift from events that both clocks saw: current switches and changes in the images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .clock import Clock, _stamps, current_state
from .corners import Shape, charge_shape, event_offset, jump_shape, slope_shape


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
    utc: np.ndarray, signal: np.ndarray, table: xr.Dataset, *, drift: bool = True, max_drift: float = 1e-3,
    min_significance: float = 5.0, use: Sequence[int] | None = None, **options,
) -> Clock:  # fmt: skip
    """Cycler minus detector clock from the current switches that show in image values.

    The offsets of all switches with a bend or jump over `min_significance` sigma (`event_offsets`, which takes the
    other options) give offset and, where there are two or more, drift by weighted least squares. Switches that
    disagree by more than their errors widen the error of the result.

    use        numbers of the switches (in `current_events`) to use: leave out those to which the images answer late, as
               LCO does at the start of charge when a front has to arrive first
    max_drift  a larger drift than any clock has means that the images answered late: refused

    Raises `InputError` when no switch can be seen in the signal, or when the switches contradict each other.
    """
    where = str(table.attrs.get("source", "cycler table"))
    every = event_offsets(utc, signal, table, **options)
    seen = every["significance"].values >= min_significance
    if use is not None:
        seen &= np.isin(every["event"].values, list(use))
    if not seen.any():
        raise InputError(
            f"none of {every.sizes['event']} current switches shows in the images", where=where,
            fix="Give clock_offset_s as a number, widen search_s, or use a quantity that answers to the current.",
        )  # fmt: skip
    offset, error = every["offset"].values[seen], every["offset_err"].values[seen]
    moment = every["utc"].values[seen] - offset
    clock = combine_offsets(np.array([moment, offset, error]).T, drift)
    if abs(clock.drift) > max_drift + 3 * clock.drift_err:
        listed = ", ".join(f"{o:.1f} +- {e:.1f} s" for o, e in zip(offset, error, strict=True))
        raise InputError(
            f"the switches contradict each other (offsets {listed}; a drift of {clock.drift:.2g})", where=where,
            fix="The images may answer late to some: choose switches with use = [...], or set drift = False.",
        )  # fmt: skip
    return clock


def event_offsets(
    utc: np.ndarray, signal: np.ndarray, table: xr.Dataset, *, signal_err: np.ndarray | None = None,
    guess_s: float = 0.0, search_s: float = 600.0, window_s: float = 3600.0, exposure_s: float = 0.0,
    kind: str = "charge",
) -> xr.Dataset:  # fmt: skip
    """Offset of the clocks at every current switch, from the bend or jump of an image signal there.

    utc, signal   (n,) middle of each frame or row on the detector clock and a value from the images that answers to the
                  current (an intensity, a ring position, a contrast), any order; or (n, rows), one series for each row
                  of a map with its own times: all are used, each with its own line
    signal_err    like signal, its 1-sigma error, or None: taken from the scatter around the fit
    guess_s       expected offset, searched within +- search_s
    window_s      how much of the series around each switch is used; cut at the neighbouring switches
    exposure_s    duration over which one value averages (a row of 15 s): the corner is rounded by it
    kind          "charge": the signal follows the recorded charge on both sides of the switch; "slope": it bends there,
                  straight on both sides (wrong where the current falls slowly before it); "step": it jumps

    At each switch the signal is a straight line, plus a bend, the charge or a jump at the unknown moment; the moment of
    smallest chi-square is taken, with the error of the linearised fit, joined with the error of the switch itself.

    Returns over `event` (all switches): utc (s, cycler clock), offset, offset_err (s), significance (sigma of the bend,
    charge or jump), goodness (reduced chi-square where errors are given; far above 1: a wrong shape);
    NaN and zero where the series does not cover the switch.
    """
    utc, signal = np.asarray(utc, float), np.asarray(signal, float)
    signal = signal.reshape(len(signal), -1)
    utc = np.broadcast_to(utc.reshape(len(utc), -1), signal.shape)
    error = (
        None
        if signal_err is None
        else np.broadcast_to(np.reshape(signal_err, (len(signal), -1)), signal.shape)
    )
    events = current_events(table)
    moments = np.concatenate([[-np.inf], events.utc.values, [np.inf]])
    result = np.full((4, events.sizes["event"]), np.nan)
    for index in range(events.sizes["event"]):
        moment = float(moments[index + 1])
        shape = _shape_of(kind, table, moment, exposure_s)
        fits = []
        for row in range(signal.shape[1]):
            series = _series(utc[:, row], signal[:, row], None if error is None else error[:, row])
            fit = event_offset(
                *series, moment, shape, bounds=(float(moments[index]), float(moments[index + 2])), guess_s=guess_s,
                search_s=search_s, window_s=window_s, sharp=kind == "step" and exposure_s <= 0,
            )  # fmt: skip
            fits.append(fit)
        result[:, index] = _joined([fit for fit in fits if fit is not None])
    return xr.Dataset(
        {
            "utc": events.utc, "offset": ("event", result[0], {"units": "s"}),
            "offset_err": ("event", np.hypot(result[1], events.utc_err.values), {"units": "s"}),
            "significance": ("event", np.nan_to_num(result[2])), "goodness": ("event", result[3], {"units": "1"}),
        },
        coords={"event": np.arange(events.sizes["event"])},
    )  # fmt: skip


def _shape_of(kind: str, table: xr.Dataset, moment: float, exposure_s: float) -> Shape:
    if kind == "charge":
        return charge_shape(_stamps(table) - moment, table["capacity"].values, exposure_s)
    if kind not in ("slope", "step"):
        raise InputError(f"kind = {kind!r}", where="event_offsets", fix="Use slope, charge or step.")
    return slope_shape(exposure_s) if kind == "slope" else jump_shape(exposure_s)


def _series(
    utc: np.ndarray, signal: np.ndarray, error: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    good = np.isfinite(utc) & np.isfinite(signal)
    order = np.flatnonzero(good)[np.argsort(utc[good], kind="stable")]
    return utc[order], signal[order], None if error is None else error[order]


def _joined(fits: list[dict[str, float]]) -> tuple[float, float, float, float]:
    """Rows that see the same switch: weighted mean of their offsets, significance in quadrature."""
    clear = [fit for fit in fits if fit["significance"] >= 3.0]
    if not clear:
        return np.nan, np.nan, 0.0, np.nan
    offset, error, significance = (
        np.array([fit[k] for fit in clear]) for k in ("offset", "error", "significance")
    )
    weight = 1 / error**2
    return (
        float(np.average(offset, weights=weight)),
        float(weight.sum() ** -0.5),
        float(np.hypot.reduce(significance)),
        float(np.mean([fit["goodness"] for fit in clear])),
    )


def combine_offsets(found: np.ndarray, drift: bool) -> Clock:
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
