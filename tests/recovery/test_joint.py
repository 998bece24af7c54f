"""Techniques on one time axis: what goes together, and what only drifts."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from operando.flow.correlate import FEWEST, FEWEST_FOR_TREND, Series, correlation, effective_number
from operando.flow.joint import joint
from operando.flow.results import Results
from operando.flow.series import host_umol_per_cm2, zeros
from operando.show.chapters.joint import chapter
from operando.show.chapters.record import record_told


def one(name, technique, time, value):
    return Series(
        name, technique, "1", np.asarray(time, float), np.asarray(value, float), np.full(len(time), 0.1)
    )


def autoregressive(n, phi, rng):
    x = np.zeros(n + 100)
    noise = rng.standard_normal(n + 100)
    for i in range(1, n + 100):
        x[i] = phi * x[i - 1] + noise[i]
    return x[100:]


def rates(make, number, seeds=300, level=0.05):
    """Shares of pairs of unrelated series whose p and p beyond a trend are under the level."""
    rng, time = np.random.default_rng(3), np.arange(number)
    found = [
        correlation(one("a", "A", time, make(rng)), one("b", "B", time, make(rng))) for _ in range(seeds)
    ]
    return tuple(np.mean([getattr(c, name) < level for c in found]) for name in ("p", "p_trend"))


MOST = 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize("number", [8, 40])
@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_unrelated_series_go_together_no_more_often_than_stated(phi, number):
    plain, beyond = rates(lambda rng: autoregressive(number, phi, rng), number)
    assert 0.005 < plain < MOST
    if number >= FEWEST_FOR_TREND:
        assert 0.0 < beyond < MOST
    else:
        assert beyond == 0  # NaN: too few to tell


def test_two_quantities_that_both_only_rise_are_not_called_related():
    """Every charge makes everything rise: plain correlations are then all significant, those beyond a trend are not."""
    plain, beyond = rates(lambda rng: np.cumsum(rng.gamma(1.0, 1.0, 30)), 30)
    assert plain > 0.9
    assert beyond < MOST
    smooth = rates(
        lambda rng: np.linspace(0, 1, 30) ** rng.uniform(0.5, 2) + 0.01 * rng.standard_normal(30), 30
    )
    assert smooth[1] < 0.11 + 3 * np.sqrt(0.11 * 0.89 / 300)  # as the docstring says


def test_random_walks_are_told_from_related_ones():
    walk = rates(lambda rng: np.cumsum(rng.standard_normal(40)), 40)
    assert walk[1] < MOST
    rng, time, found = np.random.default_rng(5), np.arange(40), []
    for _ in range(100):
        common = np.cumsum(rng.standard_normal(40))
        other = 3 - 2 * common + 0.5 * rng.standard_normal(40)
        found.append(correlation(one("a", "A", time, common), one("b", "B", time, other)).p_trend < 0.05)
    assert np.mean(found) > 0.95


@pytest.mark.parametrize("phi", [0.0, 0.7])
def test_the_slope_has_an_honest_error_for_residuals_that_change_slowly(phi):
    rng, time = np.random.default_rng(8), np.arange(60.0)
    pulls = []
    for _ in range(300):
        x = np.cumsum(0.3 + rng.standard_normal(60))
        y = 5 - 1.7 * x + 0.8 * autoregressive(60, phi, rng)
        c = correlation(one("a", "A", time, x), one("b", "B", time, y))
        pulls.append((c.slope + 1.7) / c.slope_err)
    assert abs(np.mean(pulls)) < 0.2
    assert 0.85 < np.std(pulls) < 1.25


def test_slow_series_are_worth_fewer_times():
    rng = np.random.default_rng(1)
    slow, fast = (np.mean([effective_number(*(autoregressive(200, phi, rng) for _ in range(2))) for _ in range(30)])
                  for phi in (0.9, 0.0))  # fmt: skip
    assert slow < 60 < 150 < fast


def test_a_relation_is_found_across_different_times():
    rng = np.random.default_rng(2)
    fine = np.linspace(0, 100, 400)
    signal = np.interp(fine, np.arange(0, 101, 5), rng.standard_normal(21))
    coarse = np.arange(2.0, 98, 4)
    c = correlation(
        one("a", "A", fine, signal), one("b", "B", coarse, 3 - 2 * np.interp(coarse, fine, signal))
    )
    assert c.r < -0.99
    assert c.r_err < 0.05
    assert max(c.p, c.p_trend) < 1e-4
    assert c.slope == pytest.approx(-2, abs=0.02)
    assert c.number == len(coarse)
    assert c.independent <= c.number


def test_too_few_common_times_say_nothing():
    short = one("a", "A", np.arange(FEWEST - 1), np.arange(FEWEST - 1.0))
    assert np.isnan(correlation(short, one("b", "B", np.arange(50), np.arange(50.0))).r)
    apart = one("b", "B", np.arange(100, 150), np.arange(50.0))
    assert np.isnan(correlation(one("a", "A", np.arange(50), np.arange(50.0)), apart).r)
    flat = one("b", "B", np.arange(50), np.ones(50))
    assert np.isnan(correlation(one("a", "A", np.arange(50), np.arange(50.0)), flat).r)


def test_groups_and_chapter_of_two_techniques():
    rng = np.random.default_rng(5)
    time = np.arange(0, 3000.0, 100)
    wave = autoregressive(len(time), 0.5, rng)
    names = {"time": ("time", time, {"units": "s"})}
    shares = np.stack([0.5 - 0.1 * wave, wave * 0 + 0.4], 1)
    groups = {
        "clock": xr.Dataset({"voltage": ("time", 3.5 + 0.1 * wave, {"units": "V"}),
                             "voltage_flag": ("time", np.r_[2, np.zeros(len(time) - 1, int)])}, coords=names),
        "tomography": xr.Dataset({"contact_share": (("time", "electrode"), shares),
                                  "contact_share_err": (("time", "electrode"), np.full((len(time), 2), 0.01))},
                                 coords=names | {"electrode": ["top", "bottom"]}),
    }  # fmt: skip
    joint(None, groups)
    found = groups["joint/correlation"]
    assert list(found["pair"].values) == ["voltage · contact share top"]  # the bottom does not change
    assert float(found["correlation"][0]) < -0.99
    assert np.isnan(groups["joint/cycler/voltage"]["value"].values[0])  # before the record
    page = chapter(Results("two", {"title": "two"}, groups))
    assert "go together beyond a common smooth trend" in page.findings[0]
    assert page.tables[0].rows[0][0] == "voltage · contact share top"
    assert set(page.figures[0].table["technique"]) == {"cycler", "tomography"}


def test_one_technique_has_no_chapter():
    groups = {}
    joint(None, groups)
    assert groups == {}


def film(rng, times=30, share=0.9):
    """A charge in which `share` of the lithium lifts the collector, grains follow the current, the rest is noise."""
    time = ("time", np.arange(times) * 120.0, {"units": "s"})
    current = np.r_[0, 0, 0, np.full(12, 6e-6), np.full(times - 15, 2e-6)] + 2e-7 * rng.standard_normal(times)
    charge = np.cumsum(current) * 120 / 96485 / 0.007 * 1e6
    rise = share * charge + 0.05 * rng.standard_normal(times)
    grains = rng.poisson(5e6 * current.clip(0))
    err = np.full(times, 0.05)
    return {
        "xrd": xr.Dataset(attrs={"epoch": "2025-03-04T21:00:00+00:00"}),
        "clock": xr.Dataset({"current": ("time", current, {"units": "A"})}, coords={"time": time}),
        "plating": xr.Dataset(attrs={"area_cm2": 0.007}),
        "plating/balance": xr.Dataset(
            {"charge": ("time", charge, {"units": "umol/cm2"}), "displacement": ("time", rise, {"units": "umol/cm2"}),
             "displacement_err": ("time", err)}, coords={"time": time}),
        "grains/counts": xr.Dataset({"total": ("time", grains.astype(float), {"units": "1"})}, coords={"time": time}),
    }  # fmt: skip


def test_the_relations_that_one_asks_for_are_recovered():
    slopes, rates_ = [], []
    for seed in range(40):
        groups = film(np.random.default_rng(seed))
        joint(None, groups)
        asked = groups["joint/asked"]
        by = {str(p): asked.isel(pair=i) for i, p in enumerate(asked["pair"].values)}
        balance = by["Li of the charge · Li that lifts the collector"]
        slopes.append((float(balance["slope"]) - 0.9) / float(balance["slope_err"]))
        grains = by["current density · grains"]
        rates_.append((float(grains["slope"]) - 5e6 * 0.007 * 1e-3) / float(grains["slope_err"]))
        assert float(grains["p"]) < 0.05
        assert str(grains["slope_units"].item()) == "1 per mA/cm2"
    for pulls in (slopes, rates_):
        assert abs(np.mean(pulls)) < 0.5
        assert 0.7 < np.std(pulls) < 1.5
    said = " ".join(chapter(Results("film", {}, groups)).findings)
    assert "Li balance: Li that lifts the collector is 0.898" in said
    assert "(expected 1;" in said


def test_contact_goes_with_the_polarisation_of_a_symmetric_cell():
    rng = np.random.default_rng(2)
    time, share = np.arange(14) * 600.0, 1 - 0.5 * rng.random(14)
    voltage = np.where(np.arange(14) % 2, -1, 1) * 0.02 / share  # the sign is that of the current
    groups = {"tomography": xr.Dataset(
        {"contact_share": (("time", "electrode"), np.stack([share, np.full(14, 0.9)], 1), {"units": "1"}),
         "contact_share_err": (("time", "electrode"), np.full((14, 2), 0.03)),
         "voltage": ("time", voltage, {"units": "V"})},
        coords={"time": ("time", time, {"units": "s"}), "electrode": ["top", "bottom"]})}  # fmt: skip
    joint(None, groups)
    one_ = groups["joint/asked"].isel(pair=0)
    assert str(one_["pair"].item()) == "contact share top · polarisation"
    assert float(one_["correlation"]) < -0.95
    assert float(one_["p_trend"]) < 0.001
    assert str(one_["slope_units"].item()) == "V"


def test_times_of_all_techniques_have_one_zero():
    record = xr.Dataset({"utc": ("record", [1741122000.0 + 10]), "time": ("record", [10.0])})
    groups = {"xrd": xr.Dataset(attrs={"epoch": "2025-03-04T21:00:00+00:00"}), "echem": record,
              "tomography": xr.Dataset(attrs={"epoch": "2025-03-04T22:00:00+00:00"}),
              "clock": xr.Dataset(attrs={"clock_offset_s": 7.0})}  # fmt: skip
    first = 1741122000.0  # 2025-03-04T21:00:00 UTC
    assert zeros(groups) == {"tomography": 3600.0, "Compton": 1741122000.0 - 7.0 - first}


def test_techniques_of_another_cell_stay_out():
    rng = np.random.default_rng(1)
    groups = film(rng)
    groups["compton/states"] = xr.Dataset({"x_li": ("state", rng.random(9)), "x_li_err": ("state", np.full(9, 0.01))},
                                          coords={"time": ("state", np.arange(9) * 300.0)})  # fmt: skip
    groups["compton/states"]["x_li"].attrs["units"] = "1"
    apart = SimpleNamespace(
        experiment=SimpleNamespace(model_dump=lambda mode: {"compton": {"other_cell": True}})
    )
    alone, both = dict(groups), dict(groups)
    joint(apart, alone)
    joint(None, both)
    assert not any("Compton" in name for name in alone)
    assert "joint/Compton/x by Compton" in both


def symmetric(rng, scans=14):
    """Scans of a symmetric cell: the polarisation goes as one over the contact of the top."""
    share = 1 - 0.5 * rng.random(scans)
    voltage = np.where(np.arange(scans) % 2, -1, 1) * 0.02 / share
    return xr.Dataset(
        {"contact_share": (("time", "electrode"), np.stack([share, np.full(scans, 0.9)], 1), {"units": "1"}),
         "contact_share_err": (("time", "electrode"), np.full((scans, 2), 0.03)),
         "voltage": ("time", voltage, {"units": "V"}), "cell_current": ("time", np.sign(voltage), {"units": "A"})},
        coords={"time": ("time", np.arange(scans) * 600.0, {"units": "s"}), "electrode": ["top", "bottom"]},
        attrs={"epoch": "2026-01-01T00:00:00+00:00"})  # fmt: skip


def test_a_technique_with_a_record_of_its_own_is_laid_beside_that_record_alone():
    """Contact against polarisation of the tomography cell beside the film's relations; no pair across the two cells."""
    rng = np.random.default_rng(2)
    groups = film(rng) | {"tomography": symmetric(rng), "tomography/record": xr.Dataset()}
    told = {
        "cycler": {"file": "film.csv"},
        "tomography": {"cycler": {"file": "ct/cell.csv", "clock_offset_s": 12.5}},
    }
    joint(SimpleNamespace(experiment=SimpleNamespace(model_dump=lambda mode: told)), groups)
    pairs = [str(p) for name in ("joint/asked", "joint/correlation") for p in groups[name]["pair"].values]
    assert "contact share top · polarisation" in pairs
    assert "Li of the charge · Li that lifts the collector" in pairs
    of_tomography = ("contact", "polarisation", "tomography")
    for pair in pairs:
        assert len({any(word in name for word in of_tomography) for name in pair.split(" · ")}) == 1, pair
    asked = groups["joint/asked"]
    one_ = asked.isel(pair=[str(p) for p in asked["pair"].values].index("contact share top · polarisation"))
    assert float(one_["correlation"]) < -0.95
    assert (
        groups["joint/cycler of tomography/polarisation"]["time"].values[0] == 0
    )  # since its own first scan
    assert groups["joint/cycler/current"]["value"].attrs.get("cell") is None  # the film's
    page = chapter(Results("two cells", told, groups))
    assert [one.name for one in page.figures] == ["together", "together-tomography", "together-asked"]
    assert set(page.figures[1].table["technique"]) == {"tomography", "cycler of tomography"}
    assert record_told(Results("", told, groups), "tomography", "Tomography") == [
        "Tomography has a cycler record of its own: cell.csv (clock offset 12.5 s)."
    ]


def test_the_contact_of_the_experiments_own_cell_goes_with_its_polarisation():
    """A run with one cell and one cycler has a clock of the scans; the polarisation is told none the less."""
    rng = np.random.default_rng(2)
    scans = symmetric(rng)
    groups = {"tomography": scans, "clock": scans[["voltage"]], "echem": xr.Dataset()}
    joint(None, groups)
    assert "contact share top · polarisation" in groups["joint/asked"]["pair"].values


def test_the_amount_of_host_is_that_of_its_cell():
    told = {"xrd": {"rings": [{"name": "LCO003", "phase": "LiCoO2"}]},
            "phases": {"LiCoO2": {"a": 2.816, "c": 14.05, "spacegroup": "R-3m"}},
            "cell": {"layers": [{"phase": "LiCoO2", "thickness_um": 20.0}, {"thickness_um": 4.0}]}}  # fmt: skip
    groups = {"lithium": xr.Dataset(attrs={"ring": "LCO003"})}
    expected = 20e-4 * 5.05 / 97.87 * 1e6  # thickness, density (g/cm3) and molar mass of LiCoO2
    assert host_umol_per_cm2(groups, told) == pytest.approx(expected, rel=0.01)
    assert host_umol_per_cm2(groups, {**told, "cell": None}) is None


def test_the_record_is_not_given_to_a_technique_of_another_cell(tmp_path, monkeypatch):
    """A run hands the cycler's table to the techniques of its cell, none to one that says `other_cell`, its own to one
    that has one; each with the clock of that record."""
    import sys

    from operando.flow import job

    given = []

    def take(run, groups, table):
        cycler = run.experiment.cycler
        known = (
            (Path(cycler.file).name, table.sizes["record"], cycler.clock_offset_s)
            if cycler
            else (None, 0, None)
        )
        given.append(known)

    recipe = SimpleNamespace(take=take)
    monkeypatch.setitem(sys.modules, "operando.flow.taken", recipe)
    monkeypatch.setattr(job, "RECIPES", {"tomography": "taken:take"})
    (tmp_path / "scan.h5").touch()
    (tmp_path / "cell.csv").write_text(
        "Test Time / s,Voltage / V,Current / A\n0,3,0\n1,3,0.1\n2,3.1,0.1\n3,3.2,0.1\n"
    )
    own = 'other_cell = true\ncycler = { file = "own.csv", clock_offset_s = 3.0 }'
    (tmp_path / "own.csv").write_text(
        "Test Time / s,Voltage / V,Current / A\n0,0,0\n1,0.1,0.2\n2,0.1,0.2\n3,0.2,0.2\n4,0.2,0.2\n"
    )
    for number, more in enumerate(("", "other_cell = true", own)):
        file = tmp_path / f"experiment_{number}.toml"
        file.write_text(
            f'title = "one"\n[cycler]\nfile = "cell.csv"\n[tomography]\nscans = "scan.h5"\n{more}\n'
        )
        _, results = job.run(file, tmp_path / f"run_{number}")
    assert given == [("cell.csv", 4, 0.0), (None, 0, None), ("own.csv", 5, 3.0)]
    assert results.groups["tomography/record"].sizes["record"] == 5
    assert results.groups["echem"].sizes["record"] == 4
    assert any(name.endswith("own.csv") for name in results.processes[-1].inputs)
