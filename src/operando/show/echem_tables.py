"""Tables of electrochemistry: steps, cycles, rates, ordering, spectra; the same for the terminal and the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from operando.core.flags import Flag

from .table import Table
from .text import MINUS, duration, listed, number, reason, scaled, with_error


def all_tables(groups: dict[str, xr.Dataset]) -> list[Table]:
    """Every table that the groups at hand give."""
    made = [
        _steps(groups),
        _cycles(groups),
        _rates(groups),
        _ordering(groups),
        _spectra(groups),
        _resistances(groups),
    ]
    return [table for table in made if table is not None and table.rows]


def _column(dataset: xr.Dataset, name: str, unit: str, digits: int = 4) -> tuple[str, list[str]]:
    """Header with the unit, and cells in the prefix that suits the largest."""
    values, prefixed = scaled(dataset[name].values, unit)
    return prefixed, [number(float(v), digits) if np.isfinite(v) else "·" for v in values]


def _steps(groups: dict[str, xr.Dataset]) -> Table | None:
    steps = groups.get("echem/steps")
    if steps is None:
        return None
    efficiency = _cycle_values(groups, "coulombic_efficiency")
    current_unit, current = _column(steps, "current", "A")
    charge_unit, charge = _column(steps, "capacity", "mAh")
    columns = ["step", "kind", "cycle", "start", "duration", f"current / {current_unit}"]
    cells = [
        [str(i + 1) for i in range(steps.sizes["run"])], [str(k) for k in steps["kind"].values],
        [str(int(c)) for c in steps["cycle"].values], [duration(float(t)) for t in steps["start"].values],
        [duration(float(t)) for t in steps["duration"].values], current,
    ]  # fmt: skip
    if "c_rate" in steps:
        columns.append("C-rate / h⁻¹")
        cells.append([number(float(r), 3) if k != "rest" else "·"
                      for r, k in zip(steps["c_rate"].values, steps["kind"].values, strict=True)])  # fmt: skip
    columns += [f"capacity / {charge_unit}"]
    cells += [charge]
    for name, unit in (("areal_current", "mA/cm²"), ("areal_capacity", "mAh/cm²")):
        if name in steps:
            columns.append(f"{'current' if 'current' in name else 'capacity'} / {unit}")
            cells.append([number(float(v), 4) for v in steps[name].values])
    columns += ["V at start", "V at end", "V mean"]
    for name in ("voltage_start", "voltage_end", "voltage"):
        cells.append([f"{v:.4f}".replace("-", MINUS) for v in steps[name].values])
    if np.isfinite(list(efficiency.values())).any():
        columns.append("cycle efficiency")
        cells.append([_percent(efficiency.get(int(c), np.nan)) if k == "discharge" else "·"
                      for c, k in zip(steps["cycle"].values, steps["kind"].values, strict=True)])  # fmt: skip
    note = f"C-rate by {steps.attrs['c_rate_by']}." if "c_rate_by" in steps.attrs else ""
    return Table("steps", "Steps", columns, [list(row) for row in zip(*cells, strict=True)], note)


def _cycle_values(groups: dict[str, xr.Dataset], name: str) -> dict[int, float]:
    cycles = groups.get("echem/cycles")
    if cycles is None:
        return {}
    return {int(c): float(v) for c, v in zip(cycles["cycle"].values, cycles[name].values, strict=True)}


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if np.isfinite(share) else "·"


def _cycles(groups: dict[str, xr.Dataset]) -> Table | None:
    cycles = groups.get("echem/cycles")
    if cycles is None or not np.isfinite(cycles["charge_capacity"] + cycles["discharge_capacity"]).any():
        return None
    unit = scaled(np.fmax(cycles["charge_capacity"].values, cycles["discharge_capacity"].values), "mAh")[1]
    factor = _factor(cycles["charge_capacity"].values, cycles["discharge_capacity"].values)
    columns = ["cycle", f"charge / {unit}", f"discharge / {unit}", "coulombic efficiency", "energy efficiency",
               "V mean, charge", "V mean, discharge"]  # fmt: skip
    rows = [[str(int(c)), *(_cell(cycles[f"{k}_capacity"].values[i] * factor) for k in ("charge", "discharge")),
             _percent(float(cycles["coulombic_efficiency"][i])), _percent(float(cycles["energy_efficiency"][i])),
             *(_cell(cycles[f"{k}_voltage"].values[i]) for k in ("charge", "discharge"))]
            for i, c in enumerate(cycles["cycle"].values)]  # fmt: skip
    return Table("cycles", "Cycles", columns, rows, "A cycle without one of its halves has no efficiency.")


def _factor(*values: np.ndarray) -> float:
    flat = np.concatenate(values)
    drawn, _ = scaled(flat, "mAh")
    good = np.isfinite(flat) & (flat != 0)
    return float(drawn[good][0] / flat[good][0]) if good.any() else 1.0


def _cell(value: float, digits: int = 4) -> str:
    return number(float(value), digits) if np.isfinite(value) else "·"


def _rates(groups: dict[str, xr.Dataset]) -> Table | None:
    rates = groups.get("echem/rates")
    if rates is None:
        return None
    unit, capacity = _column(rates, "capacity", "mAh")
    columns = zip(
        rates["rate"].values, capacity, rates["retention"].values, rates["count"].values, strict=True
    )
    rows = [[number(float(r), 3), c, _percent(float(k)), str(int(n))] for r, c, k, n in columns]
    return Table("rates", "Rate capability", ["rate / h⁻¹", f"discharge / {unit}", "retention", "cycles"], rows,
                 f"Rates by {rates.attrs.get('c_rate_by', 'the nominal capacity')}.")  # fmt: skip


def _ordering(groups: dict[str, xr.Dataset]) -> Table | None:
    points = groups.get("echem/ordering")
    if points is None:
        return None
    rows = []
    for branch in points["branch"].values:
        point = points.sel(branch=branch)
        if int(point["flag"]) != 0:
            rows.append([str(branch), "none found", "·"])
            continue
        rows.append([str(branch)] + [with_error(float(point[n]), float(point[f"{n}_err"]), u)
                                     for n, u in (("voltage", "V"), ("capacity", "mAh"))])  # fmt: skip
    note = f"The {points.attrs.get('rule', '')}: x = 0.5 in LiₓCoO₂; it means nothing for other materials."
    return Table("ordering", "Ordering point", ["branch", "voltage", "net charge"], rows, note)


def spectra(groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """The groups of single spectra, in order of their number."""
    found = {n: g for n, g in groups.items() if n.startswith("impedance/") and n.split("/")[1].isdigit()}
    return dict(sorted(found.items(), key=lambda item: int(item[0].split("/")[1])))


def _spectra(groups: dict[str, xr.Dataset]) -> Table | None:
    found = spectra(groups)
    resistors = list(
        dict.fromkeys(str(p) for g in found.values() for p in g["parameter"].values if str(p)[0] == "R")
    )
    rows = []
    for name, spectrum in found.items():
        frequency = spectrum["frequency"].values
        rms, consistent = (
            float(spectrum.attrs["kk_rms"]),
            str(spectrum.attrs["kk_verdict"]).startswith("consistent"),
        )
        row = [name.split("/")[1], Path(str(spectrum.attrs.get("source", ""))).name, str(len(frequency)),
               f"{frequency.max():.3g} to {frequency.min():.3g}",
               f"{100 * rms:.2f} %{'' if consistent else ', not consistent'}", str(spectrum.attrs["circuit"]),
               f"{100 * float(spectrum['rms']):.2f} %{_doubt(int(spectrum['flag']))}"]  # fmt: skip
        rows.append(row + [_parameter(spectrum, p) for p in resistors])
    columns = ["", "file", "points", "frequencies / Hz", "Kramers-Kronig rms", "circuit", "fit rms",
               *(f"{p} / Ω" for p in resistors)]  # fmt: skip
    note = ("Residuals as share of |Z|; consistent: Kramers-Kronig residual below 1 %. Errors: one standard deviation. "
            "A circuit that was chosen, not given, describes the spectrum and does not prove a mechanism.")  # fmt: skip
    return Table("spectra", "Impedance", columns, rows, note)


def _doubt(flag: int) -> str:
    return f", {listed(reason(str(f.name).lower()) for f in Flag if f and flag & int(f))}" if flag else ""


def _parameter(spectrum: xr.Dataset, name: str) -> str:
    if name not in spectrum["parameter"].values:
        return "·"
    one = spectrum.sel(parameter=name)
    return _known(float(one["value"]), float(one["value_err"]))


def _known(value: float, error: float, unit: str = "") -> str:
    """Value with error; a value of unknown error, or smaller than its error, is not determined."""
    return with_error(value, error, unit) if np.isfinite(error) and error < abs(value) else "not determined"


def _resistances(groups: dict[str, xr.Dataset]) -> Table | None:
    found = groups.get("impedance/resistances")
    if found is None:
        return None
    wanted = [("series", f"{found.attrs.get('bulk', 'R0')}"), ("interface", "other resistances"),
              ("interface_areal", "interface, per area"), ("conductivity", "conductivity")]  # fmt: skip
    shown = [(n, label) for n, label in wanted if n in found]
    voltage = "voltage" in found
    rows = []
    for i in range(found.sizes["spectrum"]):
        cells = [_known(float(found[n][i]), float(found[f"{n}_err"][i])) for n, _ in shown]
        rows.append([str(i + 1), *([_cell(found["voltage"].values[i])] if voltage else []), *cells])
    units = [found[n].attrs["units"].replace("Ohm", "Ω").replace("cm2", "cm²") for n, _ in shown]
    columns = ["", *(["voltage / V"] if voltage else [])]
    columns += [f"{label} / {unit}" for (_, label), unit in zip(shown, units, strict=True)]
    return Table("resistances", "Resistances by state", columns, rows)
