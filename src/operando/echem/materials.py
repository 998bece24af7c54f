"""From resistances to materials: conductivity, area-specific resistance, activation energy."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.units import GAS_CONSTANT_J_PER_MOL_K

EV_IN_J_PER_MOL = 96485.33212


def conductivity(
    resistance_Ohm: float | np.ndarray, *, thickness_um: float, area_cm2: float,
    resistance_err: float | np.ndarray = 0.0, thickness_err_um: float = 0.0, area_err_cm2: float = 0.0,
) -> xr.Dataset:  # fmt: skip
    """Ionic conductivity sigma = L / (R A) in S/cm, with its error from all three.

    The resistance is that of the separator alone. Scalars, or over `spectrum` for an array.
    """
    resistance = np.asarray(resistance_Ohm, float)
    if (resistance <= 0).any() or area_cm2 <= 0 or thickness_um <= 0:
        raise InputError("resistance, thickness and area must be positive", where="conductivity")
    value = thickness_um * 1e-4 / (resistance * area_cm2)
    relative = np.sqrt(
        (np.asarray(resistance_err) / resistance) ** 2
        + (thickness_err_um / thickness_um) ** 2
        + (area_err_cm2 / area_cm2) ** 2
    )
    dims = ("spectrum",) if resistance.ndim else ()
    return xr.Dataset(
        {
            "conductivity": (dims, value, {"units": "S/cm", "long_name": "ionic conductivity"}),
            "conductivity_err": (dims, value * relative, {"units": "S/cm"}),
        }
    )


def area_resistance(
    fit: xr.Dataset,
    parameters: str | list[str],
    *,
    area_cm2: float,
    area_err_cm2: float = 0.0,
    interfaces: int = 1,
) -> xr.Dataset:
    """Area-specific resistance (Ohm cm2) of one or several resistors of a fit, by state for `fit_series`.

    parameters  one name (charge transfer: "R1") or a list that is summed (all of the interface)
    interfaces  how many equal interfaces share it: 2 for a symmetric cell
    The error of a sum uses the correlations where the fit has them (`fit_circuit`).
    """
    names = [parameters] if isinstance(parameters, str) else list(parameters)
    chosen = fit.sel(parameter=names)
    total = chosen.value.sum("parameter", skipna=False)
    if "correlation" in fit:
        spread = chosen.value_err.values
        matrix = fit.correlation.sel(parameter=names, parameter_2=names).values * np.outer(spread, spread)
        error = xr.zeros_like(total) + float(np.sqrt(max(matrix.sum(), 0.0)))
    else:
        error = np.sqrt((chosen.value_err**2).sum("parameter", skipna=False))
    value = total * area_cm2 / interfaces
    value_err = np.hypot(error * area_cm2 / interfaces, value * area_err_cm2 / area_cm2)
    name = " + ".join(names)
    return xr.Dataset(
        {
            "resistance": value.rename(None).assign_attrs(
                units="Ohm cm2", long_name=f"area resistance of {name}"
            ),
            "resistance_err": value_err.rename(None).assign_attrs(units="Ohm cm2"),
        }
    )


def arrhenius(
    temperature_K: np.ndarray,
    value: np.ndarray,
    value_err: np.ndarray | None = None,
    *,
    temperature_err_K: float = 0.0,
) -> xr.Dataset:
    """Activation energy from ln y = ln A - Ea / (R T) by weighted least squares.

    value      conductivity, or one over a resistance, at each temperature; value_err its 1-sigma error, or
               None: the scatter around the line sets the errors (needs three temperatures)
    Returns activation_energy (kJ/mol) and activation_energy_eV, ln_prefactor, with errors, correlation of both
    (close to 1 by nature), goodness. Raises `InputError` for fewer than two temperatures or values not positive.
    """
    temperature, value = np.asarray(temperature_K, float), np.asarray(value, float)
    free = len(temperature) - 2
    if free < 0 or (value <= 0).any() or (temperature <= 0).any() or (value_err is None and free < 1):
        raise InputError(
            "an Arrhenius line needs positive values at two temperatures or more (three without errors)",
            where="arrhenius",
        )
    x = 1 / (GAS_CONSTANT_J_PER_MOL_K * temperature)
    y = np.log(value)
    design = np.column_stack([np.ones_like(x), -x])
    sigma = np.ones_like(y) if value_err is None else np.asarray(value_err, float) / value
    for _ in range(3):  # the error of the temperature needs the slope
        best, *_ = np.linalg.lstsq(design / sigma[:, None], y / sigma, rcond=None)
        if value_err is not None:
            from_temperature = best[1] * x / temperature * temperature_err_K
            sigma = np.hypot(np.asarray(value_err, float) / value, from_temperature)
    chi2 = float((((y - design @ best) / sigma) ** 2).sum())
    covariance = np.linalg.inv((design / sigma[:, None]).T @ (design / sigma[:, None]))
    covariance *= chi2 / free if value_err is None else 1.0
    error = np.sqrt(np.diag(covariance))
    correlation = float(covariance[0, 1] / (error[0] * error[1]))
    return xr.Dataset(
        {
            "activation_energy": ((), best[1] / 1e3, {"units": "kJ/mol"}),
            "activation_energy_err": ((), error[1] / 1e3, {"units": "kJ/mol"}),
            "activation_energy_eV": ((), best[1] / EV_IN_J_PER_MOL, {"units": "eV"}),
            "activation_energy_eV_err": ((), error[1] / EV_IN_J_PER_MOL, {"units": "eV"}),
            "ln_prefactor": ((), best[0]), "ln_prefactor_err": ((), error[0]),
            "correlation": ((), correlation), "goodness": ((), chi2 / free if free else np.nan),
        }
    )  # fmt: skip
