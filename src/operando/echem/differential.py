"""dQ/dV and dV/dQ with a stated smoothing, its resolution, and errors."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

#: values are flagged within this many sigma of the ends: less of a Gaussian is lost there than any noise
EDGE = 4.0
FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))


def branch(
    table: xr.Dataset, run: int | None = None, *, kind: str = "charge", constant: float = 0.02
) -> xr.Dataset:
    """The records of one charge or discharge at constant current: the longest of its kind, or `run` of `steps`.

    Records whose current is further than `constant` from the median of the run (a hold at constant voltage) are
    left out. Raises `InputError` where there is none.
    """
    from .cycling import steps

    runs = steps(table)
    if run is None:
        chosen = np.flatnonzero(runs.kind.values == kind)
        if not len(chosen):
            raise InputError(
                f"no {kind} in this record", where=str(table.attrs.get("source", "cycler table"))
            )
        run = int(chosen[np.abs(runs.capacity.values[chosen]).argmax()])
    part = table.isel(record=slice(int(runs.first_record[run]), int(runs.last_record[run]) + 1))
    current = part["current"].values
    steady = np.abs(current - np.median(current)) <= constant * abs(float(np.median(current)))
    return part.isel(record=np.flatnonzero(steady))


def voltage_noise(voltage: np.ndarray) -> float:
    """1-sigma noise of a slowly changing voltage (V), from its second differences (median absolute deviation).

    A voltage that moves in steps of the converter has at least the noise of that step, step / sqrt(12).
    """
    second = voltage[1:-1] - 0.5 * (voltage[2:] + voltage[:-2])
    if not len(second):
        return 0.0
    noise = 1.4826 * float(np.median(np.abs(second - np.median(second)))) / np.sqrt(1.5)
    moves = np.abs(np.diff(voltage))
    moves = moves[moves > 0]
    repeated = 1 - len(moves) / max(len(voltage) - 1, 1)
    step = float(moves.min()) if len(moves) and repeated > 0.05 else 0.0
    return max(noise, step / np.sqrt(12))


def differential_capacity(
    part: xr.Dataset, *, sigma_V: float = 0.003, voltage_err: float | None = None, step_V: float | None = None
) -> xr.Dataset:
    """dQ/dV of one branch, smoothed with a Gaussian of `sigma_V` (V).

        dQ/dV(v) = sum_i dQ_i mean over [V_i, V_i+1] of K(v - V'),   K a Gaussian of sigma_V

    Every piece of charge is laid at the voltage at which it passed, so noise and a voltage that is not monotonic
    need no repair. What is seen is the true dQ/dV broadened by sqrt(sigma_V^2 + noise^2): attrs resolution_V is
    its full width at half maximum. The error follows from the noise of the voltage (`voltage_err`, or estimated).

    part     record of one charge or discharge (`branch`); voltage in V, capacity in mAh
    Returns over `voltage`: dqdv (mAh/V, positive on either branch), dqdv_err, dqdv_flag (window_edge within
    4 sigma of the ends of the branch, where part of the Gaussian sees nothing).
    """
    voltage, charge = part["voltage"].values.astype(float), part["capacity"].values.astype(float)
    if len(voltage) < 5 or np.ptp(voltage) == 0:
        raise InputError("fewer than 5 records, or no change of voltage", where="differential_capacity")
    noise = voltage_noise(voltage) if voltage_err is None else voltage_err
    step = sigma_V / 8 if step_V is None else step_V
    centre, density, squares = charge_density(voltage, charge, step=step, pad=5 * sigma_V)
    passed = np.abs(charge[-1] - charge[0])
    from scipy.ndimage import convolve1d, gaussian_filter1d

    rest = np.sqrt(sigma_V**2 - step**2 / 6)  # the density has been broadened by step^2 / 6 already
    smooth = gaussian_filter1d(density, rest / step, mode="constant", truncate=6)
    slope = kernel_slope(sigma_V, step)
    error = noise * np.sqrt(np.maximum(convolve1d(squares, slope**2, mode="constant"), 0))
    inside = (centre >= voltage.min()) & (centre <= voltage.max())
    edge = (centre < voltage.min() + EDGE * sigma_V) | (centre > voltage.max() - EDGE * sigma_V)
    total = float(np.hypot(sigma_V, noise))
    return xr.Dataset(
        {
            "dqdv": ("voltage", smooth[inside], {"units": "mAh/V", "long_name": "differential capacity"}),
            "dqdv_err": ("voltage", error[inside], {"units": "mAh/V"}),
            "dqdv_flag": flag_variable(np.where(edge, int(Flag.WINDOW_EDGE), 0)[inside], ("voltage",)),
        },
        coords={"voltage": ("voltage", centre[inside], {"units": "V", "long_name": "voltage"})},
        attrs={
            "smoothing": f"Gaussian, sigma {sigma_V * 1e3:g} mV", "resolution_V": float(FWHM * total),
            "voltage_noise_V": float(noise), "capacity_mAh": float(passed),
        },
    )  # fmt: skip


def charge_density(
    voltage: np.ndarray, charge: np.ndarray, *, step: float, pad: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places (V, `step` apart, `pad` beyond the record), dQ/dV there by triangles of half width `step` (mAh/V),
    and the sum of (dQ of a record)^2 in each cell (mAh^2): what noise of the voltage moves by its own amount."""
    edges = np.arange(voltage.min() - pad, voltage.max() + pad + step, step)
    centre = 0.5 * (edges[1:] + edges[:-1])
    bounds = np.append(edges - 0.5 * step, edges[-1] + 0.5 * step)
    direction = np.sign(charge[-1] - charge[0]) or 1.0
    below = (
        np.diff(_laid_out(voltage, direction * np.diff(charge), bounds)) / step
    )  # mean over a cell at each edge
    squares = np.histogram(voltage, edges, weights=np.gradient(charge) ** 2)[0]
    return centre, np.diff(below) / step, squares


def kernel_slope(sigma: float, step: float) -> np.ndarray:
    """Derivative of a Gaussian of unit area at multiples of `step`, out to 5 sigma."""
    offsets = np.arange(-round(5 * sigma / step), round(5 * sigma / step) + 1) * step
    return -offsets / sigma**2 * np.exp(-0.5 * (offsets / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))


def _laid_out(voltage: np.ndarray, pieces: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Integral up to each of `bounds` of the charge below a voltage, piece i lying evenly between voltages i and i + 1.

    Its differences are means of that charge: they use every record, where the charge at single voltages would use only
    the records beside them.
    """
    low, high = np.minimum(voltage[1:], voltage[:-1]), np.maximum(voltage[1:], voltage[:-1])
    thin = (
        0.02 * (bounds[1] - bounds[0]) + 1e-9
    )  # a piece at one voltage gets a width that no cell can resolve
    middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), thin)
    rate = pieces / (2 * half)
    corner = np.concatenate([middle - half, middle + half]) - bounds[0]
    change = np.concatenate([rate, -rate])
    order = np.argsort(corner, kind="stable")
    corner, change = corner[order], change[order]
    moments = [np.concatenate([[0.0], np.cumsum(c)]) for c in (change, change * corner, change * corner**2)]
    place = np.searchsorted(corner, bounds - bounds[0], side="right")
    level, lever, square = (moment[place] for moment in moments)
    since = bounds - bounds[0]
    return 0.5 * (level * since**2 - 2 * lever * since + square)


def differential_voltage(
    part: xr.Dataset, *, sigma_mAh: float | None = None, voltage_err: float | None = None, points: int = 1000
) -> xr.Dataset:
    """dV/dQ of one branch by a Gaussian derivative of `sigma_mAh` (1 % of the charge where not given).

    Equal to the true derivative smoothed with that Gaussian; attrs resolution_mAh is its full width at half
    maximum. Error: noise^2 dq / (4 sqrt(pi) sigma^3), with dq the local distance of the records (white noise).

    Returns over `capacity` (mAh since the branch began, ascending): dvdq (V/mAh), dvdq_err, dvdq_flag (window_edge
    within 4 sigma of the ends).
    """
    voltage, charge = part["voltage"].values.astype(float), part["capacity"].values.astype(float)
    direction = np.sign(charge[-1] - charge[0])
    if len(voltage) < 5 or direction == 0:
        raise InputError("fewer than 5 records, or no charge passed", where="differential_voltage")
    noise = voltage_noise(voltage) if voltage_err is None else voltage_err
    through = np.maximum.accumulate(direction * (charge - charge[0]))
    kept = np.diff(through, prepend=-1.0) > 0
    through, voltage = through[kept], voltage[kept]
    span = float(through[-1])
    sigma = 0.01 * span if sigma_mAh is None else sigma_mAh
    grid = np.linspace(0, span, max(points, int(np.ceil(6 * span / sigma))))
    step = grid[1] - grid[0]
    from scipy.ndimage import gaussian_filter1d

    # averages of V over each interval of the grid keep all records, also where they are denser than the grid
    area = np.concatenate([[0.0], np.cumsum(0.5 * (voltage[1:] + voltage[:-1]) * np.diff(through))])
    bounds = np.linspace(-0.5 * step, span + 0.5 * step, len(grid) + 1)
    mean = np.diff(_integral(bounds, through, voltage, area)) / step
    derivative = gaussian_filter1d(mean, sigma / step, order=1, mode="nearest", truncate=6) / step
    spacing = np.interp(grid, through, np.gradient(through))
    error = noise * np.sqrt(spacing / (4 * np.sqrt(np.pi) * sigma**3))
    edge = (grid < EDGE * sigma) | (grid > span - EDGE * sigma)
    return xr.Dataset(
        {
            "dvdq": ("capacity", derivative, {"units": "V/mAh", "long_name": "differential voltage"}),
            "dvdq_err": ("capacity", error, {"units": "V/mAh"}),
            "dvdq_flag": flag_variable(np.where(edge, int(Flag.WINDOW_EDGE), 0), ("capacity",)),
        },
        coords={"capacity": ("capacity", grid, {"units": "mAh", "long_name": "charge since the branch began"})},
        attrs={
            "smoothing": f"Gaussian, sigma {sigma:.4g} mAh", "resolution_mAh": float(FWHM * sigma),
            "voltage_noise_V": float(noise),
        },
    )  # fmt: skip


def _integral(bounds: np.ndarray, x: np.ndarray, y: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Integral of the polyline (x, y) up to `bounds`, with the end values held outside."""
    place = np.clip(np.searchsorted(x, bounds, side="right") - 1, 0, len(x) - 2)
    inside = np.clip(bounds, x[0], x[-1])
    since = inside - x[place]
    slope = (y[place + 1] - y[place]) / (x[place + 1] - x[place])
    outside = np.minimum(bounds - x[0], 0) * y[0] + np.maximum(bounds - x[-1], 0) * y[-1]
    return area[place] + since * (y[place] + 0.5 * slope * since) + outside
