"""J(p_z) as a sum of component profiles: the lithium share from the whole shape instead of two windows."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable


def fit_components(
    part: xr.Dataset, templates: dict[str, np.ndarray], *, reach: float = 5.0, spread: np.ndarray | None = None,
    ratio: tuple[str, str] = ("Li", "host"), significance: float = 5.0,
) -> xr.Dataset:  # fmt: skip
    """Amounts of component profiles in counts against p_z, by one linear estimator for every pixel.

        a = (T' V^-1 T)^-1 T' V^-1 n,     cov(a) = H (diag(variance) + sum over modes m m') H'

    part       `counts`, `variance`, `modes` (..., p_z)
    templates  name to counts a bin that one unit gives (`profile.template`), at all bins of p_z
    reach      |p_z| used
    spread     (p_z,) relative variance of the bins, for V; left out: the mean variance over everything, smoothed. It is
               the same for all pixels and does not follow their noise, so the estimate is unbiased at any counts.
    ratio      the two whose ratio is asked for

    Returns `amount` (component, ...), `amount_err`, and `ratio`, `ratio_err`, `ratio_err_stat`, `ratio_flag`
    (TOO_FEW_COUNTS, then NaN, where the second component is below `significance` sigma), `chi2` a degree of freedom.
    The ratio is x only as far as the templates are right: calibrate it with states of known x.
    """
    names = list(templates)
    if any(name not in names for name in ratio):
        raise InputError(
            f"no template {ratio[0]} or {ratio[1]} among {', '.join(names)}", where="fit_components"
        )
    p = part["p_z"].values
    window = np.abs(p) < reach
    design = np.array([np.asarray(templates[name], float)[window] for name in names])
    counts = part["counts"].transpose(..., "p_z").values[..., window]
    variance = part["variance"].transpose(..., "p_z").values[..., window]
    told = None if spread is None else np.asarray(spread, float)[window]
    v = _smooth(variance) if told is None or not np.isfinite(told).all() or told.min() <= 0 else told
    if not np.isfinite(design / np.sqrt(v)).all():
        raise InputError(
            "the profiles or their variances are not numbers: nearly no photon passes", where="fit_components",
            fix="Check thickness and density of what lies between sheet and detector (lid_um, case).",
        )  # fmt: skip
    if np.linalg.matrix_rank(design / np.sqrt(v)) < len(names):
        raise InputError("two templates have the same shape", where="fit_components", fix="Leave one out.")
    normal = (design / v) @ design.T
    estimator = np.linalg.solve(normal, design / v)
    amount = counts @ estimator.T
    photons = np.einsum("ai,...i,bi->...ab", estimator, variance, estimator)
    whole = photons
    if "modes" in part:
        moved = part["modes"].transpose("mode", ..., "p_z").values[..., window] @ estimator.T
        whole = photons + np.einsum("m...a,m...b->...ab", moved, moved)
    residual = counts - amount @ design
    with np.errstate(divide="ignore", invalid="ignore"):
        chi2 = (residual**2 / np.where(variance > 0, variance, np.nan)).sum(-1) / (window.sum() - len(names))
    dims = tuple(str(d) for d in part["counts"].dims if d != "p_z")
    coords = {k: c for k, c in part["counts"].coords.items() if "p_z" not in c.dims}
    found = xr.Dataset(coords=coords).assign_coords(component=names)
    found["amount"] = ((*dims, "component"), amount, {"units": "1", "long_name": "amount of the component"})
    found["amount_err"] = (
        (*dims, "component"), np.sqrt(np.diagonal(whole, axis1=-2, axis2=-1)), {"units": "1"}
    )  # fmt: skip
    i, j = names.index(ratio[0]), names.index(ratio[1])
    value, error, stat, flag = _ratio(amount, whole, photons, i, j, significance)
    found["ratio"] = (dims, value, {"units": "1", "long_name": f"{ratio[0]} over {ratio[1]}"})
    found["ratio_err"] = (dims, error, {"units": "1", "long_name": "1-sigma error"})
    found["ratio_err_stat"] = (dims, stat, {"units": "1", "long_name": "1-sigma error of photons alone"})
    found["ratio_flag"] = flag_variable(flag, dims)
    found["chi2"] = (dims, chi2, {"units": "1", "long_name": "chi2 a degree of freedom"})
    return found


def _smooth(variance: np.ndarray) -> np.ndarray:
    """Mean over everything but p_z, smoothed over five bins."""
    flat = variance.reshape(-1, variance.shape[-1])
    mean = (
        np.nanmean(flat[np.isfinite(flat).all(-1)], axis=0)
        if np.isfinite(flat).all(-1).any()
        else np.ones(flat.shape[1])
    )
    padded = np.pad(mean, 2, "edge")
    return np.maximum(np.convolve(padded, np.ones(5) / 5, "valid"), max(mean.max(), 1e-12) * 1e-6)


def _ratio(amount, whole, photons, i: int, j: int, significance: float):
    """a_i / a_j with first-order errors, NaN and flagged where a_j is not known."""
    top, bottom = amount[..., i], amount[..., j]
    seen = np.isfinite(bottom)
    enough = seen & (bottom > significance * np.sqrt(np.where(seen, whole[..., j, j], 1.0)))
    safe = np.where(enough, bottom, np.nan)
    value = top / safe

    def error(cov: np.ndarray) -> np.ndarray:
        square = cov[..., i, i] - 2 * value * cov[..., i, j] + value**2 * cov[..., j, j]
        return np.sqrt(square) / np.abs(safe)

    flag = np.where(~seen, int(Flag.NO_DATA), np.where(enough, 0, int(Flag.TOO_FEW_COUNTS)))
    return value, error(whole), error(photons), flag
