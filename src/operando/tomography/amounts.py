"""Volumes of phases in time and what they say of the charge: stripping fraction, molar volume of Li in the
interphase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from ..core.errors import InputError
from ..core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL
from .volume import check_volume, quantity, voxel_sizes

CM3_PER_UM3 = 1e-12


def phase_volumes(labels: xr.DataArray, *, confusion: Mapping[str, float] | None = None) -> xr.Dataset:
    """Volume of every phase of `labels` (z, y, x or time, z, y, x; of `label_phases`), over `phase`, in um3.

    confusion  1-sigma relative error of a phase's volume by the segmentation (from a twin or a confusion matrix)

    `volume_err`: that, together with the half voxels of the phase's surface (faces / 12)^(1/2).
    """
    labels = check_volume(labels, where="phase_volumes")
    names = list(labels.attrs.get("phases", [str(v) for v in range(int(labels.max()) + 1)]))
    voxel = float(np.prod(list(voxel_sizes(labels).values())))
    stack = labels.values.reshape(-1, *labels.shape[-3:])
    count = np.array([[(s == k).sum() for k in range(len(names))] for s in stack], float)
    faces = np.array([[_faces(s == k) for k in range(len(names))] for s in stack], float)
    relative = np.array([(confusion or {}).get(n, 0.0) for n in names])
    error = np.hypot(np.sqrt(faces / 12), relative * count)
    dims = ("time", "phase") if "time" in labels.dims else ("phase",)
    shape = (-1, len(names)) if len(dims) == 2 else (len(names),)
    result = xr.Dataset(
        {
            "volume": quantity(count.reshape(shape) * voxel, dims, "um3", "volume of the phase"),
            "volume_err": quantity(error.reshape(shape) * voxel, dims, "um3"),
        },
        coords={"phase": names},
    )
    return result.assign_coords(time=labels["time"]) if "time" in labels.coords else result


def _faces(mask: np.ndarray) -> int:
    return sum(int(np.diff(mask.view(np.int8), axis=a).astype(bool).sum()) for a in range(3))


def stripping_fraction(
    volume_um3: xr.DataArray, charge_mAh: xr.DataArray | Sequence[float], *, volume_err: xr.DataArray | float = 0.0,
    charge_err: float = 0.0, molar_volume: float = LI_MOLAR_VOLUME_CM3_PER_MOL, section: float = 1.0,
) -> xr.Dataset:  # fmt: skip
    """Share of the charge that comes from (or becomes) Li metal: f = F dV / (V_m Q), between images in turn.

    volume_um3   Li volume over time
    charge_mAh   charge passed through the cell until each image, positive where this electrode is stripped
    section      share of the cell's section that the volume holds: its part of the charge (even current)
    volume_err   1-sigma error of each volume, independent between images; charge_err (mAh) that of each difference

    Over `interval`: `fraction`, positive where Li leaves with positive charge, `fraction_err`; `total` and
    `total_err` from first to last image. NaN where no charge passed. Paper 004: 0.72 and 0.51.
    """
    volume = np.asarray(volume_um3, float)
    charge = np.asarray(charge_mAh, float)
    if volume.shape != charge.shape or volume.ndim != 1 or len(volume) < 2:
        raise InputError(
            f"{volume.size} volumes and {charge.size} charges", where="stripping_fraction",
            fix="Give one charge for each image, and at least two images.",
        )  # fmt: skip
    error = np.broadcast_to(np.asarray(volume_err, float), volume.shape)
    per = FARADAY_C_PER_MOL / molar_volume * CM3_PER_UM3 / (3.6 * section)

    def fraction(a, b):
        passed = charge[b] - charge[a]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(passed != 0, -per * (volume[b] - volume[a]) / passed, np.nan)
            spread = np.hypot(per * np.hypot(error[a], error[b]), value * charge_err) / np.abs(passed)
        return value, np.where(passed != 0, spread, np.nan)

    each = fraction(np.arange(len(volume) - 1), np.arange(1, len(volume)))
    whole = fraction(np.array(0), np.array(len(volume) - 1))
    result = xr.Dataset(
        {
            "fraction": quantity(each[0], "interval", "1", "share of the charge from lithium metal"),
            "fraction_err": quantity(each[1], "interval", "1"),
            "total": quantity(float(whole[0]), (), "1", "share from the first to the last image"),
            "total_err": quantity(float(whole[1]), (), "1"),
        },
        attrs={"molar_volume_cm3_per_mol": molar_volume, "section": section},
    )
    if isinstance(volume_um3, xr.DataArray) and "time" in volume_um3.coords:
        time = volume_um3["time"].values
        result = result.assign_coords(start=("interval", time[:-1]), end=("interval", time[1:]))
    return result


def interphase_molar_volume(
    thickness_um: xr.DataArray, charge_mAh_cm2: Sequence[float] | xr.DataArray, *,
    thickness_err: xr.DataArray | float = 0.0, fraction_to_interphase: float = 1.0,
    molar_volume: float = LI_MOLAR_VOLUME_CM3_PER_MOL,
) -> xr.Dataset:  # fmt: skip
    """Partial molar volume of Li in the interphase from the thickness of the whole stack against charge.

    A stack in which a share f of the charge goes from metal into interphase changes by
    d(thickness)/dq = -(f / F) (V_m - V_i),   so V_i = V_m + slope F / f,   with q positive and slope in cm per C/cm2

    thickness_um            stack between the collectors over time, mean over the section
    charge_mAh_cm2          charge passed in one direction until each image
    fraction_to_interphase  share f of it that ends in the interphase and comes from metal

    Returns `molar_volume`, `slope` (um cm2/mAh), each with `_err` (scatter about the line where no error is given),
    `change` (um over all the charge). Voids that open or close and elastic compression are counted as interphase:
    take their mean thickness out of `thickness_um` first. Raises InputError for fewer than three images.
    """
    t, q = np.asarray(thickness_um, float), np.asarray(charge_mAh_cm2, float)
    good = np.isfinite(t) & np.isfinite(q)
    if t.shape != q.shape or good.sum() < 3 or np.ptp(q[good]) == 0:
        raise InputError("a slope needs three images with different charge", where="interphase_molar_volume")
    error = np.broadcast_to(np.asarray(thickness_err, float), t.shape)[good]
    t, q = t[good], q[good]
    known = bool((error > 0).all())
    weight = error**-2 if known else np.ones_like(t)
    middle = (weight * q).sum() / weight.sum()
    spread = (weight * (q - middle) ** 2).sum()
    slope = float((weight * (q - middle) * t).sum() / spread)
    level = float((weight * t).sum() / weight.sum())
    rest = t - level - slope * (q - middle)
    slope_err = float(spread**-0.5 * (1.0 if known else np.sqrt((rest**2).sum() / (len(t) - 2))))
    per = FARADAY_C_PER_MOL * 1e-4 / 3.6 / fraction_to_interphase
    return xr.Dataset(
        {
            "molar_volume": quantity(molar_volume + slope * per, (), "cm3/mol", "Li in the interphase"),
            "molar_volume_err": quantity(slope_err * per, (), "cm3/mol"),
            "slope": quantity(slope, (), "um cm2/mAh", "stack thickness by charge"),
            "slope_err": quantity(slope_err, (), "um cm2/mAh"),
            "change": quantity(slope * float(np.ptp(q)), (), "um", "over all the charge"),
        },
        attrs={
            "molar_volume_metal_cm3_per_mol": molar_volume,
            "fraction_to_interphase": fraction_to_interphase,
        },
    )
