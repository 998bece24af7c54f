import numpy as np
import pytest

from operando.core import Cell, Layer, Phase
from operando.core.errors import InputError

LCO = Phase.from_parameters("LiCoO2", a=2.8035, c=14.00, spacegroup="R-3m")
TI = Phase.from_parameters("Ti", a=2.951, c=4.684, spacegroup="P63/mmc")
LI = Phase.from_parameters("Li", a=3.491, spacegroup="Im-3m")
AU = Phase.from_parameters("Au", a=4.078, spacegroup="Fm-3m")


@pytest.mark.parametrize(
    ("phase", "hkl", "q"),
    [(LCO, (0, 0, 3), 1.3464), (LCO, (1, 1, 0), 4.482), (TI, (1, 0, 0), 2.459), (TI, (0, 0, 2), 2.683),
     (LI, (1, 1, 0), 2.545), (AU, (1, 1, 1), 2.669)],
)  # fmt: skip
def test_q_of_the_rings_of_the_paper(phase, hkl, q):
    assert phase.reflection(hkl).q == pytest.approx(q, abs=6e-4)


def test_hexagonal_spacing_by_hand():
    h, k, l = 1, 0, 4  # noqa: E741
    by_hand = 1 / np.sqrt(4 / 3 * (h * h + h * k + k * k) / LCO.a**2 + l**2 / LCO.c**2)
    assert LCO.d_spacing((h, k, l)) == pytest.approx(by_hand, rel=1e-12)


def test_cubic_and_hexagonal_cells_are_completed():
    assert (AU.b, AU.c, AU.gamma) == (4.078, 4.078, 90.0)
    assert (TI.b, TI.gamma) == (2.951, 120.0)


@pytest.mark.parametrize(
    ("phase", "hkl"), [(LI, (1, 0, 0)), (LCO, (0, 0, 1)), (AU, (1, 1, 0)), (TI, (0, 0, 1))]
)
def test_absent_reflections_are_refused(phase, hkl):
    with pytest.raises(InputError, match="systematically absent"):
        phase.reflection(hkl)


def test_multiplicities():
    assert AU.reflection((1, 1, 1)).multiplicity == 8
    assert LI.reflection((1, 1, 0)).multiplicity == 12
    assert LCO.reflection((0, 0, 3)).multiplicity == 2


def test_all_reflections_in_order_of_q():
    found = [tuple(sorted(map(abs, r.hkl))) for r in AU.reflections(q_max=6.0)]
    assert found == [(1, 1, 1), (0, 0, 2), (0, 2, 2), (1, 1, 3), (2, 2, 2)]


def test_a_missing_length_is_asked_for():
    with pytest.raises(InputError, match="needs c"):
        Phase.from_parameters("LiCoO2", a=2.8, spacegroup="R-3m")
    with pytest.raises(InputError, match="unknown space group"):
        Phase.from_parameters("odd", a=2.8, spacegroup="R-3q")


def test_cif(tmp_path):
    file = tmp_path / "au.cif"
    file.write_text(
        "data_Au\n_cell_length_a 4.078\n_cell_length_b 4.078\n_cell_length_c 4.078\n_cell_angle_alpha 90\n"
        "_cell_angle_beta 90\n_cell_angle_gamma 90\n_symmetry_space_group_name_H-M 'F m -3 m'\n"
        "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\nAu 0 0 0\n"
    )
    assert Phase.from_cif(file, "Au").reflection((1, 1, 1)).q == pytest.approx(AU.reflection((1, 1, 1)).q)
    (tmp_path / "empty.cif").write_text("data_x\n")
    with pytest.raises(InputError, match="no unit cell"):
        Phase.from_cif(tmp_path / "empty.cif")


def test_layers_stack_from_the_substrate_up():
    cell = Cell((Layer("LCO", 20.0), Layer("LiPON", 4.0), Layer("Ti", 0.5)), area_cm2=0.007)
    assert cell.bounds_um()["Ti"] == (24.0, 24.5)
    with pytest.raises(InputError):
        Layer("LCO", -1.0)
