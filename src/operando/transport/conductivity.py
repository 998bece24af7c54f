"""Effective conductivity of voxel domains of several phases, in all three directions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag, flag_variable

from . import _domain
from ._input import DIRECTIONS, along, axes_of, conductivity_array, spacing_of

TOLERANCE = 1e-2  # of the fluxes: values are then good to about 1e-5, see effective_conductivity


def effective_conductivity(
    volume: np.ndarray | xr.DataArray, conductivity: Mapping[int, float] | None = None, *,
    directions: str | Sequence[str] = DIRECTIONS, voxel: float | Sequence[float] = 1.0,
    tolerance: float = TOLERANCE, units: str = "1", workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """Effective conductivity (or diffusivity) of a volume between electrodes on two opposite faces.

    div(k grad u) = 0 by finite volumes: the conductance of the face between two voxels is the harmonic mean of their
    conductivities, the electrodes lie on the outer faces of the end voxels (half a voxel from their centres), no flux
    passes the sides. Solved by conjugate gradients with a multigrid V-cycle until the flux is the same through every
    plane within `tolerance`. The value is taken from the dissipation, whose error is of second order in that of the
    field: at a tolerance of 1e-2 it is about 1e-5.

    volume        (z, y, x): conductivities, or labels if `conductivity` is given
    conductivity  of each label, in `units`; 0 is blocked, contrasts up to 10^8
    directions    of the flux
    voxel         edge, or edges along z, y, x in any unit of length
    tolerance     (largest - smallest flux) / mean over all planes

    Returns over `direction`: `conductivity`, its numerical error `conductivity_err` (not that of the voxels: refine to
    see it), `percolates`, `open_fraction` (share of voxels joined to both ends), `flux_spread`, `steps`, `flag`.
    A domain that does not percolate has conductivity 0.
    Raises `InputError` for NaN, infinite or negative conductivities, unknown labels.
    """
    where = "effective_conductivity"
    k = conductivity_array(volume, conductivity, where)
    spacing, axes = spacing_of(voxel, where), axes_of(directions, where)
    check_tolerance(tolerance, where)
    jobs = [along(k, spacing, axis) for axis in axes]
    with ThreadPoolExecutor(max(1, min(workers, len(jobs)))) as pool:
        flows = list(pool.map(lambda job: _domain.between_electrodes(job[0], job[1], tolerance), jobs))
    geometry = [conductance_factor(a.shape, s) for a, s in jobs]
    return as_dataset(flows, geometry, ("direction",), (len(jobs),), units).assign_coords(
        direction=[DIRECTIONS[axis] for axis in axes]
    )


def effective_conductivities(
    domains: Sequence[np.ndarray] | np.ndarray, conductivity: Mapping[int, float] | None = None, *,
    direction: str = "z", voxel: float | Sequence[float] = 1.0, tolerance: float = TOLERANCE, units: str = "1",
    workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """`effective_conductivity` of many domains in one direction, over `domain`; each thread works on one domain."""
    where = "effective_conductivities"
    spacing, (axis,) = spacing_of(voxel, where), axes_of([direction], where)
    check_tolerance(tolerance, where)

    def solve(domain):
        array, turned = along(conductivity_array(domain, conductivity, where), spacing, axis)
        return _domain.between_electrodes(array, turned, tolerance), conductance_factor(array.shape, turned)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = list(pool.map(solve, domains))
    if not found:
        raise InputError("no domains", where=where)
    flows, geometry = [f for f, _ in found], [g for _, g in found]
    return as_dataset(flows, geometry, ("domain",), (len(found),), units)


def check_tolerance(tolerance: float, where: str) -> None:
    if not 1e-9 <= tolerance < 1:
        raise InputError(f"tolerance {tolerance} is not between 1e-9 and 1", where=where)


def conductance_factor(shape: tuple[int, ...], spacing: Sequence[float]) -> float:
    """Conductivity over conductance, length / area, with lengths in units of the last axis' voxel."""
    length, *sides = (n * h / spacing[2] for n, h in zip(shape, spacing, strict=True))
    return length / (sides[0] * sides[1])


def as_dataset(flows, factors, dims: tuple[str, ...], shape: tuple[int, ...], units: str) -> xr.Dataset:
    """Flows in the order of `shape` as variables that explain themselves."""

    def variable(values, units: str, long_name: str):
        return dims, np.reshape(values, shape), {"units": units, "long_name": long_name}

    k = [flow.conductance * factor for flow, factor in zip(flows, factors, strict=True)]
    err = [flow.err * factor for flow, factor in zip(flows, factors, strict=True)]
    flags = [Flag.OK if flow.converged else Flag.NOT_CONVERGED for flow in flows]
    return xr.Dataset(
        {
            "conductivity": variable(k, units, "effective conductivity"),
            "conductivity_err": variable(err, units, "numerical error of the solver"),
            "percolates": variable([f.open_fraction > 0 for f in flows], "1", "joined from end to end"),
            "open_fraction": variable([f.open_fraction for f in flows], "1", "share joined to both ends"),
            "flux_spread": variable(
                [f.spread for f in flows], "1", "(max - min) / mean flux over the planes"
            ),
            "steps": variable([f.steps for f in flows], "1", "steps of conjugate gradients"),
            "flag": flag_variable(np.reshape([int(f) for f in flags], shape), dims),
        }
    )
