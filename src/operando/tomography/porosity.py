"""Porosity of an electrolyte: near its interface, against depth, its distribution over the section."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy import signal, stats

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from .volume import check_volume, quantity, voxel_sizes


def _depth_sums(pore, face, below, step, bins, dz):
    """(bins, y, x) sums of pore and number of voxels by depth under the face, exactly cut at the bin edges."""
    nz = pore.shape[0]
    total = np.zeros((bins, *pore.shape[1:]))
    count = np.zeros_like(total)
    for z in range(nz):
        low, high = z * dz, (z + 1) * dz
        depth = (face - high, face - low) if below else (low - face, high - face)  # of the voxel's two faces
        first = np.floor(np.maximum(depth[0], 0) / step).astype(int)
        for k in (0, 1):  # a voxel touches two bins at most
            b = first + k
            share = np.clip(
                np.minimum(depth[1], (b + 1) * step) - np.maximum(np.maximum(depth[0], 0), b * step), 0, None
            )
            ok = (share > 0) & (b < bins) & np.isfinite(pore[z])
            rows, columns = np.nonzero(ok)
            at = b[rows, columns], rows, columns
            total[at] += share[ok] * pore[z][ok] / dz
            count[at] += share[ok] / dz
    return total, count


def porosity_profile(
    pore: xr.DataArray, face: xr.DataArray, *, into: str = "up", bin_um: float = 10.0, depth_um: float = 100.0,
    inside: xr.DataArray | None = None,
) -> xr.Dataset:  # fmt: skip
    """Porosity of the electrolyte against depth under its face, in bins of 10 um.

    pore    (z, y, x) bool, or share of each voxel that is pore (0 to 1); NaN where it is not electrolyte
    face    (y, x) height of the face of the electrolyte above the lower side of the volume, um
    into    "up" where the electrolyte lies above the face, "down" where below
    inside  (y, x) columns that count

    Over `depth` (middle of the bin, um): `porosity` with `porosity_err` (spread of the blocks of an 8 x 8
    division of the section: pores are larger than voxels, so counting voxels would be too small), `normalised`
    (over the mean of all bins) with `_err`, `flag` (NO_DATA where no voxel lies).
    Also `map` (depth, y, x): share of pore in the bin in each column.
    Raises InputError where no voxel of electrolyte lies under the face.
    """
    pore = check_volume(pore.squeeze(), where="porosity_profile", allow_nan=True).astype(float)
    dz = voxel_sizes(pore)["z"]
    if bin_um < dz:
        raise InputError(f"bins of {bin_um} um in voxels of {dz} um", where="porosity_profile")
    bins = max(round(depth_um / bin_um), 1)
    height = face.transpose("y", "x").values.astype(float)
    if inside is not None:
        height = np.where(inside.transpose("y", "x").values, height, np.nan)
    columns = np.isfinite(height)
    values = np.where(columns, pore.values, np.nan)
    total, count = _depth_sums(values, np.where(columns, height, 0.0), into == "down", bin_um, bins, dz)
    if not count.sum():
        raise InputError(
            "no electrolyte under the face", where="porosity_profile", fix="Check `into` and heights."
        )
    mean, error = _with_blocks(total, count)
    whole = total.sum() / count.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(count > 0, total / count, np.nan)
        ratio = 1 / whole if whole > 0 else np.nan
    middle = (np.arange(bins) + 0.5) * bin_um
    result = xr.Dataset(
        {
            "porosity": quantity(mean, "depth", "1", "porosity"),
            "porosity_err": quantity(error, "depth", "1"),
            "normalised": quantity(mean * ratio, "depth", "1", "over the mean of all depths"),
            "normalised_err": quantity(error * ratio, "depth", "1"),
            "map": quantity(share, ("depth", "y", "x"), "1", "share of pore in the bin"),
        },
        coords={"depth": ("depth", middle, {"units": "um"})},
        attrs={"bin_um": bin_um, "mean": float(whole)},
    )
    result["flag"] = flag_variable(np.where(np.isfinite(mean), 0, int(Flag.NO_DATA)), ("depth",))
    return result.assign_coords({k: v for k, v in pore.coords.items() if k in ("y", "x")})


def _with_blocks(total: np.ndarray, count: np.ndarray, parts: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Mean by depth and its error from blocks of the section, each weighted by its voxels."""
    cuts = [np.linspace(0, n, parts + 1).astype(int)[:-1] for n in total.shape[1:]]

    def blocks(values):
        return np.add.reduceat(np.add.reduceat(values, cuts[0], 1), cuts[1], 2).reshape(len(values), -1)

    t, n = blocks(total), blocks(count)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = t.sum(1) / n.sum(1)
        used = (n > 0).sum(1)
        spread = ((t - mean[:, None] * n) ** 2).sum(1) * used / np.maximum(used - 1, 1)
        return mean, np.sqrt(spread) / n.sum(1)


def near_interface(profile: xr.Dataset, within_um: float) -> xr.Dataset:
    """Porosity from the face to `within_um` and its map along z (sub-surface map), of a `porosity_profile`."""
    bins = profile["depth"] <= within_um
    if not bool(bins.any()):
        raise InputError(f"no bin lies within {within_um} um", where="near_interface")
    part = profile.isel(depth=np.flatnonzero(bins.values))
    n = part.sizes["depth"]
    return xr.Dataset(
        {
            "porosity": part["porosity"]
            .mean()
            .assign_attrs(units="1", long_name="porosity near the interface"),
            "porosity_err": ((part["porosity_err"] ** 2).sum() ** 0.5 / n).assign_attrs(units="1"),
            "map": part["map"].mean("depth").assign_attrs(units="1", long_name="sub-surface porosity"),
        },
        attrs={"within_um": within_um},
    )


def porosity_distribution(
    pore: xr.DataArray, *, domain_um: tuple[float, float, float] = (100.0, 25.0, 25.0), points: int = 256,
    rng: np.random.Generator, draws: int = 100,
) -> xr.Dataset:  # fmt: skip
    """Distribution of the porosity of domains (z, y, x; um), and the number of its modes.

    pore  (z, y, x) bool or share; NaN where it is not electrolyte. Domains with under half their voxels known
    are left out

    Density by Gaussian kernels (Silverman's width) over `value`. `modes`: the fewest k for which Silverman's
    test (1981) does not reject at 5 %: the smallest kernel width with k modes is compared with that of
    smoothed bootstrap draws, the kernel draws rescaled to the sample's variance. Also `porosity` over
    `domain`, `p_value` over `tested` modes, `mean`, `spread`. Raises InputError for fewer than 12 domains.
    """
    pore = check_volume(pore.squeeze(), where="porosity_distribution", allow_nan=True).astype(float)
    sizes = voxel_sizes(pore)
    per = [max(round(d / sizes[a]), 1) for d, a in zip(domain_um, "zyx", strict=True)]
    counts = [n // p for n, p in zip(pore.shape, per, strict=True)]
    cut = pore.values[tuple(slice(c * p) for c, p in zip(counts, per, strict=True))]
    cut = cut.reshape(counts[0], per[0], counts[1], per[1], counts[2], per[2]).transpose(0, 2, 4, 1, 3, 5)
    cut = cut.reshape(int(np.prod(counts)), -1)
    known = np.isfinite(cut).mean(1) >= 0.5 if cut.size else np.zeros(0, bool)
    if known.sum() < 12:
        raise InputError(
            f"{int(known.sum())} domains", where="porosity_distribution", fix="Use smaller domains."
        )
    values = np.nanmean(cut[known], 1)
    modes, p = count_modes(values, rng=rng, draws=draws)
    width = 1.06 * max(values.std(), 1e-9) * len(values) ** -0.2
    at = np.linspace(values.min() - 3 * width, values.max() + 3 * width, points)
    density = np.exp(-0.5 * ((at[:, None] - values) / width) ** 2).mean(1) / (width * np.sqrt(2 * np.pi))
    return xr.Dataset(
        {
            "porosity": quantity(values, "domain", "1", "porosity of a domain"),
            "density": quantity(density, "value", "1", "probability density"),
            "modes": quantity(modes, (), "1", "modes of the distribution"),
            "p_value": quantity(p, "tested", "1", "of no more than so many modes"),
            "mean": quantity(float(values.mean()), (), "1"),
            "mean_err": quantity(float(values.std(ddof=1) / np.sqrt(len(values))), (), "1"),
            "spread": quantity(float(values.std(ddof=1)), (), "1"),
        },
        coords={"value": ("value", at, {"units": "1"}), "tested": np.arange(1, len(p) + 1)},
        attrs={"domain_um": list(domain_um)},
    )


def count_modes(
    values: np.ndarray, *, rng: np.random.Generator, most: int = 4, draws: int = 100
) -> tuple[int, np.ndarray]:
    """Number of modes by Silverman's test at 5 %, and the p-value for 1, 2, ... modes."""
    found = []
    for k in range(1, most + 1):
        width = _critical_width(values, k)
        shrink = 1 / np.sqrt(1 + (width / max(values.std(), 1e-300)) ** 2)
        above = 0
        for _ in range(draws):
            draw = rng.choice(values, len(values))
            draw = draw.mean() + shrink * (draw - draw.mean() + width * rng.standard_normal(len(values)))
            above += _modes(draw, width) > k
        found.append((1 + above) / (1 + draws))
        if found[-1] > 0.05:
            return k, np.array(found)
    return most, np.array(found)


def _modes(values: np.ndarray, width: float) -> int:
    grid = np.linspace(values.min() - 3 * width, values.max() + 3 * width, 512)
    step = grid[1] - grid[0]
    counts = np.histogram(values, np.append(grid - step / 2, grid[-1] + step / 2))[0].astype(float)
    kernel = stats.norm.pdf(np.arange(-512, 513) * step / width)
    density = signal.fftconvolve(counts, kernel, "same")
    rise = np.sign(np.diff(density))
    rise[np.abs(np.diff(density)) < 1e-9 * density.max()] = 0
    rise = rise[rise != 0]
    return max(int(((rise[:-1] > 0) & (rise[1:] < 0)).sum()), 1)


def _critical_width(values: np.ndarray, modes: int) -> float:
    """The smallest kernel width that gives no more than `modes` modes."""
    low, high = 1e-4 * (np.ptp(values) or 1.0), np.ptp(values) or 1.0
    for _ in range(20):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if _modes(values, middle) > modes else (low, middle)
    return float(high)
