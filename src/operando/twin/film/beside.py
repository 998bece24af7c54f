"""What lies beside the raw frames: PONI, mask, cycler files and experiment.toml."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from . import protocol
from .cell import FilmCell
from .raw import SCANS, Layout
from .scene import film_geometry, scene
from .stack import INSULATING_DC_DX_A, x_gap
from .texture import AU_A, LI_A, TI_A, TI_C

#: maps of fewer rows show neither fronts nor layers: their experiment.toml asks for peaks alone
FEWEST_ROWS = 20
#: patterns of all points are kept of an experiment with no more frames than this (some 50 MB)
FEW_POINTS = 5000
#: (100) planes of Ti lie in the film, their [001] along x
TI_TEXTURE = {"plane": [1, 0, 0], "azimuth_deg": 90, "second_plane": [0, 0, 1], "second_azimuth_deg": 0}


def write_beside(cell: FilmCell, folder: Path, layout: Layout) -> None:
    """Write calib/, echem/ and experiment.toml."""
    (folder / "calib").mkdir(exist_ok=True)
    (folder / "echem").mkdir(exist_ok=True)
    (folder / "calib" / "detector.poni").write_text(poni_text(cell))
    _write_mask(cell, folder / "calib" / "mask.npy")
    table = cycler_table(cell)
    _write_csv(table, folder / "echem" / "cell.csv")
    _write_mpt(cell, table, folder / "echem" / "cell.mpt")
    partial = folder / "experiment.toml.partial"  # whoever waits for it finds it whole
    partial.write_text(experiment_text(cell, layout))
    partial.replace(folder / "experiment.toml")


def poni_text(cell: FilmCell) -> str:
    """A PONI file, version 2.1, with the orientation of the image."""
    import json

    geometry = film_geometry(cell)
    config: dict = {"orientation": cell.orientation}
    if cell.detector is None:
        pixel1, pixel2 = geometry.pixel_m
        config = {"pixel1": pixel1, "pixel2": pixel2, "max_shape": list(cell.shape), **config}
    return "\n".join([
        f"# {cell.title}", "poni_version: 2.1", f"Detector: {cell.detector or 'Detector'}",
        f"Detector_config: {json.dumps(config)}", f"Distance: {geometry.distance_m!r}", f"Poni1: {geometry.poni1_m!r}",
        f"Poni2: {geometry.poni2_m!r}", f"Rot1: {geometry.rot1!r}", f"Rot2: {geometry.rot2!r}", "Rot3: 0.0",
        f"Wavelength: {geometry.wavelength_A * 1e-10!r}", "",
    ])  # fmt: skip


def _write_mask(cell: FilmCell, path: Path) -> None:
    np.save(path, ~scene(cell).live.reshape(cell.shape))


def cycler_table(cell: FilmCell) -> dict[str, np.ndarray]:
    """What the cycler recorded, by its own clock: time_s, utc_s, voltage_V, current_A, capacity_mAh, step.

    A record at true time t (s since the start of the first map) shows t + clock_offset_s + clock_drift * (t + lead).
    """
    end = (cell.maps - 1) * cell.map_period_s + cell.map_s + 60
    true = np.arange(-cell.cycler_lead_s, end, cell.cycler_step_s)
    elapsed = (true + cell.cycler_lead_s) * (1 + cell.clock_drift)
    rng = np.random.default_rng([cell.seed, 41])
    current = protocol.current_density(cell, true) * cell.area_cm2 * 1e-3
    noise = 1e-4 * current * rng.standard_normal(len(true))
    return {
        "time_s": elapsed,
        "utc_s": cell.started_s - cell.cycler_lead_s + cell.clock_offset_s + elapsed,
        "voltage_V": protocol.voltage(cell, true) + 2e-4 * rng.standard_normal(len(true)),
        "current_A": current + noise,
        "capacity_mAh": protocol.charge_density(cell, true) * cell.area_cm2,
        "step": protocol.step_index(cell, true),
    }


def _write_csv(table: dict[str, np.ndarray], path: Path) -> None:
    with path.open("w", newline="") as file:
        file.write("time_s,utc_s,voltage_V,current_A,capacity_mAh,step\n")
        for t, utc, volt, ampere, capacity, step in zip(*table.values(), strict=True):
            file.write(f"{t:.3f},{utc:.3f},{volt:.5f},{ampere:.6e},{capacity:.9f},{step}\n")


def _write_mpt(cell: FilmCell, table: dict[str, np.ndarray], path: Path) -> None:
    """An EC-Lab text export of the same record: local time in the header, mA and mA.h in the columns."""
    begin = datetime.fromisoformat(cell.start) + timedelta(seconds=cell.clock_offset_s - cell.cycler_lead_s)
    header = [
        "EC-Lab ASCII FILE", "Nb header lines : 12                          ", "", "Modulo Bat", "",
        "Run on channel : 1 (SN 0001)", "User : ",
        f"Acquisition started on : {begin:%m/%d/%Y %H:%M:%S}.{begin.microsecond // 1000:03d}",
        f"Electrode surface area : {cell.area_cm2:.3f} cm\xb2", "Comments : simulated by operando", "",
        "mode\tNs\ttime/s\tEwe/V\t<I>/mA\t(Q-Qo)/mA.h\tCapacity/mA.h\t",
    ]  # fmt: skip
    with path.open("w", encoding="latin-1", newline="") as file:
        file.write("\r\n".join(header) + "\r\n")
        for t, _, volt, ampere, capacity, step in zip(*table.values(), strict=True):
            mode = {1: 2, 2: 1}.get(int(step), 3)
            numbers = f"{t:.6E}\t{volt:.7E}\t{ampere * 1e3:.7E}\t{capacity:.9E}\t{abs(capacity):.9E}"
            file.write(f"{mode}\t{step}\t{numbers}\r\n")


def experiment_text(cell: FilmCell, layout: Layout) -> str:
    """experiment.toml of the written files."""
    layers = [
        ("substrate", None, cell.lco_bottom_um), ("LCO", "LiCoO2", cell.lco_um), ("LiPON", None, cell.lipon_um),
        ("Li", "Li", 0.0), ("Ti", "Ti", cell.ti_um), ("Au", "Au", cell.au_um), ("parylene", None, cell.parylene_um),
    ]  # fmt: skip
    asked = cell.rows >= FEWEST_ROWS
    rings = rings_asked(asked)
    standard = ['standard = "Ti100"           # takes no part: tells the distance'] if asked else []
    grid = {
        "rows": cell.rows, "columns": cell.columns, "step_z_um": cell.step_z_um, "step_x_um": cell.step_x_um,
        "order": cell.order,
    }  # fmt: skip
    small = asked and cell.maps * cell.rows * cell.columns <= FEW_POINTS
    kept = ["point_patterns = true        # I(q) of every point, for the dashboard"] if small else []
    recorded = [] if layout == "eiger" else ["# motors sz, sx are recorded too"]
    lines = [
        f"title = {_toml(cell.title)}", "",
        "[cell]                       # layers from the substrate up",
        f"area_cm2 = {cell.area_cm2}", "layers = [",
        *(f"  {_toml({'name': n, 'phase': p, 'thickness_um': h})}," for n, p, h in layers), "]", "",
        "[phases]                     # angstrom",
        f'LiCoO2 = {_toml({"a": cell.a_perp_A[0], "c": cell.c_perp_A[0], "spacegroup": "R-3m"})}',
        f'Ti = {_toml({"a": TI_A, "c": TI_C, "spacegroup": "P63/mmc"})}',
        f'Au = {_toml({"a": AU_A, "spacegroup": "Fm-3m"})}',
        f'Li = {_toml({"a": LI_A, "spacegroup": "Im-3m"})}', "",
        "[cycler]", 'file = "echem/cell.csv"',
        f"clock_offset_s = {cell.clock_offset_s}         # cycler clock minus detector clock", "",
        "[xrd]", f"scans = {_toml(SCANS[layout])}", 'geometry = "calib/detector.poni"',
        'mask = "detector"            # dead pixels carry the detector\'s dead value',
        *(['monitor = "none"             # the detector\'s own files record none'] if layout == "eiger" else []),
        f"polarisation = {cell.polarisation}", *standard, *kept, *recorded,
        f"grid = {_toml(grid)}", "rings = [",
        *(f"  {_toml(ring)}," for ring in rings), "]", "",
        *(_questions(cell) if asked else []),
    ]  # fmt: skip
    return "\n".join(lines)


def rings_asked(asked: bool) -> list[dict]:
    """The rings to follow, and what to ask of each."""
    perp_003, par_003 = [25, 160, 205, 345], [90, 275]
    front, layer, grains = (
        ({"phases": 2, "front": "lattice"}, {"layer": True}, {"grains": True}) if asked else ({},) * 3
    )
    return [
        _ring("LCO003", "LiCoO2", [0, 0, 3], {"perp": perp_003, "par": par_003}, front),
        _ring("LCO110", "LiCoO2", [1, 1, 0], {"perp": [90, 270], "par": [30, 150, 210, 330]}, {}),
        _ring("Ti100", "Ti", [1, 0, 0], None, layer),
        _ring("Au111", "Au", [1, 1, 1], None, {}),
        _ring("Li110", "Li", [1, 1, 0], None, grains),
    ]


def _questions(cell: FilmCell) -> list[str]:
    """[lithium] and [epitaxy]."""
    return [
        "[lithium]                    # c of this film and x: fresh, at both ends of its two-phase range, charged",
        'ring = "LCO003"', 'families = ["perp"]', f"anchors = {_toml(anchors(cell))}", "",
        "[epitaxy]                    # do Li grains follow the Ti above them?",
        'substrate = "Ti"', 'relation = "Burgers"', f"texture = {_toml(TI_TEXTURE)}", "",
    ]  # fmt: skip


def anchors(cell: FilmCell) -> list[list[float]]:
    """[c in angstrom, x] of the perp family, along which c of the film is straight in x."""
    first = cell.x_metallic + x_gap(cell)  # what the insulating phase has when the metallic one begins
    insulating, metallic, end = cell.c_perp_A
    edge = insulating + INSULATING_DC_DX_A * (first - 1)
    points = [(insulating, 1.0), (edge, first), (metallic, cell.x_metallic), (end, cell.x_end)]
    return [[round(c, 4), round(x, 4)] for c, x in points]


def _ring(name: str, phase: str, hkl: list[int], families: dict | None, asked: dict[str, Any]) -> dict:
    ring: dict = {"name": name, "phase": phase, "hkl": hkl}
    return ring | ({} if families is None else {"families": families, "half_width_deg": 10}) | asked


def _toml(value) -> str:
    """One value as TOML: text, numbers, lists and inline tables; entries that are None are left out."""
    import json

    if isinstance(value, dict):
        return f"{{ {', '.join(f'{k} = {_toml(v)}' for k, v in value.items() if v is not None)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)
