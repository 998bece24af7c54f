"""What lies beside the spectra: the cycler's record and experiment.toml."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import numpy as np

from .cell import CoinCell

ACTIVE_SHARE = 0.9
MAH_PER_GRAM_AND_X = 276.6  # Li NMC622, one Li a formula unit


def mAh_per_x(cell: CoinCell) -> float:
    """Charge that takes x of the whole cathode down by one."""
    r, cut = cell.cathode_radius_mm, min(cell.cathode_flat_mm, cell.cathode_radius_mm)
    gone = r**2 * np.arccos(cut / r) - cut * np.sqrt(r**2 - cut**2)
    volume = (np.pi * r**2 - gone) * 1e-2 * cell.cathode_um * 1e-4
    return float(volume * cell.cathode_g_cm3 * ACTIVE_SHARE * MAH_PER_GRAM_AND_X)


def cycler_csv(cell: CoinCell, step_s: float = 60.0) -> str:
    """The record: time_s, utc_s, voltage_V, current_A, capacity_mAh, step; current is constant between two states."""
    rows = [s for s in cell.states if not s.reference] or list(cell.states)
    hours, x = np.array([s.hour for s in rows]), np.array([s.x for s in rows])
    time = np.arange(hours[0] * 3600, hours[-1] * 3600 + step_s, step_s)
    now = np.interp(time / 3600, hours, x)
    current = -np.gradient(now, time) * 3600 * mAh_per_x(cell) * 1e-3 if len(time) > 1 else 0 * time
    voltage = 4.3 - 1.3 * np.clip(now - 0.26, 0, None) / 0.75 + 0.05 * np.sign(current)
    rng = np.random.default_rng([cell.seed, 41])
    voltage = voltage + 2e-4 * rng.standard_normal(len(time))
    start = datetime.fromisoformat(cell.start).timestamp()
    lines = ["time_s,utc_s,voltage_V,current_A,capacity_mAh,step"]
    for t, v, i, at in zip(time, voltage, current, now, strict=True):
        step = 1 if i > 0 else 2 if i < 0 else 0
        charge = (x[0] - at) * mAh_per_x(cell)
        lines.append(f"{t - time[0]:.3f},{start + t:.3f},{v:.5f},{i:.6e},{charge:.9f},{step}")
    return "\n".join(lines) + "\n"


def experiment_text(cell: CoinCell, raw_name: Callable[[int, int], str]) -> str:
    """experiment.toml with its [compton] section."""
    lateral, vertical = cell.tomogram_um
    states = []
    for number, state in enumerate(cell.states):
        known = f", x = {state.x}" if state.reference else ""
        files = ", ".join(json.dumps(raw_name(number, region)) for region in range(3))
        states.append(
            f"  {{ name = {json.dumps(state.name)}, hour = {state.hour}{known}, regions = [{files}] }},"
        )
    layers = (
        ("NMC622", cell.cathode_um), ("PEO", cell.separator_um), ("Li", cell.anode_um)
    )  # fmt: skip
    area = np.pi * cell.cathode_radius_mm**2 * 1e-2
    lines = [
        f"title = {json.dumps(cell.title)}", "",
        "[cell]                       # layers from the bottom up",
        f"area_cm2 = {area:.4f}", "layers = [",
        *(f"  {{ name = {json.dumps(n)}, thickness_um = {h} }}," for n, h in layers), "]", "",
        "[cycler]", 'file = "echem/cell.csv"', "",
        "[compton]", f"energy_keV = {cell.energy_keV}", f"angle_deg = {cell.angle_deg}",
        f"distance_mm = {cell.distance_mm}         # sheet to pinhole, and pinhole to detector",
        f"pitch_mm = {cell.pitch_mm}", f"pinhole_mm = {cell.pinhole_mm}", f"sheet_um = {cell.sheet_um}",
        f"resolution_keV = {cell.resolution_keV}          # full width at half maximum",
        f"lines = {json.dumps([name for name, _ in cell.lines])}",
        'cathode = { formula = "Ni0.6Mn0.2Co0.2O2", ' f"density_g_cm3 = {cell.cathode_g_cm3} }}",
        'separator = { formula = "C32H60O19LiF6NS2", ' f"density_g_cm3 = {cell.separator_g_cm3} }}",
        'anode = { formula = "Li", ' f"density_g_cm3 = {cell.anode_g_cm3} }}",
        f"lid_um = {cell.lid_um}               # steel between sheet and detector",
        f"tomogram = {{ file = \"tomogram.h5\", lateral_um = {lateral}, vertical_um = {vertical} }}",
        f"heights_um = {json.dumps(list(cell.regions_um))}   # bottom of the sheet in regions 1, 2, 3",
        "states = [", *states, "]", "",
    ]  # fmt: skip
    return "\n".join(lines)
