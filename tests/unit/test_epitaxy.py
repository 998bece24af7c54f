"""Misfits and predicted azimuths against the printed numbers and trigonometry by hand."""

import numpy as np
import pytest

from operando.core import Phase
from operando.core.errors import InputError
from operando.diffraction import epitaxy

TI = Phase.from_parameters("Ti", a=2.951, c=4.684, spacegroup="P63/mmc")
LI = Phase.from_parameters("Li", a=3.491, spacegroup="Im-3m")


def angle_between(first, second, crystal_1, crystal_2):
    """Smallest rotation (deg) between two relations, over the symmetry of both crystals."""
    return min(
        np.degrees(np.arccos(np.clip((np.trace(s @ first @ c @ second.T) - 1) / 2, -1, 1)))
        for s in epitaxy._symmetry(crystal_1) for c in epitaxy._symmetry(crystal_2)
    )  # fmt: skip


def test_misfits_of_lithium_on_titanium():
    m = epitaxy.misfits(TI, "hcp", LI, "bcc")
    assert float(m.row_misfit.sel(substrate_row="<11-20>", deposit_row="<111>")) == pytest.approx(
        0.0245, abs=5e-5
    )
    assert float(m.row_misfit.sel(substrate_row="<10-10>", deposit_row="<113>")) == pytest.approx(
        0.133, abs=5e-4
    )
    assert float(m.plane_misfit.sel(substrate_plane="{0002}", deposit_plane="{110}")) == pytest.approx(
        0.051, abs=5e-4
    )
    assert bool(m.row_match.sel(substrate_row="<11-20>", deposit_row="<111>"))
    assert not bool(m.row_match.sel(substrate_row="<10-10>", deposit_row="<113>"))
    # by hand: d of (10-10) is a sqrt(3)/2, so this pair is closer than (0002) // (110)
    by_hand = abs(2.951 * np.sqrt(3) / 2 - 3.491 / np.sqrt(2)) / (3.491 / np.sqrt(2))
    assert float(m.plane_misfit.sel(substrate_plane="{10-10}", deposit_plane="{110}")) == pytest.approx(
        by_hand
    )


def test_rows_of_fcc_on_bcc():
    iron = Phase.from_parameters("Fe", a=3.6, spacegroup="Fm-3m")
    ferrite = Phase.from_parameters("a", a=2.87, spacegroup="Im-3m")
    m = epitaxy.misfits(iron, "fcc", ferrite, "bcc")
    r_f, r_b = 3.6 / np.sqrt(2), 2.87 * np.sqrt(3) / 2
    assert float(m.row_misfit.sel(substrate_row="<110>", deposit_row="<111>")) == pytest.approx(
        abs(r_f - r_b) / r_f
    )


def test_symmetry_groups():
    assert len(epitaxy._symmetry(TI)) == 12
    assert len(epitaxy._symmetry(LI)) == 24
    assert len(epitaxy._equivalent(LI, (1, 1, 0))) == 12
    assert len(epitaxy._equivalent(TI, (1, 0, 0))) == 6


@pytest.mark.parametrize("name", list(epitaxy.RELATIONS))
def test_relations_lay_their_planes_and_directions_together(name):
    relation = epitaxy.RELATIONS[name]
    crystal = {"hcp": TI, "bcc": LI, "fcc": Phase.from_parameters("Au", a=4.08, spacegroup="Fm-3m")}
    one, two = (crystal[s] for s in relation.structures)
    turn = epitaxy.relation_matrix(name, one, two)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    normal = turn @ epitaxy._normal(two, relation.planes[1])
    np.testing.assert_allclose(normal, epitaxy._normal(one, relation.planes[0]), atol=1e-9)
    along = turn @ epitaxy._basis(two) @ relation.directions[1]
    assert np.cross(along, epitaxy._basis(one) @ relation.directions[0]) == pytest.approx(0, abs=1e-6)


def test_relations_lie_at_known_angles_from_burgers():
    burgers = epitaxy.relation_matrix("Burgers", TI, LI)
    pitsch = epitaxy.relation_matrix("Pitsch-Schrader", TI, LI)
    potter = epitaxy.relation_matrix("Potter", TI, LI)
    # [1-11] and [100] lie arccos(1/sqrt 3) apart in (011), which is 60 - 54.74 deg after the hexagon's symmetry
    assert angle_between(burgers, pitsch, TI, LI) == pytest.approx(
        60 - np.degrees(np.arccos(1 / np.sqrt(3))), abs=1e-3
    )
    # (01-11) is inclined to (0001) by arctan(2 c / (a sqrt 3)), {110} to {110} by 60 deg
    tilt = np.degrees(np.arctan(2 * 4.684 / (2.951 * np.sqrt(3))))
    assert angle_between(burgers, potter, TI, LI) == pytest.approx(abs(tilt - 60), abs=1e-3)
    ks, nw = (epitaxy.relation_matrix(n, LI, LI) for n in ("Kurdjumov-Sachs", "Nishiyama-Wassermann"))
    assert angle_between(ks, nw, LI, LI) == pytest.approx(5.264, abs=1e-3)


def test_predicted_azimuths_for_the_texture_of_the_paper():
    orientation = epitaxy.substrate_orientation(TI, (0, 0, 2), 0.0, (1, 0, 0), 90.0)
    spots = epitaxy.predicted_azimuths(orientation, TI, "Burgers", LI, (1, 1, 0))
    np.testing.assert_allclose(spots.azimuth, [0, 60, 120, 180, 240, 300], atol=1e-6)
    np.testing.assert_allclose(spots.tilt, 0, atol=1e-4)
    other = epitaxy.predicted_azimuths(orientation, TI, "Pitsch-Schrader", LI, (1, 1, 0))
    np.testing.assert_allclose(other.azimuth, [0, 90, 180, 270], atol=1e-6)


def test_texture_turned_in_the_film_turns_the_prediction():
    orientation = epitaxy.substrate_orientation(TI, (0, 0, 2), 20.0, (1, 0, 0), 110.0)
    spots = epitaxy.predicted_azimuths(orientation, TI, "Burgers", LI, (1, 1, 0))
    np.testing.assert_allclose(spots.azimuth, [20, 80, 140, 200, 260, 320], atol=1e-3)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="unknown relation 'Burger'"):
        epitaxy.relation_matrix("Burger", TI, LI)
    with pytest.raises(InputError, match="unknown structure"):
        epitaxy.misfits(TI, "hexagonal", LI, "bcc")
    wrong = epitaxy.Relation("x", ("hcp", "bcc"), ((0, 0, 1), (0, 1, 1)), ((1, 0, 0), (1, 1, 1)))
    with pytest.raises(InputError, match="does not lie in plane"):
        epitaxy.relation_matrix(wrong, TI, LI)
    with pytest.raises(InputError, match="two different directions"):
        epitaxy.substrate_orientation(TI, (0, 0, 2), 0.0, (0, 0, 4), 90.0)
