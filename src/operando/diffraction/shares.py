"""Phase fractions everywhere: which phase a single peak is, told by where both were seen together."""

from __future__ import annotations

import numpy as np
import xarray as xr

#: a second phase goes unseen up to about this many position errors over the distance of the phases
UNSEEN = 10.0
#: points with two peaks that are needed to know where the phases lie
FEWEST = 5


def complete_fractions(phases: xr.Dataset) -> xr.Dataset:
    """`fit_two_peaks` with `fraction` in single-peak points too: 1 or 0, by the side of the boundary that q_mean is on.

    The boundary is the middle between the two peaks, median over all points of a family that have two. A share s of a
    phase at distance D moves the mean by s D and goes unseen up to about s = 10 q_err / D: the error is that of a
    uniform share up to there, 10 q_err / D / sqrt(12), at most 1 / sqrt(12).

    phases   over any dims, `family` among them or not, and `peak`. Families with fewer than five points of two peaks
             are returned as they are: which phase a single peak is cannot be told.
    """
    over = [d for d in phases["fraction"].dims if d != "family"]
    both = (phases["peaks"] == 2) & (phases["flag"] == 0)
    q = phases["q"].where(both)
    enough = both.sum(over) >= FEWEST
    boundary = q.mean("peak").median(over).where(enough)
    apart = (q.isel(peak=1) - q.isel(peak=0)).median(over)
    single = (phases["peaks"] == 1) & np.isfinite(boundary) & np.isnan(phases["fraction"])
    share = xr.where(phases["q_mean"] < boundary, 1.0, 0.0)
    error = np.minimum(UNSEEN * phases["q_mean_err"] / apart, 1.0) / np.sqrt(12)
    filled = {
        name: xr.where(single, value, phases[name])
        .transpose(*phases[name].dims)
        .assign_attrs(phases[name].attrs)
        for name, value in (("fraction", share), ("fraction_err", error))
    }
    return phases.assign(filled)
