"""The main job against the twin's truth: raw files in, maps with honest errors out."""

import numpy as np
import pytest

from operando.core import Flag
from operando.flow import read_results, run
from operando.twin.film import FilmCell, simulate


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    truth = simulate(FilmCell.demo(maps=4, map_period_s=2600.0, columns=4), folder)
    _, results = run(folder / "experiment.toml")
    return results.groups, truth, folder


@pytest.mark.parametrize(("ring", "name", "family"), [("LCO003", "c", "perp"), ("LCO110", "a", "perp")])
def test_lattice_parameters_are_recovered_with_honest_errors(measured, ring, name, family):
    groups, truth, _ = measured
    fitted = groups[f"xrd/{ring}"].sel(family=family)
    true = truth.maps[name].sel(family=family).transpose("time", "z", "x").values
    single = (
        ~((truth.maps["insulating"] > 0.02) & (truth.maps["insulating"] < 0.98))
        .transpose("time", "z", "x")
        .values
    )
    good = (fitted["flag"].values == 0) & np.isfinite(true) & single
    assert good.sum() > 100
    pull = ((fitted[name].values - true) / fitted[f"{name}_err"].values)[good]
    assert abs(pull.mean()) < 4 / np.sqrt(good.sum())
    assert 0.85 < pull.std() < 1.15


def test_the_whole_change_of_c_is_seen(measured):
    groups, truth, _ = measured
    c = groups["xrd/LCO003"]["c"].sel(family="perp").mean(("z", "x")).values
    true = truth.maps["c"].sel(family="perp").mean(("z", "x")).values
    assert true[-1] - true[0] > 0.29
    assert c == pytest.approx(true, abs=2e-3)


def test_no_value_stands_where_there_is_no_lco(measured):
    groups, truth, _ = measured
    share = truth.maps["share"].sel(layer="LCO").transpose("time", "z", "x").values
    flags = groups["xrd/LCO003"]["flag"].sel(family="perp").values
    assert (flags[share < 1e-6] != 0).mean() > 0.99


def test_components_lie_where_the_layers_are(measured):
    groups, truth, _ = measured
    for ring, layer in (("LCO003", "LCO"), ("Ti100", "Ti"), ("Au111", "Au")):
        image = groups[f"xrd/{ring}"]["intensity"].isel(time=0).mean("x").values
        share = truth.maps["share"].sel(layer=layer).isel(time=0).mean("x").values
        full, none = share > 0.8 * share.max(), share < 0.01 * share.max()
        limit = (
            4 if ring == "LCO003" else 6
        )  # parylene's halo is curved under LCO(003), LCO lines are near Au(111)
        assert image[full].min() > limit * np.abs(image[none]).max(), ring


def test_titanium_moves_up_by_the_plated_lithium(measured):
    groups, truth, _ = measured
    image = groups["xrd/Ti100"]["intensity"].fillna(0).mean("x")
    near = image.where(abs(image["z"] - image["z"][image.argmax("z")]) <= 4.0, 0)
    seen = ((near * near["z"]).sum("z") / near.sum("z")).values
    share = truth.maps["share"].sel(layer="Ti").mean("x")
    true = ((share * share["z"]).sum("z") / share.sum("z")).values
    assert true[-1] - true[0] > 6.0
    assert seen - seen[0] == pytest.approx(true - true[0], abs=0.3)


def test_absorbance_is_that_of_the_layers(measured):
    groups, truth, _ = measured
    seen = groups["xrd"]["transmission"].values
    true = (
        truth.maps["transmission"].transpose("time", "z", "x").values
    )  # -ln(I/I0) up to the open beam of each map
    offset = np.nanmedian(seen - true, axis=(1, 2))
    assert np.nanstd(seen - true - offset[:, None, None]) < 0.02


def test_voltage_stands_beside_each_map(measured):
    groups, _, _ = measured
    clock = groups["clock"]
    assert clock["voltage"].values[0] == pytest.approx(3.62, abs=0.05)
    assert clock["voltage"].values[1] == pytest.approx(4.3, abs=0.01)
    assert (np.diff(clock["capacity"].values) > 0).all()


def test_every_value_has_units_and_missing_ones_a_reason(measured):
    groups, _, _ = measured
    for name, dataset in groups.items():
        for variable, array in dataset.data_vars.items():
            if array.dtype.kind == "f" and name not in ("echem",):
                assert "units" in array.attrs, f"{name}/{variable}"
    ring = groups["xrd/LCO003"]
    assert (ring["flag"].values[np.isnan(ring["c"].values)] != 0).all()


def test_results_file_holds_the_same(measured):
    groups, _, folder = measured
    again = read_results(folder / "run" / "results.nxs")
    assert set(again.groups) == set(groups)
    np.testing.assert_array_equal(again.groups["xrd/LCO003"]["c"].values, groups["xrd/LCO003"]["c"].values)
    assert any(process.name == "reduce" for process in again.processes)


def test_flags_are_known_bits(measured):
    groups, _, _ = measured
    known = sum(int(flag) for flag in Flag)
    for dataset in groups.values():
        for name, array in dataset.data_vars.items():
            if "flag" in str(name):
                assert (array.values.astype(int) & ~known == 0).all()
