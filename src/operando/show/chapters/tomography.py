"""Tomography in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.show.figures import space
from operando.show.figures import tomography as figures
from operando.show.figures import tomography_maps as maps_of
from operando.show.figures.tomography_relief import relief
from operando.show.table import Table
from operando.show.text import duration, listed, number, plural, time_unit, with_error

from .chapter import Chapter
from .record import record_told

if TYPE_CHECKING:
    from operando.flow.results import Results

ELECTRODES = ("bottom", "top")


def chapter(results: Results) -> Chapter | None:
    """Sections, contact, voids, thickness, local current, roughness, porosity; None without tomography."""
    groups = results.groups
    if "tomography" not in groups:
        return None
    result, maps = groups["tomography"], groups["tomography/maps"]
    drawn = [
        figures.sections(groups["tomography/sections"]), figures.orthoslices(groups["tomography/sections"], maps),
        figures.in_time(result, _record(groups, result)),
        maps_of.contact(maps), maps_of.thickness(maps),
    ]  # fmt: skip
    if "tomography/current" in groups:
        drawn.append(maps_of.current(groups["tomography/current"]))
    drawn += [relief(maps), figures.porosity(groups["tomography/porosity"])]
    return Chapter(
        "tomography", "Tomography", measured=[_measured(result), *record_told(results, "tomography", "Tomography")],
        findings=[*_contact(result), *_voids(result), *_current(groups), *_roughness(groups), *_more(groups)],
        figures=drawn, tables=[_numbers(result), _rough_table(groups["tomography/roughness"]), *_spots(groups)],
        doubts=_doubts(groups, result), spaces=[space.faces(maps, groups.get("tomography/current"))],
        checks=[figures.centre(result)] if np.isfinite(result["centre_apart"]).any() else [],
    )  # fmt: skip


def _record(groups: dict[str, xr.Dataset], result: xr.Dataset) -> xr.Dataset | None:
    """The cycler's record with its times counted from the first scan."""
    record = groups.get("tomography/record", groups.get("echem"))
    if record is None or "voltage" not in result or not result.attrs.get("epoch"):
        return None
    from datetime import datetime

    zero = datetime.fromisoformat(result.attrs["epoch"]).timestamp()
    since = record["utc"].values - zero
    return record[["voltage"]].assign(time_of_scans=("record", since)) if np.isfinite(since).any() else None


def _measured(result: xr.Dataset) -> str:
    span = duration(float(np.ptp(result["time"].values)))
    return (
        f"{plural(result.sizes['time'], 'tomographic scan')} over {span} with voxels of "
        f"{number(result.attrs['voxel_um'])} µm, a section of {number(result.attrs['section_cm2'])} cm²; contrast: "
        f"{result.attrs['contrast']}; held fixed: {result.attrs['held']}."
    )


def _at(result: xr.Dataset, name: str, electrode: str, scan: int) -> tuple[float, float]:
    one = result.sel(electrode=electrode).isel(time=scan)
    return float(one[name]), float(one[f"{name}_err"]) if f"{name}_err" in one else np.nan


def _contact(result: xr.Dataset) -> list[str]:
    if result.sizes["time"] == 1:
        parts = [f"{n} {with_error(*_at(result, 'contact_share', n, 0))}" for n in ELECTRODES]
        return [f"Share of the section in contact: {listed(parts)}."]
    found = []
    for name in ELECTRODES:
        first, last = (_at(result, "contact_share", name, k) for k in (0, -1))
        found.append(
            f"Contact of the {name} electrode goes from {with_error(*first)} to {with_error(*last)} of the section."
        )
    if "current_factor" in result:
        factor = result["current_factor"].values
        found.append(f"The current density at what is in contact is {number(float(np.nanmin(factor)), 3)} to "
                     f"{number(float(np.nanmax(factor)), 3)} times the nominal one.")  # fmt: skip
    return found


def _voids(result: xr.Dataset) -> list[str]:
    found = []
    for name in ELECTRODES:
        first, last = (_at(result, "void_volume", name, k) for k in (0, -1))
        text = f"Voids of the {name} electrode: {with_error(first[0] / 1e3, first[1] / 1e3)}"
        if result.sizes["time"] > 1:
            text += f" to {with_error(last[0] / 1e3, last[1] / 1e3)}"
        found.append(f"{text} × 10³ µm³.")
    return found


def _current(groups: dict[str, xr.Dataset]) -> list[str]:
    if "tomography/current" not in groups:
        return []
    current, spots = groups["tomography/current"], groups["tomography/hot_spots"]
    floor = current["floor"].values
    found = [f"The noise floor of a column's local current density is {number(float(np.median(floor)), 2)} mA/cm² "
             f"(1σ, median; from {current.attrs['floor_source']})."]  # fmt: skip
    if spots.sizes["spot"] == 0:
        found.append("No hot spot stands out above it.")
    else:
        best = int(np.argmax(spots["significance"].values))
        found.append(
            f"{plural(spots.sizes['spot'], 'hot spot')}: the clearest draws "
            f"{with_error(float(spots['peak'][best]), float(spots['peak_err'][best]), 'mA/cm²')}, "
            f"{number(float(spots['ratio'][best]), 2)} times the median of its map."
        )
    return found


def _roughness(groups: dict[str, xr.Dataset]) -> list[str]:
    table = groups["tomography/roughness"]
    found = []
    for name in ELECTRODES:
        one = table.sel(interface=name)
        first, last = (with_error(float(one["R_a"][k]), float(one["R_a_err"][k]), "µm") for k in (0, -1))
        text = f"The roughness Ra of the {name} interface is {first}"
        if one.sizes["time"] > 1:
            text += f" in the first scan and {last} in the last"
        found.append(f"{text}.")
    return found


def _more(groups: dict[str, xr.Dataset]) -> list[str]:
    found = []
    if "tomography/relation" in groups:
        one = groups["tomography/relation"]
        parts = []
        for name in ELECTRODES:
            value, error, p = (
                float(one[w].sel(electrode=name)) for w in ("correlation", "correlation_err", "p_value")
            )
            parts.append(f"{name} {with_error(value, error)} (p = {number(p, 2)})")
        found.append(f"Rank correlation of local roughness with the growth of voids there: {listed(parts)}.")
    if "tomography/displacement" in groups:
        field = groups["tomography/displacement"]
        z, face = field["z"].values[:, None, None], groups["tomography/maps"]["face"].isel(time=0)
        low, high = (float(face.sel(electrode=n).median()) for n in ELECTRODES)
        room = 0.15 * (high - low)  # windows near a face hold lithium, which has no texture
        good = (field["flag"].values == 0) & (z > low + room) & (z < high - room)
        if good.any():
            rise, error = field["u_z"].values[good], field["u_z_err"].values[good]
            moved = with_error(float(np.median(rise)), float(np.median(error)))
            found.append(
                f"From the first to the last scan the solid moves along z by {moved}"
                f" µm (median of {plural(int(good.sum()), 'window')} with texture between the faces)."
            )
    return found


def _doubts(groups: dict[str, xr.Dataset], result: xr.Dataset) -> list[str]:
    grey, limit = result["grey"].isel(time=0), result["threshold"].isel(time=0)
    words = []
    for name in ELECTRODES:
        parts = [
            f"{p} {number(float(grey.sel(electrode=name, phase=p)))}"
            for p in ("void", "lithium", "interphase")
        ]
        bounds = [number(float(v)) for v in limit.sel(electrode=name).values]
        words.append(f"{name}: {', '.join(parts)} (midpoints {' and '.join(bounds)})")
    blur = float(result["blur"].values.flat[0])
    told = [f"Grey values used in the first scan, 1/cm: {'; '.join(words)}; blur {number(blur)} µm (σ)."]
    if result.attrs["void_systematic"]:
        told.append(
            "Contact and voids carry the error of the segmentation measured on the twin from projections: "
            f"{result.attrs['contact_systematic']:g} of the section, and {100 * result.attrs['void_systematic']:g} % "
            "of the volume of voids; it is much the same in all scans, so changes are known better."
        )
    if "centre_apart" in result and np.isfinite(result["centre_apart"]).any():
        apart = float(np.nanmax(result["centre_apart"]))
        told.append(f"The two ways to find the rotation centre differ by up to {number(apart, 2)} px.")
    unsure = [n for n in ELECTRODES if not bool((result["reliable"].sel(electrode=n) == 1).all())]
    if unsure:
        told.append(f"Contact and voids of the {listed(unsure)} electrode are not reliable: lithium and void differ "
                    "too little for the noise, or far less than lithium and solid.")  # fmt: skip
    return told


def _numbers(result: xr.Dataset) -> Table:
    factor, unit = time_unit(result["time"].values)
    columns = [f"time / {unit}"] + [
        f"{w}, {n}" for n in ELECTRODES for w in ("contact", "voids / 10³ µm³", "Li / µm")
    ]
    columns.append("stack / µm")
    rows = []
    for k in range(result.sizes["time"]):
        row = [number(float(result["time"][k]) / factor)]
        for name in ELECTRODES:
            share, void = _at(result, "contact_share", name, k), _at(result, "void_volume", name, k)
            row += [with_error(*share), with_error(void[0] / 1e3, void[1] / 1e3),
                    number(_at(result, "lithium_thickness", name, k)[0])]  # fmt: skip
        one = result.isel(time=k)
        rows.append([*row, with_error(float(one["stack_thickness"]), float(one["stack_thickness_err"]))])
    return Table("tomography-numbers", "Scans", columns, rows)


def _rough_table(table: xr.Dataset) -> Table:
    factor, unit = time_unit(table["time"].values)
    rows = []
    for name in ELECTRODES:
        for k in range(table.sizes["time"]):
            one = table.sel(interface=name).isel(time=k)
            rows.append([
                name, number(float(one["time"]) / factor), with_error(float(one["R_a"]), float(one["R_a_err"])),
                with_error(float(one["R_q"]), float(one["R_q_err"])),
                *(with_error(float(one[n]), float(one[f"{n}_err"])) for n in ("Ssk", "Sku")), number(float(one["Sz"])),
                number(float(one["Sal"])),
            ])  # fmt: skip
    columns = ["interface", f"time / {unit}", "Ra / µm", "Rq / µm", "Ssk", "Sku", "Sz / µm", "Sal / µm"]
    note = "Height set of ISO 25178, mean plane removed, noise taken out; errors as samples of a larger face."
    return Table("tomography-roughness", "Roughness of the interfaces", columns, rows, note)


def _spots(groups: dict[str, xr.Dataset]) -> list[Table]:
    spots = groups.get("tomography/hot_spots")
    if spots is None or spots.sizes["spot"] == 0:
        return []
    rows = []
    for k in np.argsort(-spots["significance"].values)[:12]:
        one = spots.isel(spot=int(k))
        rows.append([
            ELECTRODES[int(one["electrode"])], with_error(float(one["peak"]), float(one["peak_err"])),
            number(float(one["ratio"]), 2), number(float(one["area"]), 3), number(float(one["significance"]), 2),
            f"{number(float(one['peak_x']))}, {number(float(one['peak_y']))}",
            f"{int(one['first']) + 1}–{int(one['last']) + 1}",
        ])  # fmt: skip
    columns = ["electrode", "peak / mA/cm²", "over median", "area / µm²", "σ", "x, y / µm", "intervals"]
    return [Table("tomography-spots", "Hot spots", columns, rows, "The twelve clearest.")]
