"""Energy balance of two grains: the numbers checked by hand, units, what is not known."""

import numpy as np
import pytest

from operando.core.errors import InputError
from operando.models import (
    Balance,
    conclusion,
    crossover_temperature,
    energy_difference,
    grain_energies,
    material,
    one_at_a_time,
    phase_map,
    sobol_indices,
    surface_at_pressure,
    temperature_scan,
)
from operando.models.phase_field import deposition_rate

SOLID = {"surface_energy_1_J_per_m2": 0.443, "surface_energy_2_J_per_m2": 0.548}


def li(**given) -> Balance:
    return Balance.of("Li", **(SOLID | given))


@pytest.mark.parametrize(("celsius", "expected"), [(25.0, 9778.0), (80.0, 10891.0)])
def test_strain_energy_has_the_checked_values(celsius, expected):
    found = energy_difference(li(temperature_K=celsius + 273.15))
    assert float(found.strain) == pytest.approx(expected, abs=0.5)
    assert float(found.surface) == pytest.approx(-10500.0)


def test_the_switch_needs_a_narrow_window_of_anisotropy():
    thresholds = temperature_scan(li(), np.array([298.15, 353.15])).threshold.values
    np.testing.assert_allclose(thresholds, [0.0978, 0.1089], atol=5e-5)
    for anisotropy, wins in ((0.097, [2, 2]), (0.105, [1, 2]), (0.110, [1, 1])):
        scan = temperature_scan(li(surface_energy_2_J_per_m2=0.443 + anisotropy), np.array([298.15, 353.15]))
        assert scan.wins.values.tolist() == wins


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"diffusion_prefactor_m2_per_s": 2e-15}, 0.191), ({"beta": 0.5}, 0.0495), ({"grain_size_um": 20.0}, 0.0495),
        ({"barrier_2_eV": 0.04}, 0.045),
    ],
)  # fmt: skip
def test_threshold_moves_with_every_other_input(change, expected):
    assert float(energy_difference(li(**change)).threshold) == pytest.approx(expected, abs=5e-4)


def test_scales_are_si():
    assert li().diffusion_scale_m2_per_s == pytest.approx(1e-14, rel=1e-12)
    assert deposition_rate(0.1) == pytest.approx(1.35e-4, rel=3e-3)


def test_exchange_of_the_grains_changes_the_sign():
    swapped = Balance.of(
        "Li", ("101", "001"), surface_energy_1_J_per_m2=0.548, surface_energy_2_J_per_m2=0.443
    )
    assert float(energy_difference(swapped).total) == pytest.approx(-float(energy_difference(li()).total))


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"grain_size_um": 10e-6}, "not m"), ({"temperature_K": 25.0}, "298.15"), ({"thickness_um": 1e-5}, "not m"),
        ({"deposition_um_per_s": 1e-12}, "not m/s"), ({"surface_energy_1_J_per_m2": 443.0}, "mJ"),
        ({"yield_strength_MPa": 5.5e5}, "not Pa"), ({"barrier_1_eV": 14.0}, "kJ/mol"),
        ({"strain_tension": 20.0}, "fraction"),
    ],
)  # fmt: skip
def test_a_value_in_the_wrong_unit_is_refused_with_the_right_one(given, hint):
    with pytest.raises(InputError, match=hint):
        li(**given)


def test_a_missing_barrier_is_asked_for():
    with pytest.raises(InputError, match=r"Na \(001\) is not known"):
        Balance.of("Na")
    with pytest.raises(InputError, match=r"Li \(111\) is not known"):
        grain_energies("Li")
    with pytest.raises(InputError, match="barrier_1_eV is missing"):
        li(barrier_1_eV=float("nan"))
    with pytest.raises(InputError, match="unknown orientation '011'"):
        material("Li").barrier("011")
    with pytest.raises(InputError, match="yield_strength_MPa of Na"):
        Balance.of("Na", barrier_1_eV=0.1, **SOLID)


def test_energies_of_three_orientations_agree_with_the_pairs():
    found = grain_energies("Li", strain=-0.03, barrier_eV={"111": 0.2})
    pair = energy_difference(Balance.of("Li", strain=-0.03))
    assert found["001"] - found["101"] == pytest.approx(float(pair.total))
    assert min(found.values()) == 0.0


def test_pressure_makes_little_strain():
    strain, energy = surface_at_pressure("Li", "101", np.array([0.0, 10.0, 1260.0]))
    np.testing.assert_allclose(strain, [0.0, -2.381e-4, -0.03], rtol=1e-3)
    np.testing.assert_allclose(energy, [0.492, 0.49218, 0.515], atol=1e-5)
    with pytest.raises(InputError, match="known for strains"):
        surface_at_pressure("Li", "101", 2000.0)


def test_map_agrees_with_single_points_and_takes_the_anisotropy_as_an_axis():
    anisotropy, barrier = np.linspace(0, 0.2, 40), np.linspace(0.01, 0.14, 40)
    found = phase_map(li(), ("anisotropy_J_per_m2", anisotropy), ("barrier_2_eV", barrier))
    assert found.total.shape == (40, 40)
    one = energy_difference(li(barrier_2_eV=barrier[7], surface_energy_2_J_per_m2=0.443 + anisotropy[21]))
    assert float(found.total[7, 21]) == pytest.approx(float(one.total), rel=1e-12)
    assert int(found.wins[-1, -1]) == 1  # equal barriers: the surface decides
    assert int(found.wins[0, 0]) == 2


def test_crossover_is_where_the_difference_vanishes_and_its_error_follows_the_inputs():
    found = crossover_temperature(li())
    assert abs(float(energy_difference(li(temperature_K=float(found.temperature))).total)) < 1e-6
    rng = np.random.default_rng(1)
    sigma = 2e-4
    spread = crossover_temperature(li(), {"surface_energy_2_J_per_m2": sigma}, rng=rng, samples=8000)
    t = float(found.temperature)
    ends = temperature_scan(li(), np.array([t - 1, t + 1])).total.values
    linear = sigma / 10e-6 / ((ends[1] - ends[0]) / 2)  # error of dU over its slope in T
    assert float(spread.temperature_err) == pytest.approx(linear, rel=0.05)
    none = crossover_temperature(li(surface_energy_2_J_per_m2=0.443))
    assert np.isnan(none.temperature)
    assert int(none.temperature_flag) != 0


def test_probability_of_the_conclusion_is_the_gaussian_one():
    from scipy.stats import norm

    rng = np.random.default_rng(2)
    found = conclusion(li(), {"surface_energy_2_J_per_m2": 0.005}, [298.15, 353.15], rng=rng, samples=20000)
    expected = norm.cdf((0.105 - np.array([0.09778, 0.10891])) / 0.005)
    np.testing.assert_allclose(found.probability, expected, atol=5 * found.probability_err.values.max())
    np.testing.assert_allclose(found.total_err, 500.0, rtol=0.03)


def test_sensitivities_name_the_input_that_decides():
    ranges = {"surface_energy_2_J_per_m2": (0.50, 0.60), "thickness_um": (9.9, 10.1), "beta": (0.99, 1.01)}
    single = one_at_a_time(li(), ranges)
    assert str(single.input[0].values) == "surface_energy_2_J_per_m2"
    assert bool(single.decides[0])
    assert not single.decides[1:].any()
    share = sobol_indices(li(), ranges, samples=256)
    assert str(share.input[0].values) == "surface_energy_2_J_per_m2"
    assert float(share.first_order.sum()) == pytest.approx(1.0, abs=0.05)  # nearly additive here


def test_an_input_whose_range_has_no_width_has_no_share():
    """A barrier of zero eV has no 20 % to both sides; the others share as they do where it is not named."""
    ranges = {"surface_energy_2_J_per_m2": (0.50, 0.60), "thickness_um": (9.9, 10.1)}
    still = sobol_indices(li(), {"barrier_1_eV": (0.0, 0.0), **ranges}, samples=64)
    assert float(still.total_order.sel(input="barrier_1_eV")) == 0
    assert float(still.total_order_err.sel(input="barrier_1_eV")) == 0
    alone = sobol_indices(li().set(barrier_1_eV=0.0), ranges, samples=64)
    np.testing.assert_array_equal(still.total_order.sel(input=alone.input), alone.total_order)
