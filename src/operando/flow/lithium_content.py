"""Lithium content of every point from a lattice parameter, by a named calibration."""

from __future__ import annotations

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Flag
from operando.core.errors import ExperimentError

from .sections import LithiumSection


def lithium_content(fitted: xr.Dataset, section: LithiumSection) -> xr.Dataset:
    """x in every point from the lattice parameter of a ring, with its error, by a named calibration.

    `fitted` is what `mean_parameter` gives; x of a peak that fits poorly is flagged POOR_FIT.
    """
    calibration = calibration_of(section)
    name = calibration.parameter
    if name not in fitted:
        raise ExperimentError(
            f"calibration {calibration.name} needs {name}, which ring {section.ring} does not give",
            where="lithium.ring",
            fix="Name a ring that gives it: (00l) gives c, others a.",
        )  # fmt: skip
    known = [str(family) for family in fitted["family"].values]
    absent = [family for family in section.families or [] if family not in known]
    if absent:
        raise ExperimentError(
            f"ring {section.ring} has no family {absent[0]!r}, it has {', '.join(known)}", where="lithium.families",
            fix="Name families of that ring, or leave this out.",
        )  # fmt: skip
    fitted = fitted.sel(family=section.families or known)
    found = calibration.apply(fitted[name], fitted[f"{name}_err"])
    doubtful = fitted["flag"].transpose(*found["x_li_flag"].dims) & np.uint16(Flag.POOR_FIT)
    found["x_li_flag"] = (found["x_li_flag"] | doubtful).assign_attrs(found["x_li_flag"].attrs)
    anchors = np.array([(a.parameter_A, a.x) for a in calibration.anchors])
    found["anchor_parameter"] = (
        "anchor",
        anchors[:, 0],
        {"units": "angstrom", "long_name": f"{name} of the anchors"},
    )
    found["anchor_x"] = ("anchor", anchors[:, 1], {"units": "1", "long_name": "x of the anchors"})
    return found.assign_attrs(ring=section.ring, parameter=name)


def calibration_of(section: LithiumSection) -> diffraction.Calibration:
    if section.anchors is None:
        return diffraction.LICOO2_FILM
    return diffraction.Calibration.through(
        "anchors of the experiment file", section.anchors, parameter=section.parameter, source=section.source
    )
