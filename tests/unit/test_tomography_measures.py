"""Contact, voids, amounts, porosity, roughness, relation and hot spots on cases whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando import tomography as tomo
from operando.core.errors import InputError


def section(values, voxel=2.0):
    return xr.DataArray(np.asarray(values, float), dims=("y", "x"), attrs={"voxel_um": voxel})


def volume(values, voxel=2.0):
    return xr.DataArray(values, dims=("z", "y", "x"), attrs={"voxel_um": voxel})


# contact


def test_contact_area_share_and_current_density():
    contact = np.zeros((50, 100))
    contact[:, :25] = 1
    area = tomo.contact_area(section(contact), systematic=0.02)
    assert float(area["area"]) == pytest.approx(0.25 * 50 * 100 * 4e-8)
    assert float(area["share"]) == 0.25
    assert float(area["share_err"]) == pytest.approx(0.02)
    current = tomo.effective_current_density(0.01, area)
    assert float(current["factor"]) == pytest.approx(4.0)
    assert float(current["current_density"]) == pytest.approx(0.01 / (0.25 * 2e-4))
    assert float(current["current_density_err"] / current["current_density"]) == pytest.approx(0.08)


def test_sampling_error_of_contact_is_its_scatter_over_windows(rng):
    field = gaussian_filter(rng.standard_normal((512, 512)), 4, mode="wrap")
    contact = (field > np.quantile(field, 0.4)).astype(float)
    windows = contact.reshape(8, 64, 8, 64).mean((1, 3))
    stated = [
        float(tomo.contact_area(section(contact[a : a + 64, b : b + 64]))["share_sampling_err"])
        for a in range(0, 512, 128) for b in range(0, 512, 128)
    ]  # fmt: skip
    assert np.mean(stated) == pytest.approx(windows.std(), rel=0.35)


def test_gained_and_lost_contact():
    before, after = np.zeros((10, 10)), np.zeros((10, 10))
    before[:, :5], after[:, 3:7] = 1, 1
    change = tomo.contact_change(section(before), section(after))
    assert float(change["lost"]) == pytest.approx(30 * 4e-8)
    assert float(change["gained"]) == pytest.approx(20 * 4e-8)
    assert float(change["relative"]) == pytest.approx(-0.2)
    with pytest.raises(InputError, match="contact maps of"):
        tomo.contact_change(section(before), section(after[:8]))


def test_no_contact_gives_no_current_density():
    area = tomo.contact_area(section(np.zeros((8, 8))))
    assert np.isnan(float(tomo.effective_current_density(1.0, area)["current_density"]))


# voids


def ball(shape, centre, radius):
    z, y, x = np.indices(shape)
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2


def test_two_balls_and_a_plate():
    shape = (40, 60, 60)
    mask = ball(shape, (20, 15, 15), 8) | ball(shape, (20, 45, 45), 5)
    mask[10:12, 35:55, 5:25] = True
    voids = tomo.void_objects(volume(mask)).sortby("volume", ascending=False)
    assert voids.sizes["void"] == 3
    assert voids["volume"].values[0] == pytest.approx(4 / 3 * np.pi * 16**3, rel=0.03)
    assert voids["surface"].values[0] == pytest.approx(4 * np.pi * 16**2, rel=0.05)
    assert voids["sphericity"].values[[0, 2]] == pytest.approx([1, 1], abs=0.06)
    plate = voids.isel(void=1)
    assert float(plate["thickness_mean"]) == 4.0
    assert float(plate["footprint"]) == 20 * 20 * 4
    assert float(plate["sphericity"]) < 0.75
    assert (voids["flag"].values == 0).all()
    assert voids["centre_x"].values[0] == pytest.approx(31.0)


def test_partial_volumes_are_summed_and_cut_voids_flagged():
    mask = np.zeros((10, 10, 10), bool)
    mask[:3, 2:5, 2:5] = True
    voids = tomo.void_objects(volume(mask), share=volume(np.where(mask, 0.5, 0.0)))
    assert float(voids["volume"][0]) == pytest.approx(27 * 8 * 0.5)
    assert int(voids["flag"][0]) != 0


def test_an_empty_mask_gives_an_empty_table():
    voids = tomo.void_objects(volume(np.zeros((8, 8, 8), bool)))
    summary = tomo.void_summary(voids)
    assert voids.sizes["void"] == 0
    assert float(summary["volume"]) == 0
    assert np.isnan(float(summary["thickness"]))
    assert int(summary["flag"]) != 0
    with pytest.raises(InputError, match="no voids"):
        tomo.size_distribution(voids)


def test_size_distribution_counts_every_void(rng):
    mask = volume(rng.random((30, 30, 30)) < 0.02)
    voids = tomo.void_objects(mask)
    sizes = tomo.size_distribution(voids)
    assert float(sizes["number"].sum()) == voids.sizes["void"]
    assert float(sizes["volume_share"].sum()) == pytest.approx(1)


# amounts


def test_stripping_fraction_and_its_error():
    per = 13.0 / 96485.33212 * 3.6e12  # um3 of Li for 1 mAh
    charge = np.array([0.0, 1e-3, 2e-3])
    volumes = 1e7 - per * np.array([0.0, 0.72e-3, 1.23e-3])
    found = tomo.stripping_fraction(volumes, charge, volume_err=1e3)
    assert found["fraction"].values == pytest.approx([0.72, 0.51])
    assert float(found["total"]) == pytest.approx(0.615)
    assert found["fraction_err"].values == pytest.approx(np.sqrt(2) * 1e3 / (per * 1e-3))
    assert np.isnan(tomo.stripping_fraction(volumes[:2], [0.0, 0.0])["total"])
    with pytest.raises(InputError, match="volumes and"):
        tomo.stripping_fraction(volumes, charge[:2])


def test_molar_volume_in_the_interphase_from_the_stack(rng):
    charge = np.linspace(0, 5, 12)
    slope = -(13.0 - 6.0) * 3.6 / 96485.33212 * 1e4
    stack = 900 + slope * charge
    pulls = []
    for _ in range(40):
        found = tomo.interphase_molar_volume(stack + 0.2 * rng.standard_normal(12), charge, thickness_err=0.2)
        pulls.append((float(found["molar_volume"]) - 6.0) / float(found["molar_volume_err"]))
    assert 0.6 < np.std(pulls) < 1.4
    assert abs(np.mean(pulls)) < 0.6


def test_phase_volumes_count_voxels():
    labels = volume(np.repeat([0, 1, 1, 2], 100).reshape(4, 10, 10).astype(np.uint8)).assign_attrs(
        phases=["a", "b", "c"]
    )
    found = tomo.phase_volumes(labels, confusion={"b": 0.1})
    assert found["volume"].values == pytest.approx([800, 1600, 800])
    assert float(found["volume_err"].sel(phase="b")) == pytest.approx(np.hypot(np.sqrt(200 / 12), 20) * 8)


# porosity


def test_porosity_against_depth_under_a_tilted_face(rng):
    shape = (60, 40, 40)
    face = section(10 + 0.25 * np.indices(shape[1:])[1])
    depth = (np.arange(60)[:, None, None] + 0.5) * 2.0 - face.values
    wanted = np.where(depth < 30, 0.3, 0.1)
    pore = (
        volume((rng.random(shape) < wanted).astype(float))
        .where(volume(depth) > -2)
        .assign_attrs(voxel_um=2.0)
    )
    found = tomo.porosity_profile(pore, face, depth_um=60)
    assert found["depth"].values == pytest.approx([5, 15, 25, 35, 45, 55])
    off = found["porosity"].values - np.repeat([0.3, 0.1], 3)
    assert (np.abs(off / found["porosity_err"].values) < 4).all()
    assert (found["porosity_err"].values < 0.02).all()
    near = tomo.near_interface(found, 20)
    assert float(near["porosity"]) == pytest.approx(0.3, abs=0.01)
    down = tomo.porosity_profile(pore.isel(z=slice(None, None, -1)), 120 - face, into="down", depth_um=60)
    assert down["porosity"].values == pytest.approx(found["porosity"].values, rel=1e-6)
    with pytest.raises(InputError, match="no electrolyte"):
        tomo.porosity_profile(pore, face + 500)


@pytest.mark.parametrize(("spread", "modes"), [(0.0, 1), (0.3, 2)])
def test_modes_of_the_porosity(rng, spread, modes):
    side = np.repeat([0, 1], 32)[None, None, :]
    pore = volume((rng.random((32, 64, 64)) < 0.3 + spread * side).astype(float))
    found = tomo.porosity_distribution(pore, domain_um=(16, 16, 16), rng=rng, draws=40)
    assert int(found["modes"]) == modes
    assert float(found["mean"]) == pytest.approx(0.3 + spread / 2, abs=0.01)
    step = float(found["value"][1] - found["value"][0])
    assert float(found["density"].sum()) * step == pytest.approx(1, abs=0.01)


# roughness


def test_height_parameters_of_a_sine_on_a_slope():
    x = np.arange(256)
    height = section(3 * np.cos(2 * np.pi * (x - 127.5) / 32)[None, :] + 0.1 * x[None, :] + 0.05 * x[:, None])
    found = tomo.height_parameters(height)
    assert float(found["Sa"]) == pytest.approx(6 / np.pi, rel=0.01)
    assert float(found["Sq"]) == pytest.approx(3 / np.sqrt(2), rel=0.01)
    assert float(found["Sku"]) == pytest.approx(1.5, rel=0.02)
    assert abs(float(found["Ssk"])) < 0.02
    assert float(found["Sz"]) == pytest.approx(6, rel=0.05)
    assert float(found["Ra"]) == float(found["Sa"])
    bowl = height + 1e-3 * (x[None, :] - 128.0) ** 2
    assert float(tomo.height_parameters(bowl, form="quadratic")["Sa"]) == pytest.approx(6 / np.pi, rel=0.02)


def test_noise_of_the_heights_is_taken_out(rng):
    true = gaussian_filter(rng.standard_normal((300, 300)), 6)
    true *= 1.0 / true.std()
    noisy = section(true + 0.6 * rng.standard_normal(true.shape))
    exact = tomo.height_parameters(section(true))
    found = tomo.height_parameters(noisy, height_err=0.6)
    assert float(found["Sq"]) == pytest.approx(float(exact["Sq"]), rel=0.01)
    assert float(found["Sa"]) == pytest.approx(float(exact["Sa"]), rel=0.02)
    assert float(tomo.height_parameters(noisy, correct_noise=False)["Sq"]) > 1.1
    buried = tomo.height_parameters(section(0.1 * rng.standard_normal((50, 50))), height_err=0.5)
    assert np.isnan(float(buried["Sq"]))
    assert int(buried["flag"]) != 0


def test_too_few_heights_are_an_error():
    with pytest.raises(InputError, match="known heights"):
        tomo.height_parameters(section(np.full((20, 20), np.nan)))


# relation


def smooth(rng, n=96):
    return gaussian_filter(rng.standard_normal((n, n)), 3, mode="wrap")


def test_p_values_of_unrelated_maps_are_even(rng):
    values = [
        float(
            tomo.map_relation(section(smooth(rng)), section(smooth(rng)), rng=rng, permutations=49)["p_value"]
        )
        for _ in range(24)
    ]
    assert 0.3 < np.mean(values) < 0.7
    assert np.mean(np.array(values) < 0.05) <= 0.21


def test_related_maps_are_found_and_the_naive_p_value_is_too_small(rng):
    a, b = smooth(rng), smooth(rng)
    found = tomo.map_relation(section(a), section(a + b), rng=rng, permutations=199)
    assert float(found["p_value"]) < 0.02
    assert float(found["correlation"]) == pytest.approx(0.69, abs=0.1)
    none = tomo.map_relation(section(a), section(b), rng=rng, permutations=199)
    assert float(none["p_value_naive"]) < float(none["p_value"])
    with pytest.raises(InputError, match="blocks of"):
        tomo.map_relation(section(a[:30, :30]), section(b[:30, :30]), rng=rng)


# hot spots


def noise_pair(rng, sigma, n=200):
    return [section(sigma * rng.standard_normal((n, n))) for _ in range(2)]


def test_false_hot_spots_are_as_many_as_stated(rng):
    floor = tomo.noise_floor(*noise_pair(rng, 0.3), smooth_um=4.0)
    count = 0
    for _ in range(40):
        first, second = noise_pair(rng, 0.3)
        pair = xr.concat([first, second], "time").assign_coords(time=[0.0, 3600.0])
        found = tomo.local_current_density(pair, floor)
        count += int(tomo.find_hot_spots(found, floor, false_per_map=0.5)["count"].sum())
    assert 8 <= count <= 34  # 20 expected


def test_noise_floor_and_current_of_a_known_step(rng):
    first, second = noise_pair(rng, 0.2)
    floor = tomo.noise_floor(first, second)
    assert float(floor["thickness"]) == pytest.approx(0.2, rel=0.03)
    pair = xr.concat([*noise_pair(rng, 0.2)], "time").assign_coords(time=[0.0, 3600.0])
    pair[1] += 4.8506  # 1 mAh/cm2 in an hour
    found = tomo.local_current_density(pair, floor)
    assert float(found["mean"][0]) == pytest.approx(1.0, abs=0.002)
    assert float((found["current_density"] - 1).std() / found["current_density_err"].mean()) == pytest.approx(
        1, rel=0.05
    )


def test_series_of_different_sizes_and_missing_floor_are_errors(rng):
    first, second = noise_pair(rng, 0.2, 40)
    with pytest.raises(InputError, match="volume 1 is"):
        tomo.noise_floor(first, second[:30])
    floor = tomo.noise_floor(first, second)
    pair = xr.concat([first, second], "time").assign_coords(time=[0.0, 0.0])
    with pytest.raises(InputError, match="rising times"):
        tomo.local_current_density(pair, floor)
    with pytest.raises(InputError, match="smoothing"):
        tomo.local_current_density(pair.assign_coords(time=[0.0, 1.0]), floor, smooth_um=5.0)
    good = tomo.local_current_density(pair.assign_coords(time=[0.0, 1.0]), floor)
    with pytest.raises(InputError, match="noise floor"):
        tomo.find_hot_spots(good, xr.Dataset())
