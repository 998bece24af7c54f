"""From maps to what happened: fronts, moving layers, two phases, spots of rings, and lithium content."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Flag
from operando.core.errors import ExperimentError, InputError

from .experiment import Experiment
from .sections import LithiumSection, RingSection

if TYPE_CHECKING:
    from .job import Run

#: rounds of moving front positions from the time of their row to that of the map
ROUNDS = 4
#: fewer azimuth bins than this show no spots
FEWEST_BINS = 24


def science_groups(job: Run, groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Groups that the experiment asks for and the fitted maps allow; a sentence in the notes for every one it cannot.

    `xrd/<ring>/front`, `xrd/<ring>/layer` (and its `bending`) for rings with front or layer, `xrd/<ring>/spots`
    for every ring with enough azimuth bins, `lithium` where [lithium] names a ring. See docs/decisions/0002.
    """
    found: dict[str, xr.Dataset] = {}
    xrd = job.experiment.xrd
    assert xrd is not None
    for ring in xrd.rings:
        around = groups[f"xrd/{ring.name}/azimuth"]
        if around.sizes["azimuth"] >= FEWEST_BINS:
            found[f"xrd/{ring.name}/spots"] = mean_spots(around, ring)
        for name, wanted in (("front", ring.front), ("layer", ring.layer)):
            if wanted:
                make = partial(_MAKE[name], groups, ring, job.experiment)
                _try(job, found, f"xrd/{ring.name}/{name}", make)
    section = job.experiment.lithium
    if section is not None:
        found["lithium"] = lithium_content(groups[f"xrd/{section.ring}"], section)
    return found


def _try(job: Run, found: dict[str, xr.Dataset], name: str, make: Callable[[], xr.Dataset]) -> None:
    """Add a group, or say why it cannot be made from these maps."""
    try:
        found[name] = make()
    except InputError as error:
        job.notes.append(f"{name}: {error.what}")


def fronts(groups: dict[str, xr.Dataset], ring: RingSection, experiment: Experiment) -> xr.Dataset:
    """Place and width of the boundary in each column and map, and its speed: `fit_front`, `front_speed`.

    Fitted to the lattice parameter, or with front = "fraction" to the share of the phase of larger spacing (which needs
    phases = 2, and peaks apart by more than their width); attrs["profile"] says which.
    Rows are recorded one after the other: a position is what the
    front had when its row was, so it is moved to the middle of the map by the speed, which is found so in `ROUNDS`
    rounds (`moved`; the speed from it does not depend on the direction of the scan).
    """
    fitted = groups[f"xrd/{ring.name}"]
    name, source = ("c" if "c" in fitted else "a"), fitted
    if ring.front == "fraction":
        name, source = "fraction", groups[f"xrd/{ring.name}/phases"]
    profile, error = (ascending(source[key]) for key in (name, f"{name}_err"))
    found = diffraction.fit_front(profile, error)
    rows = ascending(groups["xrd"]["row_time"])
    found["position_map"] = found["position"]
    speed = _speed(found, "position")
    for _ in range(ROUNDS if bool(np.isfinite(rows).all()) else 0):
        late = _row_time(found["position"], rows) - found["time"]
        found["position_map"] = found["position"] - (1e-3 * speed["speed"]).fillna(0.0) * late
        speed = _speed(found, "position_map")
    found["position_map"].attrs = {"units": "um", "long_name": "front position, at the middle of the map"}
    for key in ("speed", "speed_err", "p_constant"):
        found[key] = speed[key]
    found["speed_goodness"], found["speed_points"] = speed["goodness"], speed["points"]
    found["speed_flag"] = speed["flag"]
    return found.assign_attrs(profile=name)


def _speed(found: xr.Dataset, name: str) -> xr.Dataset:
    return diffraction.front_speed(
        xr.Dataset({"position": found[name], "position_err": found["position_err"]})
    )


def _row_time(position: xr.DataArray, rows: xr.DataArray) -> xr.DataArray:
    """When the row at each position was recorded, over the dims of position; NaN where it is."""
    z = rows["z"].values
    each = [
        xr.apply_ufunc(np.interp, position.isel(time=t), kwargs={"xp": z, "fp": rows.isel(time=t).values})
        for t in range(position.sizes["time"])
    ]
    return xr.concat(each, position["time"]).transpose(*position.dims)


def layers(groups: dict[str, xr.Dataset], ring: RingSection, experiment: Experiment) -> xr.Dataset:
    """Place, width and displacement of the layer in each column: `layer_position`, `displacement` from the first map
    in which the column shows it, and over time its mean, tilt and curvature along x (`bending`).

    From the intensity of the ring above its background; the thickness is that of the layer of this phase in [cell].
    """
    fitted = groups[f"xrd/{ring.name}"]
    intensity = ascending(fitted["intensity"].where(fitted["intensity_flag"] == 0))
    of_phase = [
        layer.thickness_um
        for layer in (experiment.cell.layers if experiment.cell else [])
        if layer.phase == ring.phase
    ]
    thickness = of_phase[0] if len(of_phase) == 1 else 0.0
    found = diffraction.layer_position(
        intensity, ascending(fitted["intensity_err"]), thickness_um=thickness, stepped=True
    )
    found = found.merge(_displaced(found))
    found["displacement_flag"] = found["flag"] | xr.where(
        np.isfinite(found["displacement"]), 0, int(Flag.NO_DATA)
    ).astype(np.uint16)
    found["displacement_flag"].attrs = found["flag"].attrs
    bent = diffraction.bending(found)
    return found.merge(bent.rename({name: f"bending_{name}" for name in bent.data_vars}))


def _displaced(found: xr.Dataset) -> xr.Dataset:
    """`displacement` of every column from the first map in which it is seen."""
    first = found["position"].notnull().argmax("time")
    columns = [
        diffraction.displacement(found[["position", "position_err"]].isel(x=[i]), int(first.isel(x=i)))
        for i in range(found.sizes["x"])
    ]
    return xr.concat(columns, "x").transpose(*found["position"].dims)


_MAKE: dict[str, Callable[[dict[str, xr.Dataset], RingSection, Experiment], xr.Dataset]] = {
    "front": fronts,
    "layer": layers,
}


def ascending(array: xr.DataArray) -> xr.DataArray:
    """With z upwards, as fits along z need it."""
    return array.sortby("z")


def mean_spots(around: xr.Dataset, ring: RingSection) -> xr.Dataset:
    """Spots on the ring summed over all maps, and the family that each belongs to.

    `family` is the one of the experiment file whose window holds the spot, else "" ; `plane_angle` (degrees, 0 for
    planes in the film) is what `pair_families` groups by.
    """
    good = around["intensity"].notnull()
    count = good.sum("time")
    mean = around["intensity"].where(good).sum("time") / count.where(count > 0)
    error = ((around["intensity_err"] ** 2).where(good).sum("time")) ** 0.5 / count.where(count > 0)
    spots = diffraction.find_ring_spots(
        xr.Dataset({"intensity": mean, "intensity_err": error}), noise="measured"
    )
    place = spots["near"].values
    families = [
        next((name for name, at in ring.families.items() if _near(azimuth, at, ring.half_width_deg)), "")
        for azimuth in place
    ]
    spots["family"] = ("spot", np.array(families, dtype="U32"))
    angle = diffraction.plane_angle(place)
    spots["plane_angle"] = ("spot", angle, {"units": "deg", "long_name": "angle of the planes to the film"})
    return spots


def _near(azimuth: float, centres: list[float], half_width: float) -> bool:
    return any(abs((azimuth - centre + 180) % 360 - 180) <= half_width for centre in centres)


def lithium_content(fitted: xr.Dataset, section: LithiumSection) -> xr.Dataset:
    """x in every point from the lattice parameter of a ring, with its error, by a named calibration."""
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


def two_phase_rings(experiment: Experiment) -> set[str]:
    """Rings that are fitted with one peak and with two."""
    assert experiment.xrd is not None
    return {ring.name for ring in experiment.xrd.rings if ring.phases == 2}
