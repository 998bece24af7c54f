"""What happened in the film, against the twin's truth: front, plated layer, lithium content, spots."""

import numpy as np
import pytest

from operando.core import Flag
from operando.core.errors import ExperimentError
from operando.flow import run
from operando.flow.experiment import load_experiment
from operando.flow.fronts import fronts
from operando.flow.lithium_content import lithium_content
from operando.flow.moving_layers import layers
from operando.twin.film import FilmCell, simulate


@pytest.fixture(scope="module")
def charged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("film")
    cell = FilmCell.demo(
        maps=11, map_period_s=240.0, columns=4, seed=3, initial_rest_s=300.0, mean_counts=1.2
    )
    truth = simulate(cell, folder)
    _, results = run(folder / "experiment.toml")
    return results.groups, truth, folder


def test_the_front_moves_as_it_does(charged):
    groups, truth, _ = charged
    front = groups["xrd/LCO003/front"].sel(family="perp")
    true = truth.columns["front"].transpose("time", "x").values
    off = front["position_map"].transpose("time", "x").values - true
    pull = off / front["position_err"].transpose("time", "x").values
    inside = np.isfinite(pull) & (true < 20) & (true > 8)
    assert inside.sum() >= 12
    assert abs(off[inside].mean()) < 0.5
    speed, error = front["speed"].values, front["speed_err"].values
    assert (np.abs(speed + 10) < 4 * error).all()
    assert abs(speed.mean() + 10) < 0.6
    width = front["width"].transpose("time", "x").values[inside]
    assert width.mean() == pytest.approx(6.0, rel=0.1)


def test_titanium_is_lifted_by_the_plated_lithium(charged):
    groups, truth, _ = charged
    layer = groups["xrd/Ti100/layer"]
    true = truth.columns["ti_z"].transpose("time", "x").values
    off = layer["displacement"].transpose("time", "x").values - (true - true[0])
    good = layer["displacement_flag"].transpose("time", "x").values == 0
    assert good.mean() > 0.6
    assert abs(np.median(off[good])) < 0.05
    assert np.sqrt((off[good] ** 2).mean()) < 0.15  # counts of few rows: 0.11
    there = layer["position"].transpose("time", "x").values - true
    assert abs(np.nanmean(there)) < 0.04  # gold above titanium absorbs more, and must not pull it up
    pull = off[good] / layer["displacement_err"].transpose("time", "x").values[good]
    assert pull.std() < 2.5
    assert (np.isnan(off) | good).all()


def test_plated_thickness_equals_faraday(charged):
    groups, _, _ = charged
    balance = groups["plating/balance"]
    excess, error = balance["excess_displacement"].values, balance["excess_displacement_err"].values
    assert (np.abs(excess[1:]) < 4 * error[1:]).all()
    assert balance["charge"].values[-1] > 10 * error[-1]


def test_x_is_right_in_the_metallic_phase_and_in_the_mixture(charged):
    """In the insulating phase alone c hardly depends on x, and says little: its errors are a third of the range."""
    groups, truth, _ = charged
    found = groups["lithium"].sel(family="perp")
    off = found["x_li"].values - truth.maps["x_li"].transpose("time", "z", "x").values
    error = found["x_li_err"].values
    inside = truth.maps["share"].sel(layer="LCO").transpose("time", "z", "x").values > 0.6
    share = truth.maps["insulating"].transpose("time", "z", "x").values
    # before it has entered, x of the insulating phase is on its way to the edge of the two-phase range
    entered = truth.columns["front"].transpose("time", "x").values[:, None] < 20
    good = (found["x_li_flag"].values == 0) & np.isfinite(off) & inside & entered
    for where in ((share > 0.05) & (share < 0.95), share < 0.05):
        assert (good & where).sum() > 40
        assert abs(off[good & where].mean()) < 0.003
        assert np.sqrt((off[good & where] ** 2).mean()) < 0.01
        assert (off / error)[good & where].std() == pytest.approx(1.0, abs=0.2)


def test_x_of_rows_and_film_is_right_also_where_c_hardly_tells_x(charged):
    groups, truth, _ = charged
    rows = groups["lithium/rows"].sel(family="perp")
    true = truth.maps["x_li"].transpose("time", "z", "x").mean("x").values
    inside = (truth.maps["share"].sel(layer="LCO").transpose("time", "z", "x").values > 0.6).all(-1)
    x, error = (rows[name].transpose("time", "z").values for name in ("x_li", "x_li_err"))
    good = np.isfinite(x) & inside
    fresh = good & (true > 0.94)
    pull = (x - true) / error
    assert fresh.sum() > 20
    for where in (fresh, good & ~fresh):
        assert abs(pull[where].mean()) < 0.5
        assert 0.7 < pull[where].std() < 1.5
    film = true[:, np.isfinite(x).mean(0) > 0.9].mean(1)  # rows at the edges of the film too
    off = (rows["x_film"].values - film) / rows["x_film_err"].values
    assert (np.abs(off) < 4).all()
    assert float(rows["x_film_err"][-1]) < 0.002


def test_x_beyond_the_anchors_is_flagged(charged):
    groups, _, _ = charged
    found = groups["lithium"].sel(family="perp")
    outside = (found["x_li_flag"].values & int(Flag.OUTSIDE_CALIBRATION)) > 0
    x = found["x_li"].values
    assert outside.any()
    assert ((x[outside] > 1.0) | (x[outside] < 0.5)).all()
    assert (found["x_li_flag"].values[(x > 1.0) | (x < 0.5)] != 0).all()


def test_spots_are_found_where_they_are(charged):
    groups, _, _ = charged
    spots = groups["xrd/LCO003/spots"]
    for azimuth, family in (
        (25, "perp"),
        (160, "perp"),
        (205, "perp"),
        (345, "perp"),
        (90, "par"),
        (275, "par"),
    ):
        nearest = int(np.abs((spots["near"].values - azimuth + 180) % 360 - 180).argmin())
        assert abs((float(spots["near"][nearest]) - azimuth + 180) % 360 - 180) < 2.5
        assert str(spots["family"].values[nearest]) == family
    assert spots.sizes["spot"] <= 8


def test_what_cannot_be_asked_for_is_said(charged, tmp_path):
    _, _, folder = charged
    for change, words in (
        (('ring = "LCO003"\nfamilies', 'ring = "LCO009"\nfamilies'), "LCO009"),
        (('phases = 2, front = "lattice"', 'front = "fraction"'), "phases = 2"),
        (("[14.13, 0.75]", "[14.13]"), "an anchor is"),
    ):
        path = folder / "wrong.toml"
        path.write_text((folder / "experiment.toml").read_text().replace(*change))
        with pytest.raises(ExperimentError, match=words):
            load_experiment(path)


def test_maps_of_few_rows_give_a_sentence_not_a_front(charged):
    from operando.core.errors import InputError

    groups, _, folder = charged
    experiment = load_experiment(folder / "experiment.toml")
    few = {name: group.isel(z=slice(0, 4)) if "z" in group.dims else group for name, group in groups.items()}
    for make, ring in ((fronts, experiment.xrd.rings[0]), (layers, experiment.xrd.rings[2])):
        with pytest.raises(InputError, match="six or more"):
            make(few, ring, experiment)
    with pytest.raises(ExperimentError, match="does not give"):
        lithium_content(groups["xrd/Ti100"], experiment.lithium)
    other = experiment.lithium.model_copy(update={"families": ["para"]})
    with pytest.raises(ExperimentError, match="no family 'para', it has perp, par"):
        lithium_content(groups["xrd/LCO003"], other)


def test_every_group_has_its_figure(charged):
    from operando.show.figures.science import science_figures

    groups, _, _ = charged
    drawn = {exhibit.name: exhibit for exhibit in science_figures(groups)}
    assert {"LCO003-front", "Ti100-layer", "lithium"} <= set(drawn)
    assert len(drawn["Ti100-layer"].table) == groups["xrd/Ti100/layer"]["displacement"].size
    assert "nm/s over 4 columns" in drawn["LCO003-front"].caption
    first = {name: g.isel(time=[0]) if "time" in g.dims else g for name, g in groups.items()}
    assert not {exhibit.name for exhibit in science_figures(first)} & {
        "LCO003-front",
        "Ti100-layer",
        "lithium",
    }
