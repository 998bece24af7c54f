"""The film electrode run on the clock of the maps, and its profiles beside the measured ones."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import models
from operando.core.errors import ExperimentError
from operando.echem import Clock

from .lithium_rows import continued
from .sections.film_model import FilmModelSection, StepSection

if TYPE_CHECKING:
    from .running import Run

#: current has begun where it exceeds this share of its greatest size
ONSET = 0.05


def film_model(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """Put `model/film` (times of the maps' clock) and `model/film/compare` into `groups`.

    Raises `ExperimentError` without lithium content of the stated family, or where nothing tells when charge begins.
    """
    section = job.experiment.film_model
    assert section is not None
    lithium = groups.get("lithium")
    known = [] if lithium is None else [str(name) for name in lithium["family"].values]
    if lithium is None or section.family not in known:
        raise ExperimentError(
            f"no lithium content of family {section.family!r} to compare with; there is {', '.join(known) or 'none'}",
            where="film_model.family", fix="Give [lithium] with that family, or name another.",
        )  # fmt: skip
    begins, (height, thickness) = _start(section, groups, table), _film(job, section)
    cell = models.FilmCell(
        film_um=thickness, start_x=section.start_x, conductivity_S_per_cm=section.conductivity_S_per_cm,
        diffusion=models.Diffusion.two_phase(section.diffusivity_poor, section.diffusivity_rich),
        exchange_A_per_m2=section.exchange_A_per_m2,
        columns=None if section.spread is None else models.Columns(section.spread),
    )  # fmt: skip
    if section.steps == "record":
        steps = [_recorded(job, groups, table, begins)]
    else:
        steps = [_step(one) for one in section.steps]
    film = models.simulate_film(cell, steps)
    measured = groups["lithium/rows"].sel(family=section.family).sortby("z")
    rows = groups["xrd"]["row_time"].sortby("z").transpose("time", "z").values - begins
    before = np.where(rows < 0, 0.0, rows)  # before the charge the film is as at its start
    seen = models.film_on_grid(
        film, measured["z"].values, before, substrate_um=height, blur_um=section.blur_um
    )
    compared = _compared(measured, seen.assign_coords(time=measured["time"]), lithium)
    groups["model/film"] = film.assign_coords(time=film["time"] + begins)
    groups["model/film"]["time"].attrs = {"units": "s", "long_name": "time since the first frame"}
    groups["model/film/compare"] = compared.assign_attrs(
        compared.attrs | {"family": section.family, "start_s": begins, "ended": str(film.attrs["ended"][-1])}
    )
    goodness = float(compared["goodness"])
    job.listener.say("model", f"film electrode: reduced chi-square {goodness:.3g} of the profiles")
    if "cannot follow" in film.attrs["ended"][-1]:
        job.notes.append(f"film_model: {film.attrs['ended'][-1]}; later maps are not compared")


def _compared(rows: xr.Dataset, seen: xr.Dataset, lithium: xr.Dataset) -> xr.Dataset:
    """Residuals in the lattice parameter, which is what was measured; both profiles as Li content beside them.

    rows   one family of `lithium_rows`: the error of the parameter is even, that of x is not where p hardly tells x
    """
    name = str(lithium.attrs["parameter"])
    anchors = lithium["anchor_x"].values, lithium["anchor_parameter"].values
    there = continued(seen["x_li"], *anchors)
    found = models.compare_profiles(rows, seen.assign({name: there}), name=name)
    x = {
        "x_measured": rows["x_li"], "x_measured_err": rows["x_li_err"],
        "x_modelled": continued(found["modelled"], *anchors[::-1]),
    }  # fmt: skip
    units = {key: value.assign_attrs(units="1") for key, value in x.items()}
    return found.assign(measured_err=rows[f"{name}_err"], **units).assign_attrs(
        found.attrs | {"parameter": name}
    )


def _start(section: FilmModelSection, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> float:
    """When the first step begins, s since the first frame: as stated, or the first current of the record."""
    if section.start_s is not None:
        return section.start_s
    since = _since_first_frame(groups, table)
    if table is not None and since is not None:
        current = np.abs(table["current"].values)
        on = since[current > ONSET * np.nanmax(current)]
        if len(on):
            return float(on.min())
    raise ExperimentError(
        "nothing tells when the charge begins", where="film_model",
        fix="Give start_s, in seconds since the first frame, or a [cycler] with an absolute clock.",
    )  # fmt: skip


def _since_first_frame(groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> np.ndarray | None:
    """Times of the records on the detector's clock, s since the first frame; None without a common clock."""
    clock = groups.get("clock", xr.Dataset())
    if table is None or "utc" not in clock or not np.isfinite(table["utc"].values).all():
        return None
    told = {
        key: float(clock.attrs.get(f"clock_{key}", 0.0)) for key in ("offset_s", "drift", "reference_utc")
    }
    stated = Clock(told["offset_s"], 0.0, told["drift"], reference_utc=told["reference_utc"])
    return (
        stated.to_detector(table["utc"].values)
        - datetime.fromisoformat(groups["xrd"].attrs["epoch"]).timestamp()
    )


def _recorded(
    job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None, begins: float
) -> models.Follow:
    """The current of the record from `begins` on, per area. Raises `ExperimentError` without record, clock or area."""
    since, cell = _since_first_frame(groups, table), job.experiment.cell
    if table is None or since is None or cell is None:
        raise ExperimentError(
            'steps = "record" needs the area of [cell], and a [cycler] on the clock of the maps',
            where="film_model.steps", fix="Give them, or write the steps: [{ hold = 4.3, hours = 2.3 }].",
        )  # fmt: skip
    current = 1e3 * table["current"].values / cell.area_cm2
    good = (since >= begins) & np.isfinite(current)
    at, first = np.unique(since[good], return_index=True)
    if len(at) < 2:
        raise ExperimentError(
            "the record holds no current after the charge begins", where="film_model.steps",
            fix="Check start_s and the clock offset.",
        )  # fmt: skip
    return models.Follow(at - begins, current[good][first])


def _film(job: Run, section: FilmModelSection) -> tuple[float, float]:
    """Height of the bottom of the film on the grid, and its thickness, um: as stated, or of the cell's layers."""
    experiment = job.experiment
    assert experiment.lithium is not None
    assert experiment.xrd is not None
    phase = next(ring.phase for ring in experiment.xrd.rings if ring.name == experiment.lithium.ring)
    below = 0.0
    for layer in experiment.cell.layers if experiment.cell else []:
        if layer.phase == phase:
            return (
                below if section.substrate_um is None else section.substrate_um, section.film_um or layer.thickness_um
            )  # fmt: skip
        below += layer.thickness_um
    if section.substrate_um is None or section.film_um is None:
        raise ExperimentError(
            f"no layer of [cell] is of phase {phase}",
            where="film_model",
            fix="Give substrate_um and film_um.",
        )
    return section.substrate_um, section.film_um


def _step(one: StepSection):
    if one.hold is not None:
        return models.Hold(one.hold, one.hours or 0.0)
    if one.drive is not None:
        return models.Drive(one.drive, one.until or 0.0, one.hours or 24.0)
    return models.Rest(one.rest or 0.0)
