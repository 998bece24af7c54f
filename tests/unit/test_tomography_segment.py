"""Grey values, thresholds, labels, surfaces and blur on small phantoms of known truth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from operando import tomography as tomo
from operando.core.errors import InputError

START = {"void": 0.0, "lithium": 1.1, "solid": 3.5}


def volume(values, **attrs):
    return xr.DataArray(
        np.asarray(values, np.float32),
        dims=("z", "y", "x"),
        attrs={"voxel_um": 2.0, "units": "1/cm", **attrs},
    )


def mixed(rng, noise=0.15):
    labels = rng.choice(3, (10, 10, 5), p=[0.1, 0.3, 0.6]).repeat(4, 0).repeat(4, 1).repeat(8, 2)
    return labels, volume(np.array([0.0, 1.0, 3.0])[labels] + noise * rng.standard_normal(labels.shape))


def test_grey_values_and_shares_of_a_mixture(rng):
    labels, image = mixed(rng)
    greys = tomo.phase_greys(image, START)
    pull = (greys["grey"].values - [0, 1, 3]) / greys["grey_err"].values
    assert (np.abs(pull) < 4).all()
    assert greys["share"].values == pytest.approx(np.bincount(labels.ravel()) / labels.size, abs=0.005)
    assert greys["width"].values == pytest.approx([0.15] * 3, rel=0.05)


def test_labels_by_stated_thresholds(rng):
    truth, image = mixed(rng)
    limits = tomo.thresholds(tomo.phase_greys(image, START))
    assert limits.values == pytest.approx([0.5, 2.0], abs=0.02)
    labels = tomo.label_phases(image, limits)
    assert (labels.values == truth).mean() > 0.999
    assert labels.attrs["phases"] == ["void", "lithium", "solid"]
    assert labels.attrs["rule"] == "midpoint"
    assert labels.attrs["override"] == "none"


def test_equal_error_threshold_makes_the_fewest_errors(rng):
    truth, image = mixed(rng, noise=0.35)
    greys = tomo.phase_greys(image, START)
    wrong = {}
    for shift in (-0.1, 0.0, 0.1):
        limits = tomo.thresholds(greys, rule="equal_error")
        limits = limits.copy(data=limits.values + np.array([shift, 0]))
        wrong[shift] = (tomo.label_phases(image, limits).values != truth).mean()
    assert wrong[0.0] < min(wrong[-0.1], wrong[0.1])


def test_override_is_used_and_recorded(rng):
    greys = tomo.phase_greys(mixed(rng)[1], START)
    limits = tomo.thresholds(greys, override={"void|lithium": 0.7})
    assert float(limits[0]) == 0.7
    assert limits.attrs["override"] == "void|lithium"
    with pytest.raises(InputError, match="no boundary"):
        tomo.thresholds(greys, override={"void|gold": 1.0})
    with pytest.raises(InputError, match="do not rise"):
        tomo.thresholds(greys, override={"void|lithium": 5.0})


def test_phase_that_is_not_there_is_flagged_and_keeps_its_guess(rng):
    greys = tomo.phase_greys(mixed(rng)[1], {**START, "steel": 60.0})
    assert greys["flag"].values[-1] != 0
    assert float(greys["grey"][-1]) == 60.0
    assert (greys["flag"].values[:-1] == 0).all()


def test_nan_voxels_get_their_own_label(rng):
    _, image = mixed(rng)
    limits = tomo.thresholds(tomo.phase_greys(image, START))
    image[3, 4, 5] = np.nan
    assert int(tomo.label_phases(image, limits)[3, 4, 5]) == 255
    with pytest.raises(InputError, match="not finite"):
        tomo.phase_greys(image, START)


def rough_surface(rng, blur, noise):
    """Steel below a smooth random surface, lithium above; exact partial volumes, then blur and noise."""
    height = 20 + 1.5 * gaussian_filter(rng.standard_normal((64, 64)), 8, mode="wrap") * 25
    z = np.arange(40)[:, None, None]
    sharp = 1 + 9 * np.clip(height - z, 0, 1)
    image = gaussian_filter(sharp, (blur, blur, blur), mode=("nearest", "wrap", "wrap"))
    return height * 2.0, volume(image + noise * rng.standard_normal(image.shape))


def test_heights_are_right_to_a_fraction_of_a_voxel_with_their_error(rng):
    truth, image = rough_surface(rng, 1.0, 0.3)
    found = tomo.surface_heights(image, 10.0, 1.0, noise=0.3)
    off = (found["height"].values - truth) / 2.0
    assert np.sqrt((off**2).mean()) < 0.15
    assert abs(off.mean()) < 0.01
    assert 0.8 < (off * 2.0 / found["height_err"].values).std() < 1.3


@pytest.mark.parametrize("blur", [0.7, 1.2, 2.0])
def test_blur_of_the_image_from_its_own_edge(rng, blur):
    _, image = rough_surface(rng, blur, 0.2)
    found = tomo.edge_blur(image, tomo.surface_heights(image, 10.0, 1.0, noise=0.2))
    assert float(found["blur"]) / 2.0 == pytest.approx(blur, abs=0.06)


def test_columns_without_the_surface_are_missing_not_invented(rng):
    _, image = rough_surface(rng, 0.8, 0.05)
    image[:, :20] = 1.0
    found = tomo.surface_heights(image, 10.0, 1.0)
    assert np.isnan(found["height"].values[:16]).all()
    assert (found["height_flag"].values[:16] == 1).all()
    with pytest.raises(InputError, match="no column"):
        tomo.surface_heights(image * 0 + 1, 10.0, 1.0)


def test_kernel_of_void_costs_against_numpy(rng):
    from operando.tomography._layer_kernels import thickness_costs

    shape, trials = (12, 3, 4), np.arange(0, 4, 0.5)
    rest, weight, tilt = rng.normal(size=shape), rng.random(shape), rng.normal(size=shape)
    face, width = rng.uniform(6, 9, shape[1:]), rng.uniform(0.7, 1.2, shape[1:])
    z = (2.5 + np.arange(12))[:, None, None]
    expected = []
    for t in trials:
        r = rest + 0.3 * (ndtr((z - face + t) / width) - ndtr((z - face) / width))
        cross, firm = (weight * r * tilt).sum(0), (weight * tilt**2).sum(0) + 1 / 0.05**2
        expected.append((weight * r * r).sum(0) - cross**2 / firm)
    cost = np.empty((len(trials), *shape[1:]))
    thickness_costs(rest, weight, tilt, face, width, 2.5, -0.3, 0.05, trials, cost)
    np.testing.assert_allclose(cost, expected, rtol=1e-10)


def test_void_layer_refuses_what_it_cannot_be():
    with pytest.raises(InputError, match="rise"):
        tomo.LayerModel(steel=1.0, lithium=0.1, void=0.0, solid=3.0, blur_um=1.0, noise=0.1)
    model = tomo.LayerModel(steel=10.0, lithium=1.0, void=0.0, solid=3.0, blur_um=1.0, noise=0.1)
    with pytest.raises(InputError, match="no column holds"):
        tomo.fit_void_layer(volume(np.ones((40, 30, 30))), model)
