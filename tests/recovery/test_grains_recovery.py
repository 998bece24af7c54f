"""Grains put into simulated ring sums come back, each once, and nothing else does."""

import numpy as np
import pytest
from grain_simulator import AZIMUTH, Grain, Q, label, make_map, open_weight, random_grains, spot

from operando.core import Flag, Sums
from operando.core.errors import InputError
from operando.diffraction._ring_shape import ring_shape
from operando.diffraction.grains import GrainSearch, find_grains, find_spots
from operando.diffraction.ring_sums import sum_maps


def match(found, grains, index=0, tolerance=1.5):
    """Pairs (found, true) that agree in azimuth and overlap in the map; each used once."""
    pairs, left = [], set(range(len(grains)))
    for i in np.argsort(-found.counts.values):
        for j in sorted(left):
            g = grains[j]
            near = abs((found.azimuth.values[i] - g.azimuth_at(index) + 180) % 360 - 180) < tolerance
            inside = (
                g.rows[0] - 1 <= found.z.values[i] <= g.rows[1]
                and g.columns[0] - 1 <= found.x.values[i] / 33 <= g.columns[1]
            )
            if near and inside:
                pairs.append((i, j))
                left.remove(j)
                break
    return pairs


@pytest.mark.parametrize("background", ["reference", "reference of another exposure", "none"])
def test_precision_recall_and_errors(background):
    rng = np.random.default_rng(11)
    true = found = matched = 0
    pulls = {"azimuth": [], "q": []}
    for _ in range(4):
        grains = random_grains(rng, 45)
        reference = None if background == "none" else sum_maps([make_map(rng, [], 0) for _ in range(4)])
        exposure = 0.6 if background.endswith("exposure") else 1.0
        got = find_grains([make_map(rng, grains, 0, exposure=exposure)], reference=reference)
        pairs = match(got, grains)
        true, found, matched = true + len(grains), found + got.sizes["grain"], matched + len(pairs)
        for i, j in pairs:
            if got.flag.values[i] == 0:
                turn = (got.azimuth.values[i] - grains[j].azimuth + 180) % 360 - 180
                pulls["azimuth"].append(turn / got.azimuth_err.values[i])
                pulls["q"].append((got.q.values[i] - grains[j].q) / got.q_err.values[i])
    assert matched / found > 0.95
    assert matched / true > 0.95
    for pull in pulls.values():
        assert np.std(np.clip(pull, -4, 4)) == pytest.approx(1.0, abs=0.15)


def test_no_spot_cut_by_a_gap_or_the_shadow_goes_unflagged():
    """1000 bright spots near every edge: where over 2 % of one is hidden, it is flagged or not reported at all."""
    rng = np.random.default_rng(3)
    edges = np.array([40, 44, 215, 235, 301, 304])
    weight = open_weight()
    reference = sum_maps([make_map(rng, [], 0, shape=(25, 40)) for _ in range(4)])
    azimuth = rng.choice(edges, 1000) + rng.uniform(-8, 8, 1000)
    image = make_map(rng, [], 0, shape=(25, 40))
    hidden = np.empty(1000)
    for k, a in enumerate(azimuth):
        profile = spot(a, 2.545)
        hidden[k] = profile[weight == 0].sum()
        image.signal.values[divmod(k, 40)] += rng.poisson(rng.uniform(100, 2000) * profile * weight)
    found = find_spots(image, reference, GrainSearch())
    point, flag = found.column("point").astype(int), found.column("flag").astype(int)
    off = np.abs((found.column("azimuth") + 0.5 - azimuth[point] + 180) % 360 - 180)
    unflagged = flag & int(Flag.CUT_BY_GAP) == 0
    assert (hidden > 0.02).sum() > 400
    assert not (unflagged & (hidden[point] > 0.02)).any()
    assert off[unflagged].max() < 1.0
    assert (
        flag[hidden[point] < 1e-6] & int(Flag.CUT_BY_GAP) == 0
    ).mean() > 0.5  # and it does not flag everything


def test_a_grain_across_the_seam_is_one_grain():
    rng = np.random.default_rng(4)
    reference = sum_maps([make_map(rng, [], 0) for _ in range(4)])
    got = find_grains([make_map(rng, [Grain(359.9, 2.545, 500, (3, 9), (4, 6))], 0)], reference=reference)
    assert got.sizes["grain"] == 1
    assert abs((float(got.azimuth[0]) - 359.9 + 180) % 360 - 180) < 4 * float(got.azimuth_err[0])
    assert float(got.points[0]) == 12
    assert (float(got.z_min[0]), float(got.z_max[0]), float(got.x_min[0]), float(got.x_max[0])) == (
        3,
        8,
        132,
        165,
    )


def test_result_does_not_depend_on_threads_and_is_unchanged_by_a_turn_of_the_ring():
    rng = np.random.default_rng(6)
    data = make_map(rng, random_grains(rng, 15), 0)
    one, two = (find_spots(data, None, GrainSearch(threads=n)) for n in (1, 5))
    np.testing.assert_array_equal(one.table, two.table)
    turned = label(np.roll(data.signal.values, 77, axis=2), np.roll(data.weight.values, 77, axis=0))
    got = find_spots(turned, None, GrainSearch())
    assert len(got.table) == len(one.table)
    np.testing.assert_allclose(
        np.sort((got.column("azimuth") - 77) % 360), np.sort(one.column("azimuth") % 360), atol=1e-9
    )


def test_missing_maps_are_flagged_and_substitute_is_named():
    rng = np.random.default_rng(7)
    grains = random_grains(rng, 10)
    maps = [make_map(rng, grains, t) for t in range(3)]
    maps[1].signal.values[:] = np.nan
    got = find_grains([*maps, None])
    assert list(got.map_flag.values) == [0, int(Flag.NO_DATA), 0, int(Flag.NO_DATA)]
    assert set(got.map_index.values) == {0, 2}
    assert np.isnan(got.coverage.values[[1, 3]]).all()
    assert "no Li-free reference" in got.attrs["background"]
    assert float(got.coverage[0].sel(azimuth_bin=225.5)) == 0
    assert float(got.coverage[0].sel(azimuth_bin=100.5)) == 1


def test_part_of_a_map_may_be_missing():
    rng = np.random.default_rng(8)
    data = make_map(rng, [Grain(100, 2.545, 500, (2, 12), (3, 4))], 0)
    data.signal.values[5:7] = np.nan
    got = find_grains([data], reference=make_map(rng, [], 0, exposure=5.0), search=GrainSearch(reach=(3, 1)))
    assert got.sizes["grain"] == 1
    assert float(got.points[0]) == 8


def test_bad_input_is_named():
    rng = np.random.default_rng(9)
    first, second = make_map(rng, [], 0), make_map(rng, [], 0, shape=(20, 11))
    with pytest.raises(InputError, match="differ along x: 12 values"):
        find_grains([first, second])
    with pytest.raises(InputError, match="the reference has 11 values along x"):
        find_grains([first], reference=second)
    with pytest.raises(InputError, match="no reference for map 1"):
        find_grains([first, first], reference=[first])
    with pytest.raises(InputError, match="no map to make a reference from"):
        sum_maps([None])
    half = Sums(*(a.isel(azimuth=slice(0, 180)) for a in (first.signal, first.variance, first.weight)))
    with pytest.raises(InputError, match="whole ring"):
        find_grains([half])
    with pytest.raises(InputError, match="unknown rule"):
        GrainSearch(rule="otsu")


@pytest.mark.parametrize("with_reference", [True, False])
def test_scaled_counts_give_the_same_grains(with_reference):
    """Frames averaged or multiplied are Poisson counts times a factor; their variance says so."""
    rng = np.random.default_rng(10)
    data, dark = make_map(rng, random_grains(rng, 15), 0), make_map(rng, [], 0, exposure=4.0)
    scaled = Sums(data.signal * 0.2, data.signal * 0.04, data.weight)
    scaled_dark = Sums(dark.signal * 0.2, dark.signal * 0.04, dark.weight)
    one = find_spots(data, dark if with_reference else None, GrainSearch())
    two = find_spots(scaled, scaled_dark if with_reference else None, GrainSearch())
    assert len(one.table) == len(two.table) > 30
    np.testing.assert_allclose(two.column("azimuth"), one.column("azimuth"), rtol=1e-5)
    np.testing.assert_allclose(two.column("counts"), 0.2 * one.column("counts"), rtol=1e-4)
    np.testing.assert_allclose(two.column("counts_var"), 0.04 * one.column("counts_var"), rtol=1e-4)


def test_the_edge_of_a_shadow_and_texture_are_no_grains_without_a_reference():
    """A shadow that the mask does not hold takes 30 % of the light from 200 degrees on."""
    rng = np.random.default_rng(12)
    grains = [
        g
        for g in random_grains(rng, 30, counts=(500.0, 900.0))
        if min(abs(g.azimuth - a) for a in (0, 200, 360)) > 4
    ]
    shade = (
        np.where((AZIMUTH > 200), 0.7, 1.0)[:, None]
        * (1 + 0.3 * np.exp(-0.5 * ((AZIMUTH - 90) / 7) ** 2))[:, None]
    )
    dark = make_map(rng, [], 0, level=15.0, weight=np.ones((360, len(Q))) * shade)
    lit = make_map(rng, grains, 0, level=15.0, weight=np.ones((360, len(Q))) * shade)
    even = np.ones((360, len(Q)))
    assert not len(find_spots(label(dark.signal.values, even), None, GrainSearch()).table)
    got = find_grains([label(lit.signal.values, even)])
    pairs = match(got, grains)
    assert len(pairs) > 0.95 * got.sizes["grain"]
    assert len(pairs) > 0.9 * len(grains)
    shape, variance = ring_shape(lit.signal.values.reshape(-1, 360, len(Q)), even[None], 1.0)
    expected = shade[:, 0] * (1.11 + 0.3 * np.cos(np.radians(AZIMUTH - 70)))
    ratio = shape / expected
    pull = (ratio / np.median(ratio) - 1) / np.sqrt(variance)
    assert np.abs(np.median(pull)) < 0.3
    assert np.quantile(np.abs(pull), 0.68) < 2  # spots that are not quite clipped are left in it
