"""What the Compton recipe found, as groups of results."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import compton

from .sections.compton import ComptonSection


def result_groups(
    result: compton.LithiumResult, momenta: xr.Dataset, where: compton.Registration, imaging: compton.Imaging,
    section: ComptonSection, table: xr.Dataset | None,
) -> dict[str, xr.Dataset]:  # fmt: skip
    """`compton` (maps over state y x in mm, upright), `compton/states`, `/profiles`, `/spectra`, `/pixels`."""
    hours = np.array([np.nan if state.hour is None else state.hour for state in section.states])
    maps = _upright(result.maps, imaging)
    states = result.states.drop_vars([n for n in ("modes",) if n in result.states])
    states["known_x"] = ("state", [np.nan if s.x is None else s.x for s in section.states], {"units": "1"})
    for name in ("angle_drift", "angle_drift_err", "scale_drift", "offset_drift"):
        states[name] = momenta[name].mean("region").assign_attrs(momenta[name].attrs)
    states = states.assign(_cycled(hours, table))
    clock = ("state", 3600.0 * hours, {"units": "s", "long_name": "time since the start of the record"})
    pixels = momenta[["gain", "gain_err", "lower", "lower_err", "good", "pixel_flag"]].drop_vars(
        "state", errors="ignore"
    )
    about = {
        "turn_deg": where.turn_deg, "turn_err_deg": where.turn_err_deg, "shift_mm": list(where.shift_mm),
        "shift_err_mm": list(where.shift_err_mm), "chi2": where.chi2, "chi2_other": where.chi2_other,
    }  # fmt: skip
    by = {"calibration": result.by_emr.kind, "host": imaging.host}
    return {
        "compton": maps.assign_coords(time=clock).assign_attrs(about | by),
        "compton/states": states.assign_coords(time=clock).assign_attrs(by),
        "compton/profiles": result.profiles.assign_coords(time=clock),
        "compton/change": _change(maps, states).assign_coords(time=clock),
        "compton/spectra": xr.Dataset({"counts": momenta["spectrum"]}).assign_coords(time=clock),
        "compton/lines": _lines(imaging),
        "compton/pixels": pixels,
    }  # fmt: skip


def _change(maps: xr.Dataset, states: xr.Dataset) -> xr.Dataset:
    """Where each map differs from the mean of its own state by more than three sigma."""
    each = []
    for state in maps["state"].values:
        mean = states.sel(state=state)
        each.append(compton.significant_difference(maps.sel(state=state), float(mean["x_li"]), 0.0))
    found = xr.concat(each, maps["state"], combine_attrs="override")
    found.attrs = {
        "level": each[0].attrs["level"],
        "expected_false": [one.attrs["expected_false"] for one in each],
    }
    return found


def _lines(imaging: compton.Imaging) -> xr.Dataset:
    """Lines that the energy scale is taken from, and where the Compton peak should be."""
    groups = [group for region in imaging.lines for group in region.groups]
    camera = imaging.pinhole
    names = [*(group.name for group in groups), "Compton"]
    peak = float(compton.compton_energy(camera.energy_keV, camera.angle_deg))
    energies = [*(group.mean_keV for group in groups), peak]
    return xr.Dataset({"energy": ("line", energies, {"units": "keV"})}, coords={"line": names})


def _upright(maps: xr.Dataset, imaging: compton.Imaging) -> xr.Dataset:
    """Maps with y along the beam and x to the right, both in mm and ascending."""
    y, x = imaging.pinhole.places_mm()
    middle = {name: _block_means(values, maps.sizes[name]) for name, values in (("y", y), ("x", x))}
    placed = maps.assign_coords({name: (name, v, {"units": "mm"}) for name, v in middle.items()})
    return placed.sortby("y").sortby("x").drop_vars("modes", errors="ignore")


def _block_means(values: np.ndarray, count: int) -> np.ndarray:
    block = -(-len(values) // count)
    return np.array([values[i * block : (i + 1) * block].mean() for i in range(count)])


def _cycled(hours: np.ndarray, table: xr.Dataset | None) -> dict:
    """Voltage and capacity at each state; NaN outside the record."""
    if table is None:
        return {}
    time = table["time"].values
    return {
        name: ("state", np.interp(3600 * hours, time, table[name].values, np.nan, np.nan), {"units": units})
        for name, units in (("voltage", "V"), ("capacity", "mAh")) if name in table
    }  # fmt: skip
