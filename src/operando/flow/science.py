"""From maps to what happened: the groups of fronts, moving layers, two phases, spots of rings, and lithium content."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import xarray as xr

from operando import diffraction
from operando.core.errors import InputError

from .experiment import Experiment
from .fronts import fronts
from .lithium_content import lithium_content
from .lithium_rows import lithium_rows
from .mean_parameter import mean_parameter, with_hidden_phase
from .moving_layers import layers
from .ring_spots import mean_spots
from .sections import RingSection

if TYPE_CHECKING:
    from .running import Run

#: fewer azimuth bins than this show no spots
FEWEST_BINS = 24
_MAKE: dict[str, Callable[[dict[str, xr.Dataset], RingSection, Experiment], xr.Dataset]] = {
    "front": fronts,
    "layer": layers,
}


def science_groups(job: Run, groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Groups that the experiment asks for and the fitted maps allow; a sentence in the notes for every one it cannot.

    `xrd/<ring>/front`, `xrd/<ring>/layer` (and its `bending`) for rings with front or layer, `xrd/<ring>/spots`
    for every ring with enough azimuth bins, `lithium` and `lithium/rows` where [lithium] names a ring. See
    docs/decisions/0002.
    """
    found: dict[str, xr.Dataset] = {}
    xrd = job.experiment.xrd
    assert xrd is not None
    for ring in xrd.rings:
        if f"xrd/{ring.name}/phases" in groups:
            found[f"xrd/{ring.name}/phases"] = diffraction.complete_fractions(
                groups[f"xrd/{ring.name}/phases"]
            )
        around = groups[f"xrd/{ring.name}/azimuth"]
        if around.sizes["azimuth"] >= FEWEST_BINS:
            found[f"xrd/{ring.name}/spots"] = mean_spots(around, ring)
        for name, wanted in (("front", ring.front), ("layer", ring.layer)):
            if wanted:
                make = partial(_MAKE[name], groups | found, ring, job.experiment)
                _try(job, found, f"xrd/{ring.name}/{name}", make)
    section = job.experiment.lithium
    if section is not None:
        mean = with_hidden_phase(
            mean_parameter(groups, section.ring), groups.get(f"xrd/{section.ring}/phases")
        )
        found["lithium"] = lithium_content(mean, section)
        found["lithium/rows"] = lithium_rows(mean, found["lithium"])
    return found


def _try(job: Run, found: dict[str, xr.Dataset], name: str, make: Callable[[], xr.Dataset]) -> None:
    """Add a group, or say why it cannot be made from these maps."""
    try:
        found[name] = make()
    except InputError as error:
        job.notes.append(f"{name}: {error.what}")


def two_phase_rings(experiment: Experiment) -> set[str]:
    """Rings that are fitted with one peak and with two: those with phases = 2, with a front, or that tell lithium."""
    assert experiment.xrd is not None
    lithium = experiment.lithium.ring if experiment.lithium else None
    return {r.name for r in experiment.xrd.rings if r.phases == 2 or r.front or r.name == lithium}
