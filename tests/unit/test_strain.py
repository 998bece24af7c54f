"""Strains against cells deformed by hand and rings made from a known tensor."""

import numpy as np
import pytest

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.diffraction.strain import principal_strains, ring_strain, strain_rate


def test_orthorhombic_strains_are_the_relative_changes():
    cells = [[4, 5, 6, 90, 90, 90], [4.04, 5.0, 5.97, 90, 90, 90]]
    s = principal_strains(cells, [0, 1])
    np.testing.assert_allclose(s.strain[1], [0.01, 0.0, -0.005], atol=1e-12)
    np.testing.assert_allclose(np.abs(s.axis[1]), np.eye(3), atol=1e-9)
    assert float(s.volume[0]) == pytest.approx(120)
    assert float(s.volume_strain[1]) == pytest.approx(4.04 * 5 * 5.97 / 120 - 1)


def test_a_sheared_cell_has_the_eigenvalues_of_its_shear():
    shear = 0.02
    a, b = np.array([1.0, 0, 0]), np.array([shear, 1, 0])
    gamma = np.degrees(np.arccos(a @ b / np.linalg.norm(b)))
    s = principal_strains([[1, 1, 1, 90, 90, 90], [1, np.linalg.norm(b), 1, 90, 90, gamma]], [0, 1])
    expected = np.linalg.svd(np.array([a, b, [0, 0, 1]]), compute_uv=False)
    np.testing.assert_allclose(s.stretch[1], expected, rtol=1e-12)
    assert float(s.strain[1].prod("principal")) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("definition", "value"), [("engineering", 0.1), ("lagrangian", 0.105),
     ("eulerian", (1 - 1 / 1.21) / 2), ("logarithmic", np.log(1.1))]
)  # fmt: skip
def test_definitions(definition, value):
    s = principal_strains([[2, 2, 2, 90, 90, 90], [2.2, 2.2, 2.2, 90, 90, 90]], [0, 1], definition=definition)
    np.testing.assert_allclose(s.strain[1], value)


def test_errors_agree_with_noisy_cells():
    rng = np.random.default_rng(0)
    cell, err = np.array([2.87, 2.9, 14.2, 89, 91, 119]), np.array([1e-3, 1e-3, 5e-3, 0.02, 0.02, 0.02])
    start = np.array([2.8, 2.95, 14.0, 90, 90, 120])
    s = principal_strains([start, cell], [0, 1], cells_err=[err, err])
    noisy = principal_strains([start, *(cell + err * rng.normal(size=(2000, 6)))], np.arange(2001))
    np.testing.assert_allclose(noisy.strain[1:].std("capacity"), s.strain_err[1], rtol=0.1)


def test_missing_cells_are_flagged():
    s = principal_strains([[2, 2, 2, 90, 90, 90], [np.nan] * 6, [2.2, 2, 2, 90, 90, 90]], [0, 1, 2])
    assert list(s.flag.values) == [0, int(Flag.NO_DATA), 0]
    assert np.isnan(s.strain[1]).all()
    assert float(s.strain[2, 0]) == pytest.approx(0.1)
    with pytest.raises(InputError, match="needed is"):
        principal_strains([[2, 2, 2]], [0])


def test_rate_of_a_quadratic_is_exact():
    x = np.linspace(0, 4, 9)
    cells = np.stack([2 * (1 + 0.01 * x**2), 0 * x + 3, 0 * x + 5, *[0 * x + 90] * 3], 1)
    s = principal_strains(cells, x)
    np.testing.assert_allclose(strain_rate(s.strain, "capacity", degree=2)[:, 0], 0.02 * x, atol=1e-10)
    with pytest.raises(InputError, match="degree 9"):
        strain_rate(s.strain, "capacity", degree=9)


def ring(rng, azimuth, tensor, q0=2.5, centre=(0.0, 0.0), noise=1e-4):
    a = np.radians(azimuth)
    strain = tensor[0] * np.cos(a) ** 2 + tensor[1] * np.sin(a) ** 2 + tensor[2] * np.sin(2 * a)
    strain = strain + centre[0] * np.cos(a) + centre[1] * np.sin(a)
    return q0 / (1 + strain) + noise * rng.normal(size=len(a))


def test_ring_tensor_is_recovered_with_honest_errors():
    rng, azimuth = np.random.default_rng(1), np.arange(5, 360, 10.0)
    azimuth = azimuth[(azimuth < 200) | (azimuth > 250)]
    truth = {"xx": 1.5e-3, "zz": -0.5e-3, "xz": 4e-4, "difference": 2e-3}
    pulls = {name: [] for name in (*truth, "major", "direction")}
    radius = np.hypot(1e-3, 4e-4)
    truth |= {"major": 5e-4 + radius, "direction": np.degrees(0.5 * np.arctan2(4e-4, 1e-3))}
    for _ in range(300):
        q = ring(rng, azimuth, (1.5e-3, -0.5e-3, 4e-4), centre=(2e-3, -1e-3))
        r = ring_strain(azimuth, q, np.full(len(q), 1e-4), q0=2.5)
        for name in pulls:
            pulls[name].append((float(r[name]) - truth[name]) / float(r[name + "_err"]))
    for values in pulls.values():
        assert np.std(values) == pytest.approx(0.95, abs=0.12)  # errors are widened where chi2 exceeds one
        assert abs(np.mean(values)) < 0.2


def test_without_a_strain_free_position_only_differences_are_given():
    azimuth = np.arange(0, 360, 15.0)
    r = ring_strain(azimuth, ring(np.random.default_rng(2), azimuth, (1e-3, 0, 0)), np.full(24, 1e-4))
    assert np.isnan(float(r.xx))
    assert int(r.xx_flag) == int(Flag.OUTSIDE_CALIBRATION)
    assert float(r.difference) == pytest.approx(1e-3, abs=4 * float(r.difference_err))


def test_too_little_of_the_ring_is_an_error():
    azimuth = np.arange(80, 100, 2.0)
    with pytest.raises(InputError, match="do not determine"):
        ring_strain(azimuth, np.full(10, 2.5), np.full(10, 1e-4))
