"""Volumes, porosity and any other measure, corrected for what the segmentation confuses, with the error left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from ...core.errors import InputError
from ...core.flags import Flag, flag_variable
from ..volume import check_volume, quantity, voxel_sizes
from .confusion import phase_names

WORST_CONDITION = 50.0


def corrected_volumes(
    labels: xr.DataArray, confusion: xr.Dataset, *, rng: np.random.Generator, draws: int = 200
) -> xr.Dataset:
    """Volume of every phase as counted, corrected for confusion, and its error.

    counted_p = sum_t rate[t, p] true_t,  solved for `true` by least squares without negative volumes, total kept

    labels      (z, y, x) of the same segmentation as `confusion`
    confusion   of `confusion_matrix`, on voxels not trained on. Its rates must hold here: same contrast and noise,
                and things of like size (small voids are missed more often than grown ones)
    draws       bootstrap draws: blocks of `confusion` are drawn twice, once as the rates that are known and once as the
                rates that acted in this volume, which has its own finite number of blocks. Where several volumes were
                held out, whole volumes are drawn first: rates may change from one to the next

    Over `phase`: `volume`, `volume_corrected`, `volume_err` (um3, of the corrected one; the blurred half voxel is in it
    as far as `confusion` has it), `share`, `share_corrected`, `share_err`, `bias` (counted - corrected, um3), `flag`
    (NO_DATA: no such phase in `confusion`; POOR_FIT: rates too alike to tell phases apart, condition over 50);
    `draw` (draw, phase): corrected shares of the draws, for ratios. attrs `condition`.
    Raises InputError for other phases than those of `confusion` and empty labels.
    """
    volume = check_volume(labels, where="corrected_volumes")
    names = phase_names(labels)
    count = np.bincount(volume.values.ravel(), minlength=len(names))[: len(names)]
    voxel = float(np.prod(list(voxel_sizes(labels).values())))
    return corrected_counts(dict(zip(names, count, strict=True)), voxel, confusion, rng=rng, draws=draws)


def corrected_counts(
    count: Mapping[str, int], voxel_um3: float, confusion: xr.Dataset, *, rng: np.random.Generator, draws: int = 200
) -> xr.Dataset:  # fmt: skip
    """`corrected_volumes` of voxels that were counted slab by slab: {phase: voxels} with voxels of `voxel_um3`.

    Raises InputError for other phases than those of `confusion` and where nothing was counted.
    """
    names, share, voxels = _shares(count, confusion)
    blocks = confusion["count"].values.astype(float)
    total = blocks.sum(0)
    seen = total.sum(1) > 0
    rate = _rates(total)
    condition = float(np.linalg.cond(rate[seen][:, seen]))
    best = _solve(rate, share)
    here = max(round(voxels / float(confusion.attrs["block_voxels"])), 1)
    volume = confusion["volume"].values if "volume" in confusion else np.zeros(len(blocks), int)
    of_volume = [np.flatnonzero(volume == v) for v in np.unique(volume)]
    draw = np.array([_redraw(blocks, of_volume, best, here, rng) for _ in range(draws)])
    error = np.where(seen, np.sqrt(((draw - best) ** 2).mean(0)), np.nan)
    best = np.where(seen, best, np.nan)
    whole = voxels * voxel_um3
    flag = np.where(seen, int(Flag.POOR_FIT) if condition > WORST_CONDITION else 0, int(Flag.NO_DATA))
    variables = {
        "volume": quantity(share * whole, "phase", "um3", "volume as counted"),
        "volume_corrected": quantity(best * whole, "phase", "um3", "volume, corrected for confusion"),
        "volume_err": quantity(error * whole, "phase", "um3"),
        "bias": quantity((share - best) * whole, "phase", "um3", "counted less corrected"),
        "share": quantity(share, "phase", "1", "share of the voxels as counted"),
        "share_corrected": quantity(best, "phase", "1", "share, corrected for confusion"),
        "share_err": quantity(error, "phase", "1"),
        "draw": quantity(draw, ("draw", "phase"), "1", "corrected shares of bootstrap draws"),
    }
    result = xr.Dataset(
        variables, coords={"phase": names}, attrs={"condition": condition, "blocks": len(blocks)}
    )
    result["flag"] = flag_variable(flag, ("phase",))
    return result


def _shares(count: Mapping[str, int], confusion: xr.Dataset) -> tuple[list[str], np.ndarray, int]:
    names = list(count)
    if names != [str(n) for n in confusion["phase"].values]:
        raise InputError(
            f"labels have {names}, the confusion matrix {list(confusion['phase'].values)}",
            where="corrected_volumes", fix="Use the matrix of this segmentation.",
        )  # fmt: skip
    values = np.array(list(count.values()), float)
    if not values.sum():
        raise InputError("no voxel has a label", where="corrected_volumes")
    return names, values / values.sum(), int(values.sum())


def _rates(count: np.ndarray) -> np.ndarray:
    """Rows that sum to 1; a phase that was never seen is taken as always right."""
    total = count.sum(1, keepdims=True)
    return np.where(total > 0, count / np.maximum(total, 1), np.eye(len(count)))


def _solve(rate: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Shares >= 0 of sum 1 with rate^T true = share, by least squares; relative weights, so that rare phases count."""
    from scipy.optimize import nnls

    weight = 1 / np.sqrt(share + 1e-4)
    matrix = np.vstack([rate.T * weight[:, None], 1e3 * np.ones(len(share))])
    return nnls(matrix, np.append(share * weight, 1e3))[0]


def _redraw(blocks: np.ndarray, of_volume: list[np.ndarray], best: np.ndarray, here: int, rng) -> np.ndarray:
    """Shares as they would come out with other held-out volumes and blocks, and other blocks in the volume at hand."""
    n = len(of_volume)
    drawn = [of_volume[v] for v in rng.integers(n, size=n)]
    known = np.concatenate([rng.choice(one, len(one)) for one in drawn])
    acting = rng.choice(of_volume[int(rng.integers(n))], here)
    return _solve(_rates(blocks[known].sum(0)), best @ _rates(blocks[acting].sum(0)))


def corrected_share(volumes: xr.Dataset, part: Sequence[str] | str, whole: Sequence[str]) -> xr.Dataset:
    """Ratio of volumes, such as a porosity: `part` over `whole` (void over void and lithium).

    volumes   of `corrected_volumes`; errors of phases go together by its draws

    Returns `share` as counted, `share_corrected`, `share_err`, `flag`. Raises InputError for unknown phases.
    """
    part = [part] if isinstance(part, str) else list(part)
    names = [str(n) for n in volumes["phase"].values]
    unknown = [n for n in (*part, *whole) if n not in names]
    if unknown or not set(part) <= set(whole):
        raise InputError(
            f"{part} of {list(whole)}",
            where="corrected_share",
            fix=f"The phases are {names}; `part` is in `whole`.",
        )

    def ratio(shares: np.ndarray) -> np.ndarray:
        top = shares[..., [names.index(n) for n in part]].sum(-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return top / shares[..., [names.index(n) for n in whole]].sum(-1)

    value, best = ratio(volumes["share"].values), ratio(volumes["share_corrected"].values)
    error = np.sqrt(((ratio(volumes["draw"].values) - best) ** 2).mean())
    flag = int(np.bitwise_or.reduce(volumes["flag"].sel(phase=list(whole)).values))
    label = f"{' + '.join(part)} of {' + '.join(whole)}"
    result = xr.Dataset({
        "share": quantity(value, (), "1", f"{label}, as counted"),
        "share_corrected": quantity(best, (), "1", f"{label}, corrected for confusion"),
        "share_err": quantity(error if np.isfinite(best) else np.nan, (), "1"),
    })  # fmt: skip
    result["flag"] = flag_variable(np.array(flag), ())
    return result


def corrected_measure(
    measure: Callable[[xr.DataArray], float], labels: xr.DataArray, held: Sequence[tuple[xr.DataArray, xr.DataArray]],
    *, parts: tuple[int, int] = (2, 2), units: str = "1",
) -> xr.Dataset:  # fmt: skip
    """Any mean over the section (contact share, roughness, thickness), corrected by its bias on held-out volumes.

    corrected = measure(labels) - mean over held-out blocks of [measure(segmented) - measure(true)]
    err^2 = s^2 (1 / blocks held out + 1 / blocks here),  s the spread of that difference between blocks

    measure   of a label volume (z, y, x), a number that does not grow with the section
    held      pairs of label volumes with the same labels and phases: segmented, true; not trained on
    parts     blocks along y and x into which each held-out volume and `labels` are cut

    Returns `value`, `value_corrected`, `value_err`, `bias`, `bias_err`, `spread`; attrs `blocks`. The bias must not
    depend on the value: hold out volumes of states like those measured.
    Raises InputError for fewer than four held-out blocks or a measure that gives NaN.
    """
    difference = np.array([
        measure(a) - measure(b)
        for segmented, true in held
        for a, b in zip(_cut(segmented, parts), _cut(true, parts), strict=True)
    ])  # fmt: skip
    if len(difference) < 4 or not np.isfinite(difference).all():
        raise InputError(
            f"{np.isfinite(difference).sum()} held-out blocks give a number", where="corrected_measure",
            fix="Hold out more volumes or cut them into more parts; four blocks at least.",
        )  # fmt: skip
    size = float(np.mean([a.size for a, _ in held])) / int(np.prod(parts))
    here = max(labels.size / size, 1.0)
    spread, bias = float(difference.std(ddof=1)), float(difference.mean())
    value = float(measure(labels))
    return xr.Dataset(
        {
            "value": quantity(value, (), units, "of the labels as they are"),
            "value_corrected": quantity(value - bias, (), units, "less the bias on held-out volumes"),
            "value_err": quantity(spread * np.sqrt(1 / len(difference) + 1 / here), (), units),
            "bias": quantity(bias, (), units, "mean of segmented less true"),
            "bias_err": quantity(spread / np.sqrt(len(difference)), (), units),
            "spread": quantity(spread, (), units, "of segmented less true, between blocks"),
        },
        attrs={"blocks": len(difference), "blocks_here": here},
    )


def _cut(volume: xr.DataArray, parts: tuple[int, int]) -> list[xr.DataArray]:
    rows, columns = (
        np.linspace(0, volume.sizes[d], p + 1).astype(int) for d, p in zip("yx", parts, strict=True)
    )
    return [
        volume.isel(y=slice(rows[i], rows[i + 1]), x=slice(columns[j], columns[j + 1]))
        for i in range(parts[0])
        for j in range(parts[1])
    ]
