"""Layers that move: place and width of a component in z, displacement, bending, and plated thickness."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable
from ..core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL
from ._least_squares import Fit, least_squares

#: a layer counts as seen when its peak area is this many times its error
MIN_AREA = 5.0


def layer_position(
    intensity: xr.DataArray,
    error: xr.DataArray,
    *,
    thickness_um: float = 0.0,
    stepped: bool = False,
    dim: str = "z",
) -> xr.Dataset:
    """Centre and width of a component in z for every column: a blurred box on a constant background.

    I(z) = area (Phi((z - z0 + t/2) / w) - Phi((z - z0 - t/2) / w)) / t + background, averaged over pixels; for t = 0 a
    Gaussian. w is blur by roughness, bending and beam. t is the thickness or the pixel height, whichever is larger;
    with `stepped` it is the thickness alone: z stood still during exposures, and all blur along z is that of the beam.

    intensity, error  DataArrays with dim `z` (um, evenly spaced), as from `component_map`; NaN where unknown

    Returns over the other dims `position` (um), `width` (sigma of the blur, um), `area` (intensity times um),
    `background`, each with `_err` (times the root of `goodness` where that is well above one: no layer is quite a
    box), `goodness`, `flag`: NO_DATA (fewer than six points), TOO_FEW_COUNTS (area below five
    times its error), WINDOW_EDGE (centre within half its thickness plus a width of the edge), NOT_CONVERGED. Flagged
    values are NaN.
    """
    if dim not in intensity.dims or intensity.sizes[dim] < 6:
        raise InputError(
            f"needs a dim {dim} of six or more points, not {dict(intensity.sizes)}", where="layer_position"
        )
    ordered = intensity.transpose(..., dim)
    z = ordered[dim].values.astype(float)
    h = float(np.diff(z).mean())
    if h <= 0 or not np.allclose(np.diff(z), h, rtol=1e-3):
        raise InputError("positions are not evenly spaced and ascending", where="layer_position")
    y, err = (a.values.reshape(-1, len(z)).astype(float) for a in (ordered, error.transpose(*ordered.dims)))
    box = max(thickness_um, 0.05 * h) if stepped else max(thickness_um, h)
    fit = _fit_boxes(z, y, err, box, h)
    return _dataset(fit, ordered, z, box, dim)


def _fit_boxes(z: np.ndarray, y: np.ndarray, err: np.ndarray, box: float, h: float) -> Fit:
    from scipy.special import ndtr

    def density(t: np.ndarray) -> np.ndarray:
        return np.asarray(np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi))

    def model(par: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        place, width, area, background = (par[:, i : i + 1] for i in range(4))
        lower, upper = (z - place + box / 2) / width, (z - place - box / 2) / width
        shape = (ndtr(lower) - ndtr(upper)) / box
        by_place = -area * (density(lower) - density(upper)) / (width * box)
        by_width = -area * (lower * density(lower) - upper * density(upper)) / (width * box)
        return area * shape + background, np.stack([by_place, by_width, shape, np.ones_like(shape)], -1)

    good = np.isfinite(y) & np.isfinite(err) & (err > 0)
    value = np.where(good, y, 0.0)
    kernel = np.ones(max(round(box / h), 1) | 1)
    smooth = np.apply_along_axis(np.convolve, 1, value, kernel, "same") / kernel.size
    base = np.nanpercentile(np.where(good | ~good.any(1, keepdims=True), value, np.nan), 20, axis=1)
    area = np.maximum((np.where(good, y - base[:, None], 0)).sum(1) * h, 1e-12)
    start = np.stack([z[smooth.argmax(1)], np.full(len(y), max(h, 0.2 * box)), area, base], 1)
    low = np.array([z[0] - h, 0.15 * h, 0.0, -np.inf])
    high = np.array([z[-1] + h, 0.5 * (z[-1] - z[0]), np.inf, np.inf])
    return least_squares(model, start, y, err, low, high)


def _dataset(fit: Fit, ordered: xr.DataArray, z: np.ndarray, box: float, dim: str) -> xr.Dataset:
    place, width, area, _ = fit.par.T
    err = fit.honest_err
    margin = 0.5 * box + width
    with np.errstate(invalid="ignore"):
        reasons = {
            Flag.NO_DATA: fit.used < 6,
            Flag.TOO_FEW_COUNTS: ~(area >= MIN_AREA * err[:, 2]),
            Flag.WINDOW_EDGE: (place - margin < z[0]) | (place + margin > z[-1]),
            Flag.NOT_CONVERGED: ~fit.converged | ~np.isfinite(err[:, [0, 2]]).all(1),
        }
    flag = np.zeros(len(place), np.uint16)
    for reason, where in reasons.items():
        flag[where] |= int(reason)
    dims, shape = ordered.dims[:-1], ordered.shape[:-1]
    units = str(ordered.attrs.get("units", "1"))
    found = xr.Dataset(coords={name: c for name, c in ordered.coords.items() if dim not in c.dims})
    for i, (name, unit, label) in enumerate((
        ("position", "um", "centre of the layer"), ("width", "um", "blur of the layer, sigma"),
        ("area", f"{units}*um", "intensity times thickness"), ("background", units, "level beside the layer"),
    )):  # fmt: skip
        for key, values, text in (
            (name, fit.par[:, i], label),
            (f"{name}_err", err[:, i], f"1-sigma error of {name}"),
        ):
            data = np.where(flag == 0, values, np.nan).reshape(shape)
            found[key] = xr.DataArray(data, dims=dims, attrs={"units": unit, "long_name": text})
    attrs = {"units": "1", "long_name": "reduced chi-squared"}
    found["goodness"] = xr.DataArray(fit.goodness.reshape(shape), dims=dims, attrs=attrs)
    found["flag"] = flag_variable(flag.reshape(shape), tuple(map(str, dims)))
    return found


def displacement(layers: xr.Dataset, reference: slice | int = 0) -> xr.Dataset:
    """How far a layer has moved since the reference times: position less its weighted mean there, column by column.

    layers     Dataset with `position`, `position_err` (um) over `time` and other dims
    reference  index or slice of times

    Returns `displacement`, `displacement_err` (um); the error holds that of the reference, which all times share.
    """
    if "time" not in layers["position"].dims:
        raise InputError("layer positions have no dim time", where="displacement")
    chosen = slice(reference, reference + 1) if isinstance(reference, int) else reference
    first = layers[["position", "position_err"]].isel(time=chosen)
    weight = (1 / first["position_err"] ** 2).where(np.isfinite(first["position"]))
    zero = (weight * first["position"]).sum("time", min_count=1) / weight.sum("time", min_count=1)
    zero_err = weight.sum("time", min_count=1) ** -0.5
    moved = (layers["position"] - zero).transpose(*layers["position"].dims)
    error = ((layers["position_err"] ** 2 + zero_err**2) ** 0.5).transpose(*moved.dims)
    return xr.Dataset({
        "displacement": moved.assign_attrs(units="um", long_name="displacement along z"),
        "displacement_err": error.assign_attrs(units="um", long_name="1-sigma error of displacement"),
    })  # fmt: skip


def bending(moved: xr.Dataset) -> xr.Dataset:
    """Mean, tilt and curvature of a displaced layer along x: u = mean + tilt X + curvature (X^2 - <X^2>) / 2.

    moved  Dataset with `displacement`, `displacement_err` (um) over `x` (um) and other dims; X = x - middle of x

    Returns over the other dims `mean` (um), `tilt` (mrad), `curvature` (1/m), each with `_err`, `rough`: rms of what
    this leaves beyond the errors (um), and `flag` TOO_FEW_COUNTS with fewer than four columns.
    """
    u = moved["displacement"].transpose(..., "x")
    x = (u["x"].values - u["x"].values.mean()) * 1e-3  # mm
    y, err = (
        u.values.reshape(-1, len(x)),
        moved["displacement_err"].transpose(*u.dims).values.reshape(-1, len(x)),
    )
    good = np.isfinite(y) & np.isfinite(err) & (err > 0)
    weight = np.where(good, 1 / np.where(good, err, 1) ** 2, 0.0)
    basis = np.stack([np.ones_like(x), x, 0.5 * (x**2 - (x**2).mean())], 1)
    cov = np.linalg.pinv(np.einsum("rn,np,nq->rpq", weight, basis, basis), hermitian=True)
    value = np.where(good, y, 0.0)
    best = np.einsum("rpq,nq,rn->rp", cov, basis, weight * value)
    rest = (value - best @ basis.T) ** 2 - np.where(good, err, 0) ** 2
    enough = good.sum(1) >= 4
    with np.errstate(invalid="ignore", divide="ignore"):
        rough = np.sqrt(np.maximum(np.where(good, rest, 0).sum(1) / np.maximum(good.sum(1) - 3, 1), 0))
    dims, shape = u.dims[:-1], u.shape[:-1]
    found = xr.Dataset(coords={name: c for name, c in u.coords.items() if "x" not in c.dims})
    # um per mm is mrad, um per mm^2 is 1/m
    for i, (name, units) in enumerate((("mean", "um"), ("tilt", "mrad"), ("curvature", "1/m"))):
        for key, values in ((name, best[:, i]), (f"{name}_err", np.sqrt(cov[:, i, i]))):
            attrs = {
                "units": units,
                "long_name": f"{name} of the layer" if key == name else f"1-sigma error of {name}",
            }
            found[key] = xr.DataArray(np.where(enough, values, np.nan).reshape(shape), dims=dims, attrs=attrs)
    attrs = {"units": "um", "long_name": "rms deviation beyond errors"}
    found["rough"] = xr.DataArray(np.where(enough, rough, np.nan).reshape(shape), dims=dims, attrs=attrs)
    found["flag"] = flag_variable(
        np.where(enough, 0, int(Flag.TOO_FEW_COUNTS)).reshape(shape), tuple(map(str, dims))
    )
    return found


def plated_thickness(charge_mAh_cm2: float | np.ndarray) -> np.ndarray:
    """Thickness of dense Li plated by a charge per area, um: V_m Q / F = 4.85 um per mAh/cm2 at 13.0 cm3/mol."""
    return np.asarray(charge_mAh_cm2) * 3.6 / FARADAY_C_PER_MOL * LI_MOLAR_VOLUME_CM3_PER_MOL * 1e4
