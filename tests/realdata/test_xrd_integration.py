"""Integration of measurements by others, against the patterns that came with them."""

import subprocess
import sys

import numpy as np
import pytest

from operando.core import Geometry
from operando.flow import read_results, run
from operando.read import open_scans
from operando.stream import AzimuthalMap
from operando.stream import run as stream_run

pytestmark = pytest.mark.realdata

PONI = """\
poni_version: 2
Detector: Detector
Detector_config: {"pixel1": 0.000172, "pixel2": 0.000172, "max_shape": [1043, 981]}
Distance: 0.284634930882
Poni1: 0.08722
Poni2: 0.08342
Rot1: -0.000251
Rot2: 0.000603
Rot3: 0.0
Wavelength: 3.344e-11
"""

MAP = """\
title = "Fe3O4 in a diamond cell, 3 x 3 points"
[xrd]
scans = "{scans}"
geometry = "fe3o4.poni"
flip = "vertical"
mask = "none"
dead = "count"
monitor = "none"
polarisation = 0.99
splitting = "bbox"
pattern_bins = 1508
pattern_spacing = "two_theta"
q_range = [1e-6, {q_max}]
point_patterns = true
grid = {{ rows = 3, columns = 3, step_z_um = 2.0, step_x_um = 2.0 }}
"""

POINTS = (1, 2, 3, 6, 7, 8, 11, 12, 13)


def momentum(two_theta_deg, wavelength_A):
    return 4 * np.pi / wavelength_A * np.sin(np.radians(two_theta_deg) / 2)


def test_a_map_from_the_command_line_equals_its_reference_patterns(real_data, tmp_path):
    """The references were made by pyFAI without a mask: gaps and dead pixels counted as what is stored."""
    references = [
        np.loadtxt(real_data / "xrd_map_fe3o4" / "xy" / f"Fe3O4C_M1_map_{n}_P1_E1_001.xy") for n in POINTS
    ]
    angle = references[0][:, 0]
    q_max = momentum(angle[-1] + np.diff(angle).mean() / 2, 0.3344)
    (tmp_path / "fe3o4.poni").write_text(PONI)
    text = MAP.format(scans=real_data / "xrd_map_fe3o4" / "*.tif", q_max=q_max)
    (tmp_path / "experiment.toml").write_text(text)
    command = [sys.executable, "-m", "operando", "run", str(tmp_path / "experiment.toml"), "--no-report"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    patterns = read_results(tmp_path / "run" / "results.nxs").groups["points"]["intensity"].values[0]
    for place, reference in enumerate(references):
        pattern = patterns[place // 3, place % 3]
        assert np.corrcoef(pattern, reference[:, 1])[0, 1] > 0.9999


CERIA = """\
title = "CeO2"
[phases]
CeO2 = {{ a = 5.4113, spacegroup = "Fm-3m" }}
[xrd]
scans = "{folder}/*.tif"
geometry = "{folder}/CeO2_Pilatus1M.poni"
flip = "{flip}"
monitor = "none"
grid = {{ rows = 1, columns = 1, step_z_um = 1.0, step_x_um = 1.0 }}
rings = [
  {{ name = "r111", phase = "CeO2", hkl = [1, 1, 1], q_bins = 60 }},
  {{ name = "r200", phase = "CeO2", hkl = [2, 0, 0], q_bins = 60 }},
  {{ name = "r220", phase = "CeO2", hkl = [2, 2, 0], q_bins = 60 }},
  {{ name = "r311", phase = "CeO2", hkl = [3, 1, 1], q_bins = 60 }},
]
"""


def ceria(real_data, tmp_path, flip):
    path = tmp_path / f"{flip}.toml"
    path.write_text(CERIA.format(folder=real_data / "xrd_ceo2_pilatus1m", flip=flip))
    return run(path, tmp_path / flip)[1]


def test_rings_of_ceria_lie_where_they_should(real_data, tmp_path):
    groups = ceria(real_data, tmp_path, "vertical").groups
    wavelength = 0.4066
    for ring, hkl in (("r111", 3), ("r200", 4), ("r220", 8), ("r311", 11)):
        found = float(groups[f"xrd/{ring}"]["q"].squeeze())
        angle = 2 * np.degrees(np.arcsin(found * wavelength / (4 * np.pi)))
        expected = 2 * np.degrees(np.arcsin(wavelength * np.sqrt(hkl) / (2 * 5.4113)))
        assert angle == pytest.approx(expected, abs=0.004), ring


def test_a_wrong_flip_is_noticed_and_said(real_data, tmp_path):
    wrong, right = (ceria(real_data, tmp_path, flip) for flip in ("none", "vertical"))
    assert any('flip = "vertical"' in note and "xrd.flip" in note for note in wrong.notes)
    assert not any("xrd.flip" in note for note in right.notes)


@pytest.mark.parametrize("frame", [0, 1, 2])
def test_cake_of_36_sectors_equals_its_reference(real_data, frame):
    """The reference has sectors about multiples of 10 degrees, the first about -170: pairs of our bins of 5."""
    import fabio

    folder = real_data / "xrd_caking_ti"
    mask = fabio.open(folder / "DLS_CeO2_1200mm.mask").data != 0
    frames = open_scans(str(folder / "*.tif"))[0].frames
    geometry = Geometry.from_poni(folder / "DLS_CeO2_1200mm_pyFAI.poni").for_shape(frames.shape)
    q_range = tuple(momentum(np.array([2.0, 8.0]), geometry.wavelength_A))
    cake = AzimuthalMap(
        geometry=geometry,
        mask=mask,
        q_bins=5000,
        q_range=q_range,
        azimuth_bins=72,
        splitting="bbox",
        spacing="two_theta",
    )
    sums = stream_run([cake], frames)["map"]
    signal = sums.signal.values[frame]
    weight = np.broadcast_to(sums.weight.values, signal.shape)

    def sectors(array):
        return np.roll(array, -37, axis=0).reshape(36, 2, -1).sum(1).T

    reference = np.loadtxt(folder / "caked" / f"pixium_0315{frame}.dat")[:, 1:]
    assert np.corrcoef((sectors(signal) / sectors(weight)).ravel(), reference.ravel())[0, 1] > 0.9999
