"""Where everything is: thickness of the layers, Li content over the cathode, absorption, and the tomogram's labels."""

from __future__ import annotations

import numpy as np

from .cell import CoinCell, State
from .materials import HOST, LI, SEPARATOR, STEEL, STEEL_G_CM3, attenuation
from .spectra import peak_keV

COMPONENTS = ("cathode", "separator", "anode")
LABELS = {"void": 0, "cathode": 1, "separator": 2, "anode": 3, "steel": 4}
OVERSAMPLE = 5


def lateral_mm(cell: CoinCell, oversample: int = 1) -> np.ndarray:
    """Middles of the columns (x) and of the rows (y) that the detector's pixels see, mm from its axis."""
    number = cell.pixels * oversample
    return (np.arange(number) - (number - 1) / 2) * cell.pitch_mm / oversample


def inside(cell: CoinCell, component: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """True where a disc is, from above."""
    if component == "cathode":
        dx, dy = x - cell.cathode_centre_mm[0], y - cell.cathode_centre_mm[1]
        return (dx**2 + dy**2 < cell.cathode_radius_mm**2) & (dx < cell.cathode_flat_mm)
    radius = cell.separator_radius_mm if component == "separator" else cell.anode_radius_mm
    return x**2 + y**2 < radius**2


def tops_um(cell: CoinCell, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Upper side of the cathode (of the gap where there is none) and of the separator."""
    cathode = cell.cathode_um + cell.waviness_um * np.sin(0.9 * x + 0.3) * np.cos(0.7 * y)
    separator = cathode + cell.separator_um + cell.separator_waviness_um * np.cos(0.6 * x - 0.8 * y)
    return cathode, separator


def bounds_um(cell: CoinCell, component: str, x, y) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper side of a component; equal where it is absent."""
    cathode, separator = tops_um(cell, x, y)
    low = {"cathode": np.zeros_like(cathode), "separator": cathode, "anode": separator}[component]
    high = {"cathode": cathode, "separator": separator, "anode": np.full_like(cathode, cell.anode_um + 95.0)}
    return low, np.where(inside(cell, component, x, y), high[component], low)


def fractions(cell: CoinCell, oversample: int = OVERSAMPLE) -> np.ndarray:
    """(region, component, y, x): share of the sheet that each component fills, on the fine grid."""
    y, x = np.meshgrid(lateral_mm(cell, oversample), lateral_mm(cell, oversample), indexing="ij")
    found = np.empty((3, 3, *x.shape))
    for c, component in enumerate(COMPONENTS):
        low, high = bounds_um(cell, component, x, y)
        for r, bottom in enumerate(cell.regions_um):
            inner = np.minimum(high, bottom + cell.sheet_um) - np.maximum(low, bottom)
            found[r, c] = np.maximum(inner, 0) / cell.sheet_um
    return found


def densities(cell: CoinCell) -> tuple[float, float, float]:
    return cell.cathode_g_cm3, cell.separator_g_cm3, cell.anode_g_cm3


def transmissions(cell: CoinCell, oversample: int = OVERSAMPLE) -> np.ndarray:
    """(component, y, x): share of the beam that reaches a place inside its layer, times that which leaves upwards.

    The beam stays in its layer (the sheet is parallel to the layers); out, photons of the peak's energy go through lid
    and anode. The steel wall of the can is passed on the way in.
    """
    line = lateral_mm(cell, oversample)
    y, x = np.meshgrid(line, line, indexing="ij")
    step_cm = cell.pitch_mm / oversample / 10
    formulas = ((*HOST, (3, 1.0)), SEPARATOR, LI)
    out_keV = peak_keV(cell, cell.angle_deg)
    wall = _wall_cm(cell, line) * attenuation(STEEL, cell.energy_keV, STEEL_G_CM3)[0]
    lid = cell.lid_um * 1e-4 * attenuation(STEEL, out_keV, STEEL_G_CM3)[0]
    lithium = 0.5 * cell.anode_um * 1e-4 * attenuation(LI, out_keV, cell.anode_g_cm3)[0]
    found = np.empty((3, *x.shape))
    for c, component in enumerate(COMPONENTS):
        mu = attenuation(formulas[c], cell.energy_keV, densities(cell)[c])[0]
        here = inside(cell, component, x, y) * mu * step_cm
        depth = np.cumsum(here, axis=0) - here / 2
        found[c] = np.exp(-depth - wall[None, :] - lid - lithium)
    return found


def _wall_cm(cell: CoinCell, x_mm: np.ndarray) -> np.ndarray:
    """Way of the beam through the wall of the can, on the way in."""
    inner, outer = cell.can_radius_mm, cell.can_radius_mm + cell.wall_um * 1e-3
    reach = [np.sqrt(np.maximum(r**2 - x_mm**2, 0)) for r in (outer, inner)]
    return (reach[0] - reach[1]) / 10


def li_content(cell: CoinCell, state: State, oversample: int = 1) -> np.ndarray:
    """(y, x) Li content of the cathode: more is taken out near its middle and on the near side; NaN outside. The
    mean is `state.x`.

    References are even: they rested long.
    """
    line = lateral_mm(cell, oversample)
    y, x = np.meshgrid(line, line, indexing="ij")
    dx, dy = x - cell.cathode_centre_mm[0], y - cell.cathode_centre_mm[1]
    radius = np.hypot(dx, dy) / cell.cathode_radius_mm
    shape = radius**2 + (0.5 * dx + 0.7 * dy) / cell.cathode_radius_mm
    here = inside(cell, "cathode", x, y)
    weight = here * tops_um(cell, x, y)[0]
    shape = shape - (shape * weight).sum() / weight.sum()
    uneven = 0.0 if state.reference else cell.lateral * (1.01 - state.x)
    return np.where(here, state.x + uneven * shape, np.nan)


def tomogram(cell: CoinCell) -> np.ndarray:
    """(z, y, x) uint8 labels on the tomogram's own axes, turned and shifted against the beam's.

    A point (x, y) of the cell is found at R(turn) (x, y) + shift. z starts 50 um below the cathode.
    """
    lateral = cell.tomogram_um[0]
    number = round(
        2e3 * (max(cell.can_radius_mm + cell.wall_um * 1e-3, cell.pixels * cell.pitch_mm / 2) + 0.5) / lateral
    )
    line = (np.arange(number) - (number - 1) / 2) * lateral * 1e-3
    v, u = np.meshgrid(line, line, indexing="ij")
    turn = np.deg2rad(cell.tomogram_turn_deg)
    du, dv = u - cell.tomogram_shift_mm[0], v - cell.tomogram_shift_mm[1]
    x, y = np.cos(turn) * du + np.sin(turn) * dv, -np.sin(turn) * du + np.cos(turn) * dv
    z = tomogram_z_um(cell)[:, None, None]
    labels = np.zeros((len(z), *x.shape), np.uint8)
    for component in COMPONENTS:
        low, high = bounds_um(cell, component, x, y)
        labels[(z >= low) & (z < high)] = LABELS[component]
    radius = np.hypot(x, y)
    steel = (radius >= cell.can_radius_mm) & (radius < cell.can_radius_mm + cell.wall_um * 1e-3)
    labels[np.broadcast_to(steel, labels.shape)] = LABELS["steel"]
    return labels


def tomogram_z_um(cell: CoinCell) -> np.ndarray:
    """Middles of the tomogram's planes, um above the bottom of the cathode."""
    step = cell.tomogram_um[1]
    return np.arange(-50.0 + step / 2, cell.region3_um + cell.sheet_um + 20.0, step)
