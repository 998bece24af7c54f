"""Potentiostatic transients and linear sweeps."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.core.units import FARADAY_C_PER_MOL


def cottrell(
    time: np.ndarray, current: np.ndarray, *, area_cm2: float, concentration_mol_cm3: float,
    concentration_err: float = 0.0, area_err_cm2: float = 0.0, electrons: int = 1, t_min: float = 0.0,
    t_max: float = np.inf,
) -> xr.Dataset:  # fmt: skip
    """Diffusion coefficient from the first part of a potential step: i = n F A c sqrt(D / (pi t)) + i0.

    time, current  (n,) s since the step, A. concentration is the change at the surface (mol/cm3).
    Returns D (cm2/s) and D_err, slope (A s^1/2) and background (A) with errors. Valid before diffusion
    feels the far side (t << L^2/D) and after the double layer is charged; choose t_min and t_max so.
    """
    time, current = np.asarray(time, float), np.asarray(current, float)
    used = (time > max(t_min, 0.0)) & (time <= t_max) & np.isfinite(current)
    if used.sum() < 4:
        raise InputError(f"{int(used.sum())} records between {t_min} and {t_max} s", where="cottrell")
    design = np.column_stack([time[used] ** -0.5, np.ones(used.sum())])
    value, *_ = np.linalg.lstsq(design, current[used], rcond=None)
    scale = ((current[used] - design @ value) ** 2).sum() / (used.sum() - 2)
    error = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * scale)
    per = electrons * FARADAY_C_PER_MOL * area_cm2 * concentration_mol_cm3
    diffusion = np.pi * (value[0] / per) ** 2
    relative = np.sqrt(
        (error[0] / value[0]) ** 2
        + (area_err_cm2 / area_cm2) ** 2
        + (concentration_err / concentration_mol_cm3) ** 2
    )
    return _scalars(
        D=(diffusion, 2 * diffusion * relative, "cm2/s"), slope=(value[0], error[0], "A s^0.5"),
        background=(value[1], error[1], "A"),
    )  # fmt: skip


def film_diffusion(
    time: np.ndarray, current: np.ndarray, *, thickness_um: float, thickness_err_um: float = 0.0, t_min: float = 0.0,
) -> xr.Dataset:  # fmt: skip
    """Diffusion coefficient of a film blocked at its back, from the whole transient of a potential step.

        i(t) = i0 + (2 dQ D / L^2) sum_k exp(-(2k+1)^2 pi^2 D t / (4 L^2))

    Returns D (cm2/s), charge dQ (mAh) that the step moves in the end, and background i0 (A), with 1-sigma errors
    from the scatter around the fit (and of the thickness for D). Crank, The Mathematics of Diffusion, eq. 4.18.
    Not valid where the interface, not diffusion, limits the current; look at the residual.
    """
    from scipy.optimize import least_squares

    time, current = np.asarray(time, float), np.asarray(current, float)
    used = (time > max(t_min, 0.0)) & np.isfinite(current)
    if used.sum() < 6:
        raise InputError(f"{int(used.sum())} records after {t_min} s", where="film_diffusion")
    t, y = time[used], current[used]

    def shape(rate: float) -> np.ndarray:
        return rate * _flux(rate * t)

    def solve(log_rate: float) -> tuple[np.ndarray, np.ndarray]:
        design = np.column_stack([shape(np.exp(log_rate)), np.ones_like(t)])
        value, *_ = np.linalg.lstsq(design, y, rcond=None)
        return value, design @ value - y

    grid = np.log(np.geomspace(0.02 / t[-1], 2 / t[0], 60))
    start = grid[int(np.argmin([(solve(g)[1] ** 2).sum() for g in grid]))]
    size = float(np.abs(y).max()) or 1.0  # the optimiser's tolerances are absolute
    found = least_squares(
        lambda p: solve(float(p[0]))[1] / size, [start], x_scale=0.1, xtol=1e-12, ftol=1e-14
    )
    log_rate = float(found.x[0])
    value, residual = solve(log_rate)
    bend = value[0] * (shape(np.exp(log_rate + 1e-4)) - shape(np.exp(log_rate - 1e-4))) / 2e-4
    jacobian = np.column_stack([bend, shape(np.exp(log_rate)), np.ones_like(t)])
    error = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)) * (residual**2).sum() / (len(t) - 3))
    length = thickness_um * 1e-4
    diffusion = float(np.exp(log_rate)) * length**2
    relative = float(np.hypot(error[0], 2 * thickness_err_um / thickness_um))
    return _scalars(
        D=(diffusion, diffusion * relative, "cm2/s"), charge=(value[0] / 3.6, error[1] / 3.6, "mAh"),
        background=(value[1], error[2], "A"),
    )  # fmt: skip


def _flux(tau: np.ndarray) -> np.ndarray:
    """2 sum_k exp(-(2k+1)^2 pi^2 tau / 4), by the series that converges at once on either side of tau = 0.3.

    The other series is (1 + 2 sum_n (-1)^n exp(-n^2 / tau)) / sqrt(pi tau) (Poisson summation).
    """
    n = np.arange(1, 6)[:, None]
    late = 2 * np.exp(-((2 * n - 1) ** 2) * np.pi**2 / 4 * np.maximum(tau, 0.2)).sum(axis=0)
    early_tau = np.clip(tau, 1e-300, 0.5)
    early = (1 + 2 * ((-1.0) ** n * np.exp(-(n**2) / early_tau)).sum(axis=0)) / np.sqrt(np.pi * early_tau)
    return np.where(tau > 0.3, late, early)


def sweep_onset(
    voltage: np.ndarray, current: np.ndarray, *, area_cm2: float, threshold: float = 0.001, hold_V: float = 0.02,
    current_err: float | None = None,
) -> xr.Dataset:  # fmt: skip
    """Voltage at which the oxidation current of a rising sweep sets in.

    Rule: the lowest voltage above which the areal current (mA/cm2) stays over `threshold` for the next `hold_V`
    volts, interpolated between records. Error: noise of the current (given in A, or from its second differences)
    over the slope there. Returns scalars onset (V), onset_err, flag (no_data: never exceeded; the highest voltage
    reached is attrs reached_V), and attrs rule.
    """
    order = np.argsort(voltage, kind="stable")
    volts = np.asarray(voltage, float)[order]
    density = np.asarray(current, float)[order] * 1e3 / area_cm2
    if len(volts) < 5:
        raise InputError("fewer than 5 records", where="sweep_onset")
    noise = _noise(density) if current_err is None else current_err * 1e3 / area_cm2
    over = density > threshold
    until = np.searchsorted(volts, volts + hold_V, side="right")
    count = np.concatenate([[0], np.cumsum(over)])
    stays = over & (count[until] - count[np.arange(len(volts))] == until - np.arange(len(volts)))
    stays &= volts + hold_V <= volts[-1]
    rule = f"areal current over {threshold:g} mA/cm2 for the next {hold_V * 1e3:g} mV"
    attrs = {"rule": rule, "reached_V": float(volts[-1]), "noise_mA_cm2": noise}
    if not stays.any():
        return _scalars(onset=(np.nan, np.nan, "V"), attrs=attrs).assign(flag=((), int(Flag.NO_DATA)))
    first = int(np.argmax(stays))
    near = slice(max(first - 5, 0), first + 6)
    slope = float(np.polyfit(volts[near] - volts[first], density[near], 1)[0])
    onset = float(volts[first])
    if first > 0 and density[first] > density[first - 1]:
        part = (threshold - density[first - 1]) / (density[first] - density[first - 1])
        onset = float(volts[first - 1] + np.clip(part, 0, 1) * (volts[first] - volts[first - 1]))
    error = noise / slope if slope > 0 else np.nan
    return _scalars(onset=(onset, error, "V"), attrs=attrs).assign(flag=((), int(Flag.OK)))


def _noise(values: np.ndarray) -> float:
    second = values[1:-1] - 0.5 * (values[2:] + values[:-2])
    return 1.4826 * float(np.median(np.abs(second - np.median(second)))) / np.sqrt(1.5)


def _scalars(attrs: dict | None = None, **values: tuple[float, float, str]) -> xr.Dataset:
    data = {}
    for name, (value, error, unit) in values.items():
        data[name] = ((), float(value), {"units": unit})
        data[f"{name}_err"] = ((), float(error), {"units": unit})
    return xr.Dataset(data, attrs=attrs or {})
