"""Transport of what the same run segmented: within its errors of the transport of the true voxels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("zarr")
pytest.importorskip("sklearn")
from tomography_twin import image

from operando import show, transport
from operando.core.errors import InputError
from operando.flow import run
from operando.flow.experiment import load_experiment
from operando.flow.running import Run
from operando.flow.stage import Stages
from operando.flow.transport_held import held_errors
from operando.flow.transport_segmented import HeldPair, from_segmentation
from operando.flow.transport_source import LabelVolume
from operando.twin.symmetric_cell import SymmetricCell, volumes
from operando.twin.symmetric_cell.painted import PHASES, paint

USED = PHASES[1:-1]  # a block has neither air nor casing
#: seed, scan, porosity: two are painted, three held out, the others new
SCANS = (
    (51, 0, 0.1), (56, 1, 0.1), (52, 1, 0.08), (53, 0, 0.12), (57, 1, 0.1), (54, 1, 0.06), (58, 0, 0.1), (59, 1, 0.14)
)  # fmt: skip
NEW = (5, 6, 7)
ROWS, SIDE, VOXEL = (26, 39), 13, 1.7
PORE, SOLID = 0, 1
CONDUCTS = {PORE: 0.0, SOLID: 2.0, 254: 0.0}
STIFF = {PORE: (0.0, 0.0), SOLID: (20.0, 0.3), 254: (0.0, 0.0)}

SECTION = f"""
[transport]
source = "segmentation"
rows = [{ROWS[0]}, {ROWS[1]}]
phases = {{ pore = {{}}, electrolyte = {{ conductivity_mS_per_cm = 2.0, young_GPa = 20.0, poisson = 0.3 }} }}
domain_um = [{SIDE * VOXEL}, {SIDE * VOXEL}, {SIDE * VOXEL}]
cube_um = {SIDE * VOXEL}
cubes = 4
"""


@dataclass
class Made:
    folder: Path
    truth: list[np.ndarray]  # labels of transport: pore, electrolyte, the rest


def block(seed: int, porosity: float) -> SymmetricCell:
    return SymmetricCell.tiny(seed=seed, porosity=porosity).block()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    folder, truth = tmp_path_factory.mktemp("transport"), []
    table = np.full(len(PHASES), 254, np.uint8)
    table[PHASES.index("pore")], table[PHASES.index("electrolyte")] = PORE, SOLID
    for number, (seed, scan, porosity) in enumerate(SCANS):
        cell = block(seed, porosity)
        labels = volumes(cell, scan)[0].astype(np.uint8)
        truth.append(table[labels[slice(*ROWS)]])
        grey = image(cell, scan, contrast_to_noise=2.0, seed=seed).values
        for name, values in ((f"v_{number}.h5", grey), (f"labels_{number}.h5", labels)):
            with h5py.File(folder / name, "w") as file:
                file["data"] = values
    for number, (seed, scan, porosity) in enumerate(SCANS[:2]):
        strokes = paint(block(seed, porosity), scan, each=250) | {
            "phases": list(USED),
            "volume": f"v_{number}",
        }
        (folder / f"strokes_{number}.json").write_text(json.dumps(strokes))
    held = ", ".join('{ volume = "v_N.h5", labels = "labels_N.h5" }'.replace("N", str(n)) for n in (2, 3, 4))
    (folder / "experiment.toml").write_text(
        'title = "Transport of a segmentation"\n[segmentation]\n'
        f"volumes = {json.dumps([f'v_{n}.h5' for n in NEW])}\n"
        f"voxel_um = {VOXEL}\ntimes_s = [0, 900, 1800]\nphases = {json.dumps(list(USED))}\n"
        'train = [{ volume = "v_0.h5", labels = "strokes_0.json" }, { volume = "v_1.h5", labels = "strokes_1.json" }]\n'
        f"held = [{held}]\n"
        f"trees = 20\n{SECTION}"
    )
    return Made(folder, truth)


@pytest.fixture(scope="module")
def results(made):
    return run(made.folder / "experiment.toml")[1]


def pulls(found, name: str, true: np.ndarray) -> np.ndarray:
    return ((found[f"{name}_corrected"].values - true) / found[f"{name}_corrected_err"].values).ravel()


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_tortuosity_of_unseen_cells_within_the_errors_of_their_segmentation(made, results):
    """Domain by domain, at porosities of half to twice that of what was held out; as counted they are off by more."""
    off, bare = [], []
    for number in NEW:
        found = results.groups[f"transport/map/v_{number}"]
        true = transport.tortuosity_map(made.truth[number], (SIDE,) * 3, phase=SOLID)["tau_factor"].values
        off.append(pulls(found, "tau_factor", true))
        bare.append(((found["tau_factor"].values - true) / found["tau_factor_corrected_err"].values).ravel())
    off, bare = np.concatenate(off), np.concatenate(bare)
    assert np.isfinite(off).all()
    assert 0.6 < rms(off) < 1.5
    assert abs(off.mean()) < 0.5
    assert rms(bare) > 1.4 * rms(off)
    assert bare.mean() > 1


def test_conductivity_and_stiffness_of_unseen_cells_within_their_errors(made, results):
    off = {"whole": [], "conductivity_factor": [], "young_factor": []}
    for number in NEW:
        whole = results.groups["transport"].sel(volume=f"v_{number}")
        true = transport.effective_conductivity(made.truth[number], CONDUCTS, directions="xyz")
        off["whole"].append(pulls(whole, "conductivity", true["conductivity"].values))
        cubes = results.groups[f"transport/cubes/v_{number}"]
        assert cubes.sizes["cube"] == 4
        for k in range(4):
            y = x = k  # spread over the 16 that fit
            cut = made.truth[number][:, y * SIDE : (y + 1) * SIDE, x * SIDE : (x + 1) * SIDE]
            one = transport.microstructure_factors(cut, conductivity=CONDUCTS, moduli=STIFF, bulk=SOLID)
            for name in ("conductivity_factor", "young_factor"):
                off[name].append(pulls(cubes.isel(cube=k), name, one[name].values))
    for name, values in off.items():
        assert 0.4 < rms(values) < 1.7, name
    modulus, factor = cubes["young_modulus_mean_corrected"], cubes["young_factor_mean_corrected"]
    np.testing.assert_allclose(modulus, 20.0 * factor)


def test_what_held_out_blocks_say_is_kept_and_told(results, tmp_path):
    held = results.groups["transport/held"]
    assert held["blocks"].sel(measure="tau_factor").item() == 48
    assert held["volumes"].sel(measure="young_factor").item() == 3
    text = show.write_report(results, tmp_path / "report.html").read_text()
    assert "held-out domains" in text
    assert "corrected for what the segmentation gets wrong" in text


@pytest.mark.parametrize(("old", "new", "told"), [
    ("pore = {}", "hole = {}", "hole not among the segmented phases"),
    ("rows = [26, 39]", 'rows = [26, 39]\nlabels = "labels_2.h5"', "either labels or source"),
    ("rows = [26, 39]", "rows = [70, 90]", "nothing is left"),
    ("rows = [26, 39]", "rows = [0, 3]", "holds none of pore, electrolyte"),
    ("rows = [26, 39]", 'names = ["a", "b"]', "2 names for 3 volumes"),
    ("rows = [26, 39]", "outside = 7", "outside by themselves"),
    (SECTION[SECTION.index("phases =") : SECTION.index("domain_um")], "", "say what each conducts"),
])  # fmt: skip
def test_what_is_wrong_is_said(made, results, old, new, told):
    text = (made.folder / "experiment.toml").read_text()
    assert old in text
    path = made.folder / "changed.toml"
    path.write_text(text.replace(old, new))

    def of_file():
        experiment = load_experiment(path)
        job = Run(made.folder / "run", experiment, Stages(made.folder / "run" / "stages"))
        from_segmentation(job, experiment.transport, results.groups)

    with pytest.raises(InputError, match=told):
        of_file()


def test_without_held_out_labels_no_error_is_made_up(made, tmp_path):
    """Neither with none, nor where too few blocks have a path to tell of a scatter."""
    job = Run(tmp_path, load_experiment(made.folder / "experiment.toml"), Stages(tmp_path / "stages"))
    assert held_errors(job, job.experiment.transport, []) == {}
    assert "no labels were held out within rows" in job.notes[0]
    solid = LabelVolume("solid", np.full((SIDE, SIDE, 3 * SIDE), SOLID, np.uint8), (VOXEL,) * 3, 255)
    assert "tau_factor" not in held_errors(job, job.experiment.transport, [HeldPair(solid, solid)])
    assert "3 held-out blocks tell of tau factor, too few" in job.notes[1]
