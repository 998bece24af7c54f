"""Potential and flux inside a voxel domain, to look at; flux around a hot spot of given current density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError, OperandoError

from . import _domain
from ._input import DIRECTIONS, along, axes_of, conductivity_array, spacing_of
from .conductivity import check_tolerance

TOLERANCE = 1e-3  # a field is good to first order only


def potential_field(
    volume: np.ndarray | xr.DataArray, conductivity: Mapping[int, float] | None = None, *, direction: str = "z",
    voxel: float | Sequence[float] = 1.0, tolerance: float = TOLERANCE, units: str = "um",
) -> xr.Dataset:  # fmt: skip
    """Potential and flux of every voxel between electrodes at one (first face) and zero (last face of `direction`).

    Arguments and method as `effective_conductivity`. Returns over z y x: `potential` (0..1), NaN where nothing is
    joined to both ends; `flux_z`, `flux_y`, `flux_x` and `flux` (magnitude), relative to the mean flux along
    `direction` over the whole section. The flux of a voxel is the mean of those through its two faces.
    Raises `OperandoError` where the domain does not percolate or the solve does not converge.
    """
    where = "potential_field"
    k = conductivity_array(volume, conductivity, where)
    spacing, (axis,) = spacing_of(voxel, where), axes_of([direction], where)
    check_tolerance(tolerance, where)
    array, turned = along(k, spacing, axis)
    flow = _domain.between_electrodes(np.ascontiguousarray(array), turned, tolerance, keep=True)
    _refuse(flow, where)
    return _as_fields(array, flow.potential, turned, axis, spacing, units, np.ones(array.shape[1:]), None)


def hot_spot_field(
    volume: np.ndarray | xr.DataArray, current_density: np.ndarray | xr.DataArray,
    conductivity: Mapping[int, float] | None = None, *, voxel: float | Sequence[float] = 1.0,
    tolerance: float = TOLERANCE, units: str = "um",
) -> xr.Dataset:  # fmt: skip
    """Potential and flux for a given current density on the first face (z = 0); the last face is at zero potential.

    volume, conductivity  as `effective_conductivity`, (z, y, x)
    current_density       (y, x), any units, e.g. 1 with a spot of 10; NaN is refused

    Returns as `potential_field`, flux relative to the mean current density of the face; `potential` (the polarisation)
    in units of mean current density times one of the `voxel` units over conductivity. Current given to voxels that
    lead nowhere cannot flow: its share is in attrs["lost_share"].
    Raises `OperandoError` where nothing percolates. Source: Dixit et al. 2020, Fig. 1a (a spot of 10 times the mean).
    """
    where = "hot_spot_field"
    k = conductivity_array(volume, conductivity, where)
    spacing = spacing_of(voxel, where)
    check_tolerance(tolerance, where)
    current = np.asarray(current_density, float)
    if current.shape != k.shape[1:] or not np.isfinite(current).all() or not current.any():
        raise InputError(
            f"current density must be finite numbers, not all zero, of shape {k.shape[1:]} (y, x)",
            where=where,
        )
    flow = _domain.from_current(k, current / current.mean(), spacing, tolerance)
    _refuse(flow, where)
    assert flow.potential is not None
    open_ = flow.potential[0] != 0
    lost = 1 - current[open_].sum() / current.sum()
    fields = _as_fields(k, flow.potential, spacing, 0, spacing, units, None, current / current.mean())
    return fields.assign_attrs(lost_share=float(lost))


def flux_ratio(fields: xr.Dataset, region: np.ndarray | xr.DataArray) -> xr.Dataset:
    """Flux in a region relative to the mean: how much of a detour, or of a focus, a region is.

    fields   of `potential_field` or `hot_spot_field`
    region   (z, y, x), or (y, x) for all z: True inside

    Returns `mean` and `largest` of the flux magnitude in the region, `through` (mean of the flux along the mean
    direction), and over z the profile `through_profile`; all relative to the mean flux.
    """
    inside = np.broadcast_to(np.asarray(region, bool), fields["flux"].shape)
    if not inside.any():
        raise InputError("the region holds no voxels", where="flux_ratio")
    mask = xr.DataArray(inside, dims=fields["flux"].dims)
    magnitude, forward = fields["flux"].where(mask), fields[f"flux_{fields.attrs['direction']}"].where(mask)
    meta = {"units": "1"}
    return xr.Dataset(
        {
            "mean": magnitude.mean().assign_attrs(meta),
            "largest": magnitude.max().assign_attrs(meta),
            "through": forward.mean().assign_attrs(meta),
            "through_profile": forward.mean(["y", "x"]).assign_attrs(meta),
        }
    )


def _refuse(flow, where: str) -> None:
    if not flow.open_fraction or flow.potential is None:
        raise OperandoError(
            "no conducting path leads from the first face to the last", where=where,
            fix="Check the segmentation and the direction; effective_conductivity reports such domains as zero.",
        )  # fmt: skip
    if not flow.converged:
        raise OperandoError(
            f"the fluxes through the planes differ by {flow.spread:.1e} after {flow.steps} steps", where=where,
            fix="Lower the contrast of the conductivities or loosen tolerance.",
        )  # fmt: skip


def _face_fluxes(k: np.ndarray, u: np.ndarray, h: float, axis: int, first, last) -> np.ndarray:
    """Mean of the flux through the two faces of each voxel along `axis`; `first`, `last`: through the outer faces."""
    k, u = np.moveaxis(k, axis, 0), np.moveaxis(u, axis, 0)
    total = k[:-1] + k[1:]
    harmonic = np.divide(2 * k[:-1] * k[1:], total, out=np.zeros_like(total), where=total > 0)
    inner = harmonic * (u[:-1] - u[1:]) / h
    faces = np.concatenate([np.broadcast_to(first, u[:1].shape), inner, np.broadcast_to(last, u[:1].shape)])
    return np.moveaxis((faces[:-1] + faces[1:]) / 2, 0, axis)


def _as_fields(k, u, h, axis: int, spacing, units: str, electrode, current) -> xr.Dataset:
    """Fields in the order z y x from arrays that have the direction of the mean flux (`axis`) first."""
    u = u.astype(np.float64)
    closed = (k == 0) | (u == 0)
    k = np.where(closed, 0, k).astype(np.float64)
    first = current if current is not None else 2 * k[0] * (electrode - u[0]) / h[0]
    first = np.where(closed[0], 0, first)
    last = 2 * k[-1] * u[-1] / h[0]
    mean = last.mean()
    parts = [_face_fluxes(k, u, h[n], n, *((first, last) if n == 0 else (0.0, 0.0))) / mean for n in range(3)]
    names = [DIRECTIONS[axis], *(d for n, d in enumerate(DIRECTIONS) if n != axis)]
    coords = {
        d: (d, (np.arange(n) + 0.5) * s, {"units": units})
        for d, n, s in zip(DIRECTIONS, [k.shape[names.index(d)] for d in DIRECTIONS], spacing, strict=True)
    }
    meta = {"units": "1", "long_name": "flux relative to its mean"}
    fields = xr.Dataset({f"flux_{d}": (names, p, meta) for d, p in zip(names, parts, strict=True)})
    fields["flux"] = (names, np.sqrt(sum(p * p for p in parts)), meta)
    fields["potential"] = (names, np.where(closed, np.nan, u), {"units": "1", "long_name": "potential"})
    return fields.transpose(*DIRECTIONS).assign_coords(coords).assign_attrs(direction=names[0])
