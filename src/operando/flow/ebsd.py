"""The EBSD recipe: orientation maps to grains, shares near poles with intervals, and a comparison of conditions."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import microscopy
from operando.core.errors import InputError

from .sections.ebsd import EbsdSection

if TYPE_CHECKING:
    from .running import Run


def ebsd(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """`ebsd/<map>` (grains), `.../image`, `.../density`; over all maps `ebsd/shares`, `ebsd/compare`."""
    from operando.read import orientation_map

    section = job.experiment.ebsd
    assert section is not None
    rng = np.random.default_rng(section.seed)
    grains = {}
    for one in section.maps:
        points = orientation_map(one.file, laue=one.laue)
        found = microscopy.find_grains(
            points, threshold_deg=section.threshold_deg, min_points=section.min_points
        )
        if not found.sizes["grain"]:
            raise InputError(
                f"no grain of {section.min_points} points or more in {points['phase'].size} points", where=one.file,
                fix="Lower min_points, or check the map.",
            )  # fmt: skip
        grains[one.name] = found
        place = f"ebsd/{one.name}"
        groups[place] = found.drop_vars("label")
        groups[f"{place}/image"] = coloured(points, found, section)
        groups[f"{place}/density"] = density(found, section)
        job.listener.say(
            "ebsd",
            f"{one.name}: {found.sizes['grain']} grains, {100 * found.attrs['not_indexed']:.1f} % not indexed",
        )
        if found.attrs["not_indexed"] > 0.2:
            job.notes.append(
                f"ebsd, {one.name}: {100 * found.attrs['not_indexed']:.0f} % of the points are not indexed"
            )
    groups["ebsd/shares"] = shares(grains, section, rng)
    if len(grains) > 1:
        try:
            groups["ebsd/compare"] = compared(grains, section, rng)
        except InputError as error:
            job.notes.append(f"ebsd: conditions are not compared: {error.what}")


def coloured(points: xr.Dataset, grains: xr.Dataset, section: EbsdSection) -> xr.Dataset:
    """`colour` (y, x, rgb) of the crystal direction along the sample's, NaN where not indexed; and the `label`s."""
    phase = points["phase"].values
    colour = np.full((*phase.shape, 3), np.nan, np.float32)
    for number, laue in enumerate(points["laue"].values, 1):
        of = phase == number
        if of.any() and laue in microscopy.texture.SECTORS:
            along = microscopy.crystal_directions(_quaternions(points["euler"].values[of]), section.direction)
            colour[of] = microscopy.direction_colours(along, str(laue))
    found = xr.Dataset({"colour": (("y", "x", "rgb"), colour, {"units": "1"}), "label": grains["label"]})
    return found.assign_coords(y=points["y"], x=points["x"], rgb=["r", "g", "b"])


def _quaternions(euler: np.ndarray) -> np.ndarray:
    from operando.microscopy.rotations import orientations, quaternions

    return quaternions(orientations(euler))


def density(grains: xr.Dataset, section: EbsdSection) -> xr.Dataset:
    """Inverse pole figure of the stated phase, grains weighted with their area; empty where it has no triangle."""
    used = grains["phase"].values == section.phase
    laue = str(grains["laue"].values[section.phase - 1]) if section.phase <= grains.sizes["crystal"] else ""
    if not used.any() or laue not in microscopy.texture.SECTORS:
        return xr.Dataset()
    found = microscopy.inverse_pole_figure(
        grains["quaternion"].values[used],
        laue,
        direction=section.direction,
        weight=grains["area"].values[used],
    )
    return found.assign_attrs(laue=laue, phase=str(grains["name"].values[section.phase - 1]))


def shares(grains: dict[str, xr.Dataset], section: EbsdSection, rng: np.random.Generator) -> xr.Dataset:
    """`microscopy.pole_shares` of every map, by number of grains and by area, over (map, by, pole)."""
    each = [
        xr.concat(
            [
                microscopy.pole_shares(
                    one, section.poles, phase=section.phase, by=by, within_deg=section.within_deg,
                    direction=section.direction, rng=rng,
                )
                for by in ("grains", "area")
            ],
            xr.DataArray(["grains", "area"], dims="by", name="by"), combine_attrs="drop_conflicts",
        )
        for one in grains.values()
    ]  # fmt: skip
    counts = [int((one["phase"].values == section.phase).sum()) for one in grains.values()]
    found = xr.concat(
        each, xr.DataArray(list(grains), dims="map", name="map"), combine_attrs="drop_conflicts"
    )
    return found.assign(grains=("map", counts, {"units": "1", "long_name": "grains of the phase"}))


def compared(grains: dict[str, xr.Dataset], section: EbsdSection, rng: np.random.Generator) -> xr.Dataset:
    """`microscopy.compare_shares` of every two maps, over (pair, pole)."""
    pairs = list(combinations(grains, 2))
    each = [
        microscopy.compare_shares(
            grains[a], grains[b], section.poles, phase=section.phase, within_deg=section.within_deg,
            direction=section.direction, rng=rng,
        )
        for a, b in pairs
    ]  # fmt: skip
    names = xr.DataArray([f"{b} − {a}" for a, b in pairs], dims="pair", name="pair")
    return xr.concat(each, names, combine_attrs="drop_conflicts")
