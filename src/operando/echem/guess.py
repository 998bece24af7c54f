"""An equivalent circuit for a spectrum of which nothing is known: candidates, starting values, and the choice."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .circuits import circuit_impedance, fit_circuit, parameter_names

#: from simple to rich; an inductor in front is added where the spectrum begins above the real axis
CANDIDATES = (
    "R0-CPE1", "R0-p(R1,CPE1)", "R0-p(R1,CPE1)-CPE2", "R0-p(R1,CPE1)-W2", "R0-p(R1,CPE1)-p(R2,CPE2)",
    "R0-p(R1,CPE1)-p(R2,CPE2)-CPE3",
)  # fmt: skip


def choose_circuit(spectrum: xr.Dataset, candidates: tuple[str, ...] = CANDIDATES) -> xr.Dataset:
    """Fit every candidate and keep the one with the lowest Bayesian information criterion.

        BIC = 2 n ln(S / 2n) + k ln(2n),   S the weighted sum of squares, n points, k parameters

    A richer circuit is only kept where each of its resistors is known better than to its own size. Returns the fit
    (`fit_circuit`) with attrs chosen_from and bic. What is chosen describes the spectrum; it proves no mechanism.
    Schwarz, Ann. Stat. 6 (1978) 461. Raises `InputError` when there are too few points for any candidate.
    """
    inductive = spectrum["z_im"].values[np.argmax(spectrum["frequency"].values)] > 0
    fits = []
    for bare in candidates:
        circuit = f"L0-{bare}" if inductive else bare
        if 2 * spectrum.sizes["frequency"] > len(parameter_names(circuit)) + 2:
            fits.append(fit_from_guess(spectrum, circuit, tolerance=1e-8, evaluations=200))
    if not fits:
        raise InputError(
            "too few points for any circuit", where=str(spectrum.attrs.get("source", "spectrum"))
        )
    known = [fit for fit in fits if _resistors_known(fit)] or fits
    best = known[0]
    for fit in known[1:]:  # ordered from simple to rich
        best = fit if _bic(spectrum, fit) < _bic(spectrum, best) - 2 else best
    start = np.maximum(best["value"].values, 1e-30)
    fine = fit_circuit(spectrum, best.attrs["circuit"], start)
    return fine.assign_attrs(chosen_from=", ".join(candidates), bic=_bic(spectrum, fine))


def fit_from_guess(spectrum: xr.Dataset, circuit: str, **options) -> xr.Dataset:
    """The best of the fits of `circuit` from every set of `starting_values`."""
    fits = [fit_circuit(spectrum, circuit, start, **options) for start in starting_values(spectrum, circuit)]
    return min(fits, key=lambda fit: float(fit.goodness))


def starting_values(spectrum: xr.Dataset, circuit: str) -> list[np.ndarray]:
    """A few sets of values in the range of the spectrum, the nearest to it first.

    Arcs are laid at time constants spread evenly over the measured range, three ways; what is left is scaled by the
    largest imaginary part.
    """
    names = parameter_names(circuit)
    omega = 2 * np.pi * spectrum["frequency"].values
    z = spectrum["z_re"].values + 1j * spectrum["z_im"].values
    arcs = sorted({n[1:] for n in names if n[0] == "R"} & {n[3:-2] for n in names if n.startswith("CPE")})
    found = []
    for shift in (0.25, 0.5, 0.75):
        place = [(k + shift) / max(len(arcs), 1) for k in range(len(arcs))]
        centre = {arc: omega.max() ** (1 - p) * omega.min() ** p for arc, p in zip(arcs, place, strict=True)}
        found.append(np.array([_start(name, omega, z, centre) for name in names]))
    off = [np.mean(np.abs(circuit_impedance(circuit, s, omega / 2 / np.pi) - z) / np.abs(z)) for s in found]
    return [found[i] for i in np.argsort(off)]


def _start(name: str, omega: np.ndarray, z: np.ndarray, centre: dict[str, float]) -> float:
    low, span = max(float(z.real.min()), 1e-3 * float(np.abs(z).max())), float(np.ptp(z.real))
    span = max(span, 1e-3 * float(np.abs(z).max()))
    slowest = int(omega.argmin())
    kind = name.rstrip("0123456789_") if "_" not in name else name.split("_")[0].rstrip("0123456789")
    number = name.split("_")[0][len(kind) :]
    share = span / max(len(centre), 1)
    if kind == "R":
        return share if number in centre else low
    if kind == "CPE":
        if name.endswith("_1"):
            return 0.85 if number in centre else 0.7
        if number in centre:
            return 1 / (share * centre[number] ** 0.85)
        return 1 / (max(abs(z.imag[slowest]), 1e-3 * span) * omega.min() ** 0.7)
    if kind == "L":
        return max(float(z.imag[omega.argmax()]), 1e-3 * span) / omega.max()
    if kind == "W":
        return max(abs(z.imag[slowest]), 1e-3 * span) * np.sqrt(omega.min())
    if kind == "C":
        return 1 / (max(abs(z.imag[slowest]), 1e-3 * span) * omega.min())
    return 1 / omega.min() if name.endswith("_1") else span  # Wo, Ws: time constant, resistance


def _resistors_known(fit: xr.Dataset) -> bool:
    is_resistor = np.array([str(n).startswith("R") for n in fit["parameter"].values])
    value, error = fit["value"].values[is_resistor], fit["value_err"].values[is_resistor]
    return bool(np.isfinite(error).all() and (error < value).all())


def _bic(spectrum: xr.Dataset, fit: xr.Dataset) -> float:
    n, k = 2 * spectrum.sizes["frequency"], fit.sizes["parameter"]
    squares = max(float(fit["goodness"]) * max(n - k, 1), 1e-300)
    return float(n * np.log(squares / n) + k * np.log(n))
