"""Label volumes drawn from probabilities, wrong together where neighbours are wrong together, and measures of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from ...core.errors import InputError
from ..volume import check_volume, quantity
from .probability import known_voxels, most_likely

AXES = ("z", "y", "x")


def residual_correlation(
    probabilities: xr.DataArray,
    truth: xr.DataArray,
    *,
    rng: np.random.Generator,
    reach: int = 12,
    rounds: int = 4,
) -> xr.Dataset:
    """How far errors of a calibrated segmentation go together, and the field that gives draws the same errors.

    c(h) = sum r_i r_(i+h) / sum sqrt(v_i v_(i+h)),  r = [phase is true] - p,  v = p (1 - p), over all phases

    truth    training labels (0 not known) of voxels that were not trained on
    rounds   labels are drawn so often from the probabilities to match the sum of c over lags along each axis: errors of
             labels go together less far than the field behind them

    Over `axis` and `lag` (voxels) `correlation` (near 1 at lag 0 if calibrated); over `axis` `sigma_vox`, the width
    of the Gaussian filter for `draw_labels`. One width for the whole volume.
    Raises InputError for sizes and phases that do not fit, and where nothing is known.
    """
    known_voxels(probabilities, truth, where="residual_correlation")
    p = probabilities.transpose("phase", *AXES).values.astype(np.float64)
    label = truth.transpose(*AXES).values.astype(np.int64) - 1
    known = label >= 0
    value = _correlation(p, label, known, reach)
    wanted = _width(value)
    sigma = wanted.copy()
    for _ in range(rounds if wanted.any() else 0):
        drawn = next(draw_labels(probabilities, sigma, rng=rng, draws=1)).values.astype(np.int64)
        got = _width(_correlation(p, drawn, known, reach))
        with np.errstate(invalid="ignore", divide="ignore"):
            change = np.where(got > 0, wanted / got, 1.5)
        sigma = np.where(wanted > 0, np.minimum(sigma * np.clip(change, 0.5, 2), min(reach, 12.0)), 0.0)
    return xr.Dataset(
        {
            "correlation": quantity(value, ("axis", "lag"), "1", "correlation of residuals"),
            "sigma_vox": quantity(sigma, "axis", "voxel", "width of the filter for draws"),
        },
        coords={"axis": list(AXES), "lag": ("lag", np.arange(reach + 1), {"units": "voxel"})},
    )


def _correlation(p: np.ndarray, label: np.ndarray, known: np.ndarray, reach: int) -> np.ndarray:
    """(axis, lag) correlation of residuals, NaN beyond the volume."""
    residual = (np.arange(len(p))[:, None, None, None] == label) - p
    residual[:, ~known] = 0
    deviation = np.sqrt(p * (1 - p)) * known
    value = np.full((3, reach + 1), np.nan)
    for axis in range(3):
        for lag in range(min(reach, label.shape[axis] - 1) + 1):
            cut = [slice(None)] * (axis + 1)
            a, b = (*cut, slice(None, label.shape[axis] - lag)), (*cut, slice(lag, None))
            below = (deviation[a] * deviation[b]).sum()
            value[axis, lag] = (residual[a] * residual[b]).sum() / below if below > 0 else np.nan
    return value


def _width(correlation: np.ndarray) -> np.ndarray:
    """Sigma of each axis: exp(-h^2 / 4 sigma^2) has the same sum over lags, up to where the correlation ends."""
    relative = np.nan_to_num(correlation / correlation[:, :1], nan=-1.0)
    positive = np.where(np.cumprod(relative > 0, axis=1).astype(bool), relative, 0)
    summed = np.maximum(positive.sum(1) - 0.5, 0)  # lag 0 counts by half: one side of the integral
    return np.where(positive[:, 1:].any(1), summed / np.sqrt(np.pi), 0.0)


def draw_labels(
    probabilities: xr.DataArray, sigma_vox: Sequence[float] | np.ndarray | xr.DataArray, *, rng: np.random.Generator,
    draws: int = 20,
) -> Iterator[xr.DataArray]:  # fmt: skip
    """Label volumes (z, y, x) in turn, each voxel with its probabilities, neighbours alike over `sigma_vox`.

    label = first k with sum_(j<=k) p_j > Phi(g),   g a Gaussian field of unit variance and width sigma (z, y, x)

    Phases should be in an order in which those that are confused lie side by side. Labels are as of `most_likely`.
    Raises InputError for NaN and probabilities that do not sum to 1.
    """
    p = probabilities.transpose("phase", *AXES)
    values = p.values
    if not np.isfinite(values).all() or abs(values.sum(0) - 1).max() > 0.01:
        raise InputError("probabilities hold NaN or do not sum to 1", where="draw_labels")
    widths = np.asarray(sigma_vox, float).ravel()
    if widths.shape != (3,) or (widths < 0).any() or not np.isfinite(widths).all():
        raise InputError(f"widths {widths}", where="draw_labels", fix="Give three widths in voxels, z, y, x.")
    edges = np.cumsum(values, 0)[:-1]
    attrs = {"units": "1", "phases": [str(n) for n in p["phase"].values], "rule": "drawn from probabilities"}
    if "voxel_um" in p.attrs:
        attrs["voxel_um"] = p.attrs["voxel_um"]
    like = p.isel(phase=0, drop=True)
    for _ in range(draws):
        level = ndtr(_field(like.shape, widths, rng))
        yield like.copy(data=(level >= edges).sum(0).astype(np.uint8)).assign_attrs(attrs)


def _field(shape: tuple[int, ...], widths: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian field of unit variance: white noise, filtered and divided by the norm of the filter."""
    spare = np.ceil(4 * widths).astype(int)
    white = rng.standard_normal([n + 2 * s for n, s in zip(shape, spare, strict=True)], dtype=np.float32)
    field = gaussian_filter(white, widths, mode="wrap", truncate=4)
    field = field[tuple(slice(s, s + n) for s, n in zip(spare, shape, strict=True))]
    norm = 1.0
    for width in widths:
        spike = np.zeros(2 * int(np.ceil(4 * width)) + 3)
        spike[len(spike) // 2] = 1
        norm *= np.sqrt((gaussian_filter(spike, width, truncate=4) ** 2).sum()) if width else 1.0
    return field / norm


def measure_by_draws(
    probabilities: xr.DataArray, measure: Callable[[xr.DataArray], Mapping[str, float] | float],
    sigma_vox: Sequence[float] | np.ndarray | xr.DataArray, held: Sequence[tuple[xr.DataArray, xr.DataArray]], *,
    rng: np.random.Generator, draws: int = 20, units: Mapping[str, str] | str = "1",
) -> xr.Dataset:  # fmt: skip
    """Any measure of a segmentation with the error of its probabilities.

    corrected = mean over draws - mean over held-out volumes of d,   d = mean over draws - measure of the truth
    err^2 = w^2 (1 + 1 / volumes),   w the larger of: spread over draws; scatter of d times Student's t

    measure     of a label volume: a number, or numbers by name
    sigma_vox   `residual_correlation(...)["sigma_vox"]`
    held        two or more: probabilities and training labels (all voxels known) of volumes not trained on, as large

    For each name (one number is called "measure"): the name itself (of the likeliest labels), `<name>_corrected`,
    `<name>_err`, `<name>_bias` (mean of d). Draws alone give no error worth the name: drawn surfaces are rougher than
    true ones, and probabilities that are right in the mean over a training still depend on the shares that phases had
    there (on the twin the mean probability of void was 3 to 10 % too small, volume by volume, where draws spread by
    1.5 %). What differs so between volumes is only seen in volumes.
    Raises InputError for fewer than two draws or held-out volumes, and for a measure that gives NaN.
    """
    if draws < 2 or len(held) < 2:
        raise InputError(
            f"{draws} draws and {len(held)} held-out volumes give no error", where="measure_by_draws",
            fix="Give two of each or more; with one held-out volume use corrected_measure, which takes its blocks.",
        )  # fmt: skip
    best = _named(measure, most_likely(probabilities))
    drawn = _measured_draws(measure, draw_labels(probabilities, sigma_vox, rng=rng, draws=draws))
    off: dict[str, list[float]] = {name: [] for name in best}
    for p, truth in held:
        there = _named(measure, _as_labels(truth, p))
        for name, values in _measured_draws(measure, draw_labels(p, sigma_vox, rng=rng, draws=draws)).items():
            off[name].append(float(values.mean()) - there[name])
    result = xr.Dataset(attrs={"draws": draws, "held": len(held)})
    wider = _student(len(held) - 1)
    for name, value in best.items():
        bias, scatter = float(np.mean(off[name])), float(np.std(off[name], ddof=1))
        width = max(float(drawn[name].std(ddof=1)), wider * scatter)
        error = width * np.sqrt(1 + 1 / len(held))
        unit = units if isinstance(units, str) else units.get(name, "1")
        result[name] = quantity(value, (), unit, "of the likeliest labels")
        result[f"{name}_corrected"] = quantity(
            float(drawn[name].mean()) - bias, (), unit, "mean over draws, less its bias in held-out volumes"
        )
        result[f"{name}_err"] = quantity(error, (), unit)
        result[f"{name}_bias"] = quantity(bias, (), unit, "mean over draws less true, in held-out volumes")
    return result


def _student(freedom: int) -> float:
    """Half the width of the middle 68 % of Student's t."""
    from scipy.stats import norm, t

    return float(t.ppf(norm.cdf(1.0), freedom))


def _named(measure: Callable, labels: xr.DataArray) -> dict[str, float]:
    found = measure(check_volume(labels, where="measure_by_draws"))
    return (
        {str(k): float(v) for k, v in found.items()}
        if isinstance(found, Mapping)
        else {"measure": float(found)}
    )


def _measured_draws(measure: Callable, volumes: Iterator[xr.DataArray]) -> dict[str, np.ndarray]:
    each = [_named(measure, labels) for labels in volumes]
    result = {name: np.array([e[name] for e in each]) for name in each[0]}
    wrong = [name for name, values in result.items() if not np.isfinite(values).all()]
    if wrong:
        raise InputError(f"{wrong} are not numbers in some draws", where="measure_by_draws")
    return result


def _as_labels(truth: xr.DataArray, probabilities: xr.DataArray) -> xr.DataArray:
    """Training labels with every voxel known as labels from 0."""
    like = most_likely(probabilities)
    values = truth.transpose(*AXES).values
    if values.shape != like.shape or not (values > 0).all():
        raise InputError(
            "not every voxel of the held-out volume is labelled", where="measure_by_draws",
            fix="Give a volume whose labels are all known.",
        )  # fmt: skip
    return like.copy(data=(values - 1).astype(np.uint8))
