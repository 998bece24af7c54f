"""The series: what changed from scan to scan, on the cycler's clock."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from operando import tomography as tomo
from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.tomography.volume import quantity

from .tomography_image import BENT_BY_PHOTONS, BENT_IN_VOLUME
from .tomography_measures import ELECTRODES

#: 1-sigma errors by the segmentation, measured on the twin from projections (docs/tomography.md): absolute share of
#: the section in contact, relative volume of voids; by the way the image was made, see `tomography_image`
SYSTEMATIC = {BENT_BY_PHOTONS: (0.015, 0.04), BENT_IN_VOLUME: (0.03, 0.25)}
LITHIUM_OFF = 0.03  # voxels by which the mean thickness of lithium is off
RING = 0.11  # voxels at one voxel from the axis, by which rings move a column: measured on the twin
LEAST_CHARGE = 0.05  # of the largest step: less net charge tells nothing of where it came from
SIGN = {"bottom": -1.0, "top": 1.0}  # positive current strips the top electrode


def numbers(
    maps: xr.Dataset, summary: xr.Dataset, clock: xr.Dataset | None, area_cm2: float | None
) -> xr.Dataset:
    """`tomography`: over time and electrode contact, voids, lithium; over time stack, voltage, current, charge."""
    pixel = maps.attrs["voxel_um"] ** 2
    section_um2 = float(summary["section"].median()) * pixel
    inside = maps["used"].isel(time=0).astype(bool)
    off_contact, off_void = SYSTEMATIC.get(float(maps["height_systematic"].max()), (0.0, 0.0))
    parts = []
    for name in ELECTRODES:
        one = maps.sel(electrode=name)
        area = tomo.contact_area(
            one["contact"].where(inside).assign_attrs(voxel_um=maps.attrs["voxel_um"]), inside=inside,
            systematic=off_contact,
        )  # fmt: skip
        cm2 = section_um2 * 1e-8
        part = area[["share", "share_err", "share_sampling_err"]].rename(
            share="contact_share",
            share_err="contact_share_err",
            share_sampling_err="contact_share_sampling_err",
        )
        part["contact_area"] = (area["share"] * cm2).assign_attrs(units="cm2", long_name="contact area")
        part["contact_area_err"] = (area["share_err"] * cm2).assign_attrs(units="cm2")
        for what, extra in (("void", off_void), ("lithium", 0.0)):
            part = part.merge(
                volume_of(one, what, section_um2, extra), compat="override", combine_attrs="override"
            )
        if off_void:  # what is taken for void is not lithium
            common = LITHIUM_OFF * maps.attrs["voxel_um"] * section_um2
            error = part["lithium_volume_err"] ** 2 + (off_void * part["void_volume"]) ** 2 + common**2
            error = xr.DataArray(error**0.5)
            part["lithium_volume_err"] = error.assign_attrs(units="um3")
        part["reliable"] = one["reliable"].astype(np.uint8)
        parts.append(part.drop_vars("electrode", errors="ignore"))
    result = xr.concat(parts, "electrode", combine_attrs="override").assign_coords(electrode=list(ELECTRODES))
    for name in ("stack_thickness", "stack_thickness_err", "tilt", "grey", "threshold", "noise", "blur"):
        result[name] = summary[name]
    result.attrs = {
        "contact_systematic": off_contact,
        "void_systematic": off_void,
        "section_cm2": section_um2 * 1e-8,
        "correlation_um": parts[0].attrs.get("correlation_um", 0.0),
    }
    return on_clock(result, clock, area_cm2)


def volume_of(one: xr.Dataset, what: str, section_um2: float, relative: float) -> xr.Dataset:
    """Volume of void or lithium in the whole section, from the mean of the columns measured (um3)."""
    mean = one[what].mean(("y", "x"))
    count = one[what].notnull().sum(("y", "x"))
    spread = (one[f"{what}_err"] ** 2).sum(("y", "x")) ** 0.5 / count
    volume = mean * section_um2
    error = xr.DataArray(np.hypot(spread * section_um2, relative * volume))
    return xr.Dataset(
        {
            f"{what}_volume": volume.assign_attrs(units="um3", long_name=f"volume of {what}"),
            f"{what}_volume_err": error.assign_attrs(units="um3"),
            f"{what}_thickness": mean.assign_attrs(units="um", long_name=f"mean thickness of {what}"),
        }
    )


def on_clock(result: xr.Dataset, clock: xr.Dataset | None, area_cm2: float | None) -> xr.Dataset:
    """With voltage, current and charge of each scan, the effective current density, and the stripping fraction."""
    if clock is None:
        return result
    for name, own in (("voltage", "voltage"), ("cell_current", "current"), ("capacity", "capacity")):
        result[name] = clock[own]  # a group tomography/current is there already
    share = result.attrs["section_cm2"] / area_cm2 if area_cm2 else np.nan
    if not area_cm2:
        return result
    section = xr.Dataset({"area": result["contact_area"], "area_err": result["contact_area_err"],
                          "share": result["contact_share"]})  # fmt: skip
    here = 1e3 * result["cell_current"] * min(share, 1.0)
    density = tomo.effective_current_density(here, section)
    result["effective_current_density"] = density["current_density"]
    result["effective_current_density_err"] = density["current_density_err"]
    result["current_factor"] = density["factor"]
    fractions = []
    for name in ELECTRODES:
        one = result.sel(electrode=name)
        charge = SIGN[name] * one["capacity"].values
        if one.sizes["time"] < 2 or not np.isfinite(charge).all():
            return result
        found = tomo.stripping_fraction(
            one["lithium_volume"], charge, volume_err=one["lithium_volume_err"], section=min(share, 1.0)
        )
        fractions.append(found.drop_vars(["start", "end"], errors="ignore"))
    table = xr.concat(fractions, "electrode")
    step = np.abs(np.diff(result["capacity"].values))
    passed = xr.DataArray(step > LEAST_CHARGE * step.max(), dims="interval")
    result["lithium_fraction"] = table["fraction"].where(passed).assign_attrs(fractions[0]["fraction"].attrs)
    result["lithium_fraction_err"] = table["fraction_err"].where(passed).assign_attrs(units="1")
    return result


def changes(maps: xr.Dataset) -> xr.Dataset:
    """Contact gained and lost from scan to scan (share of the section), and where (`change`)."""
    inside = maps["used"].isel(time=0).astype(bool)
    count = float(inside.sum())
    change = maps["contact"].diff("time", label="upper").where(inside).rename(time="interval")
    known = change.notnull().any(("y", "x"))
    gained, lost = (
        (change.where(s * change > 0, 0).sum(("y", "x")) * s / count).where(known) for s in (1, -1)
    )
    return xr.Dataset(
        {
            "change": change.assign_attrs(units="1", long_name="contact gained (1), lost (-1)"),
            "gained": gained.assign_attrs(units="1", long_name="share of the section that gained contact"),
            "lost": lost.assign_attrs(units="1", long_name="share of the section that lost contact"),
        }
    ).drop_vars("interval")


def currents(maps: xr.Dataset, floors: dict[str, xr.Dataset]) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """`tomography/current` over interval, electrode, y, x, and hot spots by electrode."""
    found, spots = [], {}
    for name in ELECTRODES:
        level = maps["level"].sel(electrode=name, drop=True).assign_attrs(voxel_um=maps.attrs["voxel_um"])
        floor = floors[name]
        error = column_errors(maps, name, float(floor["difference"]) / np.sqrt(2))
        one = tomo.local_current_density(level, floor, thickness_err=error)
        if "height_extra" in maps:
            near = maps["height_extra"].sel(electrode=name, drop=True).transpose("time", "y", "x").values > 0
            doubt = np.where(near[1:] | near[:-1], int(Flag.OUTSIDE_CALIBRATION), 0)
            flag = one["current_density_flag"]
            one["current_density_flag"] = flag | doubt.astype(flag.dtype)
            one["current_density_flag"].attrs = flag.attrs
        spots[name] = tomo.find_hot_spots(one, floor)
        one["hot"] = spots[name]["label"].astype(np.int32)
        one["hot_level"] = spots[name]["level"]
        one["floor_thickness"] = floor["difference"]
        found.append(one)
    result = xr.concat(found, "electrode", combine_attrs="drop_conflicts").assign_coords(
        electrode=list(ELECTRODES)
    )
    return result, spots


def column_errors(maps: xr.Dataset, name: str, base_um: float) -> np.ndarray | None:
    """(time, y, x) 1-sigma of a column's level (um) where the noise is not the same everywhere, else None.

    Rings are strongest at the axis, in the middle of the section: their variance goes with 1 / radius. Voids near the
    collector: `height_extra` of `tomography_scan`.
    """
    if "height_extra" not in maps:
        return None
    extra = maps["height_extra"].sel(electrode=name, drop=True).transpose("time", "y", "x").values
    y, x = (np.arange(n) - (n - 1) / 2 for n in extra.shape[1:])
    radius = np.maximum(np.hypot(y[:, None], x), 1.0)
    return np.sqrt(base_um**2 + extra**2 + (RING * maps.attrs["voxel_um"]) ** 2 / radius)


def spot_table(spots: dict[str, xr.Dataset]) -> xr.Dataset:
    """Hot spots of both electrodes in one table."""
    names = ("peak", "peak_err", "ratio", "area", "significance", "peak_y", "peak_x", "first", "last")
    data: dict[str, Any] = {
        n: quantity(np.concatenate([s[n].values for s in spots.values()]), "spot", s0.attrs["units"])
        for n in names
        for s0 in [next(iter(spots.values()))[n]]
    }
    which = np.concatenate([np.full(spots[n].sizes["spot"], k) for k, n in enumerate(ELECTRODES)])
    data["electrode"] = quantity(which, "spot", "1", "0 bottom, 1 top")
    first = next(iter(spots.values()))
    return xr.Dataset(
        data, attrs={k: float(first.attrs[k]) for k in ("level_sigma", "false_per_map", "factor")}
    )


def relations(maps: xr.Dataset, voxel_um: float) -> xr.Dataset | None:
    """Local roughness of each face in the first scan against growth of the void; None for small maps."""
    rng = np.random.default_rng(0)
    found = []
    for name in ELECTRODES:
        one = maps.sel(electrode=name, drop=True)
        rough = tomo.local_roughness(one["face"].isel(time=0).assign_attrs(voxel_um=voxel_um), 10 * voxel_um)
        growth = one["void"].isel(time=-1) - one["void"].isel(time=0)
        growth = growth.where(one["used"].isel(time=0) > 0).assign_attrs(voxel_um=voxel_um)
        try:
            found.append(tomo.map_relation(rough, growth, rng=rng, permutations=299))
        except InputError:
            return None
    return xr.concat(found, "electrode", combine_attrs="drop_conflicts").assign_coords(
        electrode=list(ELECTRODES)
    )
