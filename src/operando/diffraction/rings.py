"""Rings: windows in q, families of azimuths, component maps and azimuth profiles, with gaps that stay gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core import Flag, Reflection, Sums
from ..core.errors import InputError
from ..core.flags import flag_variable
from ._coverage import complete_cells


@dataclass(frozen=True)
class Family:
    """Spots of one orientation: their azimuths (degrees) and the half width of the window around each."""

    name: str
    azimuths_deg: tuple[float, ...]
    half_width_deg: float = 10.0

    def __post_init__(self) -> None:
        if not self.azimuths_deg or self.half_width_deg <= 0:
            raise InputError("a family needs azimuths and a positive half width", where=f"family {self.name}")


def ring_window(
    reflection: Reflection,
    *,
    half_width: float | None = None,
    relative: float = 0.03,
    change: tuple[float, float] = (0.0, 0.0),
    q_range: tuple[float, float] | None = None,
) -> tuple[float, float]:
    """Lower and upper q (1/angstrom) of the window around a ring.

    half_width  1/angstrom; None: `relative` times q
    change      relative change of d expected during the experiment, smallest and largest: (-0.005, 0.025)
    q_range     what the detector sees, 1/angstrom

    Raises `InputError` when the reflection or its window lies outside `q_range`.
    """
    half = relative * reflection.q if half_width is None else half_width
    if half <= 0 or change[0] > change[1] or change[0] <= -1:
        raise InputError(
            "half width must be positive and change ascending", where=f"window of {reflection.label}"
        )
    low, high = reflection.q / (1 + change[1]) - half, reflection.q / (1 + change[0]) + half
    if q_range is not None and (low < q_range[0] or high > q_range[1]):
        raise InputError(
            f"{reflection.label} at q = {reflection.q:.4f} 1/angstrom, window {low:.4f} to {high:.4f}, does not lie "
            f"on the detector ({q_range[0]:.4f} to {q_range[1]:.4f})",
            where="ring window",
            fix="Leave this ring out, narrow its window, or check the geometry and the cell of the phase.",
        )  # fmt: skip
    return low, high


def inside_window(azimuth: np.ndarray, centre_deg: float, half_width_deg: float) -> np.ndarray:
    """True for azimuth bins (degrees, any branch) within the half width of the centre, across 360."""
    away = np.mod(np.asarray(azimuth) - centre_deg + 180.0, 360.0) - 180.0
    return np.asarray(np.abs(away) <= half_width_deg)


def family_profile(sums: Sums, azimuths: Sequence[float] | Family, half_width: float = 10.0) -> Sums:
    """Profile over q of a family: counts and weight of its azimuth windows added up.

    sums       dims (..., azimuth, q) around one ring
    azimuths   degrees, the centres of the windows; or a `Family`
    half_width degrees

    A window from which a gap, the beam stop or a masked shadow takes any part is left out, because the intensity of a
    spot is not uniform within it. When no window is whole, the one with most whole q bins is used, and its other q
    bins get weight zero, so that a fit there is flagged CUT_BY_GAP. The attribute `azimuths_used` of the weight lists
    the windows. A shadow that the mask does not hold cannot be seen here.

    Raises `InputError` without the dims azimuth and q, and for a window with no azimuth bin in it.
    """
    centres, half_width = _centres(azimuths, half_width)
    _needs(sums, "azimuth", "q")
    weight = sums.weight
    static = weight.max([d for d in weight.dims if d not in ("azimuth", "q")]).transpose("azimuth", "q")
    whole = complete_cells(static.values)
    windows = [inside_window(sums.signal["azimuth"].values, centre, half_width) for centre in centres]
    if not windows or any(not w.any() for w in windows):
        raise InputError(
            f"no azimuth bin within {half_width:g} deg of {', '.join(f'{a:g}' for a in centres) or 'nothing'}",
            where="family_profile", fix="Give azimuths of the family, or use more azimuth bins.",
        )  # fmt: skip
    covered = np.array([whole[w].all(0) for w in windows])  # (windows, q)
    used = np.flatnonzero(covered.all(1))
    present = np.ones(whole.shape[1], bool)
    if not len(used):
        used = covered.sum(1).argmax()[None]
        present = covered[used[0]]
    selected = np.logical_or.reduce([windows[i] for i in used])
    part = Sums(*(_take(array, selected) for array in (sums.signal, sums.variance, weight)))
    profile = part.sum("azimuth")
    kept = profile.weight * xr.DataArray(present, dims="q")
    kept.attrs = {**weight.attrs, "azimuths_used": [centres[i] for i in used] if present.any() else []}
    return Sums(profile.signal, profile.variance, kept.transpose(*profile.weight.dims))


def coverage(sums: Sums, azimuths: Sequence[float] | Family, half_width: float = 10.0) -> xr.DataArray:
    """Share of each azimuth window that was measured, (window, q); coordinate `window`: its centre in degrees."""
    centres, half_width = _centres(azimuths, half_width)
    _needs(sums, "azimuth", "q")
    weight = sums.weight
    static = weight.max([d for d in weight.dims if d not in ("azimuth", "q")]).transpose("azimuth", "q")
    whole = complete_cells(static.values)
    share = [whole[inside_window(weight["azimuth"].values, centre, half_width)].mean(0) for centre in centres]
    return xr.DataArray(
        np.array(share), dims=("window", "q"), coords={"window": list(centres), "q": weight["q"]},
        attrs={"units": "1", "long_name": "share of the window that was measured"},
    )  # fmt: skip


def component_map(sums: Sums, core: tuple[float, float] | None = None) -> xr.Dataset:
    """Intensity of a ring above the line through its side bands, with its Poisson error.

    intensity = sum over the core of (signal / weight) dq - background width, the background from the bins left and
    right of the core, interpolated to its middle; each side's mean is sum(signal) / sum(weight).

    sums   dims (..., q) or (..., azimuth, q); azimuths are added up
    core   lower and upper q of the ring, 1/angstrom; None: the middle half of the window

    Returns `intensity`, `intensity_err` (counts per weight times 1/angstrom) and `flag` over the leading dims. NaN
    where no bin has weight (NO_DATA), or a core bin or a whole side band has none (CUT_BY_GAP).
    """
    _needs(sums, "q")
    if "azimuth" in sums.signal.dims:
        sums = sums.sum("azimuth")
    q = sums.signal["q"].values.astype(float)
    low, high = core or tuple(np.interp([0.25, 0.75], [0, 1], [q[0], q[-1]]))
    bands = [q < low, (q >= low) & (q <= high), q > high]
    if not all(band.any() for band in bands):
        raise InputError(
            f"core {low:.4f} to {high:.4f} leaves nothing on one side of {q[0]:.4f} to {q[-1]:.4f} 1/angstrom",
            where="component_map", fix="Widen the window, or narrow the core.",
        )  # fmt: skip
    return _above_side_bands(sums, q, bands)


def _above_side_bands(
    sums: Sums, q: np.ndarray, bands: list[np.ndarray], whole: np.ndarray | None = None
) -> xr.Dataset:
    """Core minus side bands over the leading dims; see `component_map`.

    With `whole` (leading dims) the caller has judged the gaps, and bins that no pixel centre fell in do not count.
    """
    signal, weight = (
        sums.signal.transpose(..., "q"),
        sums.weight.broadcast_like(sums.signal).transpose(..., "q"),
    )
    variance = sums.variance.transpose(..., "q")
    dims = signal.dims[:-1]
    s, v, w = (array.transpose(*dims, "q").values.astype(float) for array in (signal, variance, weight))
    w = np.where(np.isfinite(w) & (w > 0), w, 0.0)
    s, v = np.where(w > 0, s, 0.0), np.where(w > 0, v, 0.0)
    step = np.gradient(q)
    left, core, right = bands
    width, middle = step[core].sum(), q[core].mean()
    with np.errstate(all="ignore"):
        each = w[..., core] if whole is None else w[..., core].mean(-1, keepdims=True)
        peak = (s[..., core] / each * step[core]).sum(-1)
        peak_var = (v[..., core] / each**2 * step[core] ** 2).sum(-1)
        means = [s[..., b].sum(-1) / w[..., b].sum(-1) for b in (left, right)]
        spread = [v[..., b].sum(-1) / w[..., b].sum(-1) ** 2 for b in (left, right)]
        at = [(w[..., b] * q[b]).sum(-1) / w[..., b].sum(-1) for b in (left, right)]
        share = (at[1] - middle) / (at[1] - at[0])
        value = peak - width * (share * means[0] + (1 - share) * means[1])
        error = np.sqrt(peak_var + width**2 * (share**2 * spread[0] + (1 - share) ** 2 * spread[1]))
    cut = (w[..., core] <= 0).any(-1) if whole is None else ~whole
    cut = cut | (w[..., left].sum(-1) <= 0) | (w[..., right].sum(-1) <= 0)
    nothing = ~(w > 0).any(-1)
    flag = np.where(nothing, int(Flag.NO_DATA), np.where(cut, int(Flag.CUT_BY_GAP), 0))
    coords = {name: c for name, c in signal.coords.items() if "q" not in c.dims}
    found = xr.Dataset(coords=coords)
    for name, values, label in (
        ("intensity", value, "ring intensity above background"), ("intensity_err", error, "1-sigma error of intensity"),
    ):  # fmt: skip
        attrs = {"units": "counts/angstrom", "long_name": label}
        found[name] = xr.DataArray(np.where(flag > 0, np.nan, values), dims=dims, attrs=attrs)
    found["flag"] = flag_variable(flag, tuple(map(str, dims)))
    found["flag"].attrs["long_name"] = "why the intensity is missing"
    return found


def azimuth_profile(sums: Sums, core: tuple[float, float] | None = None) -> xr.Dataset:
    """I(azimuth) of a ring above the line through its side bands, dims (..., azimuth), NaN in gaps.

    As `component_map`, azimuth bin by azimuth bin. Returns `intensity`, `intensity_err`, `flag`; a bin from which a gap
    takes any part within the window is CUT_BY_GAP, one without weight NO_DATA.
    """
    _needs(sums, "azimuth", "q")
    weight = sums.weight
    static = weight.max([d for d in weight.dims if d not in ("azimuth", "q")]).transpose("azimuth", "q")
    whole = np.asarray(complete_cells(static.values).all(1))
    q = sums.signal["q"].values.astype(float)
    low, high = core or tuple(np.interp([0.25, 0.75], [0, 1], [q[0], q[-1]]))
    last = Sums(*(array.transpose(..., "azimuth", "q") for array in (sums.signal, sums.variance, weight)))
    return _above_side_bands(last, q, [q < low, (q >= low) & (q <= high), q > high], whole)


def _centres(azimuths: Sequence[float] | Family, half_width: float) -> tuple[list[float], float]:
    if isinstance(azimuths, Family):
        return [float(a) for a in azimuths.azimuths_deg], azimuths.half_width_deg
    return [float(a) for a in azimuths], half_width


def _take(array: xr.DataArray, selected: np.ndarray) -> xr.DataArray:
    return array.isel(azimuth=np.flatnonzero(selected)) if "azimuth" in array.dims else array


def _needs(sums: Sums, *dims: str) -> None:
    missing = [d for d in dims if d not in sums.signal.dims or (d == "azimuth" and d not in sums.weight.dims)]
    if missing:
        raise InputError(
            f"sums have dims {sums.signal.dims}, weight {sums.weight.dims}: {', '.join(missing)} is missing",
            where="ring", fix="Use a ring window or a full azimuthal map.",
        )  # fmt: skip
