"""What a cycler record says: curve, steps, cycles, differential curves, onset. Groups of Datasets and sentences."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando.core.errors import InputError

SWEEPS, IMPEDANCE = ("LSV", "CV", "CVA"), ("PEIS", "GEIS", "SPEIS", "SGEIS")
#: a branch is drawn as dQ/dV when this share of its charge passed at constant current, over this many volts
STEADY_SHARE, SPAN_V, RECORDS = 0.5, 0.05, 30


def record_groups(
    table: xr.Dataset, *, area_cm2: float | None = None, nominal_mAh: float | None = None,
) -> tuple[dict[str, xr.Dataset], list[str]]:  # fmt: skip
    """Groups `echem/...` of one record, and a sentence for everything that does not apply to it.

    table        of `read.cycler`
    nominal_mAh  capacity that the C-rate refers to; the largest charge of one step where not given (attrs say which)

    Groups: echem/curve (the record thinned for drawing), echem/steps, echem/cycles, echem/rates (where cycles ran at
    different rates), echem/dqdv_charge, echem/dvdq_charge and the same of discharge, echem/ordering (over branch),
    echem/sweep (onset, for sweeps, where the area is known).
    """
    from operando import echem

    absent: list[str] = []
    groups = {"echem/curve": echem.thin(table)}
    technique = str(table.attrs.get("technique", ""))
    if technique in SWEEPS:
        groups |= _sweep(table, area_cm2, absent)
        return groups, [*absent, "A voltage sweep has no steps, cycles or differential capacity."]
    if technique in IMPEDANCE:
        return groups, ["An impedance measurement has no steps, cycles or differential capacity."]
    steps = echem.steps(table)
    if nominal_mAh is None:
        largest = float(np.abs(steps["capacity"].values).max(initial=0.0))
        nominal, told = (largest or None), f"the largest charge of a step, {_charge(largest)}"
    else:
        nominal, told = nominal_mAh, f"the stated capacity, {_charge(nominal_mAh)}"
    given = {"area_cm2": area_cm2, "nominal_mAh": nominal}
    facts = {"c_rate_by": told} if nominal else {}
    groups["echem/steps"] = echem.steps(table, **given).assign_attrs(facts)
    groups["echem/cycles"] = echem.cycles(table, **given).assign_attrs(facts)
    rates = echem.rate_capability(table, nominal_mAh=nominal, area_cm2=area_cm2) if nominal else None
    if rates is not None and rates.sizes["rate"] > 1:
        groups["echem/rates"] = rates.assign_attrs(facts)
    return groups | differential_groups(table, absent), absent


def _charge(mAh: float) -> str:
    """A charge in the unit that suits it."""
    return f"{mAh:.4g} mAh" if mAh >= 1 else f"{1e3 * mAh:.4g} µAh"


def differential_groups(table: xr.Dataset, absent: list[str]) -> dict[str, xr.Dataset]:
    """dQ/dV, dV/dQ and the ordering point of the longest charge and discharge; what cannot be had goes to `absent`."""
    from operando import echem

    groups: dict[str, xr.Dataset] = {}
    points = {}
    for kind in ("charge", "discharge"):
        part = _steady(table, kind, absent)
        if part is None:
            continue
        groups[f"echem/dqdv_{kind}"] = echem.differential_capacity(part)
        groups[f"echem/dvdq_{kind}"] = echem.differential_voltage(part)
        if part["voltage"].values.min() < 4.05 and part["voltage"].values.max() > 4.2:
            points[kind] = echem.ordering_point(part)
    if points:
        groups["echem/ordering"] = xr.concat(
            list(points.values()), "branch", combine_attrs="override"
        ).assign_coords(branch=list(points))
    return groups


def _steady(table: xr.Dataset, kind: str, absent: list[str]) -> xr.Dataset | None:
    """The longest branch of a kind where it ran at constant current through changing voltage."""
    from operando import echem

    runs = echem.steps(table)
    chosen = np.flatnonzero(runs["kind"].values == kind)
    if not len(chosen):
        absent.append(f"dQ/dV of {kind}: there is no {kind} in this record.")
        return None
    run = int(chosen[np.abs(runs["capacity"].values[chosen]).argmax()])
    part = echem.branch(table, run)
    volts = float(np.ptp(part["voltage"].values)) if part.sizes["record"] else 0.0
    whole_mAh = abs(float(runs["capacity"][run]))
    share = float(np.ptp(part["capacity"].values)) / whole_mAh if volts and whole_mAh else 0.0
    whole = table["voltage"].values[int(runs["first_record"][run]) : int(runs["last_record"][run]) + 1]
    held = float(np.ptp(np.percentile(whole, [10, 90]))) < 0.5 * SPAN_V
    reason = ""
    if held:
        reason = "the voltage is held, or hardly changes"
    elif part.sizes["record"] < RECORDS:
        reason = f"only {part.sizes['record']} records at constant current"
    elif volts < SPAN_V:
        reason = f"the voltage changes by only {volts * 1e3:.0f} mV at constant current"
    elif share < STEADY_SHARE:
        reason = f"only {share:.0%} of its charge passed at constant current"
    if reason:
        absent.append(f"dQ/dV of {kind} is not applicable: {reason}.")
        return None
    return part


def _sweep(table: xr.Dataset, area_cm2: float | None, absent: list[str]) -> dict[str, xr.Dataset]:
    from operando import echem

    if area_cm2 is None:
        absent.append("The onset of a sweep needs the area of the electrode (--area-cm2).")
        return {}
    volts = table["voltage"].values
    turn = int(np.argmax(volts)) + 1  # up to the vertex: the rising part
    if turn < 5:
        absent.append("No onset of oxidation: the sweep goes down in voltage.")
        return {}
    try:
        onset = echem.sweep_onset(volts[:turn], table["current"].values[:turn], area_cm2=area_cm2)
    except InputError as error:
        absent.append(f"No onset: {error.what}.")
        return {}
    return {"echem/sweep": onset}
