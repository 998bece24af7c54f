"""Interfaces of a symmetric cell from their contact maps: current constriction with Butler-Volmer on every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from operando.core.errors import InputError, OperandoError
from operando.transport import Slab, contact_current

from .symmetric_cell import Interface, SymmetricCell, Values, overpotential


def interface_from_maps(
    cell: SymmetricCell, contacts: Sequence[np.ndarray] | xr.DataArray, pixel_um: float, current_mA_per_cm2: Values,
    *, interphase_um: Values = 0.0, interphase_err_um: Values = 0.0, lithium_fraction: Values = 1.0,
    edge_err_px: float = 0.0, sides: str = "mirror",
) -> Interface:  # fmt: skip
    """Contact area and constriction of one interface from its contact maps (time, y, x).

    Each map stands for the whole interface. Laplace's equation in interphase and half the electrolyte, with
    Butler-Volmer on every contact pixel, so that current evens out where kinetics are slow. The constriction is what
    the solved face needs beyond eta(mean density on the contact) and the even layers, over the nominal current
    density. It depends on the current and on the conductivities of `cell`: make it anew when they change.

    current_mA_per_cm2   nominal, sign: positive strips this interface; not zero
    edge_err_px          1-sigma error of the contact edges, pixels: gives errors
    """
    maps = [np.asarray(m) for m in contacts]
    fill = [np.broadcast_to(np.asarray(v, float), len(maps)) for v in (current_mA_per_cm2, interphase_um)]
    shares = np.broadcast_to(np.asarray(lithium_fraction, float), len(maps))
    rows = [
        _face(cell, each, pixel_um, float(now), float(thick), float(share), edge_err_px, sides)
        for each, now, thick, share in zip(maps, *fill, shares, strict=True)
    ]
    area, extra, area_err, extra_err = np.array(rows).T
    return Interface(area, fill[1], shares, extra, area_err, interphase_err_um, extra_err)


def _face(
    cell, contact, pixel_um, density, thick_um, share, edge_err_px, sides
) -> tuple[float, float, float, float]:
    """Contact area, constriction and their errors of one map: chord resistances of the kinetics, iterated."""
    if density == 0:
        raise InputError("constriction needs a current", where="interface_from_maps")
    slabs = [
        Slab(thick_um, cell.interphase_S_per_cm),
        Slab(cell.electrolyte_um / 2, cell.electrolyte_S_per_cm),
    ]
    kinetics = (cell.exchange_mA_per_cm2, cell.alpha_anodic, cell.alpha_cathodic, cell.temperature_K)
    density_map = np.full(contact.shape, density / max(float(np.mean(contact)), 1e-12))
    before = np.inf
    for _ in range(60):
        chord = overpotential(share * density_map, *kinetics) / density_map * 1e3  # Ohm cm2
        solved = contact_current(contact, pixel_um, slabs, film_resistance_ohm_cm2=chord, sides=sides)
        total = float(solved.resistance)
        density_map = np.where(
            solved.current_density.values > 0, solved.current_density.values * density, density
        )
        if abs(total - before) < 1e-6 * total:
            break
        before = total
    else:
        raise OperandoError("kinetics and current distribution did not settle", where="interface_from_maps")
    fraction = float(solved.contact_fraction)
    even = float(overpotential(share * density / fraction, *kinetics)) / density * 1e3
    extra = total - float(solved.uniform_resistance) - even
    if edge_err_px == 0:
        return fraction * cell.area_cm2, extra, 0.0, 0.0
    near = contact_current(
        contact, pixel_um, slabs, film_resistance_ohm_cm2=chord, sides=sides, edge_err_px=edge_err_px
    )
    area_err = float(near.contact_fraction_err) * cell.area_cm2
    return fraction * cell.area_cm2, extra, area_err, float(near.constriction_resistance_err)
