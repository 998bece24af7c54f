"""Equivalent circuits: impedance of a circuit written as text, and fits with errors and correlations."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag

Element = Callable[[np.ndarray, Sequence[float]], np.ndarray]


def _tanh(x: np.ndarray) -> np.ndarray:
    return (1 - np.exp(-2 * x)) / (1 + np.exp(-2 * x))


#: name -> (units of its parameters, impedance as a function of angular frequency and parameters)
ELEMENTS: dict[str, tuple[tuple[str, ...], Element]] = {
    "R": (("Ohm",), lambda w, p: np.full(len(w), p[0], complex)),
    "C": (("F",), lambda w, p: 1 / (1j * w * p[0])),
    "L": (("H",), lambda w, p: 1j * w * p[0]),
    "CPE": (("Ohm^-1 s^a", "1"), lambda w, p: 1 / (p[0] * (1j * w) ** p[1])),
    "W": (("Ohm s^-1/2",), lambda w, p: p[0] * (1 - 1j) / np.sqrt(w)),
    "Wo": (("Ohm", "s"), lambda w, p: p[0] / (np.sqrt(1j * w * p[1]) * _tanh(np.sqrt(1j * w * p[1])))),
    "Ws": (("Ohm", "s"), lambda w, p: p[0] * _tanh(np.sqrt(1j * w * p[1])) / np.sqrt(1j * w * p[1])),
}


def parameter_names(circuit: str) -> list[str]:
    """Names of the parameters in order: "R0-p(R1,CPE1)" has R0, R1, CPE1_0, CPE1_1."""
    names = []
    for kind, number in _elements(circuit):
        units = ELEMENTS[kind][0]
        names += (
            [f"{kind}{number}"] if len(units) == 1 else [f"{kind}{number}_{i}" for i in range(len(units))]
        )
    return names


def _elements(circuit: str) -> list[tuple[str, str]]:
    text = circuit.replace(" ", "")
    if re.sub(r"p\(|[),\-]|[A-Z][A-Za-z]*\d+", "", text) or text.count("(") != text.count(")"):
        raise InputError(
            f"circuit {circuit!r} is not understood", where="circuit",
            fix="Write elements in series with '-' and in parallel as p(a,b): R0-p(R1,CPE1)-W2.",
        )  # fmt: skip
    found = re.findall(r"([A-Z][A-Za-z]*?)(\d+)", text)
    for kind, number in found:
        if kind not in ELEMENTS:
            raise InputError(
                f"unknown element {kind}{number}",
                where=f"circuit {circuit}",
                fix=f"Known: {', '.join(ELEMENTS)}.",
            )
    if len(set(found)) != len(found):
        raise InputError("an element occurs twice", where=f"circuit {circuit}", fix="Number them apart.")
    return found


def circuit_impedance(
    circuit: str, values: Sequence[float] | np.ndarray, frequency: np.ndarray
) -> np.ndarray:
    """Complex impedance (Ohm) of a circuit at frequencies (Hz); values in the order of `parameter_names`."""
    omega = 2 * np.pi * np.asarray(frequency, float)
    supply = iter(values)
    text = circuit.replace(" ", "")
    impedance, rest = _series(text, omega, supply)
    if rest:
        raise InputError(f"circuit {circuit!r} is not understood at {rest!r}", where="circuit")
    return impedance


def _series(text: str, omega: np.ndarray, supply) -> tuple[np.ndarray, str]:
    total = np.zeros(len(omega), complex)
    while text:
        if text.startswith("p("):
            text = text[2:]
            admittance = np.zeros(len(omega), complex)
            while True:
                inside, text = _series(text, omega, supply)
                admittance += 1 / inside
                if not text.startswith(","):
                    break
                text = text[1:]
            total += 1 / admittance
            text = text[1:]  # the closing bracket
        else:
            found = re.match(r"([A-Z][A-Za-z]*?)(\d+)", text)
            if not found:
                return total, text
            units, element = ELEMENTS[found[1]]
            total += element(omega, [next(supply) for _ in units])
            text = text[found.end() :]
        if not text.startswith("-"):
            return total, text
        text = text[1:]
    return total, text


def fit_circuit(
    spectrum: xr.Dataset, circuit: str, start: Sequence[float] | np.ndarray, *, z_err: np.ndarray | None = None,
    weight: str = "modulus", poor_fit: float = 0.05, tolerance: float = 1e-13, evaluations: int | None = None,
) -> xr.Dataset:  # fmt: skip
    """Fit an equivalent circuit to a spectrum by complex least squares.

    spectrum  over `frequency` (Hz) with z_re, z_im (Ohm)
    circuit   "R0-p(R1,CPE1)-W2": '-' in series, p(a,b) in parallel; elements R, C, L, CPE, W, Wo (blocked end), Ws
    start     starting values, in the order of `parameter_names`; all positive, exponents of CPE within 0-1
    z_err     (n,) 1-sigma error of both parts (Ohm): then errors are absolute and goodness is chi-square per
              degree of freedom. Without it, weights by `weight` ("modulus": 1/|Z|, "unit") and the scatter
              around the fit sets the errors
    poor_fit  relative rms residual above which the flag is poor_fit
    tolerance, evaluations  when the search stops: relative change, number of steps (None: 100 a parameter)

    A parameter without any influence on the spectrum has an infinite error.

    Returns over `parameter`: value, value_err, units; correlation (parameter, parameter_2); over `frequency`: z_re_fit,
    z_im_fit; scalars goodness, rms (residual as share of |Z|), flag. Strong correlations (over 0.99) mean that the
    spectrum does not tell these parameters apart.
    """
    from scipy.optimize import least_squares

    names = parameter_names(circuit)
    if len(start) != len(names) or min(start, default=1) <= 0:
        raise InputError(
            f"{len(start)} starting values for {len(names)} parameters, all must be positive",
            where=f"circuit {circuit}", fix=f"In this order: {', '.join(names)}.",
        )  # fmt: skip
    frequency = spectrum["frequency"].values.astype(float)
    z = spectrum["z_re"].values + 1j * spectrum["z_im"].values
    good = np.isfinite(z) & (frequency > 0)
    if z_err is None and weight == "modulus":
        good &= z != 0  # of no weight
    sigma = z_err if z_err is not None else (np.abs(z) if weight == "modulus" else np.ones(len(z)))
    f, target, sigma = frequency[good], z[good], np.broadcast_to(sigma, len(z))[good]
    exponent = np.array([bool(re.fullmatch(r"CPE\d+_1", n)) for n in names])

    def values(free: np.ndarray) -> np.ndarray:
        return np.where(exponent, free, np.exp(np.clip(free, -80, 80)))

    def residual(free: np.ndarray) -> np.ndarray:
        off = (circuit_impedance(circuit, values(free), f) - target) / sigma
        return np.concatenate([off.real, off.imag])

    begin = np.where(exponent, np.clip(start, 0.05, 0.999), np.log(np.asarray(start, float)))
    low, high = np.where(exponent, 0.0, -np.inf), np.where(exponent, 1.0, np.inf)
    with np.errstate(all="ignore"):
        possible = bool(good.any()) and np.isfinite(residual(begin)).all()
    if not possible:
        raise InputError(
            "impedances that no circuit has: the fit has no finite start", where=f"circuit {circuit}",
            fix="Look at the numbers of the file, and whether the columns are those of an impedance.",
        )  # fmt: skip
    found = least_squares(
        residual, begin, bounds=(low, high), x_scale="jac", xtol=tolerance, ftol=tolerance, gtol=tolerance,
        max_nfev=evaluations,
    )  # fmt: skip
    freedom = max(2 * len(f) - len(names), 1)
    chi2 = float((found.fun**2).sum())
    covariance = _covariance(found.jac) * (1.0 if z_err is not None else chi2 / freedom)
    best = values(found.x)
    spread = np.sqrt(np.diag(covariance))
    error = spread * np.where(exponent, 1.0, best)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance / np.outer(spread, spread)
    fit = circuit_impedance(circuit, best, frequency)
    rms = float(np.sqrt(np.mean(np.abs((fit - z)[good] / target) ** 2)))
    flag = (0 if found.success else Flag.NOT_CONVERGED) | (Flag.POOR_FIT if rms > poor_fit else 0)
    units = [u for kind, _ in _elements(circuit) for u in ELEMENTS[kind][0]]
    return xr.Dataset(
        {
            "value": ("parameter", best), "value_err": ("parameter", error), "unit": ("parameter", np.array(units)),
            "correlation": (("parameter", "parameter_2"), correlation, {"units": "1"}),
            "z_re_fit": ("frequency", fit.real, {"units": "Ohm"}),
            "z_im_fit": ("frequency", fit.imag, {"units": "Ohm"}),
            "goodness": ((), chi2 / freedom), "rms": ((), rms), "flag": ((), int(flag)),
        },
        coords={"parameter": names, "parameter_2": names, "frequency": spectrum["frequency"]},
        attrs={"circuit": circuit, "weight": "given error" if z_err is not None else weight},
    )  # fmt: skip


def _covariance(jacobian: np.ndarray) -> np.ndarray:
    """Inverse of J^T J; infinite where a parameter has no influence (less than 1e-12 of the strongest)."""
    size = np.linalg.norm(jacobian, axis=0)
    felt = size > 1e-12 * size.max(initial=0.0)
    covariance = np.diag(np.full(len(size), np.inf))
    scaled = jacobian[:, felt] / size[felt]
    inverse = np.linalg.pinv(scaled.T @ scaled) / np.outer(size[felt], size[felt])
    covariance[np.ix_(felt, felt)] = inverse
    np.fill_diagonal(covariance, np.maximum(np.diag(covariance), 0.0))
    return covariance


def fit_series(spectra: Sequence[xr.Dataset], circuit: str, start: Sequence[float], **options) -> xr.Dataset:
    """Fit the same circuit to spectra that follow each other; each starts where the one before ended.

    Returns over (spectrum, parameter): value, value_err; over spectrum: goodness, rms, flag, and voltage, utc where
    the spectra have them in their attrs. Values of fits that did not converge are NaN.
    """
    fits, begin = [], list(start)
    for spectrum in spectra:
        fit = fit_circuit(spectrum, circuit, begin, **options)
        converged = not int(fit.flag) & Flag.NOT_CONVERGED
        if converged and not int(fit.flag) & Flag.POOR_FIT:
            begin = list(np.maximum(fit.value.values, 1e-30))
        keep = fit[["value", "value_err", "goodness", "rms", "flag"]]
        fits.append(
            keep if converged else keep.assign(value=keep.value * np.nan, value_err=keep.value_err * np.nan)
        )
    joined = xr.concat(fits, "spectrum")
    for name, unit in (("voltage", "V"), ("utc", "s"), ("temperature", "K")):
        values = [float(s.attrs.get(name, np.nan)) for s in spectra]
        if np.isfinite(values).any():
            joined[name] = ("spectrum", values, {"units": unit})
    return joined.assign_attrs(circuit=circuit)
