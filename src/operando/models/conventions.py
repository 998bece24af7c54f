"""What current, area, capacity and C-rate are: computed from what is stated, not believed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from operando.core.errors import InputError

#: two statements of one quantity agree within this share
AGREE = 0.05


def areal_current(
    *, current_mA: float | None = None, area_cm2: float | None = None, current_mA_per_cm2: float | None = None
) -> float:
    """Current density in mA/cm2 from what is stated; statements that do not fit each other are refused.

    A total current needs the area; where all three are given, current / area must agree with the density within 5 %.
    (The film paper states 2 uA, 0.4 mA/cm2 and a film of 2 mm by 350 um: these differ by a factor 1.4.)
    """
    if area_cm2 is not None and not area_cm2 > 0:
        raise InputError(f"area_cm2 = {area_cm2} must be positive", where="areal_current")
    if current_mA is None and current_mA_per_cm2 is None:
        raise InputError(
            "no current given", where="areal_current", fix="current_mA with area_cm2, or current_mA_per_cm2."
        )
    if current_mA is None or area_cm2 is None:
        if current_mA_per_cm2 is None:
            raise InputError("a total current needs the area", where="areal_current", fix="Give area_cm2.")
        return float(current_mA_per_cm2)
    density = current_mA / area_cm2
    if current_mA_per_cm2 is not None and abs(density - current_mA_per_cm2) > AGREE * abs(density):
        raise InputError(
            f"{current_mA:g} mA on {area_cm2:g} cm2 is {density:.4g} mA/cm2, not {current_mA_per_cm2:g}",
            where="areal_current",
            fix=f"One is wrong, or mA and mA/cm2 are mixed up; {current_mA_per_cm2:g} needs "
                f"{current_mA / current_mA_per_cm2:.4g} cm2.",
        )  # fmt: skip
    return float(density)


def c_rate(
    current_mA_per_cm2: float, capacity_mAh_per_cm2: Mapping[str, float], *, claimed: float | None = None
) -> xr.Dataset:
    """C-rate of a current against each capacity that somebody may have meant, and whether a claim fits any of them.

    rate = |i| / capacity in 1/h: 1C empties the capacity in one hour, "4C" in a quarter of an hour, C/4 in four.

    capacity_mAh_per_cm2   name -> areal capacity, e.g. {"measured charge": 1.4, "theory, x = 1 to 0": 2.80}
    claimed                stated rate, 1/h

    Returns over `basis`: `rate` (1/h), `hours`, and with a claim `claim` ("agrees", "inverse agrees", "disagrees").
    attrs: `sentences`.
    """
    names = list(capacity_mAh_per_cm2)
    capacity = np.array([capacity_mAh_per_cm2[n] for n in names], float)
    if not names or not (capacity > 0).all() or current_mA_per_cm2 == 0:
        raise InputError("a C-rate needs a current and positive capacities", where="c_rate")
    rate = abs(current_mA_per_cm2) / capacity
    table = xr.Dataset(
        {"rate": ("basis", rate, {"units": "1/h"}), "hours": ("basis", 1 / rate, {"units": "h"}),
         "capacity": ("basis", capacity, {"units": "mAh/cm2"})}, {"basis": names},
    )  # fmt: skip
    said = [
        f"{abs(current_mA_per_cm2):g} mA/cm2 is {_spoken(r)} of {c:g} mAh/cm2 ({name}): {1 / r:.3g} h"
        for name, r, c in zip(names, rate, capacity, strict=True)
    ]
    if claimed is not None:
        verdict = [_verdict(claimed, r) for r in rate]
        table["claim"] = ("basis", verdict)
        said += [f"claimed {_spoken(claimed)}: {v} ({name})" for name, v in zip(names, verdict, strict=True)]
    return table.assign_attrs(sentences=said)


def _spoken(rate: float) -> str:
    return f"{rate:.3g}C" if rate >= 1 else f"C/{1 / rate:.3g}"


def _verdict(claimed: float, rate: float) -> str:
    near = 0.2  # people round rates
    if abs(claimed / rate - 1) < near:
        return "agrees"
    return "inverse agrees" if abs(claimed * rate - 1) < near else "disagrees"
