"""Words of the report: numbers keep their units, repeats are told once, steps and features have names."""

import numpy as np

from operando.show.belief import deviation
from operando.show.figures.segmentation_trust import _feature
from operando.show.report import alike, environment
from operando.show.text import tied, with_error


def test_a_number_keeps_its_error_and_unit_on_its_line():
    assert tied("moved by 5.42 ± 0.11 µm up") == "moved by 5.42\u00a0±\u00a00.11\u00a0µm up"
    assert tied("8.7 × 10⁻⁴ of 93 min in map 20") == "8.7\u00a0×\u00a010⁻⁴ of 93\u00a0min in map 20"
    assert tied("0.15 counts/Å in") == "0.15\u00a0counts/\u2060Å in"
    assert tied("scan 3 above") == "scan 3 above"  # "a" of "above" is no ampere


def test_templates_escape_what_they_tie():
    page = environment().from_string("{{ line|tied }}").render(line="<b> 1 ± 2 mm")
    assert page == "&lt;b&gt; 1\u00a0±\u00a02\u00a0mm"


def test_sentences_alike_are_one_with_their_ranges():
    told = [
        "144 frames at 598 frames/s",
        "144 frames at 90.5 frames/s",
        "a/scan_0000.zarr",
        "a/scan_0004.zarr",
    ]
    assert alike(told) == ["144 frames at 90.5 to 598 frames/s", "a/scan_0000 to 0004.zarr"]
    assert alike(["forest of 10 trees, 3D features"]) == ["forest of 10 trees, 3D features"]
    rings = ["ring LCO003 over 12 bins", "ring LCO110 over 12 bins"]
    assert alike(rings) == rings  # another name is another thing
    small = ["at 1.5e-05 m", "at 2e-06 m", "at -1 m"]
    assert alike(small) == ["at -1 to 1.5e-05 m"]


def test_degrees_stand_at_their_number():
    assert with_error(3.43, 0.07, "deg") == "3.43 ± 0.07°"


def test_a_deviation_without_error_has_two_digits():
    assert deviation(-8.708, np.nan) == "−8.7"
    assert deviation(1.83, 0.31) == "+1.8 ± 0.3"


def test_features_have_names():
    assert _feature("hessian 0 1.4") == "curvature 1, 1.4"
    assert _feature("gaussian 2") == "smoothed grey value 2"
    assert _feature("difference 1 2") == "difference of two widths, 1 to 2"
    assert _feature("grey") == "grey value"
