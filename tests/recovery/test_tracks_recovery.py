"""Simulated grains that are born, turn and vanish are followed without losing who is who."""

import numpy as np
import pytest
from grain_simulator import Grain, make_map, open_weight, random_grains, spot

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.diffraction.grain_counts import count_grains
from operando.diffraction.grains import find_grains
from operando.diffraction.ring_sums import sum_maps
from operando.diffraction.tracks import TrackSearch, azimuth_map, link_grains, track_table

MAPS = 24
CLOSED = open_weight() == 0


def visible(grain, index):
    """Alive, and not turned into a gap or the shadow by more than half."""
    return grain.lives(index) and spot(grain.azimuth_at(index), grain.q)[CLOSED].sum() < 0.5


def owner(found, i, grains):
    index = int(found.map_index.values[i])
    for k, g in enumerate(grains):
        turn = abs((found.azimuth.values[i] - g.azimuth_at(index) + 180) % 360 - 180)
        inside = g.rows[0] - 1 <= found.z.values[i] <= g.rows[1]
        if g.lives(index) and turn < 1.5 and inside and abs(found.x.values[i] / 33 - g.columns[0]) < 0.6:
            return k
    return -1


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(5)
    grains = random_grains(rng, 90, maps=MAPS, rate=0.5)
    reference = sum_maps([make_map(rng, [], 0) for _ in range(4)])
    maps = [make_map(rng, grains, t) if t != 9 else None for t in range(MAPS)]
    found = find_grains(maps, reference=reference, time=np.arange(MAPS) * 300.0)
    linked = link_grains(found)
    return grains, linked, np.array([owner(linked, i, grains) for i in range(linked.sizes["grain"])])


def test_identity_switches_stay_under_two_percent(series):
    _, linked, true = series
    links = switches = 0
    for number in np.unique(linked.track.values):
        chain = true[linked.track.values == number]
        chain = chain[chain >= 0]  # where two true grains blend, neither is who it is
        links += max(len(chain) - 1, 0)
        switches += int((np.diff(chain) != 0).sum())
    broken = sum(len(np.unique(linked.track.values[true == k])) - 1 for k in np.unique(true[true >= 0]))
    assert links > 300
    assert switches < 0.02 * links
    assert broken < 0.04 * links


def test_counts_agree_within_their_errors():
    rng = np.random.default_rng(17)
    reference = sum_maps([make_map(rng, [], 0) for _ in range(4)])
    pulls = []
    for _ in range(50):
        grains = random_grains(rng, int(rng.integers(10, 30)))
        counts = count_grains(link_grains(find_grains([make_map(rng, grains, 0)], reference=reference)))
        pulls.append((float(counts.total[0]) - len(grains)) / float(counts.total_err[0]))
    assert abs(np.mean(pulls)) < 0.5
    assert np.sqrt(np.mean(np.square(pulls))) < 1.3
    assert np.abs(pulls).max() < 5


def test_new_and_vanished_grains_and_maps_that_are_missing(series):
    grains, linked, _ = series
    counts = count_grains(linked)
    assert int(counts.total_flag[9]) == int(Flag.NO_DATA)
    assert np.isnan(counts.new.values[[0, 9, 10]]).all()
    good = np.isfinite(counts.new.values)
    born = np.array([sum(visible(g, t) and not visible(g, t - 1) for g in grains) for t in range(MAPS)])
    died = np.array([sum(visible(g, t - 1) and not visible(g, t) for g in grains) for t in range(MAPS)])
    for ours, true in ((counts.new, born), (counts.vanished, died)):
        error = np.sqrt(np.nansum(counts.new_err.values**2) + 1)
        assert float(ours.sum()) == pytest.approx(true[good].sum(), abs=max(3 * error, 4))


def test_rotation_rates_and_kinds(series):
    grains, linked, true = series
    tracks = track_table(linked)
    rates = []
    for number in range(tracks.sizes["track"]):
        k = np.unique(true[linked.track.values == number])
        if (
            len(k) == 1
            and k[0] >= 0
            and np.isfinite(tracks.rotation_rate.values[number])
            and tracks.maps.values[number] > 4
        ):
            rates.append(
                (tracks.rotation_rate.values[number] - grains[k[0]].rate * 12)
                / tracks.rotation_rate_err.values[number]
            )
    assert np.std(rates) == pytest.approx(1.0, abs=0.25)
    long = tracks.lifetime_maps.values
    assert (tracks.kind.values == np.where(long <= 2, 0, np.where(long >= 10, 2, 1))).all()
    assert {0, 1, 2} <= set(tracks.kind.values)


def test_azimuth_map_counts_every_grain_and_marks_what_is_hidden(series):
    _, linked, _ = series
    picture = azimuth_map(linked, bin_deg=5)
    assert float(np.nansum(picture)) == linked.sizes["grain"]
    assert np.isnan(picture.values[9]).all()
    assert np.isnan(picture.sel(azimuth=slice(220, 230)).values).all()


def test_a_grain_may_miss_a_map_and_crossing_grains_keep_their_names():
    rng = np.random.default_rng(8)
    one = Grain(120.0, 2.545, 500, (3, 7), (5, 6), rate=1.5)
    two = Grain(138.0, 2.545, 500, (8, 12), (5, 6), rate=-1.5)  # a row apart: near enough to be mistaken
    maps = [make_map(rng, [one, two] if t != 3 else [two], t) for t in range(12)]
    linked = link_grains(
        find_grains(maps, reference=sum_maps([make_map(rng, [], 0) for _ in range(4)])), TrackSearch()
    )
    ends = {int(n): linked.azimuth.values[linked.track.values == n] for n in np.unique(linked.track.values)}
    long = [a for a in ends.values() if len(a) > 8]
    assert len(long) == 2
    np.testing.assert_allclose(sorted(a[-1] - a[0] for a in long), [-16.5, 16.5], atol=0.6)


def test_unlinked_grains_are_refused():
    found = find_grains([None, None])
    with pytest.raises(InputError, match="not linked"):
        count_grains(found)
    empty = count_grains(link_grains(found))
    assert np.isnan(empty.total.values).all()
    assert (empty.total_flag.values == int(Flag.NO_DATA)).all()
    assert track_table(link_grains(found)).sizes.get("track", 0) == 0
