"""How fast a front moves, and whether its speed is constant."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable


def front_speed(fronts: xr.Dataset, *, scatter_um: float = 0.0) -> xr.Dataset:
    """Speed of the front in every column by weighted regression of its position on time, and whether it is constant.

    fronts      Dataset with `position`, `position_err` (um) over `time` (s) and any other dims, as from `fit_front`
    scatter_um  roughness of the front itself, added in quadrature to each error

    Returns over the other dims `speed`, `speed_err` (nm/s), `start` (um, at the first time), `p_constant`: the chance
    of at least this much curvature (quadratic term) if the speed is constant; `goodness` of the straight line;
    `points`; `flag` TOO_FEW_COUNTS for fewer than three times. Positions that scatter more about the line than their
    errors say (goodness above one by three of its standard deviations) widen the error by its root; the test is invalid
    there.
    """
    from scipy.special import ndtr

    if "time" not in fronts["position"].dims:
        raise InputError(
            f"front positions have dims {fronts['position'].dims}, none is time", where="front_speed"
        )
    position = fronts["position"].transpose(..., "time")
    time = position["time"].values.astype(float)
    y = position.values.reshape(-1, len(time))
    err = np.hypot(fronts["position_err"].transpose(*position.dims).values.reshape(y.shape), scatter_um)
    good = np.isfinite(y) & np.isfinite(err) & (err > 0)
    u = (time - time[0]) / max(time[-1] - time[0], 1e-30)
    straight, cov, chi2 = _polynomial(u, y, err, good, 1)
    curved, curved_cov, _ = _polynomial(u, y, err, good, 2)
    enough = good.sum(1) >= 3
    goodness = chi2 / np.maximum(good.sum(1) - 2, 1)
    scatter = goodness > 1 + 3 * np.sqrt(2 / np.maximum(good.sum(1) - 2, 1))
    wider = np.where(scatter, np.sqrt(goodness), 1.0)
    unit = 1e3 / max(time[-1] - time[0], 1e-30)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = 2 * ndtr(-np.abs(curved[:, 2]) / np.sqrt(curved_cov[:, 2, 2]))
        quantities = {
            "speed": (unit * straight[:, 1], "nm/s", "speed of the front"),
            "speed_err": (unit * wider * np.sqrt(cov[:, 1, 1]), "nm/s", "1-sigma error of speed"),
            "start": (straight[:, 0], "um", "position at the first time"),
            "start_err": (wider * np.sqrt(cov[:, 0, 0]), "um", "1-sigma error of start"),
            "p_constant": (p, "1", "chance of this curvature at constant speed"),
            "goodness": (goodness, "1", "reduced chi-squared of a straight line"),
        }
    dims, shape = position.dims[:-1], position.shape[:-1]
    found = xr.Dataset(coords={name: c for name, c in position.coords.items() if "time" not in c.dims})
    for name, (values, units, label) in quantities.items():
        data = np.where(enough, values, np.nan).reshape(shape)
        found[name] = xr.DataArray(data, dims=dims, attrs={"units": units, "long_name": label})
    found["points"] = xr.DataArray(
        good.sum(1).reshape(shape), dims=dims, attrs={"units": "1", "long_name": "times used"}
    )
    found["flag"] = flag_variable(
        np.where(enough, 0, int(Flag.TOO_FEW_COUNTS)).reshape(shape), tuple(map(str, dims))
    )
    return found


def _polynomial(
    u: np.ndarray, y: np.ndarray, err: np.ndarray, good: np.ndarray, degree: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted polynomial in every row: coefficients (rows, degree + 1), covariance, chi-squared."""
    basis = np.stack([u**k for k in range(degree + 1)], -1)
    weight = np.where(good, 1 / np.where(good, err, 1.0) ** 2, 0.0)
    normal = np.einsum("rn,np,nq->rpq", weight, basis, basis)
    cov = np.linalg.pinv(normal, hermitian=True)
    best = np.einsum("rpq,nq,rn->rp", cov, basis, weight * np.where(good, y, 0.0))
    return best, cov, (weight * (np.where(good, y, 0.0) - best @ basis.T) ** 2).sum(1)
