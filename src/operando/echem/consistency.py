"""Is an impedance spectrum consistent? Linear Kramers-Kronig test."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError


def kramers_kronig(
    spectrum: xr.Dataset, *, mu_limit: float = 0.85, max_elements: int = 50, capacitance: bool = True,
    inductance: bool = True, min_per_decade: float = 4.0,
) -> xr.Dataset:  # fmt: skip
    """Residuals of a spectrum from the nearest one that obeys the Kramers-Kronig relations.

        Z = R0 + sum_k R_k / (1 + i w tau_k) [+ i w L] [+ 1 / (i w C)]

    with M time constants spaced evenly in log between the inverse of the highest and lowest frequency; a linear
    least-squares fit weighted by 1/|Z|. M grows until mu = 1 - sum |R_k < 0| / sum |R_k > 0| falls below `mu_limit`,
    from `min_per_decade` elements a decade on: with fewer, mu can fall because a sharp arc cannot be followed at all.

    spectrum  over `frequency` (Hz) with z_re and z_im (Ohm)
    Returns over `frequency`: residual_re, residual_im (share of |Z|), z_re_fit, z_im_fit; attrs elements (M), mu, and
    rms (of the residuals). Boukamp, J. Electrochem. Soc. 142 (1995) 1885; Schoenleber et al., Electrochim. Acta 131
    (2014) 20. Residuals below about 1 % without a trend mean a linear, steady and causal cell.
    """
    frequency = spectrum["frequency"].values.astype(float)
    z = spectrum["z_re"].values + 1j * spectrum["z_im"].values
    if len(frequency) < 5 or (frequency <= 0).any():
        raise InputError(
            "a Kramers-Kronig test needs at least 5 positive frequencies", where="kramers_kronig"
        )
    decades = np.log10(frequency.max() / frequency.min())
    count, mu = max(int(np.ceil(min_per_decade * decades)) - 1, 0), 1.0
    count = min(count, len(frequency) - 1, max_elements - 1)
    while mu > mu_limit and count < min(max_elements, len(frequency)):
        count += 1
        fit, mu = _fit(frequency, z, count, capacitance, inductance)
    residual = (z - fit) / np.abs(z)
    data = {
        "residual_re": (residual.real, "1"), "residual_im": (residual.imag, "1"), "z_re_fit": (fit.real, "Ohm"),
        "z_im_fit": (fit.imag, "Ohm"),
    }  # fmt: skip
    return xr.Dataset(
        {name: ("frequency", values, {"units": unit}) for name, (values, unit) in data.items()},
        coords={"frequency": spectrum["frequency"]},
        attrs={"elements": count, "mu": float(mu), "rms": float(np.sqrt(np.mean(np.abs(residual) ** 2)))},
    )


def _fit(frequency: np.ndarray, z: np.ndarray, count: int, capacitance: bool, inductance: bool):
    omega = 2 * np.pi * frequency
    tau = np.geomspace(1 / omega.max(), 1 / omega.min(), count)
    columns = [np.ones(len(z), complex), *(1 / (1 + 1j * omega * t) for t in tau)]
    if capacitance:
        columns.append(-1j / omega)
    if inductance:
        columns.append(1j * omega)
    design = np.array(columns).T / np.abs(z)[:, None]
    target = z / np.abs(z)
    stacked = np.vstack([design.real, design.imag])
    size = np.linalg.norm(stacked, axis=0)
    value, *_ = np.linalg.lstsq(stacked / size, np.concatenate([target.real, target.imag]), rcond=None)
    value = value / size
    resistors = value[1 : 1 + count]
    positive, negative = resistors[resistors >= 0].sum(), -resistors[resistors < 0].sum()
    mu = 1 - negative / positive if positive > 0 else 0.0
    return np.array(columns).T @ value, mu
