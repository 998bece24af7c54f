"""Learned segmentation in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.show.figures import segmentation as figures
from operando.show.figures import segmentation_trust as trust
from operando.show.table import Table
from operando.show.text import listed, number, plural, with_error

from .chapter import Chapter

if TYPE_CHECKING:
    from operando.flow.results import Results

#: phases around the cell: how much of them is in the volume tells where it lies
AROUND = ("air", "steel", "casing", "case", "collector")


def chapter(results: Results) -> Chapter | None:
    """Labels, calibration, confusion, corrected volumes; None without a segmentation."""
    groups = results.groups
    if "segmentation" not in groups:
        return None
    main = groups["segmentation"]
    ratios, contact = groups.get("segmentation/ratios"), groups.get("segmentation/contact")
    phases = [str(n) for n in main["phase"].values]
    unit = str(main.attrs.get("unit_of_grey", "1")).replace("1/cm", "cm⁻¹")
    drawn = [
        figures.sections(groups["segmentation/sections"], phases, unit),
        figures.volumes(main, ratios, contact),
    ]
    if "segmentation/maps" in groups:
        drawn.append(figures.contact(groups["segmentation/maps"]))
    judged = []
    if "segmentation/reliability" in groups:
        judged.append(trust.reliability(groups["segmentation/reliability"]))
        judged.append(trust.confusion(groups["segmentation/confusion"]))
    model = groups["segmentation/model"]
    return Chapter(
        "segmentation", "Segmentation", measured=[_measured(main)],
        findings=_findings(main, ratios, contact), figures=drawn, tables=[_table(main)],
        doubts=_doubts(groups), checks=[*judged, *([trust.learned(model)] if model.data_vars else [])],
    )  # fmt: skip


def _measured(main: xr.Dataset) -> str:
    return (
        f"{plural(main.sizes['time'], 'volume')} of {number(float(main.attrs['voxel_um']))} µm voxels segmented into "
        f"{listed(main['phase'].values)} by a {main.attrs['classifier']}."
    )


def _best(one: xr.Dataset, name: str, scale: float = 1.0) -> tuple[float, float]:
    """Corrected value and error, as counted and no error where nothing was held out."""
    value, error = float(one[f"{name}_corrected"]), float(one[f"{name}_err"])
    return (value * scale, error * scale) if np.isfinite(value) else (float(one[name]) * scale, np.nan)


def _findings(main: xr.Dataset, ratios: xr.Dataset | None, contact: xr.Dataset | None) -> list[str]:
    """Changes of the cell's own phases, ratios, contact, and last of what lies around the cell."""
    inner, around = _amounts(main)
    return [*inner, *_ratios(ratios), *_contact(contact), *around]


def _amounts(main: xr.Dataset) -> tuple[list[str], list[str]]:
    """Phases whose volume changes by more than three of its errors, largest change first; those around apart."""
    if main.sizes["time"] < 2:
        return [], []
    told = []
    for name in map(str, main["phase"].values):
        one = main.sel(phase=name)
        (a, ea), (b, eb) = (_best(one.isel(time=k), "volume", 1e-3) for k in (0, -1))
        if np.hypot(ea, eb) > 0 and abs(b - a) > 3 * np.hypot(ea, eb):
            text = f"{name.capitalize()} goes from {with_error(a, ea)} to {with_error(b, eb)} × 10³ µm³."
            told.append((name.lower() not in AROUND, abs(b - a) / np.hypot(ea, eb), text))
    if not told and np.isfinite(main["volume_err"]).any():
        text = "No phase changes its volume by more than three of its errors from the first to the last scan."
        return [text], []
    told = sorted(told, reverse=True)[:4]
    return [text for inner, _, text in told if inner], [text for inner, _, text in told if not inner]


def _ratios(ratios: xr.Dataset | None) -> list[str]:
    found = []
    for name in [] if ratios is None else map(str, ratios["ratio"].values):
        one = ratios.sel(ratio=name)  # type: ignore[union-attr]
        first = with_error(*_best(one.isel(time=0), "share", 100), "%")
        last = with_error(*_best(one.isel(time=-1), "share", 100), "%")
        found.append(
            f"{name.capitalize()}: {first}{f', at the end {last}' if one.sizes['time'] > 1 else ''}."
        )
    return found


def _contact(contact: xr.Dataset | None) -> list[str]:
    found = []
    for name in [] if contact is None else map(str, contact["electrode"].values):
        one = contact.sel(electrode=name)  # type: ignore[union-attr]
        first = with_error(*_best(one.isel(time=0), "share"))
        last = f" to {with_error(*_best(one.isel(time=-1), 'share'))}" if one.sizes["time"] > 1 else ""
        found.append(
            f"Share of the columns of the {name} electrode in contact, by the labels: {first}{last}."
        )
    return found


def _doubts(groups: dict[str, xr.Dataset]) -> list[str]:
    main = groups["segmentation"]
    unsure = 100 * float(main["unsure"].max())
    found = [
        f"Up to {number(unsure, 2)} % of the voxels of a volume are sure of their phase by less than 80 %."
    ]
    if "segmentation/reliability" not in groups:
        return [
            *found,
            "No labels were held out: nothing is known of what is confused, and volumes have no errors.",
        ]
    rel, confusion = groups["segmentation/reliability"], groups["segmentation/confusion"]
    found.append(
        f"Of {plural(int(rel.attrs['voxels']), 'held-out voxel')} the probabilities are off by "
        f"{number(float(rel['ece']), 2)} in the mean ({number(float(rel['ece_raw']), 2)} before the temperature of "
        f"{number(float(rel['temperature']), 3)})."
    )
    worst = int(np.nanargmin(confusion["dice"].values))
    right = with_error(100 * float(confusion["accuracy"]), 100 * float(confusion["accuracy_err"]), "%")
    score = with_error(float(confusion["dice"][worst]), float(confusion["dice_err"][worst]))
    name = confusion["phase"].values[worst]
    found.append(
        f"{right} of the held-out voxels are labelled right; the worst phase is {name} with a Dice of {score}."
    )
    found.append("The errors hold for volumes like those held out: same beam, sample and reconstruction.")
    return found


def _table(main: xr.Dataset) -> Table:
    rows = []
    for k in sorted({0, main.sizes["time"] - 1}):
        for name in map(str, main["phase"].values):
            one = main.isel(time=k).sel(phase=name)
            rows.append([
                str(k + 1), name, number(100 * float(one["share"]), 4),
                with_error(100 * float(one["share_corrected"]), 100 * float(one["share_err"])),
                number(1e-3 * float(one["volume"]), 4),
                with_error(1e-3 * float(one["volume_corrected"]), 1e-3 * float(one["volume_err"])),
            ])  # fmt: skip
    columns = ["scan", "phase", "counted / %", "corrected / %", "counted / 10³ µm³", "corrected / 10³ µm³"]
    return Table("segmentation-phases", "Phases of the first and the last scan", columns, rows,
                 "Corrected for what is confused in held-out labels, with the error that is left.")  # fmt: skip
