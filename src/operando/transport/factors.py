"""Microstructure factors of imaged domains, and how unusual they are among synthetic isotropic ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from ._input import volume_array
from .conductivity import effective_conductivity
from .domains import BOUNDARY, GRAIN, PORE, polycrystal, pore_size
from .stiffness import effective_stiffness

XYZ = ("x", "y", "z")


def microstructure_factors(
    labels: np.ndarray | xr.DataArray, *, conductivity: Mapping[int, float] | None = None,
    moduli: Mapping[int, tuple[float, float]] | None = None, bulk: int = GRAIN,
    voxel: float | Sequence[float] = 1.0, workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """Effective property over that of the dense bulk, along x, y, z: for conductivity and for Young's modulus.

    labels        (z, y, x)
    conductivity  of each label (any units); it may be left out, and so may
    moduli        (Young's modulus, Poisson's ratio) of each label
    bulk          label of the dense material

    Returns over `direction`: `conductivity_factor`, `young_factor`, each with `_err` (numerical).
    Conductivity is between electrodes with insulated sides, elasticity periodic.
    Source: Dixit et al. 2020 (Li, LLZO, Li tomography), Fig. 5b.
    """
    if not conductivity and not moduli:
        raise InputError("neither conductivities nor moduli are given", where="microstructure_factors")
    _require_bulk(bulk, conductivity, moduli)
    result = xr.Dataset(coords={"direction": list(XYZ)})
    if conductivity:
        k = effective_conductivity(labels, conductivity, directions=XYZ, voxel=voxel, workers=workers)
        result["conductivity_factor"] = k["conductivity"] / conductivity[bulk]
        result["conductivity_factor_err"] = k["conductivity_err"] / conductivity[bulk]
    if moduli:
        e = effective_stiffness(labels, moduli, voxel=voxel, workers=workers)
        result["young_factor"] = e["young_modulus"] / moduli[bulk][0]
        result["young_factor_err"] = e["young_modulus_err"] / moduli[bulk][0]
    for name in result.data_vars:
        result[name].attrs = {
            "units": "1",
            "long_name": f"{str(name).replace('_', ' ')}, effective over bulk",
        }
    return result


def compare_with_synthetic(
    image: np.ndarray | xr.DataArray, rng: np.random.Generator, *, grain_size: float, seeds: int = 8,
    conductivity: Mapping[int, float] | None = None, moduli: Mapping[int, tuple[float, float]] | None = None,
    boundary: float = 1.0, pores_at: str = "anywhere", voxel: float = 1.0, workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """Factors of an imaged domain beside those of isotropic synthetic ones of the same porosity, pore and grain size.

    image       (z, y, x) labels: 0 pore, 1 solid, and 2 where boundaries were imaged. If they were not, boundaries of
                synthetic grains are drawn into the imaged solid, anew for each seed, so both are made alike
    grain_size  see `polycrystal`; porosity and pore size are measured in the image
    seeds       how many synthetic domains (two or more)

    Returns, over `direction` and the `source` "image" and "synthetic": for each factor its mean, `_spread` (standard
    deviation over seeds), `_min`, `_max`; over `direction` `_z`: (image - synthetic mean) / s, with s^2 = the spread of
    a synthetic domain about a mean of n, s_syn^2 (1 + 1/n), and the error of the image's mean, s_image^2 / n. A |z|
    over 3 in one direction only is anisotropy that porosity and sizes do not explain. Attrs: `porosity`, `pore_size`.
    """
    labels = checked_labels(image, "compare_with_synthetic")
    if seeds < 2:
        raise InputError("needs two seeds or more", where="compare_with_synthetic")
    options: dict[str, Any] = {
        "grain_size": grain_size, "conductivity": conductivity, "moduli": moduli, "boundary": boundary,
        "pores_at": pores_at, "voxel": voxel, "workers": workers,
    }  # fmt: skip
    return compare_pairs([synthetic_pair(labels, rng, **options) for _ in range(seeds)])


def synthetic_pair(
    image: np.ndarray | xr.DataArray, rng: np.random.Generator, *, grain_size: float,
    conductivity: Mapping[int, float] | None = None, moduli: Mapping[int, tuple[float, float]] | None = None,
    boundary: float = 1.0, pores_at: str = "anywhere", voxel: float = 1.0, workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """One draw of `compare_with_synthetic` (arguments as there): factors over `source` and `direction`."""
    labels = checked_labels(image, "synthetic_pair")
    pores = labels == PORE
    porosity, size = float(pores.mean()), pore_size(pores, voxel)
    options: dict[str, Any] = {
        "conductivity": conductivity, "moduli": moduli, "voxel": voxel, "workers": workers,
    }  # fmt: skip
    drawn = not (labels == BOUNDARY).any() and boundary > 0
    synthetic = polycrystal(
        labels.shape, rng, grain_size=grain_size, porosity=porosity, pore_size=0.0 if porosity == 0 else size,
        boundary=boundary, pores_at=pores_at, voxel=voxel,
    )  # fmt: skip
    if drawn:
        grains = polycrystal(labels.shape, rng, grain_size=grain_size, boundary=boundary, voxel=voxel)
        labels = np.where(pores, PORE, grains.values)
    pair = [microstructure_factors(one, **options) for one in (labels, synthetic.values)]
    facts = {"porosity": porosity, "pore_size": size, "boundaries_drawn": int(drawn)}
    return xr.concat(pair, "source").assign_coords(source=["image", "synthetic"]).assign_attrs(facts)


def checked_labels(image: np.ndarray | xr.DataArray, where: str) -> np.ndarray:
    """Labels 0, 1, 2 (z, y, x) that are not all pore; else `InputError`."""
    labels = volume_array(image, where)
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise InputError(f"{np.isnan(labels).sum()} voxels have no label (NaN)", where=where)
    if not np.isin(labels, (PORE, GRAIN, BOUNDARY)).all():
        raise InputError("needs labels 0 (pore), 1 (solid), 2 (boundary)", where=where)
    if (labels == PORE).all():
        raise InputError("the imaged domain is all pore", where=where, fix="Check the labels: 0 is pore.")
    return labels


def _require_bulk(bulk: int, *properties: Mapping | None) -> None:
    for given in properties:
        if given is not None and (bulk not in given or not np.ravel(given[bulk])[0] > 0):
            raise InputError(
                f"the bulk label {bulk} needs a positive property", where="microstructure_factors"
            )


def compare_pairs(pairs: Sequence[xr.Dataset]) -> xr.Dataset:
    """What `compare_with_synthetic` returns, from two or more draws of `synthetic_pair`, of one image or several."""
    drawn = bool(pairs[0].attrs["boundaries_drawn"])
    result = xr.Dataset(coords={"direction": list(XYZ), "source": ["image", "synthetic"]})
    for name in [str(n) for n in pairs[0].data_vars if not str(n).endswith("_err")]:
        rows = {s: np.array([p[name].sel(source=s).values for p in pairs]) for s in ("image", "synthetic")}
        if not drawn:  # draws of one image are all the same
            rows["image"] = np.unique(rows["image"], axis=0)
        _compare(name, rows, result)
    mean = {k: float(np.mean([p.attrs[k] for p in pairs])) for k in ("porosity", "pore_size")}
    return result.assign_attrs(**mean, seeds=len(pairs), boundaries_drawn=int(drawn))


def _compare(name: str, rows: dict[str, np.ndarray], result: xr.Dataset) -> None:
    """Mean, spread, extremes and z-score of one factor, from (draw, direction) of each source, into `result`."""
    spread = {s: r.std(0, ddof=1) if len(r) > 1 else np.zeros(3) for s, r in rows.items()}
    dims, meta = ("source", "direction"), {"units": "1"}
    result[name] = (dims, [r.mean(0) for r in rows.values()], meta)
    result[f"{name}_spread"] = (dims, [spread[s] for s in rows], meta)
    result[f"{name}_min"] = (dims, [r.min(0) for r in rows.values()], meta)
    result[f"{name}_max"] = (dims, [r.max(0) for r in rows.values()], meta)
    n, m = len(rows["synthetic"]), len(rows["image"])
    width = np.sqrt(spread["synthetic"] ** 2 * (1 + 1 / n) + spread["image"] ** 2 / m)
    gap = rows["image"].mean(0) - rows["synthetic"].mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        result[f"{name}_z"] = ("direction", gap / width, meta)
