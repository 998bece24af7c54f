"""The clock of a symmetric cell: when it is scanned, what current flows, what the cycler sees."""

from __future__ import annotations

import numpy as np

from .cell import SymmetricCell

FARADAY = 96485.33212  # C/mol
LITHIUM_CM3_MOL = 13.02
#: thickness of Li metal (um) for 1 mAh/cm2
LITHIUM_UM = LITHIUM_CM3_MOL * 3.6 / FARADAY * 1e4
OHM_CM2 = 40.0  # of the electrolyte
INTERFACE_OHM_CM2 = 8.0  # of a whole contact
INTERPHASE_OHM_CM2_UM = 0.6


def scan_start_s(cell: SymmetricCell) -> np.ndarray:
    """(scans,) start of each scan, s since the start of the first."""
    return np.arange(cell.scans) * cell.scan_period_s


def scan_middle_s(cell: SymmetricCell) -> np.ndarray:
    """(scans,) middle of the projections of each scan: the time whose state the scan shows."""
    before = (cell.darks + cell.flats) * cell.exposure_s
    return scan_start_s(cell) + before + cell.projections * cell.exposure_s / 2


def current_mA_cm2(cell: SymmetricCell, t: np.ndarray) -> np.ndarray:
    """Current density at times t (s); positive strips the top electrode."""
    since = np.asarray(t) - cell.rest_s
    return np.where(since < 0, 0.0, np.where(since < cell.half_cycle_s, 1.0, -1.0)) * cell.current_mA_cm2


def passed_mAh_cm2(cell: SymmetricCell, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Charge passed until t (s) while the top was stripped, and while the bottom was; both never fall."""
    since = np.asarray(t, float) - cell.rest_s
    rate = cell.current_mA_cm2 / 3600
    return rate * np.clip(since, 0, cell.half_cycle_s), rate * np.clip(since - cell.half_cycle_s, 0, None)


def charge_mAh_cm2(cell: SymmetricCell, t: np.ndarray) -> np.ndarray:
    """Net charge until t (s): positive when more was stripped from the top."""
    top, bottom = passed_mAh_cm2(cell, t)
    return top - bottom


def contact_share(cell: SymmetricCell, t: float, electrode: int) -> float:
    """Share of the area in contact at t (s): lost by stripping, won by plating. Electrode 0 is the bottom."""
    net = float(charge_mAh_cm2(cell, np.asarray(t))) * (1 if electrode else -1)
    change = -cell.contact_loss * net if net > 0 else -cell.contact_gain * net
    return float(np.clip(cell.contact_start[electrode] + change, cell.contact_least, 1.0))


def interphase_um(cell: SymmetricCell, t: float, electrode: int) -> tuple[float, float, float]:
    """Mean thickness of the interphase, thickness of electrolyte it consumed, swelling by its Li (um)."""
    stripped_top, stripped_bottom = (float(q) for q in passed_mAh_cm2(cell, np.asarray(t)))
    stripped, plated = (stripped_top, stripped_bottom) if electrode else (stripped_bottom, stripped_top)
    grown = (1 - cell.plating_fraction) * plated
    li = grown - (1 - cell.stripping_fraction) * stripped
    swelling_um = cell.interphase_li_cm3_mol / LITHIUM_CM3_MOL * LITHIUM_UM
    consumed = (cell.interphase_um_per_mAh_cm2 - swelling_um) * grown
    swelling = swelling_um * li
    return cell.interphase_um[electrode] + consumed + swelling, consumed, swelling


def lithium_change_um(cell: SymmetricCell, t: float, electrode: int) -> float:
    """Mean change of the thickness of an electrode until t (s), by Faraday's law."""
    stripped_top, stripped_bottom = (float(q) for q in passed_mAh_cm2(cell, np.asarray(t)))
    stripped, plated = (stripped_top, stripped_bottom) if electrode else (stripped_bottom, stripped_top)
    return LITHIUM_UM * (cell.plating_fraction * plated - cell.stripping_fraction * stripped)


def voltage_V(cell: SymmetricCell, t: float) -> float:
    """Ohmic model: electrolyte, and at both interfaces contact and interphase over the share in contact."""
    resistance = OHM_CM2
    for electrode in (0, 1):
        film = INTERPHASE_OHM_CM2_UM * interphase_um(cell, t, electrode)[0]
        resistance += (INTERFACE_OHM_CM2 + film) / contact_share(cell, t, electrode)
    return float(current_mA_cm2(cell, np.asarray(t))) * 1e-3 * resistance
