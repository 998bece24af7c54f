"""What a segmentation takes for what: the confusion matrix of held-out voxels, block by block."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ...core.errors import InputError
from ...core.flags import Flag, flag_variable
from ..volume import quantity
from .image import as_volume
from .probability import UNKNOWN


def confusion_matrix(
    labels: xr.DataArray | list[xr.DataArray], truth: xr.DataArray | list[xr.DataArray], *,
    parts: tuple[int, int, int] = (1, 4, 4),
) -> xr.Dataset:  # fmt: skip
    """How often a voxel of one phase is called another, on voxels that were not trained on.

    rate[t, p] = voxels of true phase t called p / voxels of true phase t

    labels   (z, y, x) of `most_likely`, `predict_volume` or `label_phases` (0 the first of attrs["phases"]), or several
    truth    training labels of the same voxels: 0 not known, k for the k-th phase
    parts    blocks along z, y and x. Errors come from how blocks differ: wrong voxels lie together, so counting
             them as independent would promise too much. A block should be larger than voids and grains

    Returns `count` (block, true, predicted), `volume` (block: which one it is of), `rate` (true, predicted) with its
    `rate_err` (jackknife over blocks),
    `dice`, `recall`, `precision` (phase) each with `_err`, `accuracy` with `_err`, `flag` (true: NO_DATA where
    a phase has no voxel, TOO_FEW_COUNTS where under four blocks hold it, errors are then unsure); attrs `parts`,
    `block_voxels`. Raises InputError for sizes or phases that differ and where nothing is known.
    """
    labels = list(labels) if isinstance(labels, (list, tuple)) else [labels]
    truth = list(truth) if isinstance(truth, (list, tuple)) else [truth]
    if len(labels) != len(truth) or not labels:
        raise InputError(f"{len(labels)} label volumes, {len(truth)} of truth", where="confusion_matrix")
    names = phase_names(labels[0])
    pairs = [_pair(a, b, names) for a, b in zip(labels, truth, strict=True)]
    each = [_by_block(a, b, len(names), parts) for a, b in pairs]
    volume = np.repeat(np.arange(len(each)), [len(one) for one in each])
    count = np.concatenate(each)
    full = count.sum((1, 2)) > 0
    count, volume = count[full], volume[full]
    if len(count) < 2:
        raise InputError(
            "fewer than two blocks have labels", where="confusion_matrix", fix="Use smaller blocks."
        )
    found = _scores(count, names, parts)
    found["volume"] = quantity(volume, "block", "1", "number of the volume that the block is of")
    return found


def phase_names(labels: xr.DataArray) -> list[str]:
    """The phases of a label volume, by label. Raises InputError where it does not say."""
    if "phases" not in labels.attrs:
        raise InputError("labels do not name their phases", where="labels", fix="Set attrs['phases'].")
    return [str(n) for n in labels.attrs["phases"]]


def _pair(labels: xr.DataArray, truth: xr.DataArray, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    first = as_volume(labels, where="confusion_matrix", check_values=False)
    second = as_volume(truth, where="confusion_matrix", check_values=False)
    if first.shape != second.shape:
        raise InputError(f"labels of {first.shape}, truth of {second.shape} voxels", where="confusion_matrix")
    for one in (first, second):
        if [str(n) for n in one.attrs.get("phases", names)] != names:
            raise InputError(f"phases {one.attrs['phases']} and {names}", where="confusion_matrix")
    return first.values, second.values


def _by_block(labels: np.ndarray, truth: np.ndarray, classes: int, parts: tuple[int, int, int]) -> np.ndarray:
    cuts = [np.linspace(0, n, min(p, n) + 1).astype(int) for n, p in zip(labels.shape, parts, strict=True)]
    result = []
    for i in range(len(cuts[0]) - 1):
        for j in range(len(cuts[1]) - 1):
            for k in range(len(cuts[2]) - 1):
                at = tuple(slice(c[m], c[m + 1]) for c, m in zip(cuts, (i, j, k), strict=True))
                known = (truth[at] > 0) & (labels[at] != UNKNOWN)
                both = (truth[at][known].astype(np.int64) - 1) * classes + labels[at][known]
                if both.size and both.max() >= classes**2:
                    raise InputError("a label is above the number of phases", where="confusion_matrix")
                result.append(np.bincount(both, minlength=classes**2).reshape(classes, classes))
    return np.array(result)


def _scores(count: np.ndarray, names: list[str], parts: tuple[int, int, int]) -> xr.Dataset:
    whole = _ratios(count.sum(0))
    left = [_ratios(count.sum(0) - one) for one in count]
    n = len(count)
    error = {}
    for key, value in whole.items():
        each = np.array([one[key] for one in left])
        with np.errstate(invalid="ignore"):
            error[key] = np.sqrt((n - 1) / n * ((each - each.mean(0)) ** 2).sum(0)) + 0 * value
    dims = {"rate": ("true", "predicted"), "accuracy": ()}
    result = xr.Dataset(coords={"true": names, "predicted": names, "phase": names})
    result["count"] = quantity(count, ("block", "true", "predicted"), "1", "voxels")
    for key, value in whole.items():
        at = dims.get(key, ("phase",))
        result[key] = quantity(value, at, "1", key)
        result[f"{key}_err"] = quantity(error[key], at, "1")
    held = (count.sum(2) > 0).sum(0)
    flag = np.where(held == 0, int(Flag.NO_DATA), np.where(held < 4, int(Flag.TOO_FEW_COUNTS), 0))
    result["flag"] = flag_variable(flag, ("true",))
    return result.assign_attrs(parts=list(parts), block_voxels=float(count.sum() / n))


def _ratios(count: np.ndarray) -> dict[str, np.ndarray]:
    true, predicted, hit = count.sum(1), count.sum(0), np.diag(count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "rate": count / true[:, None],
            "dice": 2 * hit / (true + predicted),
            "recall": hit / true,
            "precision": hit / predicted,
            "accuracy": np.asarray(hit.sum() / count.sum()),
        }
