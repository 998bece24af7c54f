"""From counts against momentum to the Li content of each state, as a number and as a map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..core.errors import InputError
from .components import fit_components
from .imaging import Imaging
from .lithium import (
    MomentumCalibration,
    Reference,
    lithium_content,
    momentum_calibration,
    theoretical_curvature,
)
from .multiple import multiple_background
from .ratio import momentum_ratio
from .separate import VolumeFractions, separate_components, sum_blocks, sum_pixels


@dataclass(frozen=True)
class LithiumResult:
    """What `lithium_of_states` finds.

    states        over state: emr, ratio (fit), x_li (from the fit), x_li_emr, each with _err and _flag
    maps          over (state, y, x) blocks: emr, x_li, x_li_emr, each with _err; in the stored orientation
    profiles      over (state, component, p_z): counts and variance, summed over the cathode's pixels
    by_emr, by_fit  the calibrations
    """

    states: xr.Dataset
    maps: xr.Dataset
    profiles: xr.Dataset
    by_emr: MomentumCalibration
    by_fit: MomentumCalibration


def lithium_of_states(
    momenta: xr.Dataset, fractions: VolumeFractions, cathode: np.ndarray, known: dict[str, float], imaging: Imaging, *,
    known_err: float = 0.0, monitor: np.ndarray | None = None, transmission: np.ndarray | None = None,
    twice: xr.Dataset | None = None,
) -> LithiumResult:  # fmt: skip
    """Li content of the cathode in each state, as a number and as a map, by EMR and by the fit of profiles.

    momenta       of `momenta_of_states`
    fractions     maps (y, x) as stored
    cathode       (y, x) as stored: pixels whose cathode is summed
    known         state name to x of the reference states: two or more
    monitor       (state, region) exposures; left out: equal
    transmission  (y, x) light of the cathode (`cathode_transmission`); used where `imaging.absorption`
    twice         of `double_scattering`; used where `imaging.multiple`

    Raises `InputError` without reference states.
    """
    names = [str(s) for s in momenta["state"].values]
    missing = [name for name in known if name not in names]
    if missing or len(known) < 2:
        raise InputError(
            f"reference states: {', '.join(known) or 'none'}; states: {', '.join(names)}", where="lithium_of_states",
            fix="Name two or more states of known x: without them Li content cannot be told.",
        )  # fmt: skip
    pixels = cathode & momenta["good"].values & np.isfinite(np.asarray(fractions.alpha))
    light = transmission if imaging.absorption else None
    if light is not None:
        pixels &= np.isfinite(light)
    templates, shape = imaging.templates(), imaging.response()
    sums, blocks, all_sums = [], [], []
    for i in range(len(names)):
        factor = None if monitor is None else monitor[i, 0] / np.asarray(monitor[i], float)
        counts = photons = momenta["counts"].isel(state=i)
        if twice is not None and imaging.multiple:
            counts = photons - multiple_background(photons, twice, imaging.pinhole)
        parts = separate_components(counts, fractions, scale=factor, transmission=light, variance=photons)
        total = {name: sum_pixels(part, pixels) for name, part in parts.items()}
        sums.append(_measured(total["cathode"], templates, shape, imaging, None))
        blocked = sum_blocks(parts["cathode"], imaging.block, pixels)
        blocks.append(_measured(blocked, templates, shape, imaging, total["cathode"]))
        kept = [t.drop_vars("modes", errors="ignore") for t in total.values()]
        all_sums.append(xr.concat(kept, "component").assign_coords(component=list(total)))
    states, maps = (xr.concat(rows, "state").assign_coords(state=names) for rows in (sums, blocks))
    bend = imaging.curvature
    if bend == "theory":
        bend = theoretical_curvature(
            templates["host"], templates["Li"], momenta["p_z"].values, imaging.windows
        )
    by_emr = momentum_calibration(_references(states, known, known_err, "emr"), curvature=bend)
    by_fit = momentum_calibration(_references(states, known, known_err, "ratio"))
    profiles = xr.concat(all_sums, "state").assign_coords(state=names)
    states, maps = (_flagged(data, momenta.get("state_flag")) for data in (states, maps))
    return LithiumResult(
        _with_lithium(states, by_emr, by_fit), _with_lithium(maps, by_emr, by_fit), profiles, by_emr, by_fit
    )


def _measured(
    part: xr.Dataset, templates, shape: xr.DataArray, imaging: Imaging, whole: xr.Dataset | None
) -> xr.Dataset:
    """EMR and ratio of the fit; weights of the fit from the sum over the cathode, not from the noisy blocks."""
    emr = momentum_ratio(part, imaging.windows, response=shape)
    spread = (
        None if whole is None else np.maximum(whole["variance"].values, whole["variance"].values.max() * 1e-6)
    )
    fit = fit_components(part, templates, reach=min(5.0, imaging.momenta.reach), spread=spread)
    return xr.merge(
        [emr, fit[["ratio", "ratio_err", "ratio_err_stat", "ratio_flag", "chi2"]]], combine_attrs="drop"
    )


def _flagged(data: xr.Dataset, lost: xr.DataArray | None) -> xr.Dataset:
    """The reason why a whole state is missing joins the flags of its numbers."""
    if lost is None:
        return data
    for name in ("emr_flag", "ratio_flag"):
        data[name] = (data[name] | lost.astype(data[name].dtype)).assign_attrs(data[name].attrs)
    return data


def _references(states: xr.Dataset, known: dict[str, float], known_err: float, name: str) -> list[Reference]:
    chosen = [(x, states.sel(state=state)) for state, x in known.items()]
    return [Reference(x, float(s[name]), float(s[f"{name}_err"]), known_err) for x, s in chosen]


def _with_lithium(data: xr.Dataset, by_emr: MomentumCalibration, by_fit: MomentumCalibration) -> xr.Dataset:
    for name, calibration, suffix in (("ratio", by_fit, ""), ("emr", by_emr, "_emr")):
        found = lithium_content(data[name], data[f"{name}_err"], calibration, data[f"{name}_flag"])
        data = data.assign({str(k).replace("x_li", f"x_li{suffix}"): v for k, v in found.data_vars.items()})
    return data
