"""What is calculated of one label volume, as stages: tortuosity map, conductivity, factors, a hot spot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando import transport
from operando.core.errors import OperandoError

from .sections.transport import TransportSection
from .stage import versioned
from .transport_source import REST, LabelVolume

if TYPE_CHECKING:
    from .running import Run

XYZ = ("x", "y", "z")


def conductivities(section: TransportSection) -> dict[int, float]:
    """mS/cm of each label."""
    table = {p.label: p.conductivity_mS_per_cm for p in section.phases.values()}
    return table | ({REST: 0.0} if section.source == "segmentation" else {})


def moduli(section: TransportSection) -> dict[int, tuple[float, float]] | None:
    """Young's modulus (GPa) and Poisson's ratio of each label; None where no phase has any, or it is not asked."""
    if not section.stiffness or not section.phases[section.bulk_name].young_GPa:
        return None
    table = {p.label: (p.young_GPa, p.poisson if p.young_GPa else 0.0) for p in section.phases.values()}
    return table | ({REST: (0.0, 0.0)} if section.source == "segmentation" else {})


def map_of(job: Run, section: TransportSection, volume: LabelVolume) -> xr.Dataset:
    """The tortuosity map that the experiment asks for, of one volume."""
    settings = {
        "phase": tuple(section.conducting), "domain": volume.voxels(section.domain, "domain_um"),
        "direction": section.along, "tolerance": section.tolerance,
    }  # fmt: skip
    return job.stages.stage(transport_map, {"volume": volume}, settings)


def factors_of(job: Run, section: TransportSection, cube: LabelVolume) -> xr.Dataset:
    """The microstructure factors that the experiment asks for, of one cube."""
    stiff = moduli(section)
    settings = {
        "conductivity": tuple(conductivities(section).items()),
        "moduli": None if stiff is None else tuple(stiff.items()),
        "bulk": section.phases[section.bulk_name].label,
    }
    return job.stages.stage(transport_factors, {"volume": cube}, settings)


@versioned("2")
def transport_map(
    volume: LabelVolume, *, phase: tuple[int, ...], domain: tuple, direction: str, tolerance: float
) -> xr.Dataset:
    """`transport.tortuosity_map` of the volume, NaN where a domain holds voxels that are not known."""
    labels = volume.labels
    if volume.unknown is not None:
        labels = np.where(volume.known, labels, np.float32(np.nan)).astype(np.float32)
    found = transport.tortuosity_map(
        labels,
        domain,
        phase=phase,
        direction=direction,
        voxel=volume.voxel_um,
        tolerance=tolerance,
        workers=2,
    )
    return found.assign(percolates=found["percolates"].astype(np.uint8))


@versioned("1")
def transport_conductivity(volume: LabelVolume, *, conductivity: tuple, tolerance: float) -> xr.Dataset:
    """Effective conductivity of the volume along x, y, z, with the bounds of any mixture of its shares."""
    table = dict(conductivity)
    found = transport.effective_conductivity(
        volume.labels, table, directions=XYZ, voxel=volume.voxel_um, tolerance=tolerance, units="mS/cm"
    )
    found = found.assign(percolates=found["percolates"].astype(np.uint8))
    shares = shares_of(volume, list(table))
    bounds = transport.conductivity_bounds(shares, list(table.values()))
    for name, pair in bounds.items():
        about = {"units": "mS/cm", "long_name": f"lower and upper bound, {name.replace('_', '-')}"}
        found[f"{name}_bounds"] = ("bound", list(pair), about)
    return found


def shares_of(volume: LabelVolume, labels: list[int]) -> np.ndarray:
    """Share of each label in what is known of a volume."""
    known = volume.labels[volume.known]
    return np.array([np.count_nonzero(known == label) for label in labels]) / max(known.size, 1)


@versioned("1")
def transport_factors(
    volume: LabelVolume, *, conductivity: tuple, moduli: tuple | None, bulk: int
) -> xr.Dataset:
    """Microstructure factors of a cube along x, y, z, and the Young's moduli themselves."""
    found = transport.microstructure_factors(
        volume.labels, conductivity=dict(conductivity), moduli=None if moduli is None else dict(moduli), bulk=bulk,
        voxel=volume.voxel_um,
    )  # fmt: skip
    if moduli is not None:
        young = dict(moduli)[bulk][0]
        for end in ("", "_err"):
            about = {"units": "GPa", "long_name": f"Young's modulus{', numerical error' if end else ''}"}
            found[f"young_modulus{end}"] = (found[f"young_factor{end}"] * young).assign_attrs(about)
    return found


@versioned("1")
def transport_pair(
    volume: LabelVolume, *, conductivity: tuple, moduli: tuple | None, grain_um: float, boundary: float, pores_at: str,
    seed: tuple[int, int],
) -> xr.Dataset:  # fmt: skip
    """Factors of an imaged cube and of a synthetic one alike: `transport.synthetic_pair`."""
    return transport.synthetic_pair(
        volume.labels, np.random.default_rng(seed), grain_size=grain_um, conductivity=dict(conductivity),
        moduli=None if moduli is None else dict(moduli), boundary=boundary, pores_at=pores_at,
        voxel=volume.voxel_um[0],
    )  # fmt: skip


@versioned("1")
def transport_hot_spot(
    volume: LabelVolume, *, conductivity: tuple, diameter_um: float, times: float
) -> xr.Dataset:
    """Potential and flux in the middle section of a cube under a hot spot on its first face.

    Over (z, x), at the middle of y: `potential` (V for a mean current density of 1 mA/cm2); `flux`, `flux_z`,
    `flux_x` (relative to the mean); `label`; over z `under_spot`, `beside`: flux along z under the disc and elsewhere.
    Empty with attribute `refused` where no path leads from face to face.
    """
    ny, nx = volume.labels.shape[1:]
    hy, hx = volume.voxel_um[1:]
    y, x = (np.arange(ny) + 0.5 - ny / 2) * hy, (np.arange(nx) + 0.5 - nx / 2) * hx
    spot = np.hypot(y[:, None], x[None]) <= diameter_um / 2
    current = np.where(spot, times, 1.0)
    try:
        fields = transport.hot_spot_field(volume.labels, current, dict(conductivity), voxel=volume.voxel_um)
    except OperandoError as error:
        return xr.Dataset(attrs={"refused": error.what})
    under = transport.flux_ratio(fields, spot)["through_profile"]
    beside = transport.flux_ratio(fields, ~spot)["through_profile"] if not spot.all() else under * np.nan
    cut = fields.isel(y=ny // 2, drop=True)[["potential", "flux", "flux_z", "flux_x"]].astype(np.float32)
    # mA/cm2 x um / (mS/cm) = 1e-4 V
    cut["potential"] = (1e-4 * cut["potential"]).assign_attrs(
        units="V", long_name="potential at a mean current density of 1 mA/cm2"
    )
    cut["label"] = (
        ("z", "x"),
        volume.labels[:, ny // 2].astype(np.int32),
        {"units": "1", "long_name": "label"},
    )
    cut["under_spot"] = under.assign_attrs(long_name="flux along z under the spot, relative to the mean")
    cut["beside"] = beside.assign_attrs(units="1", long_name="flux along z beside it, relative to the mean")
    about = {"lost_share": float(fields.attrs["lost_share"]), "diameter_um": diameter_um, "times": times}
    return cut.assign_attrs(about)
