"""Roughness of an interface from its height map: the height set of ISO 25178-2 and R_a as in ISO 4287."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from .volume import quantity, voxel_sizes

Form = Literal["plane", "quadratic", "mean"]
LEAST = 16


def remove_form(height: xr.DataArray, form: Form = "plane") -> xr.DataArray:
    """`height` (y, x; um) less its least-squares plane, quadratic surface or mean. NaN stays NaN.

    attrs: `form` and its coefficients. Raises InputError where fewer than 16 heights are known.
    """
    height = height.transpose("y", "x")
    good = np.isfinite(height.values)
    if good.sum() < LEAST:
        raise InputError(
            f"{int(good.sum())} known heights", where="remove_form", fix="Check the segmentation."
        )
    y, x = (np.linspace(-1, 1, n) for n in height.shape)
    yy, xx = np.meshgrid(y, x, indexing="ij")
    terms = {"mean": [np.ones_like(xx)], "plane": [np.ones_like(xx), xx, yy]}
    terms["quadratic"] = [*terms["plane"], xx * xx, xx * yy, yy * yy]
    if form not in terms:
        raise InputError(f"no form {form!r}", where="remove_form", fix="Use 'mean', 'plane' or 'quadratic'.")
    design = np.stack([t[good] for t in terms[form]], 1)
    found = np.linalg.lstsq(design, height.values[good], rcond=None)[0]
    fitted = sum(c * t for c, t in zip(found, terms[form], strict=True))
    attrs = {**height.attrs, "units": "um", "form": form, "form_coefficients_um": [float(c) for c in found]}
    return height.copy(data=height.values - fitted).assign_attrs(attrs)


def height_parameters(
    height: xr.DataArray, *, height_err: xr.DataArray | float = 0.0, form: Form = "plane", blocks: int = 4,
    correct_noise: bool = True,
) -> xr.Dataset:  # fmt: skip
    """Height parameters of a surface after removal of its form; over no dimension.

    height      (y, x) um, as of `surface_heights`; NaN is left out
    height_err  1-sigma noise of the heights; taken out of Sq in quadrature, and of Sa in the same ratio, Ssk and
                Sku accordingly (noise taken as Gaussian and white), unless `correct_noise` is false
    form        what is removed: least-squares "plane" (as ISO 4287 / 25178 mean plane), "quadratic" or only "mean"
    blocks      the errors are sampling errors by jackknife over blocks x blocks parts of the map

    Sa = mean |z|, Sq = rms, Ssk = mean z^3 / Sq^3, Sku = mean z^4 / Sq^4, Sp, Sv highest peak and deepest valley,
    Sz = Sp + Sv; `Ra` is Sa with its name of ISO 4287 as in paper 001, eq. 6: R_a = (1/A) integral |Z| dx dy.
    Each with `_err` (Sp, Sv, Sz are extremes: no error). Also `Sdq`-free autocorrelation length `Sal` (um,
    decay to 0.2, along x and y).
    """
    flat = remove_form(height, form)
    noise2 = float(np.nanmean(np.asarray(height_err, float) ** 2)) if correct_noise else 0.0
    z = flat.values
    whole = _parameters(z, noise2)
    rows_of, columns_of = (np.array_split(np.arange(n), blocks) for n in z.shape)
    parts = [(i, j) for i in rows_of for j in columns_of]
    left = []
    for rows, columns in parts:
        rest = z.copy()
        rest[np.ix_(rows, columns)] = np.nan
        if np.isfinite(rest).sum() >= LEAST:
            left.append(_parameters(rest, noise2))
    data, n = {}, len(left)
    units = {"Sa": "um", "Sq": "um", "Ssk": "1", "Sku": "1"}
    for name, unit in units.items():
        values = np.array([p[name] for p in left])
        data[name] = quantity(whole[name], (), unit)
        error = np.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()) if n > 1 else np.nan
        data[f"{name}_err"] = quantity(float(error), (), unit)
    data["Ra"], data["Ra_err"] = data["Sa"], data["Sa_err"]
    peak, valley = float(np.nanmax(z)), float(-np.nanmin(z))
    data |= {
        "Sp": quantity(peak, (), "um"),
        "Sv": quantity(valley, (), "um"),
        "Sz": quantity(peak + valley, (), "um"),
    }
    data["Sal"] = quantity(_decay(flat), (), "um", "autocorrelation length (0.2)")
    result = xr.Dataset(
        data, attrs={"form": form, "noise_um": noise2**0.5, "known": float(np.isfinite(z).mean())}
    )
    result["flag"] = flag_variable(np.array(int(Flag.TOO_FEW_COUNTS) if whole["buried"] else 0), ())
    return result


def _parameters(z: np.ndarray, noise2: float) -> dict[str, float]:
    """Moments with those of Gaussian noise taken out: m2 - s2, m3, m4 - 6 m2 s2 - 3 s4."""
    z = z[np.isfinite(z)]
    z = z - z.mean()
    m2, m3, m4 = ((z**k).mean() for k in (2, 3, 4))
    true2 = m2 - noise2
    if true2 <= 0:
        return {"Sa": np.nan, "Sq": np.nan, "Ssk": np.nan, "Sku": np.nan, "buried": True}
    sq = np.sqrt(true2)
    return {
        "Sa": np.abs(z).mean() * sq / np.sqrt(m2), "Sq": sq, "Ssk": m3 / sq**3,
        "Sku": (m4 - 6 * true2 * noise2 - 3 * noise2**2) / sq**4, "buried": False,
    }  # fmt: skip


def _decay(flat: xr.DataArray) -> float:
    """Lag (um), mean of x and y, at which the autocorrelation falls to 0.2; NaN where it does not."""
    z = np.nan_to_num(flat.values)
    sizes = voxel_sizes(flat, where="height map")
    found = []
    for axis, name in ((0, "y"), (1, "x")):
        n = z.shape[axis]
        power = (np.abs(np.fft.rfft(z, 2 * n, axis=axis)) ** 2).mean(1 - axis)
        lag = np.fft.irfft(power)[:n] / (n - np.arange(n))
        below = np.flatnonzero(lag < 0.2 * lag[0])
        if len(below):
            k = below[0]
            found.append(
                (k - 1 + (lag[k - 1] / lag[0] - 0.2) / ((lag[k - 1] - lag[k]) / lag[0])) * sizes[name]
            )
    return float(np.mean(found)) if found else np.nan


def local_roughness(height: xr.DataArray, window_um: float, *, form: Form = "plane") -> xr.DataArray:
    """R_a (um) in windows of `window_um` around every column: mean |z - local mean| (y, x)."""
    from scipy.ndimage import uniform_filter

    sizes = voxel_sizes(height, where="height map")
    flat = remove_form(height, form)
    z, known = np.nan_to_num(flat.values), np.isfinite(flat.values).astype(float)
    size = [max(round(window_um / sizes[a]), 3) for a in ("y", "x")]

    def mean(values):
        with np.errstate(invalid="ignore", divide="ignore"):
            weight = uniform_filter(known, size)
            return np.where(weight > 1e-9, uniform_filter(values * known, size) / weight, np.nan)

    local = mean(np.abs(z - np.nan_to_num(mean(z))))
    return flat.copy(data=np.where(known > 0, local, np.nan)).assign_attrs(window_um=window_um)
