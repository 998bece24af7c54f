"""Errors of maps and factors by held-out blocks: the same blocks as they were segmented and by their true labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from .sections.transport import TransportSection
from .transport_error import held_bias, put_corrected
from .transport_source import UNKNOWN, LabelVolume
from .transport_stages import XYZ, factors_of, map_of

if TYPE_CHECKING:
    from .running import Run
    from .transport_segmented import HeldPair

MAP = "tau_factor"
MOST_CUBES = 400  # held-out ones, spread over the volume: more tell no more of a bias
FACTORS = ("conductivity_factor", "young_factor")


def held_errors(job: Run, section: TransportSection, pairs: list[HeldPair]) -> dict[str, xr.Dataset]:
    """`held_bias` of the tortuosity of domains and of the factors of cubes; of what could not be judged nothing."""
    if not pairs:
        job.notes.append(
            "transport: no labels were held out within rows and region, so what the segmentation leaves of error is "
            "not known: write held = [...] in [segmentation], with labels of whole domains"
        )
        return {}
    found = {MAP: of_domains(job, section, pairs)}
    if section.cube_um is not None:
        found |= of_cubes(job, section, pairs)
    for name in [n for n, one in found.items() if int(one["flag"])]:
        job.notes.append(
            f"transport: {int(found[name]['blocks'])} held-out blocks tell of {name.replace('_', ' ')}, too few for an "
            "error: hold out more labels, or take smaller domains or cubes"
        )
    return {n: one for n, one in found.items() if not int(one["flag"])}


def of_domains(job: Run, section: TransportSection, pairs: list[HeldPair]) -> xr.Dataset:
    """Bias of the tortuosity factor, over one `direction`."""
    job.listener.say("transport", "held-out domains: as segmented and as they are")
    both = [[map_of(job, section, v)[MAP].values.ravel() for v in (p.segmented, p.true)] for p in pairs]
    number = np.repeat(np.arange(len(both)), [len(a) for a, _ in both])
    a, b = (np.concatenate([pair[k] for pair in both])[:, None] for k in (0, 1))
    paths = np.isfinite(a) == np.isfinite(b)
    known = ~np.isnan(a) & ~np.isnan(b)
    found = held_bias(a, b, number).assign_coords(direction=[section.along])
    about = {"units": "1", "long_name": "share of held-out domains with a path in one of the two only"}
    return found.assign(unlike=((), float((~paths)[known].mean()) if known.any() else np.nan, about))


def of_cubes(job: Run, section: TransportSection, pairs: list[HeldPair]) -> dict[str, xr.Dataset]:
    """Bias of each factor over x, y, z, of all held-out cubes that are labelled to the last voxel."""
    cubes = [(n, *both) for n, pair in enumerate(pairs) for both in same_cubes(section, pair)]
    a, b, number = [], [], [n for n, _, _ in cubes]
    for k, (_, segmented, true) in enumerate(cubes):
        job.listener.progress("transport, held-out cubes", k, len(cubes))
        a.append(factors_of(job, section, segmented))
        b.append(factors_of(job, section, true))
    found = {}
    for name in [name for name in FACTORS if a and name in a[0]]:
        found_a, found_b = (np.array([one[name].values for one in side]) for side in (a, b))
        found[name] = held_bias(found_a, found_b, number).assign_coords(direction=list(XYZ))
    return found


def same_cubes(section: TransportSection, pair: HeldPair) -> list[tuple[LabelVolume, LabelVolume]]:
    """Cubes without an unknown voxel in either, one beside the other; of very many some."""
    assert section.cube_um is not None
    known = pair.segmented.known & pair.true.known
    cut = []
    for volume in (pair.segmented, pair.true):
        labels = np.where(known, volume.labels, np.uint8(UNKNOWN))
        one = LabelVolume(volume.name, labels, volume.voxel_um, UNKNOWN)
        cut.append(one.cubes(section.cube_um, MOST_CUBES))
    return list(zip(*cut, strict=True))


def corrected_map(one: xr.Dataset, errors: dict[str, xr.Dataset]) -> xr.Dataset:
    if MAP not in errors:
        return one
    return put_corrected(one, MAP, errors[MAP], blocks=1, others=one[f"{MAP}_err"])


def corrected_median(found: xr.Dataset, errors: dict[str, xr.Dataset]) -> xr.Dataset:
    """The scatter between domains is in the error of the median already."""
    if MAP not in errors:
        return found
    return put_corrected(found, "tau_median", errors[MAP], blocks=np.inf, others=found["tau_median_err"])


def corrected_whole(
    whole: xr.Dataset, volume: LabelVolume, section: TransportSection, errors: dict[str, xr.Dataset]
) -> xr.Dataset:
    """Conductivity of a volume, which is a mean of as many cubes as fit."""
    name = FACTORS[0]
    if name not in errors or section.cube_um is None:
        return whole
    cubes = volume.labels.size * np.prod(volume.voxel_um) / section.cube_um**3
    return put_corrected(
        whole, "conductivity", errors[name], blocks=max(float(cubes), 1.0), others=whole["conductivity_err"],
        bulk=section.phases[section.bulk_name].conductivity_mS_per_cm,
    )  # fmt: skip


def corrected_cubes(
    found: xr.Dataset, section: TransportSection, errors: dict[str, xr.Dataset]
) -> xr.Dataset:
    """Factors of each cube and of their mean, whose scatter holds that of the segmentation."""
    blocks = np.inf if found.sizes["cube"] > 1 else 1
    young = section.phases[section.bulk_name].young_GPa
    dense = {FACTORS[0]: 1.0, FACTORS[1]: 1.0, "young_modulus": young}
    for name, bulk in dense.items():
        by = FACTORS[1] if name == "young_modulus" else name
        if name in found and by in errors:
            for what, count in ((name, 1), (f"{name}_mean", blocks)):
                found = put_corrected(
                    found, what, errors[by], blocks=count, bulk=bulk, others=found[f"{what}_err"]
                )
    return found


def told(errors: dict[str, xr.Dataset]) -> xr.Dataset:
    """The group transport/held, over `measure` and `direction`."""
    parts = [one.drop_vars("unlike", errors="ignore").reindex(direction=list(XYZ)) for one in errors.values()]
    names = xr.DataArray(list(errors), dims="measure", name="measure")
    found = xr.concat(parts, names, combine_attrs="override")
    if MAP in errors:
        found["unlike"] = errors[MAP]["unlike"]
    return found
