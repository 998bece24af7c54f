"""Interlayer: moduli of alloys, strain, texture, and the numbers of the silicon seed."""

import numpy as np
import pytest

from operando.core.errors import InputError
from operando.models import (
    Amorphous,
    bulk_modulus,
    design_window,
    lithiated_seed,
    lithium_in_silicon,
    mismatch_strain,
    texture,
)


def test_crystalline_alloys_follow_the_line_and_amorphous_silicon_lies_below_it():
    x = np.linspace(0, 1, 11)
    crystal = bulk_modulus(x, "Ag").bulk_modulus.values
    np.testing.assert_allclose(np.diff(crystal, 2), 0, atol=1e-10)
    assert crystal[0] == 100.7
    assert crystal[-1] == 14.0
    soft = bulk_modulus(x, "Si", amorphous=True).bulk_modulus.values
    assert (soft[1:-1] < bulk_modulus(x, 80.0).bulk_modulus.values[1:-1]).all()
    assert soft[5] == pytest.approx(30.0)
    assert (soft[6:] < 30).all()


def test_silver_must_be_almost_lithium_to_be_soft():
    x = np.linspace(0, 1, 1001)
    soft = x[bulk_modulus(x, "Ag").bulk_modulus.values < 30][0]
    assert soft == pytest.approx(0.8, abs=0.02)


def test_errors_of_the_ends_reach_the_alloy():
    found = bulk_modulus(0.25, 100.0, alkali=14.0, host_err_GPa=4.0, alkali_err_GPa=2.0)
    assert float(found.bulk_modulus_err[0]) == pytest.approx(np.hypot(3.0, 0.5))


def test_design_window_is_that_of_the_paper():
    low, high = design_window()
    assert low == pytest.approx(0.50, abs=1e-4)
    assert high == 0.79
    stiffer = design_window(curve=Amorphous(half_GPa=35.0))
    assert stiffer[0] > 0.52


def test_seed_numbers():
    assert float(lithium_in_silicon(2320.0)) == pytest.approx(2.43, abs=0.005)
    found = lithiated_seed(500.0, 0.25)
    assert float(found.capacity) == pytest.approx(2320, abs=2)
    assert float(found.lithium_per_silicon) == pytest.approx(2.43, abs=0.005)
    assert float(found.x) == pytest.approx(0.7, abs=0.01)
    assert float(found.thickness) == pytest.approx(1.2, abs=0.005)
    assert float(lithiated_seed(500.0, 0.0).thickness) == pytest.approx(0.5)


def test_strain_vanishes_for_equal_moduli_and_the_elastic_one_is_small():
    assert float(mismatch_strain(14.0)) == 0.0
    assert float(mismatch_strain(151.0)) == pytest.approx(-0.03)
    assert float(mismatch_strain(14.0, pressure_MPa=5.0)) == 0.0
    assert -2e-4 < float(mismatch_strain(151.0, pressure_MPa=5.0)) < 0


def test_texture_follows_the_anisotropy():
    found = texture([14.0, 30.0, 151.0])
    np.testing.assert_allclose(found.anisotropy, [0.025, 0.025 + 0.047 * 16 / 137, 0.072], atol=1e-9)
    assert (np.diff(found.total) < 0).all()  # a stiffer substrate favours (001)
    decided = texture([14.0, 151.0], barrier_2_eV=0.035)
    assert decided.wins.values.tolist() == [2, 1]


@pytest.mark.parametrize(
    "call",
    [
        lambda: bulk_modulus(0.5, -10.0), lambda: bulk_modulus(0.5, "Si", amorphous=Amorphous(host_GPa=-1.0)),
        lambda: mismatch_strain(-5.0), lambda: bulk_modulus(1.5, "Ag"), lambda: bulk_modulus(0.5, "Xx"),
        lambda: mismatch_strain(151.0, pressure_MPa=-1.0), lambda: lithiated_seed(-500.0, 0.25),
        lambda: design_window(limit_GPa=5.0), lambda: texture(400.0),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call):
    with pytest.raises(InputError):
        call()
