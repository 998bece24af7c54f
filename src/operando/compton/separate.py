"""Cathode, separator and anode out of sheets that hold several of them, by volume fractions from tomography.

    I_s = I_R2 - alpha I_R3                I_c = I_R1 - gamma I_s - beta I_R3

equations 2 and 3 of Huang et al., J. Phys. Energy 7 (2025) 025009, there with gamma = 1: as much separator in the sheet
of region 2 as in that of region 1. alpha and beta are the anode in regions 2 and 1 over that in region 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import InputError

REGIONS = (1, 2, 3)


@dataclass(frozen=True)
class VolumeFractions:
    """What of region 3's anode is in regions 2 (alpha) and 1 (beta), and the separator of region 1 over region 2
    (gamma).

    alpha, beta, gamma     numbers, or (y, x) maps in the detector's own orientation
    alpha_err, beta_err    1-sigma errors, common to all pixels (they come from one tomogram), and their correlation
    pixels                 (y, x) the pixels that numbers belong to; needed for sums, left out for maps

    Numbers hold for exactly the pixels over which they were taken: fractions of the whole plane applied to the
    cathode's pixels alone shift EMR by 0.06.
    """

    alpha: float | np.ndarray
    beta: float | np.ndarray
    gamma: float | np.ndarray = 1.0
    alpha_err: float = 0.0
    beta_err: float = 0.0
    correlation: float = 0.0
    pixels: np.ndarray | None = None

    def __post_init__(self) -> None:
        alpha, beta = np.asarray(self.alpha, float), np.asarray(self.beta, float)
        known = np.isfinite(alpha) & np.isfinite(beta)
        slack = 1e-6 + 3 * max(self.alpha_err, self.beta_err)
        if (
            not known.any()
            or not ((alpha >= -slack) & (beta >= -slack) & (beta <= alpha + slack))[known].all()
        ):
            raise InputError(
                "volume fractions must obey 0 <= beta <= alpha: region 1 cannot hold more anode than region 2",
                where="VolumeFractions", fix="Check which region is which, and the heights of the sheet.",
            )  # fmt: skip
        if (np.nan_to_num(alpha, nan=0.5) > 1 + slack + 0.05).any() or not np.all(
            np.nan_to_num(self.gamma, nan=1.0) >= 0
        ):
            raise InputError(
                "alpha is above one: region 2 cannot hold more anode than region 3", where="VolumeFractions",
                fix="alpha and beta are fractions of the anode that region 3 holds, not of the sheet.",
            )  # fmt: skip
        if not -1 <= self.correlation <= 1 or self.alpha_err < 0 or self.beta_err < 0:
            raise InputError(
                "errors must not be negative, the correlation within -1 and 1", where="VolumeFractions"
            )

    @property
    def maps(self) -> bool:
        return np.ndim(self.alpha) == 2

    def of_sum(self, pixels: np.ndarray, weight: np.ndarray | None = None) -> VolumeFractions:
        """Numbers for the sum over `pixels`, from maps; `weight` (y, x) is region 3's anode signal (even where
        left out).
        """
        if not self.maps:
            raise InputError("these fractions are numbers already", where="VolumeFractions.of_sum")
        w = np.where(pixels, 1.0 if weight is None else weight, 0.0)
        alpha, beta = (float(np.nansum(w * f) / w.sum()) for f in (self.alpha, self.beta))
        apart = w * np.asarray(1 - self.alpha)  # where the sheet of region 2 is not anode it is separator
        gamma = float(np.nansum(apart * self.gamma) / np.nansum(apart)) if np.nansum(apart) > 0 else 1.0
        return VolumeFractions(
            alpha, beta, gamma, self.alpha_err, self.beta_err, self.correlation, np.asarray(pixels, bool)
        )


def fractions_from_shares(
    shares: np.ndarray, *, alpha_err: float = 0.0, beta_err: float = 0.0, correlation: float = 0.0,
    tolerance: float = 0.02, where: np.ndarray | None = None,
) -> VolumeFractions:  # fmt: skip
    """Volume fractions from the share of the sheet that each component fills (from tomography).

    shares     (3 regions, 4 components: cathode, separator, anode, void, y, x); times the transmission of each
               component where absorption is corrected (`absorption.seen_shares`): then the sum rule is not checked
    tolerance  how far the shares of a region may be from adding up to one
    where      (y, x) pixels that must add up; left out: all

    Raises `InputError` naming the region that does not add up, or where region 3 holds anything but anode.
    """
    shares = np.asarray(shares, float)
    if shares.shape[:2] not in ((3, 4), (3, 3)):
        raise InputError(f"shares of shape {shares.shape[:2]}, not (3, 4)", where="fractions_from_shares")
    use = np.ones(shares.shape[2:], bool) if where is None else where
    if shares.shape[1] == 4:
        total = shares.sum(1)
        for region in range(3):
            worst = np.abs(total[region][use] - 1).max(initial=0)
            if worst > tolerance:
                raise InputError(
                    f"the volume fractions of region {region + 1} add up to 1 only within {worst:.2f}",
                    where="fractions_from_shares",
                    fix="Components: cathode, separator, anode and void, of the same pixels.",
                )  # fmt: skip
    if (shares[2, :2][:, use] > tolerance).any():
        raise InputError(
            "region 3 holds cathode or separator; it must be the anode alone", where="fractions_from_shares",
            fix="Check the height of the sheet in region 3.",
        )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        anode = np.where(shares[2, 2] > 1e-3, shares[2, 2], np.nan)
        alpha, beta = shares[1, 2] / anode, shares[0, 2] / anode
        gamma = np.where(shares[1, 1] > 1e-6, shares[0, 1] / np.maximum(shares[1, 1], 1e-6), 1.0)
    return VolumeFractions(
        np.where(use, alpha, np.nan),
        np.where(use, np.minimum(beta, alpha), np.nan),
        gamma,
        alpha_err,
        beta_err,
        correlation,
    )


def separate_components(
    counts: xr.DataArray, fractions: VolumeFractions, *, scale: np.ndarray | None = None,
    pixels: np.ndarray | None = None, transmission: np.ndarray | None = None, variance: xr.DataArray | None = None,
    components: tuple[str, ...] = ("cathode", "separator", "anode"),
) -> dict[str, xr.Dataset]:  # fmt: skip
    """Counts of each component of the cell, with errors and their correlations.

    counts        (region, ..., p_z), regions 1, 2, 3 in order; either maps (region, y, x, p_z), or sums (region, p_z)
    fractions     maps for maps, numbers for sums
    scale         (3,) what the regions are multiplied by for equal exposure: monitor of region 1 over that of each
    pixels        (y, x) that were summed: must be those of the fractions
    transmission  (y, x) or a number: the cathode's counts are divided by it, so that places in the shade weigh as much
    variance      of the counts; left out: the counts

    Returns for each component a Dataset of `counts`, `variance` (of photons) and `modes` (mode, ..., p_z): what moves
    together in all bins when alpha and beta are off by one sigma, where they have errors. The covariance of bins
    i and j is variance_i delta_ij + sum over modes m_i m_j. Raises `InputError` for other pixels than the
    fractions belong to.
    """
    _check(counts, fractions, pixels)
    factor = np.ones(3) if scale is None else np.asarray(scale, float)
    spread = counts if variance is None else variance
    raw = [counts.isel(region=r, drop=True).astype(float) * factor[r] for r in range(3)]
    var = [spread.isel(region=r, drop=True).astype(float) * factor[r] ** 2 for r in range(3)]
    alpha, beta, gamma = (_over(v, raw[0]) for v in (fractions.alpha, fractions.beta, fractions.gamma))
    shade = 1.0 if transmission is None else _over(transmission, raw[0])
    rest = gamma * alpha - beta
    found: dict[str, xr.Dataset] = {}
    if "cathode" in components:
        signal = (raw[0] - gamma * raw[1] + rest * raw[2]) / shade
        noise = (var[0] + gamma**2 * var[1] + rest**2 * var[2]) / shade**2
        found["cathode"] = _part(signal, noise, raw[2], (gamma / shade, -1 / shade), fractions)
    if "separator" in components:
        noise = var[1] + alpha**2 * var[2]
        found["separator"] = _part(raw[1] - alpha * raw[2], noise, raw[2], (-1.0, 0.0), fractions)
    if "anode" in components:
        found["anode"] = _part(raw[2], var[2], raw[2], (0.0, 0.0), fractions)
    return found


def _over(value, like: xr.DataArray):
    """A map as an array over y and x; numbers stay."""
    return xr.DataArray(np.asarray(value), dims=("y", "x")) if np.ndim(value) == 2 else value


def _part(signal, noise, anode, moves: tuple, fractions: VolumeFractions) -> xr.Dataset:
    """One component; `moves`: how many times the anode's counts it changes with alpha and with beta."""
    data = xr.Dataset({"counts": signal, "variance": noise})
    if fractions.alpha_err > 0 or fractions.beta_err > 0:
        rho = fractions.correlation
        by_alpha, by_beta = moves[0] * fractions.alpha_err * anode, moves[1] * fractions.beta_err * anode
        first, second = by_alpha + rho * by_beta, np.sqrt(1 - rho**2) * by_beta
        data["modes"] = xr.concat([first, second], "mode")
    for name in data.data_vars:
        data[name].attrs = {"units": "counts2" if name == "variance" else "counts"}
        if "step" in signal.attrs:
            data[name].attrs["step"] = signal.attrs["step"]
    return data


def _check(counts: xr.DataArray, fractions: VolumeFractions, pixels: np.ndarray | None) -> None:
    if counts.sizes.get("region") != 3:
        raise InputError("three regions are needed, along the dim region", where="separate_components")
    mapped = "x" in counts.dims and "y" in counts.dims
    if mapped != fractions.maps:
        raise InputError(
            f"the counts are {'maps' if mapped else 'sums'}, the volume fractions are not", where="separate_components",
            fix="Maps of fractions for maps, VolumeFractions.of_sum(pixels) for sums.",
        )  # fmt: skip
    if mapped:
        return
    if fractions.pixels is None or pixels is None:
        raise InputError(
            "the pixels of the sum, or of the volume fractions, are not told", where="separate_components",
            fix="Pass pixels= and give VolumeFractions the pixels that they belong to.",
        )  # fmt: skip
    if not np.array_equal(np.asarray(fractions.pixels, bool), np.asarray(pixels, bool)):
        raise InputError(
            f"the volume fractions belong to {int(np.sum(fractions.pixels))} pixels, the sum to {int(np.sum(pixels))}",
            where="separate_components", fix="Take the fractions over exactly the pixels that are summed.",
        )  # fmt: skip


def sum_pixels(part: xr.Dataset, pixels: np.ndarray) -> xr.Dataset:
    """Sum of a separated component over pixels: counts and variances add, and so do the common modes.

    NaN where none of the pixels has a value. attrs: `pixels`, how many have.
    """
    mask = xr.DataArray(pixels, dims=("y", "x"))
    seen = int((mask & part["counts"].notnull().any(dim="p_z")).sum())
    total = part.where(mask).sum(("y", "x"), keep_attrs=True)
    return (total if seen else total * np.nan).assign_attrs(pixels=seen)


def sum_blocks(part: xr.Dataset, block: int, pixels: np.ndarray | None = None) -> xr.Dataset:
    """Sums over blocks of `block` x `block` pixels (of `pixels` only): counts enough for an error that means something.

    Blocks without a pixel are NaN. `share` (y, x) says which part of a block was used. Rows and columns that do
    not fill a block are left out.
    """
    if block < 1:
        raise InputError("a block has at least one pixel", where="sum_blocks")
    keep = np.ones((part.sizes["y"], part.sizes["x"]), bool) if pixels is None else pixels
    mask = xr.DataArray(keep, dims=("y", "x")) & part["counts"].notnull().all(dim="p_z")
    coarse = part.where(mask).coarsen(y=block, x=block, boundary="trim").sum()
    share = mask.astype(float).coarsen(y=block, x=block, boundary="trim").mean()
    result = coarse.where(share > 0)
    for name in part.data_vars:
        result[name].attrs = part[name].attrs
    result["share"] = share.assign_attrs(units="1", long_name="part of the block that was used")
    return result
