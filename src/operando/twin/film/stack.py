"""What the beam meets at each point and time: layers, lithium content, phases and lattice parameters.

The beam is a Gaussian along z. Every interface is a Gaussian step, so that shares of the beam are differences of
normal distributions; a phase fraction inside LCO is taken at the mean height of the part of the beam that is in LCO.
Lithium is conserved: the mean of x over a column of the film is 1 - Q / Q(one Li per formula unit) at all times.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from . import protocol
from .cell import FilmCell

LAYERS = ("substrate", "LCO", "LiPON", "Li", "Ti", "Au", "parylene", "air")
FAMILIES = ("perp", "par")
PHASES = ("insulating", "metallic")

#: -ln(transmission) of the whole beam path through each layer (about 350 um along y), LCO the most absorbing
OPTICAL_DEPTH = {
    "substrate": 0.30, "LCO": 1.60, "LiPON": 0.12, "Li": 0.02, "Ti": 0.90, "Au": 1.20, "parylene": 0.04, "air": 0.0,
}  # fmt: skip
#: dc/dx of the insulating phase in angstrom: small, as in LiCoO2 above x = 0.95
INSULATING_DC_DX_A = -0.05
INSULATING_EDGE_UM = 0.6  # sigma of the lower edge of the insulating layer at the end of discharge
WIDTH_10_90 = 2.5631031310892007  # of a normal distribution, in sigma


@dataclass(frozen=True)
class State:
    """The sample at some points and times; arrays have the shape `s` of the points asked for.

    share         (layers, *s) part of the beam in each layer; adds up to 1
    transmission  (*s) of the sample
    insulating    (*s) volume fraction of the insulating phase within LCO
    x             (*s) Li content of LCO, mean of both phases; x_phase (phases, *s)
    amount        (families, *s) relative amounts of the two orientations; adds up to about 1
    c, a          (families, phases, *s) lattice parameters in angstrom
    plated_um     (*s) local thickness of Li
    front_um      (*s) height of the front in this column (may lie outside the film)
    beam          (*s) incoming beam relative to the start
    """

    share: np.ndarray
    transmission: np.ndarray
    insulating: np.ndarray
    x: np.ndarray
    x_phase: np.ndarray
    amount: np.ndarray
    c: np.ndarray
    a: np.ndarray
    plated_um: np.ndarray
    front_um: np.ndarray
    beam: np.ndarray


def state(cell: FilmCell, z_um, column, t_s) -> State:
    """The sample at heights `z_um`, column numbers and times (broadcast together)."""
    z, column, t = np.broadcast_arrays(np.asarray(z_um, float), column, np.asarray(t_s, float))
    z = z - drift_um(cell, t)
    plated = plated_at(cell, column, t)
    share = layer_shares(cell, z, plated)
    depth = np.array([OPTICAL_DEPTH[name] for name in LAYERS]).reshape(-1, *[1] * z.ndim)
    inside = mean_height_in_lco(cell, z)
    fraction, x_phase = lithium(cell, inside, column, t)
    c, a = lattice(cell, x_phase)
    return State(
        share, (share * np.exp(-depth)).sum(0), fraction, fraction * x_phase[0] + (1 - fraction) * x_phase[1], x_phase,
        family_amounts(cell, inside, column), c, a, plated, front_um(cell, column, t), protocol.beam_intensity(cell, t),
    )  # fmt: skip


def map_state(cell: FilmCell, map_index: int) -> State:
    """The state of each frame of one map, in order of acquisition."""
    row, column = np.divmod(protocol.frame_points(cell), cell.columns)
    return state(cell, protocol.grid_um(cell)[0][row], column, protocol.frame_times(cell, map_index))


def drift_um(cell: FilmCell, t) -> np.ndarray:
    """How far the sample has moved up."""
    return cell.drift_um_per_h * np.asarray(t) / 3600


def plated_at(cell: FilmCell, column, t) -> np.ndarray:
    """Local thickness of Li in um; its mean over the columns is what the charge gives."""
    columns = np.arange(cell.columns)
    wave = np.sin(2 * np.pi * 1.5 * columns / cell.columns + 0.7)
    wave = wave - wave.mean()
    return protocol.plated_um(cell, t) * (1 + cell.plating_unevenness * wave[column])


def edges_um(cell: FilmCell, plated) -> list[np.ndarray]:
    """Heights of the seven interfaces, substrate-LCO first, parylene-air last."""
    thickness = [
        cell.lco_bottom_um,
        cell.lco_um,
        cell.lipon_um,
        plated,
        cell.ti_um,
        cell.au_um,
        cell.parylene_um,
    ]
    return list(np.cumsum([np.broadcast_to(h, np.shape(plated)) for h in thickness], axis=0))


def bending_um(cell: FilmCell, plated) -> np.ndarray:
    """Sigma of the height of everything above Li inside one beam, by the local thickness of Li."""
    return cell.bending_um_per_um * np.asarray(plated)


def layer_shares(cell: FilmCell, z, plated) -> np.ndarray:
    """(layers, ...) part of the beam in each layer at heights in the sample."""
    still = np.hypot(cell.beam_sigma_um, cell.interface_um)
    moving = np.hypot(still, bending_um(cell, plated))
    below = [np.zeros_like(z)]
    for number, edge in enumerate(edges_um(cell, plated)):
        below.append(ndtr((edge - z) / (still if number < 3 else moving)))
    below.append(np.ones_like(z))
    return np.clip(np.diff(below, axis=0), 0, None)


def mean_height_in_lco(cell: FilmCell, z) -> np.ndarray:
    """Mean height of the part of the beam that is in LCO: the mean of a truncated normal distribution."""
    sigma = cell.beam_sigma_um
    low, high = (cell.lco_bottom_um - z) / sigma, (cell.lco_top_um - z) / sigma
    density = np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)
    mass = np.sqrt(2 * np.pi) * (ndtr(high) - ndtr(low))
    shift = np.divide(density, mass, out=np.zeros_like(density), where=mass > 1e-12)
    return np.clip(z + sigma * shift, cell.lco_bottom_um, cell.lco_top_um)


def x_gap(cell: FilmCell) -> float:
    """Step of x across the front: what a front of this speed needs at the current of the start (at most 1 - x)."""
    rate = protocol.current_density(cell, cell.initial_rest_s + 1e-6) / 3600 / cell.mAh_cm2_per_x
    return min(float(rate) * 1e3 * cell.lco_um / cell.front_speed_nm_per_s, 1 - cell.x_metallic)


def front_um(cell: FilmCell, column, t) -> np.ndarray:
    """Height of the front during charge; it enters at the top when x has fallen to the edge of the insulating phase."""
    columns = np.arange(cell.columns)
    wave = np.sin(2 * np.pi * columns / max(cell.columns, 2) + 2.1)
    wave = cell.front_waviness_um * (wave - wave.mean())
    elapsed = np.clip(np.asarray(t) - cell.initial_rest_s, 0, cell.charge_s)
    j0 = protocol.current_density(cell, cell.initial_rest_s + 1e-6)
    entry = 3600 * (1 - cell.x_metallic - x_gap(cell)) * cell.mAh_cm2_per_x / j0
    return cell.lco_top_um - 1e-3 * cell.front_speed_nm_per_s * (elapsed - entry) + wave[column]


def lithium(cell: FilmCell, z, column, t) -> tuple[np.ndarray, np.ndarray]:
    """Insulating fraction at heights in LCO, and x of the two phases (2, ...), so that lithium is conserved."""
    mean_x = 1 - protocol.charge_density(cell, t) / cell.mAh_cm2_per_x
    gap = x_gap(cell)
    front = front_um(cell, column, t)
    sigma = cell.front_width_um / WIDTH_10_90
    charging = ndtr((front - z) / np.hypot(sigma, cell.beam_sigma_um))
    film_mean = _mean_step(cell, front, sigma)
    shift = mean_x - (cell.x_metallic + gap * film_mean)

    strength = top_insulating(cell, t)
    edge = cell.lco_top_um - cell.insulating_um
    layer = strength * ndtr((z - edge) / np.hypot(INSULATING_EDGE_UM, cell.beam_sigma_um))
    layer_mean = strength * (1 - _mean_step(cell, np.full_like(z, edge), INSULATING_EDGE_UM))
    x_insulating = cell.x_metallic + gap
    back = t >= protocol.step_times(cell)[1]
    metallic = np.where(
        back, (mean_x - layer_mean * x_insulating) / (1 - layer_mean), cell.x_metallic + shift
    )
    insulating = np.where(back, x_insulating, x_insulating + shift)
    return np.where(back, layer, charging), np.stack([insulating, metallic])


def top_insulating(cell: FilmCell, t) -> np.ndarray:
    """Insulating fraction at the top after the charge: grows at the end of discharge, fades at rest."""
    _, discharge, rest = protocol.step_times(cell)
    part = np.clip((np.asarray(t) - discharge) / (rest - discharge), 0, 1)
    fade = np.exp(-np.clip(np.asarray(t) - rest, 0, None) / cell.insulating_fade_s)
    return cell.insulating_top * np.clip((part - 0.8) / 0.2, 0, 1) * fade


def _mean_step(cell: FilmCell, position, sigma) -> np.ndarray:
    """Mean of ndtr((position - z) / sigma) over the thickness of the film."""

    def primitive(u):
        return u * ndtr(u) + np.exp(-(u**2) / 2) / np.sqrt(2 * np.pi)

    low, high = (position - cell.lco_top_um) / sigma, (position - cell.lco_bottom_um) / sigma
    return sigma / cell.lco_um * (primitive(high) - primitive(low))


def lattice(cell: FilmCell, x_phase) -> tuple[np.ndarray, np.ndarray]:
    """c and a in angstrom, each (families, phases, ...), of phases with Li contents x_phase (2, ...)."""
    c, a = [], []
    for c0, c1, c2 in (cell.c_perp_A, cell.c_par_A):
        solid = c1 + (cell.x_metallic - x_phase[1]) / (cell.x_metallic - cell.x_end) * (c2 - c1)
        c.append([c0 + INSULATING_DC_DX_A * (x_phase[0] - 1), solid])
    for a0, a1 in (cell.a_perp_A, cell.a_par_A):
        a.append([a0 + (1 - x) / (1 - cell.x_end) * (a1 - a0) for x in x_phase])
    return np.array(c), np.array(a)


def family_amounts(cell: FilmCell, z, column) -> np.ndarray:
    """(families, ...): share of each orientation times the local density of grains in diffraction condition."""
    rng = np.random.default_rng([cell.seed, 11])
    density = np.exp(0.08 * rng.standard_normal(cell.columns))
    offset = 0.02 * rng.standard_normal(cell.columns)
    deeper = np.exp(-(z - cell.lco_bottom_um) / cell.column_length_um)
    par = 0.5 + (cell.par_at_bottom - 0.5) * deeper + offset[column]
    return np.stack([1 - par, par]) * density[column]
