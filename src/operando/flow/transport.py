"""The transport recipe: label volumes to tortuosity maps, conductivity, microstructure factors, a hot spot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import transport
from operando.core.errors import ExperimentError, InputError
from operando.core.flags import Flag
from operando.transport.tortuosity import CONVENTION

from .sections.transport import TransportSection
from .transport_held import (
    corrected_cubes,
    corrected_map,
    corrected_median,
    corrected_whole,
    held_errors,
    told,
)
from .transport_source import LabelVolume, from_files
from .transport_stages import (
    conductivities,
    factors_of,
    map_of,
    moduli,
    shares_of,
    transport_conductivity,
    transport_hot_spot,
    transport_pair,
)
from .transport_summary import compare_maps, flagged, of_map

if TYPE_CHECKING:
    from .running import Run


def transport_of_volumes(job: Run, groups: dict[str, xr.Dataset], table: xr.Dataset | None) -> None:
    """Put the groups of `transport` (see docs/decisions/0002) into `groups`."""
    section = job.experiment.transport
    assert section is not None
    volumes, errors = sources(job, section, groups)
    if not volumes:
        return
    if errors:
        groups["transport/held"] = told(errors)
    parts = [of_one(job, section, volume, groups, errors) for volume in volumes]
    names = xr.DataArray([v.name for v in volumes], dims="volume", name="volume")
    summary = xr.concat(parts, names, combine_attrs="override", coords="minimal", compat="override")
    groups["transport"] = flagged(summary).assign_attrs(about(section))
    compared = compare_maps([v.name for v in volumes], groups)
    if compared is not None:
        groups["transport/compare"] = compared


def sources(
    job: Run, section: TransportSection, groups: dict[str, xr.Dataset]
) -> tuple[list[LabelVolume], dict[str, xr.Dataset]]:
    """The volumes, and what is known of the errors of their segmentation by held-out labels."""
    kind = source_of(section)
    if kind == "labels":
        if section.labels is None:
            raise ExperimentError("no label volumes are given", where="transport.labels",
                                  fix='Write labels = "segmented.h5".')  # fmt: skip
        return from_files(section), {}
    if getattr(job.experiment, kind) is None:
        raise ExperimentError(
            f"neither label volumes nor [{kind}] are given", where="transport.labels",
            fix=f'Write labels = "segmented.h5", or a section [{kind}].',
        )  # fmt: skip
    if kind == "tomography":
        from .transport_solid import from_tomography

        return from_tomography(job, section, groups), {}
    from .transport_segmented import from_segmentation

    volumes, pairs = from_segmentation(job, section, groups)
    return volumes, held_errors(job, section, pairs) if volumes else {}


def source_of(section: TransportSection) -> str:
    return section.source or ("tomography" if section.labels is None else "labels")


def about(section: TransportSection) -> dict:
    """Settings that the numbers depend on."""
    return {
        "convention": CONVENTION, "bulk": section.bulk_name, "tolerance": section.tolerance,
        "domain_um": list(section.domain), "along": section.along,
        "source": source_of(section), "cube_um": section.cube_um or np.nan,
        "grain_um": section.synthetic.grain_um if section.synthetic else np.nan,
    }  # fmt: skip


def of_one(
    job: Run, section: TransportSection, volume: LabelVolume, groups: dict[str, xr.Dataset],
    errors: dict[str, xr.Dataset],
) -> xr.Dataset:  # fmt: skip
    """All of one volume; its groups go into `groups`, its summary is returned."""
    shares = shares_of(volume, [p.label for p in section.phases.values()])
    about_share = {"units": "1", "long_name": "share of each phase"}
    found = xr.Dataset({"share": ("phase", shares, about_share)}, {"phase": list(section.phases)})
    one = tortuosity(job, section, volume)
    median = of_map(one, np.random.default_rng(section.seed))
    groups[f"transport/map/{volume.name}"] = corrected_map(one, errors)
    found = found.merge(corrected_median(median, errors))
    if volume.unknown is None:
        whole = conductivity(job, section, volume)
        found = found.merge(corrected_whole(whole, volume, section, errors))
    else:
        job.notes.append(
            f"transport: {volume.name} has an outside: no conductivity of the whole volume is given"
        )
    if section.cube_um is not None:
        cubes = volume.cubes(section.cube_um, section.cubes)
        if not cubes:
            job.notes.append(
                f"transport: no cube of {section.cube_um:g} um of {volume.name} is free of the outside"
            )
        else:
            of_cubes(job, section, volume, cubes, groups, errors)
    return found


def conductivity(job: Run, section: TransportSection, volume: LabelVolume) -> xr.Dataset:
    job.listener.say("transport", f"{volume.name}: conductivity along x, y, z")
    settings = {"conductivity": tuple(conductivities(section).items()), "tolerance": section.tolerance}
    whole = job.stages.stage(transport_conductivity, {"volume": volume}, settings)
    note_flags(job, whole["flag"], f"{volume.name}: conductivity")
    return whole.rename(flag="conductivity_flag", percolates="conducts")


def tortuosity(job: Run, section: TransportSection, volume: LabelVolume) -> xr.Dataset:
    domain = volume.voxels(section.domain, "domain_um")
    counts = [n // m for n, m in zip(volume.labels.shape[::-1], domain, strict=True)]
    job.listener.say("transport", f"{volume.name}: tortuosity of {np.prod(counts)} domains")
    one = map_of(job, section, volume)
    note_flags(job, one["flag"], f"{volume.name}: tortuosity")
    tau = one["tau_factor"].values
    if np.isnan(tau).all():
        job.notes.append(
            f"transport: no domain of {volume.name} inside of the sample holds a phase that conducts"
        )
    elif np.isinf(tau[~np.isnan(tau)]).all():
        job.notes.append(f"transport: no domain of {volume.name} has a path along {section.along}")
    return one


def note_flags(job: Run, flag: xr.DataArray, what: str) -> None:
    bad = int((flag.values & int(Flag.NOT_CONVERGED) != 0).sum())
    if bad:
        job.notes.append(f"transport, {what}: {bad} solves did not converge (contrast over 10^8?)")


def of_cubes(
    job: Run,
    section: TransportSection,
    volume: LabelVolume,
    cubes: list[LabelVolume],
    groups: dict[str, xr.Dataset],
    errors: dict[str, xr.Dataset],
) -> None:
    """Factors of the cubes, their comparison with synthetic ones, and the hot spot in the first."""
    pairs, stiff = tuple(conductivities(section).items()), moduli(section)
    young = None if stiff is None else tuple(stiff.items())
    settings = {"conductivity": pairs, "moduli": young}
    each = []
    for n, cube in enumerate(cubes):
        job.listener.progress(f"transport {volume.name}, factors", n, len(cubes))
        each.append(factors_of(job, section, cube))
    groups[f"transport/cubes/{volume.name}"] = corrected_cubes(over_cubes(each), section, errors)
    if section.synthetic is not None:
        try:
            compared = synthetic(job, section, volume.name, cubes, settings)
            groups[f"transport/synthetic/{volume.name}"] = compared
        except ExperimentError:
            raise
        except InputError as error:  # pores of one voxel, a cube that is all pore
            job.notes.append(f"transport, {volume.name}: not compared with synthetic cubes: {error.what}")
    if section.hot_spot is not None:
        hot_spot(job, section.hot_spot.model_dump(), volume.name, cubes, pairs, groups)


def hot_spot(job: Run, spot: dict, name: str, cubes: list[LabelVolume], pairs: tuple, groups: dict) -> None:
    """The field under a hot spot in the first cube that conducts."""
    for cube in cubes:
        field = job.stages.stage(transport_hot_spot, {"volume": cube}, {"conductivity": pairs, **spot})
        if "refused" not in field.attrs:
            groups[f"transport/field/{name}"] = field.assign_attrs(cube=cube.name)
            return
    job.notes.append(f"transport, {name}: no field of a hot spot: {field.attrs['refused']}")


def over_cubes(each: list[xr.Dataset]) -> xr.Dataset:
    """Cubes side by side over `cube`, with mean and the error of the mean from their scatter (NaN for one cube)."""
    found = xr.concat([e.drop_attrs(deep=False) for e in each], "cube")
    for name in [str(n) for n in found.data_vars if not str(n).endswith("_err")]:
        attrs = found[name].attrs
        found[f"{name}_mean"] = found[name].mean("cube").assign_attrs(attrs)
        spread = found[name].std("cube", ddof=1) if len(each) > 1 else found[f"{name}_mean"] * np.nan
        about = {**attrs, "long_name": "error of the mean by the scatter of the cubes"}
        found[f"{name}_mean_err"] = (spread / np.sqrt(len(each))).assign_attrs(about)
    return found


def synthetic(
    job: Run, section: TransportSection, name: str, cubes: list[LabelVolume], settings: dict
) -> xr.Dataset:
    """`transport.compare_pairs`: every seed is compared with one of the cubes, in turn."""
    how = section.synthetic
    assert how is not None
    steps = cubes[0].voxel_um
    if np.ptp(steps) > 1e-3 * steps[0]:
        raise ExperimentError(
            f"the voxels of {name} are not cubes: {steps} um", where="transport.synthetic",
            fix="Resample the volume, or leave synthetic out.",
        )  # fmt: skip
    pairs = []
    for n in range(max(how.seeds, len(cubes))):
        job.listener.progress(f"transport {name}, synthetic", n, how.seeds)
        more = {"grain_um": how.grain_um, "boundary": how.boundary_voxels, "pores_at": how.pores_at,
                "seed": (section.seed, n)}  # fmt: skip
        pairs.append(
            job.stages.stage(transport_pair, {"volume": cubes[n % len(cubes)]}, {**settings, **more})
        )
    return transport.compare_pairs(pairs)
