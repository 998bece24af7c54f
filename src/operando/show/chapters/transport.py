"""Transport and stiffness of segmented volumes in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.show.figures import transport as figures
from operando.show.figures import transport_field
from operando.show.table import Table
from operando.show.text import listed, number, plural, with_error

from .chapter import Chapter

if TYPE_CHECKING:
    from operando.flow.results import Results

UNUSUAL = 3.0  # |z| of an imaged factor among synthetic ones
MOST_TOLD = 2  # volumes in sentences; of more the first and the last, and all of them in a table


def chapter(results: Results) -> Chapter | None:
    """Tortuosity maps, conductivity, factors, hot spot; None without label volumes."""
    groups = results.groups
    if "transport" not in groups:
        return None
    summary = groups["transport"]
    names = [str(name) for name in summary["volume"].values]
    kind = {
        what: {n: groups[f"transport/{what}/{n}"] for n in names if f"transport/{what}/{n}" in groups}
        for what in ("map", "cubes", "synthetic", "field")
    }
    found = Chapter("transport", "Transport and stiffness of the microstructure")
    what = "Volumes as segmented" if summary.attrs.get("source") == "segmentation" else "Label volumes"
    found.measured.append(f"{what}: {listed([_made_of(summary, n) for n in names])}.")
    for name in names if len(names) <= MOST_TOLD else (names[0], names[-1]):
        one = summary.sel(volume=name)
        found.findings += [
            *_tortuosity(one, name),
            *_conductivity(one, name),
            *_unusual(kind["synthetic"], name),
        ]
    if "transport/compare" in groups:
        found.findings += _differences(groups["transport/compare"])
    if len(names) > MOST_TOLD:
        found.tables.append(_volumes(summary, names))
    if kind["map"]:
        found.figures += [figures.maps(kind["map"]), figures.distribution(kind["map"])]
    if kind["cubes"]:
        found.figures.append(figures.factors(kind["cubes"], kind["synthetic"]))
        found.tables.append(_table(kind["cubes"]))
    if kind["field"]:
        found.figures.append(transport_field.hot_spot(kind["field"]))
    found.doubts += [*_doubts(summary, kind), *_held(groups.get("transport/held"))]
    return found


def _made_of(summary: xr.Dataset, name: str) -> str:
    shares = summary["share"].sel(volume=name)
    told = [
        f"{100 * float(s):.1f} % {p}" for p, s in zip(summary["phase"].values, shares.values, strict=True)
    ]
    return f"{name} ({', '.join(told)})"


def _tortuosity(one: xr.Dataset, name: str) -> list[str]:
    if "tau_median" not in one or not int(one["domains"]):
        return []
    blocked, count = float(one["blocked"]), int(one["domains"])
    words = f"{name}: " + (
        f"{100 * blocked:.0f} % of {plural(count, 'domain')} have no path from face to face; "
        if blocked
        else ""
    )
    median, error = float(one["tau_median"]), float(one["tau_median_err"])
    if not np.isfinite(median):
        return [words + "the median tortuosity factor is infinite."]
    value = with_error(median, error) if error > 0 else number(median, 4)
    high = float(one["tau_high"])
    upper = number(high, 3) if np.isfinite(high) else "infinite"
    along = one.attrs.get("along", "z")
    return [
        words + f"the median tortuosity factor along {along} is {value} (middle half: "
        f"{number(float(one['tau_low']), 3)} to {upper}){_corrected(one, 'tau_median')}."
    ]


def _corrected(one: xr.Dataset, name: str, unit: str = "") -> str:
    """What is left of error by the segmentation, where held-out labels tell it."""
    if f"{name}_corrected" not in one:
        return ""
    values = one[f"{name}_corrected"].values, one[f"{name}_corrected_err"].values
    if not np.isfinite(values).all():
        return ""
    told = [with_error(float(v), float(e), unit) for v, e in zip(*map(np.atleast_1d, values), strict=True)]
    return f"; corrected for what the segmentation gets wrong: {listed(told)}"


def _conductivity(one: xr.Dataset, name: str) -> list[str]:
    if "conductivity" not in one or not np.isfinite(one["conductivity"].values).all():
        return []
    told = [f"{number(float(one['conductivity'].sel(direction=d)), 4)} along {d}" for d in "xyz"]
    low, high = one["hashin_shtrikman_bounds"].values
    whole = _corrected(one.sel(direction=list("xyz")), "conductivity", "mS/cm")
    return [
        f"{name}: the whole volume conducts {listed(told)} mS/cm{whole}; an isotropic mixture of its phases lies "
        f"between {number(float(low), 3)} and {number(float(high), 3)} mS/cm."
    ]


def _unusual(synthetic: dict[str, xr.Dataset], name: str) -> list[str]:
    """Directions in which the image differs from isotropic synthetic structures alike in porosity and sizes."""
    if name not in synthetic:
        return []
    one, told = synthetic[name], []
    for what, words in (("conductivity_factor", "conductivity"), ("young_factor", "stiffness")):
        if what in one:
            z = one[f"{what}_z"].sel(direction=list("xyz")).values
            told += [f"its {words} along {d} is {'lower' if v < 0 else 'higher'} (z = {v:+.1f})"
                     for d, v in zip("xyz", z, strict=True) if abs(v) > UNUSUAL]  # fmt: skip
    alike = "synthetic isotropic polycrystals of its porosity, pore size and grain size"
    return [
        f"{name}, beside {alike}: {listed(told)}." if told else f"{name} is like {alike} within their spread."
    ]


def _differences(compare: xr.Dataset) -> list[str]:
    pairs, found = [str(n) for n in compare["pair"].values], []
    if len(pairs) > 1:
        every = compare["p_value"].values
        count = int((every < 0.05 / len(pairs)).sum())
        found.append(
            f"Of {len(pairs)} pairs of volumes {count or 'none'} differ in their tortuosity factors "
            f"(at 5 % over all pairs; the least p is {number(float(every.min()), 2)})."
        )
        return found
    for pair in pairs:
        p, larger = (float(compare[n].sel(pair=pair)) for n in ("p_value", "larger"))
        word = "differ" if p < 0.05 else "do not differ significantly"
        found.append(
            f"{pair}: the tortuosity factors {word} (p = {number(p, 2)}); a domain of the first named has the "
            f"larger one with a chance of {100 * larger:.0f} %."
        )
    return found


def _volumes(summary: xr.Dataset, names: list[str]) -> Table:
    """Median tortuosity and conductivity of every volume."""
    rows = []
    for name in names:
        one, row = summary.sel(volume=name), [name]
        row.append(_value(one, "tau_median"))
        row += [_value(one.sel(direction=d), "conductivity") for d in "xyz" if "conductivity" in one]
        rows.append(row)
    along = summary.attrs.get("along", "z")
    columns = ["volume", f"median tortuosity factor along {along}"]
    columns += [f"conductivity along {d} / mS/cm" for d in "xyz" if "conductivity" in summary]
    note = "Errors: of the median by the choice of domains"
    corrected = "tau_median_corrected" in summary or "conductivity_corrected" in summary
    note += (
        "; values corrected for what the segmentation gets wrong, with what it leaves." if corrected else "."
    )
    return Table("transport-volumes", "Transport of every volume", columns, rows, note)


def _value(one: xr.Dataset, name: str) -> str:
    best = f"{name}_corrected" if f"{name}_corrected" in one else name
    value, error = float(one[best]), float(one[f"{best}_err"])
    return with_error(value, error) if error > 1e-4 * abs(value) else number(value, 4)


def _table(cubes: dict[str, xr.Dataset]) -> Table:
    words = {"conductivity_factor": ("conductivity / bulk", ""), "young_factor": ("Young's modulus / bulk", ""),
             "young_modulus": ("Young's modulus", "GPa")}  # fmt: skip
    shown = [n for n in words if any(n in one for one in cubes.values())]
    rows = [
        [name, d, *(_cell(one, what, d, words[what][1]) for what in shown)]
        for name, one in cubes.items()
        for d in "xyz"
    ]
    note = "Mean of the cubes with the standard error by their scatter, where there are several."
    if any("conductivity_factor_mean_corrected" in one for one in cubes.values()):
        note += " Corrected for what the segmentation gets wrong in held-out cubes, with the error that it leaves."
    columns = ["volume", "along", *(words[n][0] for n in shown)]
    return Table("transport-factors", "Microstructure factors", columns, rows, note)


def _cell(one: xr.Dataset, what: str, direction: str, unit: str) -> str:
    if what not in one:
        return "·"
    mean = f"{what}_mean_corrected" if f"{what}_mean_corrected" in one else f"{what}_mean"
    value, error = (float(one[f"{mean}{end}"].sel(direction=direction)) for end in ("", "_err"))
    return with_error(value, error, unit) if error > 0 else f"{number(value, 4)} {unit}".strip()


def _doubts(summary: xr.Dataset, kind: dict[str, dict[str, xr.Dataset]]) -> list[str]:
    found = []
    if kind["map"]:
        worst = max(
            float(
                np.nanmax(
                    (o["tau_factor_err"] / o["tau_factor"]).where(o["percolates"] == 1).fillna(0).values
                )
            )
            for o in kind["map"].values()
        )
        found.append(
            f"Fluxes through all planes of a domain agree within {100 * float(summary.attrs['tolerance']):g} %; "
            f"the numerical error of a factor is {number(worst, 1)} of it at most. The error by the size of the "
            "voxels is larger: calculate with voxels twice as large to see it."
        )
    if summary.attrs.get("source") == "tomography":
        found.append(
            "Pores of the solid are those under one threshold of the images: the blur closes pores of a few voxels, so "
            "that porosity and tortuosity are too low where pores are small (docs: transport); domains and scans "
            "compare well with each other."
        )
    if kind["cubes"]:
        found.append(
            "Stiffness takes each cube to repeat itself on all sides, which an image does not: its faces are false "
            "contacts."
        )
    return found


def _held(held: xr.Dataset | None) -> list[str]:
    """What held-out blocks say of the segmentation."""
    if held is None:
        return []
    words = {"tau_factor": "domains: the tortuosity factor", "conductivity_factor": "cubes: the conductivity",
             "young_factor": "cubes: Young's modulus"}  # fmt: skip
    found = []
    for name in map(str, held["measure"].values):
        one = held.sel(measure=name)
        bias = float(np.nanmean(one["bias"].values))
        found.append(
            f"{int(one['blocks'])} held-out {words[name]} of the segmentation is {100 * abs(bias):.2g} % too "
            f"{'large' if bias > 0 else 'small'} in the mean, and scatters by {100 * float(one['spread']):.2g} % "
            f"between them ({plural(int(one['volumes']), 'volume')})."
        )
    if int(held["volumes"].max()) < 2:
        found.append("One held-out volume does not tell how such errors change from one volume to the next.")
    return found
