"""Grey values to phases: classes of the histogram, thresholds between them by a stated rule, labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.flags import Flag, flag_variable
from .volume import check_volume, quantity

SAMPLES = 400_000
ROUNDS = 300
LEAST_SHARE = 1e-4


def phase_greys(
    volume: xr.DataArray,
    start: Mapping[str, float],
    *,
    held: tuple[str, ...] = (),
    noise: float | None = None,
) -> xr.Dataset:
    """Grey value, width and share of each phase: a Gaussian mixture of the histogram, with a flat class for edges.

    start   first guess of the grey value of every phase, by name (tabulated attenuation will do)
    held    phases whose grey value is kept as given (air is 0 and often too thin to have a mode of its own)
    noise   1-sigma noise of a voxel, if known: no class gets narrower; else estimated from neighbours along z

    The mixture is found by expectation and maximisation on at most 400 000 voxels taken evenly. The flat class takes
    voxels that lie between phases. Returns, over `phase` in order of grey value, `grey` with `grey_err`, `width`
    (sigma), `share`, `flag` (NO_DATA where a phase has under 1e-4 of the voxels: its grey value is the guess);
    attrs `noise`, `edges` (share of the flat class). Raises InputError for fewer than two phases.
    """
    volume = check_volume(volume)
    if len(start) < 2:
        raise InputError("thresholds need at least two phases", where="phase_greys")
    names = sorted(start, key=lambda n: start[n])
    values, found = _sample(volume)
    sigma = found if noise is None else noise
    if not sigma > 0:
        sigma = max(1e-6 * (values.max() - values.min()), np.finfo(np.float32).tiny)
    fixed = np.array([n in held for n in names])
    guess = np.array([float(start[n]) for n in names])
    grey, width, share, edges = _mixture(values, guess, fixed, sigma)
    empty = share < LEAST_SHARE
    grey = np.where(empty, guess, grey)
    count = np.maximum(share * len(values), 1)
    error = np.where(fixed, 0.0, np.where(empty, np.nan, width / np.sqrt(count)))
    units = str(volume.attrs.get("units", "1/cm"))
    result = xr.Dataset(
        {
            "grey": quantity(grey, "phase", units, "grey value of the phase"),
            "grey_err": quantity(error, "phase", units),
            "width": quantity(width, "phase", units, "1-sigma width of the class"),
            "share": quantity(share, "phase", "1", "share of the voxels"),
        },
        coords={"phase": names},
        attrs={"noise": float(sigma), "edges": float(edges), "rule": "Gaussian mixture and flat class by EM"},
    )
    result["flag"] = flag_variable(np.where(empty & ~fixed, int(Flag.NO_DATA), 0), ("phase",))
    return result


def _sample(volume: xr.DataArray) -> tuple[np.ndarray, float]:
    """Voxels taken evenly, and the noise: from the smaller differences of neighbours along x (0.3 quantile)."""
    steps = {d: max(int(np.ceil((volume.size / SAMPLES) ** (1 / 3))), 1) for d in ("z", "y")}
    part = volume.isel({d: slice(s // 2, None, s) for d, s in steps.items()}).values.astype(np.float64)
    flat = part.reshape(-1)
    noise = float(np.quantile(np.abs(np.diff(part, axis=-1)), 0.3) / 0.3853 / np.sqrt(2))
    keep = max(len(flat) // SAMPLES, 1)
    return flat[::keep], noise


def _mixture(values, grey, fixed, noise):
    """Grey value, width and share of each class and the share of the flat one; on bins of a fifth of the noise."""
    span = float(values.max() - values.min()) or 1.0
    bins = int(np.clip(5 * span / noise, 64, 1 << 16))
    number, edge = np.histogram(values, bins)
    at, number = 0.5 * (edge[1:] + edge[:-1])[number > 0], number[number > 0]
    floor, every = 0.5 * noise, float(number.sum())
    grey = grey.copy()
    width = np.full(len(grey), max(noise, min(np.diff(grey).min() / 4, 3 * noise)))
    share, flat = np.full(len(grey), 0.9 / len(grey)), 0.1
    for _ in range(ROUNDS):
        density = share / width * np.exp(-0.5 * ((at[:, None] - grey) / width) ** 2) / np.sqrt(2 * np.pi)
        total = density.sum(1) + flat / span
        weight = density * (number / total)[:, None]
        count = weight.sum(0) + 1e-12
        flat = float((number * flat / span / total).sum() / every)
        few = count < 10
        new = np.where(fixed | few, grey, (weight * at[:, None]).sum(0) / count)
        spread = np.sqrt((weight * (at[:, None] - new) ** 2).sum(0) / count)
        width = np.where(few, noise, np.maximum(spread, floor))
        share, moved = count / every, np.abs(new - grey).max()
        grey = new
        if moved < 1e-5 * noise:
            break
    return grey, width, share, flat


def thresholds(
    greys: xr.Dataset, *, rule: Literal["midpoint", "equal_error"] = "midpoint",
    override: Mapping[str, float] | None = None,
) -> xr.DataArray:  # fmt: skip
    """Threshold between phases next to each other in grey value, over `boundary` ("void|lithium").

    rule       midpoint: half way between the grey values, where a blurred edge stands over the true one (right for
               surfaces and volumes of blurred images); equal_error: where both Gaussian classes are equally likely
    override   values that are set by hand, by boundary

    attrs: `rule`, `override` (which were set by hand). Raises InputError for an unknown boundary or rule, and
    where the thresholds do not rise.
    """
    names, grey = [str(n) for n in greys["phase"].values], greys["grey"].values
    width, share = greys["width"].values, greys["share"].values
    bounds = [f"{a}|{b}" for a, b in pairwise(names)]
    if rule == "midpoint":
        values = 0.5 * (grey[1:] + grey[:-1])
    elif rule == "equal_error":
        pairs = range(len(grey) - 1)
        values = np.array([_crossing(*(v[i : i + 2] for v in (grey, width, share))) for i in pairs])
    else:
        raise InputError(f"no rule {rule!r}", where="thresholds", fix="Use 'midpoint' or 'equal_error'.")
    for name, value in (override or {}).items():
        if name not in bounds:
            raise InputError(
                f"no boundary {name!r}", where="thresholds", fix=f"There are: {', '.join(bounds)}."
            )
        values[bounds.index(name)] = value
    if (np.diff(values) <= 0).any():
        raise InputError(f"thresholds {values} do not rise", where="thresholds", fix="Check the override.")
    attrs = {
        "units": greys["grey"].attrs["units"],
        "rule": rule,
        "override": ", ".join(override or {}) or "none",
    }
    return xr.DataArray(values, dims="boundary", coords={"boundary": bounds}, attrs=attrs)


def _crossing(grey: np.ndarray, width: np.ndarray, share: np.ndarray) -> float:
    """Where two Gaussian classes are equally likely, between their means; the middle where there is no such place."""
    a = 1 / width[0] ** 2 - 1 / width[1] ** 2
    b = -2 * (grey[0] / width[0] ** 2 - grey[1] / width[1] ** 2)
    c = (grey[0] / width[0]) ** 2 - (grey[1] / width[1]) ** 2
    c -= 2 * np.log(max(share[0], 1e-12) * width[1] / (max(share[1], 1e-12) * width[0]))
    roots = np.roots([a, b, c]) if abs(a) > 1e-12 * abs(b) else np.array([-c / b])
    inside = [r.real for r in roots if abs(r.imag) < 1e-9 and grey[0] < r.real < grey[1]]
    return float(inside[0]) if inside else float(grey.mean())


def label_phases(volume: xr.DataArray, limits: xr.DataArray) -> xr.DataArray:
    """uint8 label of every voxel: 0 the darkest phase, then up; NaN voxels get 255.

    limits   of `thresholds`. attrs: `phases` (by label), `thresholds`, `rule`, `override`.
    """
    volume = check_volume(volume, allow_nan=True)
    names = [str(b) for b in limits["boundary"].values]
    phases = [names[0].split("|")[0], *(n.split("|")[1] for n in names)]
    values = limits.values.astype(volume.dtype if volume.dtype.kind == "f" else float)
    labels = np.empty(volume.shape, np.uint8)
    for i in range(volume.shape[0]):  # slice by slice: memory stays small beside the volume
        grey = volume[i].values
        labels[i] = sum((grey >= v).astype(np.uint8) for v in values)
        labels[i][np.isnan(grey)] = 255 if grey.dtype.kind == "f" else labels[i][np.isnan(grey)]
    attrs = {
        "units": "1", "phases": phases, "thresholds": [float(v) for v in limits.values],
        "rule": limits.attrs["rule"], "override": limits.attrs["override"],
    }  # fmt: skip
    if "voxel_um" in volume.attrs:
        attrs["voxel_um"] = volume.attrs["voxel_um"]
    return xr.DataArray(labels, dims=volume.dims, coords=volume.coords, attrs=attrs)
