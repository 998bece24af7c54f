"""The ordering transition of LiCoO2: a fixed point of lithium content on the voltage curve."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag

from .differential import charge_density, differential_capacity, kernel_slope, voltage_noise

WINDOW_V = (4.07, 4.19)
#: the smoothing of the floor, as a share of the distance of the two maxima: a floor looked at with less is flat, and
#: noise alone says where its minimum is
SHARE = 1 / 7
#: the error is the scatter over this many copies of the noise
COPIES = 200


def ordering_point(
    part: xr.Dataset, *, window_V: tuple[float, float] = WINDOW_V, sigma_V: float = 0.004,
    voltage_err: float | None = None, rng: np.random.Generator | None = None,
) -> xr.Dataset:  # fmt: skip
    """Voltage and charge at which LixCoO2 orders (x = 0.5): the local minimum of dQ/dV between two peaks.

    part      one charge or discharge at low rate (`branch`)
    window_V  where the minimum is looked for; polarisation shifts it by the overpotential of the branch
    sigma_V   smoothing with which the two maxima are found; the minimum is that of the curve smoothed with attrs
              sigma_V: a seventh of their distance, or `sigma_V` where that is more

    Returns scalars voltage (V), capacity (mAh, on the scale of the table), with errors: the scatter of the minimum
    when the noise of the smoothed curve, correlated as the smoothing makes it, is added to it; depth (mAh/V below the
    lower of both maxima, in the window), flag (window_edge: no minimum inside the window that
    is 4 sigma below both sides). The overpotential of the branch is not in the error: charge and discharge
    give two points.
    Reimers and Dahn, J. Electrochem. Soc. 139 (1992) 2091. Invalid at rates that smear the two peaks.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    noise = voltage_noise(part["voltage"].values) if voltage_err is None else voltage_err
    sigma, place, place_err, charge, charge_err, depth = sigma_V, *[np.nan] * 5
    between = _maxima(part, window_V, sigma_V, noise)
    if between is not None:
        sigma = max(sigma_V, SHARE * (between[1] - between[0]))
        place, depth = _minimum(part, between, sigma, noise)
    if between is not None and np.isfinite(place):
        place_err = _scatter(part, between, sigma, noise, rng)
        charge, charge_err = _charge_at(part, place, place_err, sigma=sigma, noise=noise)
    flag = Flag.OK if np.isfinite(place) else Flag.WINDOW_EDGE
    return xr.Dataset(
        {
            "voltage": ((), place, {"units": "V"}), "voltage_err": ((), place_err, {"units": "V"}),
            "capacity": ((), charge, {"units": "mAh"}), "capacity_err": ((), charge_err, {"units": "mAh"}),
            "depth": ((), depth, {"units": "mAh/V"}), "flag": ((), int(flag)),
        },
        attrs={
            "rule": f"local minimum of dQ/dV within {window_V[0]:g}-{window_V[1]:g} V, sigma {sigma * 1e3:.3g} mV",
            "sigma_V": float(sigma),
        },
    )  # fmt: skip


def _maxima(part: xr.Dataset, window_V, sigma_V: float, noise: float) -> tuple[float, float] | None:
    """Voltages of the highest values left and right of the lowest one, within the window."""
    curve = differential_capacity(part, sigma_V=sigma_V, voltage_err=noise)
    volts, slope = curve.voltage.values, curve.dqdv.values
    inside = np.flatnonzero((volts >= window_V[0]) & (volts <= window_V[1]))
    if len(inside) < 5:
        return None
    lowest = int(slope[inside].argmin())
    left, right = int(slope[inside[: lowest + 1]].argmax()), lowest + int(slope[inside[lowest:]].argmax())
    if left == lowest or right == lowest:
        return None
    return float(volts[inside[left]]), float(volts[inside[right]])


def _minimum(part: xr.Dataset, between, sigma: float, noise: float) -> tuple[float, float]:
    """Place (V) and depth (mAh/V) of the minimum between two voltages; NaN where it is none."""
    curve = differential_capacity(part, sigma_V=sigma, voltage_err=noise)
    inside = (curve.voltage.values >= between[0]) & (curve.voltage.values <= between[1])
    volts, slope, error = (curve[n].values[inside] for n in ("voltage", "dqdv", "dqdv_err"))
    if len(volts) < 5:
        return np.nan, np.nan
    lowest = int(slope.argmin())
    depth = float(min(slope[: lowest + 1].max(), slope[lowest:].max()) - slope[lowest])
    if depth <= 4 * error[lowest]:
        return np.nan, np.nan
    return float(_lowest(volts, slope[None])[0]), depth


def _scatter(part: xr.Dataset, between, sigma: float, noise: float, rng: np.random.Generator) -> float:
    """Standard deviation of the place of the minimum over copies of the curve with noise of their own (V)."""
    from scipy.ndimage import convolve1d, gaussian_filter1d

    step = sigma / 8
    voltage, charge = part["voltage"].values.astype(float), part["capacity"].values.astype(float)
    centre, density, squares = charge_density(voltage, charge, step=step, pad=5 * sigma)
    curve = gaussian_filter1d(density, np.sqrt(sigma**2 - step**2 / 6) / step, mode="constant", truncate=6)
    white = rng.normal(0, noise, (COPIES, len(squares))) * np.sqrt(squares)
    copies = curve + convolve1d(white, kernel_slope(sigma, step), axis=1, mode="constant")
    inside = (centre >= between[0]) & (centre <= between[1])
    return float(np.nanstd(_lowest(centre[inside], copies[:, inside]), ddof=1))


def _lowest(volts: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Place of the minimum of each of (n, len(volts)) curves, by the quartic through five values; NaN at the ends."""
    at = curves.argmin(axis=1)
    good = (at >= 2) & (at < len(volts) - 2)
    at = np.clip(at, 2, len(volts) - 3)
    five = np.take_along_axis(curves, at[:, None] + np.arange(-2, 3), axis=1)
    a, b, c, d, _ = np.linalg.solve(np.vander(np.arange(-2.0, 3.0), 5), five.T)
    shift = np.zeros(len(curves))
    for _ in range(4):  # Newton's steps to where the slope is zero
        bend = 12 * a * shift**2 + 6 * b * shift + 2 * c
        slope = 4 * a * shift**3 + 3 * b * shift**2 + 2 * c * shift + d
        shift = np.clip(shift - slope / np.where(bend > 0, bend, np.inf), -1, 1)
    return np.where(good, volts[at] + shift * (volts[1] - volts[0]), np.nan)


def _charge_at(
    part: xr.Dataset, voltage: float, voltage_err: float, *, sigma: float, noise: float
) -> tuple[float, float]:
    """Net charge at the minimum and its error (mAh): a cubic V(Q) through the records within 5 mV (or the 20 nearest).

    The same records say where the minimum is and how much charge lies below it: the error adds both before squaring.
    """
    volts, charge = part["voltage"].values.astype(float), part["capacity"].values.astype(float)
    near = np.abs(volts - voltage) < 0.005
    if near.sum() < 20:
        near = np.argsort(np.argsort(np.abs(volts - voltage))) < 20
    q, v = charge[near], volts[near]
    middle, half = 0.5 * (q.max() + q.min()), 0.5 * float(np.ptp(q)) or 1.0
    design = np.vander((q - middle) / half, 4)
    cubic, *_ = np.linalg.lstsq(design, v - voltage, rcond=None)
    place = slope = 0.0
    for _ in range(6):
        slope = float(np.polyval(np.polyder(cubic), place))
        place = float(np.clip(place - np.polyval(cubic, place) / slope, -1, 1)) if slope else 0.0
    away = ((volts - voltage) / sigma) ** 2
    moves = (
        np.abs(np.gradient(charge)) * (away - 1) * np.exp(-0.5 * away)
    )  # the minimum, by the noise of each record
    moves *= voltage_err / np.linalg.norm(moves)
    moves[near] -= noise * np.vander([place], 4)[0] @ np.linalg.pinv(design)
    error = half / abs(slope) * float(np.linalg.norm(moves)) if slope else np.nan
    return middle + half * place, error


def lithium_content(
    capacity: xr.DataArray, *, ordering_mAh: float, full_mAh: float, ordering_err_mAh: float = 0.0,
    full_err_mAh: float = 0.0, ordering_x: float = 0.5,
) -> xr.Dataset:  # fmt: skip
    """x in LixCoO2 from net charge, tied to the ordering point: x = x0 - (Q - Q0) / Q_full.

    full_mAh  charge for one Li per formula unit (273.8 mAh/g x mass, or 137 x mass / 0.5)
    Returns x and x_err. Raises `InputError` when full_mAh is not positive.
    """
    if full_mAh <= 0:
        raise InputError("full_mAh must be positive", where="lithium_content")
    moved = (capacity - ordering_mAh) / full_mAh
    error = (
        (xr.zeros_like(moved) + ordering_err_mAh / full_mAh) ** 2 + (moved * full_err_mAh / full_mAh) ** 2
    ) ** 0.5
    return xr.Dataset(
        {
            "x": (ordering_x - moved).rename(None).assign_attrs(units="1", long_name="x in LixCoO2"),
            "x_err": error.rename(None).assign_attrs(units="1"),
        }
    )
