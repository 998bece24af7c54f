"""Tortuosity factors of a phase: of one volume, and as a map of domains cut from it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

from . import _domain
from ._input import DIRECTIONS, along, axes_of, spacing_of, volume_array
from .conductivity import TOLERANCE, as_dataset, check_tolerance, conductance_factor

CONVENTION = "D_eff = D * volume_fraction / tau_factor = D * volume_fraction / tortuosity^2"


def tortuosity_factor(
    volume: np.ndarray | xr.DataArray, phase: int | Sequence[int] = 1, *,
    directions: str | Sequence[str] = DIRECTIONS, voxel: float | Sequence[float] = 1.0,
    tolerance: float = TOLERANCE, workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """Tortuosity factor of one phase of a volume: D_eff = D eps / tau_factor, tau_factor = tortuosity^2.

    eps is the volume fraction of the whole phase, pieces that lead nowhere included. Method and errors: see
    `effective_conductivity`.

    volume  (z, y, x) labels or booleans
    phase   label or labels that conduct, all alike; everything else blocks

    Returns over `direction`: `tau_factor`, `tortuosity` (its square root), `relative_diffusivity` (D_eff / D), each
    with `_err`; `volume_fraction`, `open_fraction`, `percolates`, `flux_spread`, `steps`, `flag`. A phase that does not
    percolate has an infinite factor and `percolates` False; without any voxel of the phase it is NaN, flag no_data.
    Raises `InputError` for NaN in the volume.
    """
    where = "tortuosity_factor"
    open_, missing = _phase_of(volume, phase, where)
    if missing is not None:
        raise InputError(
            f"{missing.sum()} voxels have no label (NaN)", where=where,
            fix="Give missing voxels a label, cut them off, or use tortuosity_map, which leaves such domains out.",
        )  # fmt: skip
    spacing, axes = spacing_of(voxel, where), axes_of(directions, where)
    jobs = [along(open_, spacing, axis) for axis in axes]
    result = _factors(
        jobs, np.zeros(len(jobs), bool), ("direction",), (len(jobs),), tolerance, workers, where
    )
    return result.assign_coords(direction=[DIRECTIONS[axis] for axis in axes])


def tortuosity_map(
    volume: np.ndarray | xr.DataArray, domain: tuple[int, int, int] = (25, 25, 100), *,
    phase: int | Sequence[int] = 1, direction: str = "z", voxel: float | Sequence[float] = 1.0, units: str = "um",
    tolerance: float = TOLERANCE, workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """Tortuosity factor along `direction` of every domain that a volume is cut into, as a map over its section.

    Convention and errors as `tortuosity_factor`. Domains are solved apart, with insulated sides, so a map says how
    much each column obstructs the flux, not where the flux of the whole goes.

    volume     (z, y, x) labels or booleans; NaN outside the sample
    domain     voxels along x, y, z; what is left over at the far sides is not used
    direction  x, y or z: that of the flux
    voxel      edge, or edges along z, y, x, in `units`

    Returns over the two other axes (over z y x where several domains fit along `direction`), centres of the domains in
    `units`: the variables of `tortuosity_factor`; attrs `direction`. Domains that do not percolate are infinite with
    `percolates` False; domains with NaN voxels or without any voxel of the phase are NaN, flag no_data.
    Source: Dixit et al. 2020 (Li, LLZO, Li tomography), Fig. 4b: 25 x 25 x 100 um, along the field.
    """
    where = "tortuosity_map"
    open_, missing = _phase_of(volume, phase, where)
    spacing, size = spacing_of(voxel, where), _checked_domain(domain, open_.shape, where)
    (axis,) = axes_of([direction], where)
    counts = tuple(n // m for n, m in zip(open_.shape, size, strict=True))
    corners = [tuple(i * m for i, m in zip(index, size, strict=True)) for index in np.ndindex(counts)]
    cuts = [tuple(slice(c, c + m) for c, m in zip(corner, size, strict=True)) for corner in corners]
    absent = np.array([missing is not None and missing[cut].any() for cut in cuts])
    jobs = [along(open_[cut], spacing, axis) for cut in cuts]
    result = _factors(jobs, absent, DIRECTIONS, counts, tolerance, workers, where)
    middles = {
        d: (d, (np.arange(n) + 0.5) * m * h, {"units": units, "long_name": f"{d}, middle of the domain"})
        for d, n, m, h in zip(DIRECTIONS, counts, size, spacing, strict=True)
    }
    result = result.assign_coords(middles).assign_attrs(domain_voxels_xyz=list(domain), direction=direction)
    return result.squeeze(direction) if counts[axis] == 1 else result


def _phase_of(volume, phase, where: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Where the phase is, and where nothing is known (None: everywhere known)."""
    values = volume_array(volume, where)
    missing = None
    if values.dtype.kind == "f":
        unknown = np.isnan(values)
        missing = unknown if unknown.any() else None
        if not (unknown | (values == np.round(values))).all():
            raise InputError(
                "the volume holds grey values, not labels", where=where,
                fix="Segment it first, or give volume > threshold.",
            )  # fmt: skip
    wanted = np.atleast_1d(phase)
    return (values == wanted[0]) if len(wanted) == 1 else np.isin(values, wanted), missing


def _checked_domain(domain, shape, where: str) -> tuple[int, int, int]:
    if len(domain) != 3 or any(int(n) != n or n < 1 for n in domain):
        raise InputError(f"domain {domain} is not three voxel numbers (x, y, z)", where=where)
    size = (int(domain[2]), int(domain[1]), int(domain[0]))
    if any(n < m for n, m in zip(shape, size, strict=True)):
        raise InputError(
            f"the volume (z, y, x) = {shape} is smaller than one domain (x, y, z) = {tuple(domain)}", where=where,
            fix="Choose a smaller domain.",
        )  # fmt: skip
    return size


def _factors(jobs, absent, dims, shape, tolerance: float, workers: int, where: str) -> xr.Dataset:
    """Solve the domains (boolean array, spacing) along their first axes and turn conductivities into factors."""
    check_tolerance(tolerance, where)

    def solve(job):
        (open_, spacing), skip = job
        if skip:
            return _domain.NOTHING, np.nan, np.nan
        flow = _domain.between_electrodes(open_, spacing, tolerance)
        return flow, conductance_factor(open_.shape, spacing), np.count_nonzero(open_) / open_.size

    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = list(pool.map(solve, zip(jobs, absent, strict=True)))
    flows, factors, fractions = zip(*found, strict=True)
    solved = as_dataset(flows, factors, dims, shape, "1")
    return _as_factors(solved, np.reshape(fractions, shape), np.reshape(absent, shape), dims)


def _as_factors(solved: xr.Dataset, fraction: np.ndarray, absent: np.ndarray, dims) -> xr.Dataset:
    diffusivity, err = solved["conductivity"].values, solved["conductivity_err"].values
    empty = absent | (fraction == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(empty, np.nan, fraction / diffusivity)
        factor_err = np.where(solved["percolates"], factor * err / diffusivity, np.nan)
        tortuosity = np.sqrt(factor)
        tortuosity_err = factor_err / (2 * tortuosity)
    values = {
        "tau_factor": (factor, "tortuosity factor"),
        "tau_factor_err": (factor_err, "numerical error of the tortuosity factor"),
        "tortuosity": (tortuosity, "tortuosity, square root of the factor"),
        "tortuosity_err": (tortuosity_err, "numerical error of the tortuosity"),
        "relative_diffusivity": (np.where(absent, np.nan, diffusivity), "D_eff / D"),
        "relative_diffusivity_err": (np.where(absent, np.nan, err), "numerical error of D_eff / D"),
        "volume_fraction": (fraction, "share of the phase"),
    }
    result = solved.drop_vars(["conductivity", "conductivity_err", "flag"]).assign(
        {name: (dims, v, {"units": "1", "long_name": text}) for name, (v, text) in values.items()}
    )
    flags = np.where(empty, int(Flag.NO_DATA), solved["flag"].values)
    return result.assign(flag=flag_variable(flags, tuple(dims))).assign_attrs(convention=CONVENTION)
