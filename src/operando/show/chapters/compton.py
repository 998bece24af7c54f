"""Compton imaging in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.flow.series import separate
from operando.show.figures import compton as figures
from operando.show.table import Table
from operando.show.text import number, plural, with_error

from .chapter import Chapter
from .record import record_told

if TYPE_CHECKING:
    from operando.flow.results import Results


def chapter(results: Results) -> Chapter | None:
    """Spectra, profiles, Li content by state and by place; drift; None without Compton results."""
    groups = results.groups
    if "compton/states" not in groups:
        return None
    states = groups["compton/states"]
    return Chapter(
        "compton", "Compton imaging",
        measured=[
            _measured(states, groups["compton/spectra"]), *record_told(results, "compton", "Compton imaging"),
        ],
        findings=[*_findings(states), *_places(groups["compton/change"])],
        figures=[
            figures.content(states), figures.lithium_maps(groups["compton"], groups["compton/change"]),
            figures.profiles(groups["compton/profiles"]),
            figures.spectra(groups["compton/spectra"], groups["compton/lines"]),
        ],
        tables=[_table(states, {} if _apart(results.experiment) else groups)],
        doubts=[_drift(states), _registered(groups["compton"])],
        checks=[figures.drift(states)],
    )  # fmt: skip


def _apart(experiment: dict) -> bool:
    """Whether tomography and Compton images are of different cells."""
    return any(separate(experiment, name) for name in ("tomography", "compton"))


def _measured(states: xr.Dataset, spectra: xr.Dataset) -> str:
    return (
        f"Compton images of {plural(states.sizes['state'], 'state')} at {plural(spectra.sizes['region'], 'height')}, "
        f"{number(float(spectra['counts'].sum()), 3)} photons in all."
    )


def _findings(states: xr.Dataset) -> list[str]:
    x, e = states["x_li"].values, states["x_li_err"].values
    free = np.flatnonzero(~np.isfinite(states["known_x"].values) & np.isfinite(x))
    if not len(free):
        return ["No state but the references has a lithium content."]
    low, high = free[np.argmin(x[free])], free[np.argmax(x[free])]
    found = [
        f"Li content of the cathode goes from {with_error(x[high], e[high])} ({states['state'].values[high]}) to "
        f"{with_error(x[low], e[low])} ({states['state'].values[low]})."
    ]
    gain = np.nanmedian(states["x_li_emr_err"].values / e)
    found.append(
        f"Fitting the whole profile gives errors {number(float(gain), 2)} times smaller than the momentum ratio."
    )
    return found


def _places(change: xr.Dataset) -> list[str]:
    seen = change["significant"].sum(("y", "x")).values
    false = np.asarray(change.attrs.get("expected_false", 0.0), float) * np.ones(len(seen))
    most = int(np.argmax(seen - false))
    if seen[most] <= 3 * max(false[most], 1.0):
        return [
            "In no state does the map of Li content differ from its mean beyond what counting noise gives."
        ]
    return [
        f"In “{change['state'].values[most]}” {plural(int(seen[most]), 'block')} of the map lie more than "
        f"{number(change.attrs['level'])} errors from the mean; chance gives {number(float(false[most]), 2)}."
    ]


def _drift(states: xr.Dataset) -> str:
    worst = float(np.abs(states["angle_drift"]).max())
    error = float(states["angle_drift_err"].median())
    return (
        f"The scattering angle moved by up to {with_error(worst, error, '°')} and the energy scale by "
        f"{number(1e3 * float(np.abs(states['scale_drift']).max()), 2)} × 10⁻³ between states; both are corrected."
    )


def _registered(maps: xr.Dataset) -> str:
    a = maps.attrs
    shift = " and ".join(
        with_error(v, e, "mm") for v, e in zip(a["shift_mm"], a["shift_err_mm"], strict=True)
    )
    return (
        f"The Compton image lies on the tomogram turned by {with_error(a['turn_deg'], a['turn_err_deg'], '°')} and "
        f"shifted by {shift}; upside down it would fit {number(a['chi2_other'] / a['chi2'], 2)} times worse."
    )


def _table(states: xr.Dataset, groups: dict[str, xr.Dataset]) -> Table:
    """The form of the paper's tables: Li content beside roughness, where tomography has it for the same states."""
    rough = _roughness(states, groups)
    columns = ["state", "time / h", "U / V", "momentum ratio", "x (fit)", "x (ratio)"]
    columns += [f"Ra {name} / µm" for name in rough]
    rows = []
    for i, state in enumerate(states["state"].values):
        one = states.isel(state=i)
        volt = float(one["voltage"]) if "voltage" in states else np.nan
        rows.append([
            str(state), number(float(one["time"]) / 3600), f"{volt:.3f}" if np.isfinite(volt) else "·",
            with_error(float(one["emr"]), float(one["emr_err"])),
            *(_content(one, name) for name in ("x_li", "x_li_emr")), *(values[i] for values in rough.values()),
        ])  # fmt: skip
    return Table("compton-states", "Lithium content by state", columns, rows,
                 "Known contents, which the calibration was told, are in brackets.")  # fmt: skip


def _content(one: xr.Dataset, name: str) -> str:
    if np.isfinite(float(one["known_x"])):
        return f"[{number(float(one['known_x']))}]"
    value = float(one[name])
    return with_error(value, float(one[f"{name}_err"])) if np.isfinite(value) else "·"


def _roughness(states: xr.Dataset, groups: dict[str, xr.Dataset]) -> dict[str, list[str]]:
    """R_a of each interface at the scan nearest to each state (within half an hour), as text."""
    rough = groups.get("tomography/roughness")
    if rough is None or "R_a" not in rough or "interface" not in rough.dims:
        return {}
    found = {}
    for name in rough["interface"].values:
        one = rough["R_a"].sel(interface=name)
        near = [int(np.argmin(np.abs(one["time"].values - t))) for t in states["time"].values]
        found[str(name)] = [
            number(float(one.isel(time=k))) if abs(float(one["time"][k]) - t) < 1800 else "·"
            for k, t in zip(near, states["time"].values, strict=True)
        ]
    return found
