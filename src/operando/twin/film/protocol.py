"""When things happen: current, charge, voltage and the time of every frame.

Charge at constant voltage: the current is constant until half of the charge has passed, then falls as
j = j0 exp(-(t - t_half) / tau). Discharge at constant current, then rest. Charge is per area of the cell.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .cell import FilmCell


def step_times(cell: FilmCell) -> tuple[float, float, float]:
    """Start of charge, of discharge and of the last rest, s since the start of the first map."""
    charge = cell.initial_rest_s
    discharge = charge + cell.charge_s
    return charge, discharge, discharge + 3600 * cell.discharge_mAh_cm2 / cell.discharge_mA_cm2


@lru_cache(maxsize=32)
def _decay(cell: FilmCell) -> tuple[float, float]:
    """j0 in mA/cm2 and tau in s, such that the second half of the charge passes in the time that is left."""
    from scipy.optimize import brentq

    half, left = cell.charge_mAh_cm2 / 2, cell.charge_s - cell.half_charge_s
    j0 = 3600 * half / cell.half_charge_s
    tau = brentq(lambda tau: j0 * tau * -np.expm1(-left / tau) / 3600 - half, 1.0, 1e7)
    return j0, float(tau)


def current_density(cell: FilmCell, t_s) -> np.ndarray:
    """mA/cm2, positive on charge."""
    t = np.asarray(t_s, float)
    charge, discharge, rest = step_times(cell)
    j0, tau = _decay(cell)
    charging = j0 * np.exp(-np.clip(t - charge - cell.half_charge_s, 0, cell.charge_s) / tau)
    stages = [(t >= charge) & (t < discharge), (t >= discharge) & (t < rest)]
    return np.select(stages, [charging, -cell.discharge_mA_cm2], 0.0)


def charge_density(cell: FilmCell, t_s) -> np.ndarray:
    """Net charge in mAh/cm2: what has been plated as Li and not been stripped."""
    t = np.asarray(t_s, float)
    charge, discharge, _ = step_times(cell)
    j0, tau = _decay(cell)
    s = np.clip(t - charge, 0, cell.charge_s)
    late = np.clip(s - cell.half_charge_s, 0, None)
    into = j0 * (np.minimum(s, cell.half_charge_s) - tau * np.expm1(-late / tau)) / 3600
    out = cell.discharge_mA_cm2 * np.clip(t - discharge, 0, None) / 3600
    return into - np.minimum(out, cell.discharge_mAh_cm2)


def plated_um(cell: FilmCell, t_s) -> np.ndarray:
    """Thickness of plated Li by Faraday's law, h = Q V_m / F: 4.85 um per mAh/cm2."""
    from operando.core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL

    return charge_density(cell, t_s) * 3.6 * LI_MOLAR_VOLUME_CM3_PER_MOL / FARADAY_C_PER_MOL * 1e4


def voltage(cell: FilmCell, t_s) -> np.ndarray:
    """A plausible cell voltage in V: 4.3 on charge, falling to 3.0 at the end of discharge, then relaxing."""
    t = np.asarray(t_s, float)
    charge, discharge, rest = step_times(cell)
    part = np.clip((t - discharge) / (rest - discharge), 0, 1)
    down = 4.18 - 0.33 * part - 0.85 * part**12
    relaxed = 3.87 - 0.87 * np.exp(-np.clip(t - rest, 0, None) / 250)
    return np.select([t < charge, t < discharge, t < rest], [3.62, 4.3, down], relaxed)


def step_index(cell: FilmCell, t_s) -> np.ndarray:
    """0 rest, 1 charge, 2 discharge, 3 rest."""
    return np.searchsorted(step_times(cell), np.asarray(t_s, float), side="right")


def frame_times(cell: FilmCell, map_index: int) -> np.ndarray:
    """(points,) middle of each exposure, s since the start of the first map, in order of acquisition."""
    row, place = np.divmod(np.arange(cell.points), cell.columns)
    return map_index * cell.map_period_s + row * cell.row_s + (place + 0.5) * cell.exposure_s


def frame_points(cell: FilmCell) -> np.ndarray:
    """(points,) row * columns + column of each frame, in order of acquisition."""
    row, place = np.divmod(np.arange(cell.points), cell.columns)
    if cell.order == "snake":
        place = np.where(row % 2, cell.columns - 1 - place, place)
    return row * cell.columns + place


def grid_um(cell: FilmCell) -> tuple[np.ndarray, np.ndarray]:
    """z (rows,) and x (columns,) of pixel centres in um."""
    return cell.step_z_um * np.arange(cell.rows), cell.step_x_um * np.arange(cell.columns)


def beam_intensity(cell: FilmCell, t_s) -> np.ndarray:
    """Incoming beam relative to the start: a slow loss and a ripple."""
    hours = np.asarray(t_s, float) / 3600
    ripple = np.sin(2 * np.pi * hours / 0.7) + 0.5 * np.sin(2 * np.pi * hours / 0.23 + 1)
    return np.exp(-cell.beam_loss_per_h * hours) * (1 + cell.beam_ripple * (ripple - 0.5 * np.sin(1.0)) / 1.5)
