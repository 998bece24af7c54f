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
    from .running import Run

#: rounds of moving front positions from the time of their row to that of the map
ROUNDS = 4
#: share of the typical intensity of a layer from which on a point counts as inside it
IN_LAYER = 0.6
#: fewer azimuth bins than this show no spots
FEWEST_BINS = 24
#: a second phase too weak to be seen lies within so many rows of where it is seen
HIDING_ROWS = 2


def science_groups(job: Run, groups: dict[str, xr.Dataset]) -> dict[str, xr.Dataset]:
    """Groups that the experiment asks for and the fitted maps allow; a sentence in the notes for every one it cannot.

    `xrd/<ring>/front`, `xrd/<ring>/layer` (and its `bending`) for rings with front or layer, `xrd/<ring>/spots`
    for every ring with enough azimuth bins, `lithium` where [lithium] names a ring. See docs/decisions/0002.
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
    return found


def _try(job: Run, found: dict[str, xr.Dataset], name: str, make: Callable[[], xr.Dataset]) -> None:
    """Add a group, or say why it cannot be made from these maps."""
    try:
        found[name] = make()
    except InputError as error:
        job.notes.append(f"{name}: {error.what}")


def fronts(groups: dict[str, xr.Dataset], ring: RingSection, experiment: Experiment) -> xr.Dataset:
    """Place and width of the boundary in each column and map, and its speed: `fit_front`, `front_speed`.

    Fitted to the lattice parameter, mean of both phases, or with front = "fraction" to the share of the phase of larger
    spacing (peaks have to lie apart by more than their width); attrs["profile"] says which. Points where the beam is
    only partly in the film are left out: they tell of a height that is not theirs.
    Rows are recorded one after the other: a position is what the
    front had when its row was, so it is moved to the middle of the map by the speed, which is found so in `ROUNDS`
    rounds (`moved`; the speed from it does not depend on the direction of the scan). A front that meets the scan is
    seen narrower than it is, by 1 - speed x time from row to row: `width` is freed from that, and holds the beam's.
    """
    name, source = "fraction", groups.get(f"xrd/{ring.name}/phases")
    if ring.front != "fraction" or source is None:
        source = mean_parameter(groups, ring.name)
        name = "c" if "c" in source else "a"
    inside = in_layer(groups[f"xrd/{ring.name}"])
    profile, error = (ascending(source[key].where(inside)) for key in (name, f"{name}_err"))
    found = diffraction.fit_front(profile, error, stepped=True)
    rows = ascending(groups["xrd"]["row_time"])
    found["position_map"] = found["position"]
    speed = _speed(found, "position")
    known = bool(np.isfinite(rows).all())
    for _ in range(ROUNDS if known else 0):
        late = _row_time(found["position"], rows) - found["time"]
        found["position_map"] = found["position"] - _um_per_s(speed) * late
        speed = _speed(found, "position_map")
    found["position_map"].attrs = {"units": "um", "long_name": "front position, at the middle of the map"}
    if known:
        met = 1 - _um_per_s(speed) * rows.differentiate("z").mean("z")
        for key in ("width", "width_err"):
            found[key] = (found[key] * abs(met)).transpose(*found[key].dims).assign_attrs(found[key].attrs)
    for key in ("speed", "speed_err", "p_constant"):
        found[key] = speed[key]
    found["speed_goodness"], found["speed_points"] = speed["goodness"], speed["points"]
    found["speed_flag"] = speed["flag"]
    return found.assign_attrs(profile=name)


def mean_parameter(groups: dict[str, xr.Dataset], ring: str) -> xr.Dataset:
    """The lattice parameter of a ring, `a` or `c` with `_err` and `flag`, mean of both phases where there are two.

    A single peak fitted to two of them is off by some of their distance, and POOR_FIT where that can be told. The
    parameters given here go as 1 / q, so that the mean one is that of `q_mean`.
    """
    fitted, phases = groups[f"xrd/{ring}"], groups.get(f"xrd/{ring}/phases")
    name = next((key for key in ("c", "a") if key in fitted), None)
    if phases is None or name is None:
        return fitted
    good = phases["flag"] == 0
    value = (fitted[name] * fitted["q"]).median() / phases["q_mean"].where(good)
    error = value * phases["q_mean_err"] / phases["q_mean"]
    return xr.Dataset({
        name: value.assign_attrs(fitted[name].attrs), f"{name}_err": error.assign_attrs(fitted[f"{name}_err"].attrs),
        "flag": phases["flag"],
    })  # fmt: skip


def with_hidden_phase(mean: xr.Dataset, phases: xr.Dataset | None) -> xr.Dataset:
    """`mean_parameter` with the error doubled where a second phase may hide.

    A share of some per cent is too weak to be seen as a peak and yet moves the mean by up to three errors. It lies
    where the shares go to zero: at points with one peak within `HIDING_ROWS` rows of one with two.
    """
    name = next((key for key in ("c", "a") if key in mean), None)
    if phases is None or name is None:
        return mean
    two = (phases["peaks"] == 2).astype(float)
    beside = two.rolling(z=2 * HIDING_ROWS + 1, center=True, min_periods=1).max()
    error = mean[f"{name}_err"]
    hidden = (beside > 0) & (phases["peaks"] == 1)
    return mean.assign({f"{name}_err": (error * xr.where(hidden, 2.0, 1.0)).assign_attrs(error.attrs)})


def in_layer(fitted: xr.Dataset) -> xr.DataArray:
    """Where the beam lies in the layer of this ring: intensity over `IN_LAYER` of the median in its column."""
    seen = fitted["intensity"].where(fitted["intensity"] > 5 * fitted["intensity_err"])
    return seen > IN_LAYER * seen.median("z")


def _speed(found: xr.Dataset, name: str) -> xr.Dataset:
    return diffraction.front_speed(
        xr.Dataset({"position": found[name], "position_err": found["position_err"]})
    )


def _um_per_s(speed: xr.Dataset) -> xr.DataArray:
    """Speed of each column; of those without one the median of the others, zero where there is none."""
    known = 1e-3 * speed["speed"]
    return known.fillna(known.median("x")).fillna(0.0)


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
    A layer is seen when its rows are recorded; `position` is moved to the middle of the map by its own motion.
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
    found["position"] = _at_middle(found["position"], ascending(groups["xrd"]["row_time"]))
    found = found.merge(_displaced(found))
    found["displacement_flag"] = found["flag"] | xr.where(
        np.isfinite(found["displacement"]), 0, int(Flag.NO_DATA)
    ).astype(np.uint16)
    found["displacement_flag"].attrs = found["flag"].attrs
    bent = diffraction.bending(found)
    return found.merge(bent.rename({name: f"bending_{name}" for name in bent.data_vars}))


def _at_middle(position: xr.DataArray, rows: xr.DataArray) -> xr.DataArray:
    """Positions moved from the time of their row to the middle of the map, by the change from map to map."""
    if not np.isfinite(rows).all():
        return position
    when = _row_time(position, rows)
    moved = position.transpose(..., "time").copy()
    times = when.transpose(*moved.dims).values
    for column in np.ndindex(moved.shape[:-1]):
        y, t = moved.values[column], times[column]
        good = np.isfinite(y)
        if good.sum() > 1:
            y[good] -= np.gradient(y[good], t[good]) * (t - position["time"].values)[good]
    return moved.transpose(*position.dims).assign_attrs(
        units="um", long_name="centre of the layer, at the middle of the map"
    )


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


def two_phase_rings(experiment: Experiment) -> set[str]:
    """Rings that are fitted with one peak and with two: those with phases = 2, with a front, or that tell lithium."""
    assert experiment.xrd is not None
    lithium = experiment.lithium.ring if experiment.lithium else None
    return {r.name for r in experiment.xrd.rings if r.phases == 2 or r.front or r.name == lithium}
