"""The tomography recipe: projections or volumes of a symmetric cell to contact, voids, thickness, local current."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core import Flag
from operando.core.errors import ExperimentError, InputError
from operando.core.moments import moment

from .sections.tomography import TomographySection
from .tomography_density import Optics, optics
from .tomography_floor import noise_floors
from .tomography_motion import held_fixed, tomography_displacement
from .tomography_scan import ScanSettings, measured
from .tomography_series import changes, currents, numbers, relations, spot_table
from .tomography_source import Volume, series

if TYPE_CHECKING:
    from .running import Run


def tomography(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """Put the groups of `tomography` (see docs/decisions/0002) into `groups`."""
    section = job.experiment.tomography
    assert section is not None
    volumes = series(job)
    how = settings_of(job, section, volumes[0])
    motions = [held_fixed(job, section, volumes[0], one, how) for one in volumes]
    scans = [
        measured(job, one, replace(how, motion=m["taken_out"]))
        for one, m in zip(volumes, motions, strict=True)
    ]
    time = np.array([0.0 if len(volumes) == 1 else v.utc - volumes[0].utc for v in volumes])
    stacked = {name: over_time([s[name] for s in scans], time) for name in scans[0] if name != "voids"}
    maps = stacked["maps"].assign_attrs(voxel_um=volumes[0].voxel_um)
    clock = clock_of(job, table, volumes)
    if clock is not None and not section.separate and "clock" not in groups:
        groups["clock"] = clock
    area = job.experiment.cell.area_cm2 if job.experiment.cell else None
    result, maps = where_reliable(numbers(maps, stacked["summary"], clock, area), maps)
    result = result.merge(centres(volumes, time), combine_attrs="override")
    groups["tomography"] = result.assign_attrs(about(section, volumes, how, result.attrs))
    groups["tomography/maps"] = with_epoch(maps, volumes)
    groups["tomography/voids"] = void_table([s["voids"] for s in scans], time)
    groups["tomography/roughness"] = stacked["roughness"]
    groups["tomography/sections"] = stacked["sections"]
    groups["tomography/porosity"] = stacked["porosity"].assign(near=stacked["near"]["near"])
    groups["tomography/motion"] = over_time([m["found"] for m in motions], time)
    if len(volumes) > 1:
        in_time(job, groups, maps, volumes, how, clock)
    else:
        job.notes.append("tomography: one scan only, so nothing is said about change")
    look_at(job, groups["tomography"])


def settings_of(job: Run, section: TomographySection, first: Volume) -> ScanSettings:
    """Optics where volumes are made here and the distance is known, else grey values as given."""
    light: Optics | None = None
    given = {k: float(v) for k, v in section.greys.model_dump().items() if v is not None and k != "void"}
    if section.scans is not None:
        if section.distance_mm is None or section.energy_keV is None:
            if "lithium" not in given or "steel" not in given or "electrolyte" not in given:
                raise ExperimentError(
                    "distance_mm and energy_keV (for phase retrieval) or greys are needed", where="tomography.scans",
                    fix="Absorption alone hardly tells lithium from void. Write distance_mm, or greys = { ... }.",
                )  # fmt: skip
        else:
            light = optics(
                section.energy_keV, section.distance_mm, first.voxel_um, delta_beta=section.delta_beta,
                electrolyte=section.electrolyte or formula(job), collector=section.collector,
            )  # fmt: skip
    if light is None:
        given["void"] = section.greys.void
    return ScanSettings(
        light, tuple(sorted(given.items())), tuple(sorted(section.thresholds.items())), section.blur_um,
        section.margin_um,
    )  # fmt: skip


def formula(job: Run) -> str | None:
    """The name of the layer in the middle of the cell, where it is a chemical formula; None where none is."""
    import re

    layers = job.experiment.cell.layers if job.experiment.cell else []
    named = [layer.name for layer in layers if re.fullmatch(r"(?:[A-Z][a-z]?[\d.]*){2,}", layer.name or "")]
    return named[len(named) // 2] if named else None


#: what hangs on lithium being told from void, by the beginnings of its names
BY_CONTRAST = ("contact_", "void_", "lithium_", "effective_", "current_factor")


def where_reliable(result: xr.Dataset, maps: xr.Dataset) -> tuple[xr.Dataset, xr.Dataset]:
    """Numbers and maps of contact, voids and lithium as missing where the image does not tell lithium from void."""
    good = result["reliable"] == 1
    for name in [str(n) for n in result.data_vars if str(n).startswith(BY_CONTRAST)]:
        known = good.all("time") if "interval" in result[name].dims else good
        result[name] = (
            result[name].where(known).transpose(*result[name].dims).assign_attrs(result[name].attrs)
        )
    known = (maps["reliable"] == 1).drop_vars("electrode", errors="ignore")
    for name in ("contact", "void", "lithium"):
        for key in {name, f"{name}_err"} & {str(n) for n in maps.data_vars}:
            maps[key] = maps[key].where(known).transpose(*maps[key].dims).assign_attrs(maps[key].attrs)
    doubt = xr.where(known, 0, int(Flag.POOR_FIT)).astype(maps["flag"].dtype)
    maps["flag"] = (maps["flag"] | doubt).transpose(*maps["flag"].dims).assign_attrs(maps["flag"].attrs)
    return result, maps


def over_time(parts: list[xr.Dataset], time: np.ndarray) -> xr.Dataset:
    clean = [p.drop_attrs(deep=False) for p in parts]
    joined = xr.concat(clean, "time", combine_attrs="override", coords="minimal", compat="override")
    return joined.assign_coords(time=("time", time, {"units": "s", "long_name": "time since the first scan"}))


def void_table(parts: list[xr.Dataset], time: np.ndarray) -> xr.Dataset:
    tables = []
    for k, part in enumerate(parts):
        part["scan"] = ("void", np.full(part.sizes["void"], k), {"units": "1", "long_name": "scan"})
        part["time"] = ("void", np.full(part.sizes["void"], time[k]), {"units": "s"})
        tables.append(part.drop_attrs(deep=False))
    return xr.concat(tables, "void", combine_attrs="override")


def clock_of(job: Run, table: xr.Dataset | None, volumes: list[Volume]) -> xr.Dataset | None:
    """Voltage, current, charge at the middle of each scan; None, with a note, where they cannot be joined."""
    from operando import echem

    section = job.experiment.cycler
    if table is None or section is None:
        job.notes.append("tomography: no cycler record, so no current density by charge")
        return None
    utc = np.array([v.utc for v in volumes])
    if section.clock_offset_s == "none" or not (utc > 1e8).all():
        job.notes.append("tomography: scans and cycler record have no common clock: they are not joined")
        return None
    offset = 0.0
    if section.clock_offset_s == "find":
        job.notes.append("tomography: the clock offset cannot be found from volumes; 0 s is taken")
    else:
        offset = float(section.clock_offset_s)
    clock = echem.Clock(offset, section.clock_offset_err_s, 0.0, reference_utc=float(utc[0]))
    found = echem.at(table, xr.DataArray(utc, dims="time"), clock=clock)
    return found.assign_coords(time=utc - utc[0])


def centres(volumes: list[Volume], time: np.ndarray) -> xr.Dataset:
    data = {
        name: ("time", np.array([getattr(v, name) for v in volumes]), {"units": "px"})
        for name in ("centre", "centre_err", "centre_apart")
    }
    return xr.Dataset(data, {"time": time})


def about(section: TomographySection, volumes: list[Volume], how: ScanSettings, attrs: dict) -> dict:
    """Settings that the numbers depend on."""
    light = how.light
    return attrs | {
        "voxel_um": volumes[0].voxel_um, "held": section.held,
        "margin_um": how.margin(volumes[0].voxel_um) * volumes[0].voxel_um,
        "contrast": "electron density (phase retrieval)" if light else "as given",
        "delta_beta": light.delta_beta if light else np.nan, "epoch": epoch(volumes),
        "volumes": [v.name for v in volumes],
    }  # fmt: skip


def epoch(volumes: list[Volume]) -> str:
    utc = volumes[0].utc
    return moment(utc) if utc > 1e8 else ""


def with_epoch(maps: xr.Dataset, volumes: list[Volume]) -> xr.Dataset:
    return maps.assign_attrs(voxel_um=volumes[0].voxel_um, epoch=epoch(volumes))


def in_time(
    job: Run, groups: dict[str, xr.Dataset], maps: xr.Dataset, volumes: list[Volume], how: ScanSettings,
    clock: xr.Dataset | None,
) -> None:  # fmt: skip
    """Groups that need two scans: change of contact, current, hot spots, displacement, relation."""
    groups["tomography/contact_change"] = changes(maps)
    floors, source = noise_floors(job, maps, volumes, how, clock)
    if floors:
        current, spots = currents(maps, floors)
        groups["tomography/current"] = current.assign_attrs(floor_source=source)
        groups["tomography/hot_spots"] = spot_table(spots)
    related = relations(maps, volumes[0].voxel_um)
    if related is not None:
        groups["tomography/relation"] = related
    section = job.experiment.tomography
    assert section is not None
    ratio = how.light.solid_ratio if how.light else 0.0
    try:
        groups["tomography/displacement"] = job.stages.stage(
            tomography_displacement, {"first": volumes[0], "last": volumes[-1]},
            {"window": section.window, "ratio": ratio, "method": section.displacement},
        )  # fmt: skip
    except InputError as error:
        job.notes.append(f"tomography: no displacement field: {error.what}")


def look_at(job: Run, result: xr.Dataset) -> None:
    if not bool((result["reliable"] == 1).all()):
        job.notes.append(
            "tomography: no contact, voids and lithium where lithium and void are too alike (flagged): "
            "check the electrolyte's formula, or delta_beta"
        )
    apart = (
        float(np.nanmax(result["centre_apart"].values)) if np.isfinite(result["centre_apart"]).any() else 0.0
    )
    if apart > 0.5:
        job.notes.append(f"tomography: the two ways to find the centre differ by up to {apart:.2f} px")
