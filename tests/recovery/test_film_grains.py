"""Lithium grains of the twin through the whole run: ring images, grains, tracks, counts.

About 1.5 grains a column, as in the published experiment.
"""

import numpy as np
import pytest

from operando.core.errors import ExperimentError
from operando.flow import run
from operando.twin.film import FilmCell, simulate


@pytest.fixture(scope="module")
def plated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grains")
    cell = FilmCell.demo(maps=5, map_period_s=900.0, seed=3, columns=10, grain_births_per_mm_map=(24.0, 10.0))
    truth = simulate(cell, folder)
    _, results = run(folder / "experiment.toml")
    return results.groups, truth.grains


def away(found, true):
    return np.abs((found[:, None] - true[None] + 180) % 360 - 180)


def test_grains_are_found_and_are_real(plated):
    groups, truth = plated
    grains = groups["grains/table"]
    recalled, right, bright = 0, 0, 0
    for number in range(truth.sizes["time"]):
        found = grains["azimuth"].values[grains["map_index"].values == number]
        counts = truth["counts_best"].values[number]
        off = away(found, truth["azimuth"].values[number])
        right += int((off[:, counts > 1].min(1) < 2).sum()) if len(found) else 0
        bright += int((counts > 50).sum())
        recalled += int((off[:, counts > 50].min(0) < 2).sum()) if len(found) else 0
    assert bright > 30
    assert recalled > 0.95 * bright
    assert right > 0.95 * grains.sizes["grain"]


def test_counts_rise_from_none_and_agree_with_what_is_there(plated):
    """Counts hold what is expected to have merged with a neighbour of the same azimuth, and its error."""
    groups, truth = plated
    counts = groups["grains/counts"]
    total, error = counts["total"].values, counts["total_err"].values
    there = (truth["counts_best"] > 40).sum("grain").values
    assert total[0] < 1
    assert np.isnan(counts["new"].values[0])
    assert (np.abs(total - there) < 4 * np.hypot(error, 1)).all()
    assert total.sum() == pytest.approx(there.sum(), rel=0.2)
    assert "no Li-free reference" in counts.attrs["background"]


def test_maps_without_grains_may_be_named_as_the_background(tmp_path):
    cell = FilmCell.demo(maps=3, map_period_s=1500.0, seed=3, columns=4, grain_births_per_mm_map=(24.0, 10.0))
    truth = simulate(cell, tmp_path)
    text = (tmp_path / "experiment.toml").read_text()

    def asking(words):
        (tmp_path / "grains.toml").write_text(text.replace("grains = true", words))
        return run(tmp_path / "grains.toml")[1].groups

    groups = asking('grains = true, grains_reference = "first"')
    assert "Li-free reference" in groups["grains/counts"].attrs["background"]
    assert groups["grains/counts"].attrs["background"].endswith("from map 1")
    grains = groups["grains/table"]
    for number in range(3):
        found = grains["azimuth"].values[grains["map_index"].values == number]
        counts = truth.grains["counts_best"].values[number]
        off = away(found, truth.grains["azimuth"].values[number])
        assert (off[:, counts > 1].min(1) < 2).all() if (counts > 1).any() else not len(found)
        assert (off[:, counts > 60].min(0) < 2.5).all() if len(found) else not (counts > 60).any()
    with pytest.raises(ExperimentError, match="names map 4 as free of grains, there are maps 1 to 3"):
        asking("grains = true, grains_reference = [4]")
    with pytest.raises(ExperimentError, match="needs grains = true"):
        asking("grains_reference = [1]")


def test_tracks_and_azimuths_hold_the_same_grains(plated):
    groups, _ = plated
    tracks, around, grains = groups["grains/tracks"], groups["grains/azimuth"], groups["grains/table"]
    assert tracks["maps"].values.sum() == grains.sizes["grain"]
    assert np.nansum(around["grains"].values) == grains.sizes["grain"]
    assert set(np.unique(tracks["kind"].values)) <= {0, 1, 2}


def test_grains_have_their_figure(plated):
    from operando.show.figures.science import science_figures

    groups, _ = plated
    drawn = {exhibit.name: exhibit for exhibit in science_figures(groups)}
    assert "no Li-free reference" in drawn["grains"].caption
    np.testing.assert_array_equal(drawn["grains"].table["total"], groups["grains/counts"]["total"].values)
