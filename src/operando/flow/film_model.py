"""The film electrode run on the clock of the maps, and its profiles beside the measured ones."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import models
from operando.core.errors import ExperimentError
from operando.echem import Clock

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
    film = models.simulate_film(cell, [_step(one) for one in section.steps])
    measured = _measured(lithium, section.family)
    rows = groups["xrd"]["row_time"].sortby("z").transpose("time", "z").values - begins
    before = np.where(rows < 0, 0.0, rows)  # before the charge the film is as at its start
    seen = models.film_on_grid(
        film, measured["z"].values, before, substrate_um=height, blur_um=section.blur_um
    )
    seen = seen.assign_coords(time=measured["time"])
    compared = models.compare_profiles(measured, seen)
    groups["model/film"] = film.assign_coords(time=film["time"] + begins)
    groups["model/film"]["time"].attrs = {"units": "s", "long_name": "time since the first frame"}
    groups["model/film/compare"] = compared.assign(measured_err=measured["x_li_err"]).assign_attrs(
        compared.attrs | {"family": section.family, "start_s": begins}
    )
    job.listener.say(
        "model", f"film electrode: reduced chi-square {float(compared['goodness']):.3g} of the profiles"
    )


def _measured(lithium: xr.Dataset, family: str) -> xr.Dataset:
    """Mean profile over the columns; its error without that of the calibration, which all points share."""
    one = lithium.sel(family=family).sortby("z")
    data = xr.Dataset({"x_li": one["x_li"], "x_li_err": one["x_li_err_fit"], "x_li_flag": one["x_li_flag"]})
    return models.mean_profiles(data)


def _start(section: FilmModelSection, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> float:
    """When the first step begins, s since the first frame: as stated, or the first current of the record."""
    if section.start_s is not None:
        return section.start_s
    clock = groups.get("clock", xr.Dataset())
    if table is not None and "utc" in clock and np.isfinite(table["utc"].values).all():
        current = np.abs(table["current"].values)
        on = table["utc"].values[current > ONSET * np.nanmax(current)]
        if len(on):
            told = {
                key: float(clock.attrs.get(f"clock_{key}", 0.0))
                for key in ("offset_s", "drift", "reference_utc")
            }
            stated = Clock(told["offset_s"], 0.0, told["drift"], reference_utc=told["reference_utc"])
            first = datetime.fromisoformat(groups["xrd"].attrs["epoch"]).timestamp()
            return float(stated.to_detector(np.array([on.min()]))[0] - first)
    raise ExperimentError(
        "nothing tells when the charge begins", where="film_model",
        fix="Give start_s, in seconds since the first frame, or a [cycler] with an absolute clock.",
    )  # fmt: skip


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
