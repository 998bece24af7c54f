"""What lies beside the projections: the cycler's table and experiment.toml."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from . import protocol
from .cell import SymmetricCell
from .fields import section
from .raw import SCANS, Layout


def write_beside(cell: SymmetricCell, folder: Path, layout: Layout) -> None:
    """Write echem/cell.csv and experiment.toml."""
    (folder / "echem").mkdir(exist_ok=True)
    write_cycler(cell, folder / "echem" / "cell.csv")
    (folder / "experiment.toml").write_text(experiment_text(cell, layout))


def area_cm2(cell: SymmetricCell) -> float:
    """Area that the current is divided by."""
    return section(cell).area_um2 * 1e-8 if cell.area_cm2 is None else cell.area_cm2


def cycler_table(cell: SymmetricCell) -> dict[str, np.ndarray]:
    """What the cycler recorded, by its own clock, under the names of the Battery Data Format."""
    end = float(protocol.scan_start_s(cell)[-1]) + cell.scan_s + 60
    true = np.arange(-cell.cycler_lead_s, end, cell.cycler_step_s)
    rng = np.random.default_rng([cell.seed, 61])
    current = protocol.current_mA_cm2(cell, true) * 1e-3 * area_cm2(cell)
    top, bottom = protocol.passed_mAh_cm2(cell, true)
    voltage = np.array([protocol.voltage_V(cell, t) for t in true])
    since = true - cell.rest_s
    return {
        "Test Time / s": true + cell.cycler_lead_s,
        "Unix Time / s": cell.started_s + cell.clock_offset_s + true,
        "Voltage / V": voltage + 2e-4 * rng.standard_normal(len(true)),
        "Current / A": current * (1 + 1e-4 * rng.standard_normal(len(true))),
        "Step Count / 1": np.where(since < 0, 1, np.where(since < cell.half_cycle_s, 2, 3)),
        "Cycle Count / 1": np.ones(len(true), int),
        "Charging Capacity / Ah": top * area_cm2(cell) * 1e-3,
        "Discharging Capacity / Ah": bottom * area_cm2(cell) * 1e-3,
    }


def write_cycler(cell: SymmetricCell, path: Path) -> None:
    """A csv in Battery Data Format."""
    table = cycler_table(cell)
    forms = {"Test Time / s": ".3f", "Unix Time / s": ".3f", "Voltage / V": ".5f"}
    with path.open("w", newline="") as file:
        file.write(",".join(table) + "\n")
        for row in zip(*table.values(), strict=True):
            cells = (
                format(v, forms.get(n, "d" if "Count" in n else ".9e"))
                for n, v in zip(table, row, strict=True)
            )
            file.write(",".join(cells) + "\n")


def experiment_text(cell: SymmetricCell, layout: Layout) -> str:
    """experiment.toml of the written files."""
    solid = {"sulfide": "Li10SnP2S12", "oxide": "Li7La3Zr2O12"}[cell.electrolyte]
    layers = [
        ("steel_bottom", cell.steel_um), ("Li_bottom", cell.lithium_um[0]),
        ("interphase_bottom", cell.interphase_um[0]),
        (solid, cell.electrolyte_um), ("interphase_top", cell.interphase_um[1]), ("Li_top", cell.lithium_um[1]),
    ]  # fmt: skip
    lines = [
        f"title = {json.dumps(cell.title)}", "",
        "[cell]                       # layers from below",
        f"area_cm2 = {area_cm2(cell):.6g}", "layers = [",
        *(f"  {{ name = {json.dumps(name)}, thickness_um = {thickness} }}," for name, thickness in layers), "]", "",
        "[cycler]", 'file = "echem/cell.csv"',
        f"clock_offset_s = {cell.clock_offset_s}         # cycler clock minus detector clock", "",
        "[tomography]", f"scans = {json.dumps(SCANS[layout])}", f"voxel_um = {cell.voxel_um}",
        f"energy_keV = {cell.energy_keV}", f"distance_mm = {cell.distance_mm}",
        f'electrolyte = "{solid}"',
        f'row_0 = "{cell.row_0}"             # of the images, along the stack', "",
    ]  # fmt: skip
    return "\n".join(lines)
