"""Models in the report: film electrode, symmetric cell, grain selection, phase field."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.show.figures import models as figures
from operando.show.figures import selection
from operando.show.text import exponent, number, plural

from .chapter import Chapter

if TYPE_CHECKING:
    from operando.flow.results import Results

#: a reduced chi-square over this is more than counting noise
WORSE_THAN_NOISE = 1.5
#: reduced chi-square of a profile against its mean over which it is not even
UNEVEN = 5.0


def chapter(results: Results) -> Chapter | None:
    """Every model at hand; None without one."""
    groups = results.groups
    found = Chapter("models", "Models")
    for name, add in (("model/film", _film), ("model/symmetric", _symmetric)):
        if name in groups:
            add(found, groups[name])
    if "model/film/compare" in groups:
        _compared(found, groups["model/film/compare"])
    if "model/grain_selection/scan" in groups:
        _selection(found, groups)
    if "model/phase_field/film" in groups:
        _growth(found, groups)
    if "model/interlayer/modulus" in groups:
        _interlayer(found, groups)
    return found if found.figures else None


def _film(found: Chapter, data: xr.Dataset) -> None:
    charge = data["step"].values == data["step"].values[0]
    speed = data["front_speed"].values[charge]
    good = np.isfinite(speed)
    capacity = data["areal_capacity"].values
    if good.any():
        found.findings.append(
            f"The front moves at {number(float(speed[good][0]))} nm/s at first and at "
            f"{number(float(speed[good][-1]))} nm/s "
            "at the end of the charge."
        )
    found.findings += [
        f"The charge takes {number(float(capacity[charge][-1]))} mAh/cm²"
        + (
            f", {number(float(np.interp(2700, data['time'].values, capacity)))} of them in the first 45 min."
            if data["time"].values[charge][-1] > 2700
            else "."
        ),
        _left(float(data["insulating"].values[-1])),
    ]
    found.figures += [figures.film_record(data), figures.film_content(data)]
    found.doubts.append(f"Li is conserved to {exponent(float(data.attrs['mass_balance']), 0)} of the charge.")
    found.doubts += [
        f"{str(note)[0].upper()}{str(note)[1:]}." for note in np.atleast_1d(data.attrs.get("notes", []))
    ]


def _left(thick_um: float) -> str:
    if thick_um <= 0:
        return "No insulating (Li-rich) layer is left at the end."
    return f"At the end an insulating (Li-rich) layer of {number(thick_um)} µm is left."


def _symmetric(found: Chapter, data: xr.Dataset) -> None:
    end = data.isel(time=-1)
    found.findings.append(
        f"At the end the cell polarises by {number(1e3 * float(end['voltage']))} mV; "
        f"{number(1e3 * float(end['constriction']))} mV of it is constriction."
    )
    if "measured" in data:
        off = 1e3 * float(np.sqrt(((data["measured"] - data["voltage"]) ** 2).mean()))
        found.findings.append(f"Measured and modelled voltage differ by {number(off)} mV (rms).")
    found.figures.append(figures.symmetric(data))


def _selection(found: Chapter, groups: dict[str, xr.Dataset]) -> None:
    place = "model/grain_selection"
    swings = groups[f"{place}/sensitivity"]
    names = [str(n) for n in groups[f"{place}/map"].attrs["grains"]]
    deciding = [
        selection.called_input(str(n)) for n in swings["input"].values[swings["decides"].values.astype(bool)]
    ]
    found.findings += [
        selection.crossover_words(groups[f"{place}/crossover"]),
        f"A change of 20 % decides who wins in: {', '.join(deciding)}."
        if deciding
        else "No input alone decides who wins within 20 %.",
    ]
    found.figures += [
        selection.energies(groups[f"{place}/scan"], groups[f"{place}/crossover"], names),
        selection.winners(groups[f"{place}/map"]), selection.sensitivity(swings, groups[f"{place}/sobol"]),
    ]  # fmt: skip


def _growth(found: Chapter, groups: dict[str, xr.Dataset]) -> None:
    place = "model/phase_field"
    film, shares = groups[f"{place}/film"], groups[f"{place}/shares"]
    end = shares["share"].isel(time=-1)
    best = str(end["orientation"].values[int(end.values.argmax())])
    left = int((film["size"].isel(time=-1) > 0).sum())
    found.findings += [
        f"At the end ({best}) fills {100 * float(end.max()):.0f} % of the film; {left} of "
        f"{film.sizes['grain_id']} grains are "
        "left. One run is one draw of the nuclei: repeat it with other seeds.",
    ]
    found.figures += [selection.growth(film), selection.shares(shares, groups[f"{place}/widths"])]
    found.doubts += [
        f"Choice of the model: {key.removeprefix('choice: ')}: {value}." for key, value in film.attrs.items()
        if str(key).startswith("choice: ")
    ]  # fmt: skip


def _interlayer(found: Chapter, groups: dict[str, xr.Dataset]) -> None:
    place = "model/interlayer"
    modulus, texture, seed = (groups[f"{place}/{name}"] for name in ("modulus", "texture", "seed"))
    low, high = modulus.attrs["window"]
    found.findings += [
        f"Amorphous Li-Si is softer than {number(modulus.attrs['limit_GPa'])} GPa between {number(low, 2)} and "
        f"{number(high, 2)} of Li atoms.",
        f"The silicon seed takes {number(float(seed['capacity']))} mAh/g, which makes "
        f"Li{number(float(seed['lithium_per_silicon']))}Si, {number(float(seed['thickness']))} µm thick.",
    ]
    found.figures.append(selection.interlayer(modulus, texture))


def _compared(found: Chapter, data: xr.Dataset) -> None:
    found.findings.append(
        f"Measured and modelled profiles of {data.attrs.get('family', 'the family')} differ by a reduced chi-square of "
        f"{number(float(data['goodness']))} over {int(data['dof']):,} points (1 is counting noise alone); the largest "
        f"residual is {number(float(data['worst']))} σ."
    )
    found.findings += _misfit(data)
    found.figures.append(figures.film_compared(data))
    if str(data.attrs.get("ended", "time")) != "time":
        found.doubts.append(f"Film model: {data.attrs['ended']}.")


def _misfit(data: xr.Dataset) -> list[str]:
    """Where the model does not fit, and what that says: in maps whose profile is even, and in those where it is not."""
    value, error, residual = (
        data[name].transpose("time", "z").values for name in ("measured", "measured_err", "residual")
    )
    off = (data["x_measured"] - data["x_modelled"]).transpose("time", "z").values
    known = np.isfinite(residual)
    weight = np.where(known, error, np.inf) ** -2
    mean = (weight * np.where(known, value, 0)).sum(1) / np.maximum(weight.sum(1), 1e-300)
    spread = (weight * np.where(known, value - mean[:, None], 0) ** 2).sum(1) / np.maximum(
        known.sum(1) - 1, 1
    )
    told = []
    for which, words, why in (
        (spread > UNEVEN, "where the film is uneven", "the front of the model is sharper, or moves otherwise, than the "
         "measured one (the model has no width of its own but that of the beam)"),
        (spread <= UNEVEN, "where it is even", "the mean content is not that of the model (start_x, the steps or the "
         "sites do not agree with the charge that passed), or it changes with depth in the model alone"),
    ):  # fmt: skip
        good = known & which[:, None]
        if not good.any():
            continue
        chi = float((residual[good] ** 2).mean())
        verdict = f": {why}" if chi > WORSE_THAN_NOISE else ", as counting noise gives"
        maps = plural(int(good.any(1).sum()), "map")
        mean_off, most = number(float(off[good].mean()), 2), number(float(np.abs(off[good]).max()), 2)
        told.append(
            f"In {maps} {words} it is {number(chi, 2)}{verdict}; measured less modelled x is {mean_off} on average, "
            f"{most} at most."
        )
    return told
