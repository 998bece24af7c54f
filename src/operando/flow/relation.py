"""Do the grains sit on the layer below in a known orientation? Misfits, predicted azimuths, p-values in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import diffraction
from operando.core import Phase
from operando.core.errors import ExperimentError
from operando.diffraction import epitaxy, prediction_test

from .facts import phases

if TYPE_CHECKING:
    from .experiment import Experiment
    from .sections import EpitaxySection

#: simple metals by their space group
STRUCTURES: dict[str, epitaxy.Structure] = {"P63/mmc": "hcp", "Im-3m": "bcc", "Fm-3m": "fcc"}


def epitaxy_groups(groups: dict[str, xr.Dataset], experiment: Experiment) -> dict[str, xr.Dataset]:
    """`epitaxy/misfits`, `epitaxy/predicted` and `epitaxy/tests` where [epitaxy] and grains are there, else none."""
    section, grains = experiment.epitaxy, groups.get("grains/table")
    if section is None or grains is None:
        return {}
    assert experiment.xrd is not None
    ring = next(ring for ring in experiment.xrd.rings if ring.grains)
    known = phases(experiment)
    substrate, deposit = known[section.substrate], known[ring.phase]
    texture = section.texture
    oriented = epitaxy.substrate_orientation(
        substrate, texture.plane, texture.azimuth_deg, texture.second_plane, texture.second_azimuth_deg
    )
    predicted = diffraction.predicted_azimuths(
        oriented, substrate, section.relation, deposit, ring.hkl, tolerance_deg=section.tolerance_deg
    )
    predicted.attrs |= {"relation": section.relation, "substrate": section.substrate, "deposit": ring.phase}
    misfits = diffraction.misfits(substrate, _structure(substrate), deposit, _structure(deposit))
    found = {"epitaxy/misfits": misfits, "epitaxy/predicted": predicted}
    if predicted.sizes["spot"]:
        # one p-value for one grain: a grain that is followed is tested when it is first seen
        tests = diffraction.azimuth_tests(
            grains, predicted["azimuth"].values, fold=section.fold, min_grains=section.min_grains,
            width_deg=section.width_deg, only=first_seen(grains),
        )  # fmt: skip
        told = _over_maps(grains, predicted["azimuth"].values, section)
        tests = tests.assign(told)
        found["epitaxy/tests"] = tests.assign_attrs(tests.attrs | predicted.attrs)
    return found


def _over_maps(grains: xr.Dataset, predicted: np.ndarray, section: EpitaxySection) -> dict[str, xr.Variable]:
    """Number of grains first seen over several maps, and the p-value of their azimuths against the prediction.

    `so_far`: in all maps up to each; `recent`: in the last maps up to each, no more of them than a test needs grains,
    which shows when grains stop to follow (neighbouring values share grains). The azimuths covered are those of the
    mean of these maps. NaN for fewer than `min_grains`.
    """
    used = first_seen(grains) & np.isfinite(grains["azimuth"].values)
    where, azimuth, maps = grains["map_index"].values, grains["azimuth"].values, grains.sizes["time"]
    number = np.bincount(where[used].astype(int), minlength=maps)
    found = {}
    for name, text in (("so_far", "first seen up to this map"), ("recent", "first seen in the last maps")):
        numbers, chances = np.zeros(maps, int), np.full(maps, np.nan)
        for last in range(maps):
            first = 0
            if name == "recent":
                back = np.cumsum(number[last::-1])
                first = last - min(int(np.searchsorted(back, section.min_grains)), last)
            some = azimuth[used & (where >= first) & (where <= last)]
            numbers[last] = len(some)
            if len(some) >= section.min_grains:
                covered = np.nanmean(grains["coverage"].values[first : last + 1], axis=0)
                chances[last] = prediction_test(
                    some, predicted, width_deg=section.width_deg, coverage=covered
                )[1]
        told = {
            "number": (numbers, f"number of grains {text}"),
            "p": (chances, f"chance if uniform, of grains {text}"),
        }
        for key, (values, label) in told.items():
            found[f"{name}_{key}"] = xr.Variable("time", values, {"units": "1", "long_name": label})
    return found


def first_seen(grains: xr.Dataset) -> np.ndarray:
    """True for the earliest row of each track, so that tests in time are of different grains."""
    track, when = grains["track"].values, grains["map_index"].values
    order = np.lexsort((when, track))
    first = np.zeros(len(track), bool)
    first[order] = np.r_[True, np.diff(track[order]) != 0][: len(track)]
    return first | (track < 0)


def _structure(phase: Phase) -> epitaxy.Structure:
    group = phase.spacegroup.replace(" ", "")
    if group not in STRUCTURES:
        known = ", ".join(f"{name} ({kind})" for name, kind in STRUCTURES.items())
        raise ExperimentError(
            f"phase {phase.name} in {phase.spacegroup}: misfits are known for hcp, bcc and fcc metals only",
            where="epitaxy.substrate", fix=f"Name phases of the space groups {known}.",
        )  # fmt: skip
    return STRUCTURES[group]
