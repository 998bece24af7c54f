"""Current through a measured contact map: constriction resistance and local density by a spectral Laplace solve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando.core.errors import InputError, OperandoError

from . import _constriction_solve as solve

SIDES = ("mirror", "periodic")


@dataclass(frozen=True)
class Slab:
    """One layer of the conductor behind the contact. The last layer may be infinitely thick."""

    thickness_um: float
    conductivity_S_per_cm: float

    def __post_init__(self) -> None:
        if not self.thickness_um >= 0 or not self.conductivity_S_per_cm > 0:
            raise InputError(
                "a slab needs a thickness of zero or more and a positive conductivity",
                where=f"slab of {self.thickness_um} um, {self.conductivity_S_per_cm} S/cm",
            )


def contact_current(
    contact: np.ndarray | xr.DataArray, pixel_um: float, slabs: Slab | Sequence[Slab], *, sides: str = "mirror",
    film_resistance_ohm_cm2: np.ndarray | float = 0.0, edge_err_px: float = 0.0, tolerance: float = 1e-7,
    workers: int = 2,
) -> xr.Dataset:  # fmt: skip
    """Current density through every pixel of a contact map, and the resistance that the loss of contact adds.

    Laplace's equation in a stack of slabs; the contact pixels are at one potential (less the drop over
    `film_resistance_ohm_cm2`, a charge-transfer or film resistance per contact area), no current passes elsewhere,
    and the far side of the last slab is an equipotential. In Fourier space the slabs are a multiplier; the current of
    the contact pixels is found by conjugate gradients.

    contact         (y, x) bool, True where there is contact
    pixel_um        edge of a pixel
    slabs           from the contact outwards, e.g. interphase then electrolyte
    sides           "mirror" (insulated sides, or a part of a statistically even map) or "periodic"
    edge_err_px     1-sigma error of the position of the edges in pixels: gives the errors (three solves for one)
    tolerance       relative residual at which the search stops

    Returns, per nominal area (the whole map): `resistance`, `uniform_resistance` (all in contact), `film_resistance`
    (of the contact pixels side by side), `constriction_resistance` (what is left), each Ohm cm2; `contact_fraction`;
    over (y, x) `current_density` relative to the mean over the whole map (zero without contact).

    Error of the pixels: 1 % for patches of 8 pixels across, 2 % for 4. Blind to contact finer than the image: a patch
    that is really a cluster of spots has a resistance that no map shows, so the result is a lower bound. At the edge
    of a contact without film resistance the true density is infinite; the map holds the mean over a pixel.

    Raises `InputError` for a map without contact. Source: Greenwood, Brit. J. Appl. Phys. 17 (1966) 1621 (spots).
    """
    mask = _checked_map(contact, pixel_um, sides, edge_err_px)
    stack = _checked_slabs(slabs)
    film = _checked_film(film_resistance_ohm_cm2, mask)
    found = _solve(mask, pixel_um, stack, sides, film, tolerance, workers)
    result = _as_dataset(found, mask, pixel_um)
    if edge_err_px > 0:
        result = _with_edge_error(result, edge_err_px, mask, pixel_um, stack, sides, film, tolerance, workers)
    return result.assign_attrs(sides=sides, iterations=found["iterations"], pixel_um=pixel_um)


def constriction_series(
    contacts: Sequence[np.ndarray] | xr.DataArray, pixel_um: float, slabs: Sequence, **options
) -> xr.Dataset:
    """`contact_current` of maps that follow each other (`time`); `slabs` is one stack for all, or one a map.

    Returns the resistances and contact fraction over `time`, without the maps of the current density.
    """
    maps = list(contacts)
    each = list(slabs) if len(slabs) == len(maps) and not isinstance(slabs[0], Slab) else [slabs] * len(maps)
    rows = [
        contact_current(m, pixel_um, s, **options).drop_vars(["current_density", "y", "x"])
        for m, s in zip(maps, each, strict=True)
    ]
    series = xr.concat([row.drop_attrs(deep=False) for row in rows], "time")
    if isinstance(contacts, xr.DataArray) and "time" in contacts.coords:
        series = series.assign_coords(time=contacts["time"])
    return series


def _checked_map(contact, pixel_um: float, sides: str, edge_err_px: float) -> np.ndarray:
    values = np.asarray(contact)
    if values.ndim != 2 or min(values.shape) < 1:
        raise InputError("a contact map has two dimensions", where=f"contact of shape {values.shape}")
    if values.dtype != bool and not np.isin(values, (0, 1)).all():
        raise InputError(
            "a contact map holds True and False only", where="contact",
            fix="Decide what counts as contact first: missing pixels (NaN) and shares cannot carry the current.",
        )  # fmt: skip
    if sides not in SIDES:
        raise InputError(f"unknown sides {sides!r}", where="contact_current", fix="mirror or periodic.")
    if not pixel_um > 0 or edge_err_px < 0:
        raise InputError("pixel_um must be positive and edge_err_px not negative", where="contact_current")
    if not values.any():
        raise InputError(
            "the contact map has no contact at all: no current can pass", where="contact",
            fix="Check the segmentation, or leave this map out.",
        )  # fmt: skip
    return values.astype(bool)


def _checked_slabs(slabs) -> list[Slab]:
    stack = [slabs] if isinstance(slabs, Slab) else list(slabs)
    if not stack or not all(isinstance(slab, Slab) for slab in stack):
        raise InputError(
            "no slabs behind the contact", where="slabs", fix="Give Slab(thickness_um, conductivity)."
        )
    if any(np.isinf(slab.thickness_um) for slab in stack[:-1]):
        raise InputError("only the last slab may be infinitely thick", where="slabs")
    return [slab for slab in stack if slab.thickness_um > 0] or stack[-1:]


def _checked_film(film, mask: np.ndarray) -> np.ndarray:
    film = np.broadcast_to(np.asarray(film, float), mask.shape)
    if not (film[mask] >= 0).all():
        raise InputError(
            "film resistance must be zero or positive on contact pixels", where="film_resistance"
        )
    return film


def _solve(mask, pixel_um, stack, sides, film, tolerance, workers) -> dict:
    pixel_cm = pixel_um * 1e-4
    layers = [(s.thickness_um * 1e-4, s.conductivity_S_per_cm) for s in stack]
    transform = solve.transform_of(mask.shape, sides, workers)
    spreading = solve.spreading_multiplier(transform, layers, pixel_cm)
    uniform = sum(thickness / k for thickness, k in layers)
    current, potential, iterations, residual = solve.solve_contact(
        mask, spreading, film, transform, tolerance
    )
    if residual > tolerance:
        raise OperandoError(
            f"the current distribution did not converge (residual {residual:.1e} after {iterations} steps)",
            where="contact_current",
            fix="Loosen tolerance or smooth the map.",
        )
    # `potential` is that of the contacts for a mean current density of one, without the uniform part
    film_only = _film_in_parallel(mask, film)
    return {
        "constriction": potential - film_only, "film": film_only, "uniform": uniform,
        "current": current, "iterations": iterations,
    }  # fmt: skip


def _film_in_parallel(mask: np.ndarray, film: np.ndarray) -> float:
    on = film[mask]
    return float(mask.size / (1 / on).sum()) if (on > 0).all() else 0.0


def _as_dataset(found: dict, mask: np.ndarray, pixel_um: float) -> xr.Dataset:
    total = found["constriction"] + found["film"] + found["uniform"]
    ohm = {"units": "Ohm cm2"}
    y, x = ((np.arange(n) + 0.5) * pixel_um for n in mask.shape)
    return xr.Dataset(
        {
            "resistance": ((), total, {**ohm, "long_name": "contact to far side, per nominal area"}),
            "uniform_resistance": ((), found["uniform"], {**ohm, "long_name": "with contact everywhere"}),
            "film_resistance": ((), found["film"], {**ohm, "long_name": "film on the contact pixels"}),
            "constriction_resistance": (
                (),
                found["constriction"],
                {**ohm, "long_name": "added by the loss of contact"},
            ),
            "contact_fraction": ((), float(mask.mean()), {"units": "1", "long_name": "share in contact"}),
            "current_density": (
                ("y", "x"),
                found["current"],
                {"units": "1", "long_name": "current density relative to its mean over the map"},
            ),
        },
        coords={"y": ("y", y, {"units": "um"}), "x": ("x", x, {"units": "um"})},
    )


def _with_edge_error(result, edge_err_px, mask, pixel_um, stack, sides, film, tolerance, workers):
    """Half the change between edges moved out and in by one pixel, times the error of the edge."""
    from scipy.ndimage import binary_dilation, binary_erosion

    film = np.where(mask, film, film[mask].mean())
    small = binary_erosion(mask, border_value=1)
    outer = _solve(binary_dilation(mask), pixel_um, stack, sides, film, tolerance, workers)
    inner = _solve(small, pixel_um, stack, sides, film, tolerance, workers) if small.any() else None
    for name, key in (("constriction_resistance", "constriction"), ("film_resistance", "film")):
        centre = float(result[name])
        low = outer[key]
        step = (inner[key] - low) / 2 if inner else centre - low
        result[f"{name}_err"] = ((), abs(step) * edge_err_px, {"units": "Ohm cm2"})
    both = result["constriction_resistance_err"] + result["film_resistance_err"]
    result["resistance_err"] = both.assign_attrs(units="Ohm cm2")
    step = (binary_dilation(mask).mean() - small.mean()) / 2
    result["contact_fraction_err"] = ((), float(step) * edge_err_px, {"units": "1"})
    return result
