"""What the dashboard reads of a run: only its own file, and what is wrong with it in words."""

import h5py
import numpy as np
import pytest
import xarray as xr
from synthetic_results import build
from typer.testing import CliRunner

from operando.core.errors import InputError, ReadError
from operando.core.flags import flag_variable
from operando.flow.results import Results
from operando.flow.store import write_results
from operando.show.dashboard import RunData


def write(place, groups):
    write_results(Results("made up", {}, groups), place / "results.nxs")
    return RunData(place)


@pytest.fixture
def run(tmp_path):
    return write(tmp_path, build(maps=4, rows=8, columns=5).groups)


def with_dims(*dims, **more):
    """A group whose variable `v` counts up over dims (time z x and others), in any order."""
    sizes = {"time": 2, "z": 3, "x": 4, "family": 2, "state": 2, "y": 3, "deep": 50}
    shape = tuple(sizes[d] for d in dims)
    values = np.arange(np.prod(shape), dtype=float).reshape(shape)
    return xr.Dataset({"v": (dims, values, {"units": "um"}), **more})


def test_maps_come_as_step_row_column_whatever_the_order_in_the_file(tmp_path):
    group = with_dims("x", "family", "time", "z").assign_coords(family=["one", "two"])
    run = write(tmp_path, {"xrd/R": group})
    about, (values,) = run.maps("xrd/R:v:two")
    assert about["shape"] == (2, 3, 4)
    np.testing.assert_array_equal(values, group["v"].sel(family="two").transpose("time", "z", "x").values)


def test_a_flag_without_the_family_holds_for_each(tmp_path):
    flag = flag_variable(np.arange(24, dtype=np.uint16).reshape(2, 3, 4), ("time", "z", "x"))
    run = write(tmp_path, {"xrd/R": with_dims("family", "time", "z", "x", flag=flag)})
    about, (_, flags) = run.maps("xrd/R:v:1")
    assert about["has_flag"]
    np.testing.assert_array_equal(flags, flag.values)


def test_states_over_y_and_x_are_maps_too(tmp_path):
    run = write(tmp_path, {"compton": with_dims("state", "y", "x")})
    assert run.maps("compton:v")[0]["shape"] == (2, 3, 4)
    assert run.overview()["grids"]["compton state y x"]["dims"] == ("state", "y", "x")


@pytest.mark.parametrize("dims", [("time", "z"), ("z", "x"), ("time", "z", "x", "deep")])
def test_what_is_no_series_of_maps_is_not_offered(tmp_path, dims):
    assert write(tmp_path, {"xrd/R": with_dims(*dims)}).overview()["quantities"] == []


def test_a_run_without_any_map_still_tells_its_record(tmp_path):
    groups = build(maps=3).groups
    told = write(tmp_path, {name: groups[name] for name in ("echem", "clock")}).overview()
    assert told["quantities"] == []
    assert len(told["clock"]["record"]["voltage"]) > 10


def test_sections_along_both_axes_of_one_group_keep_their_own_grid(tmp_path):
    group = with_dims("time", "z", "x").rename(v="xz").assign(yz=(("time", "z", "y"), np.ones((2, 3, 3))))
    told = write(tmp_path, {"tomography/sections": group}).overview()
    assert {q["variable"]: tuple(q["dims"]) for q in told["quantities"]} == {
        "xz": ("time", "z", "x"),
        "yz": ("time", "z", "y"),
    }
    assert {len(told["grids"][q["grid"]]["column"]) for q in told["quantities"]} == {3, 4}
    assert {q["colours"] for q in told["quantities"]} == {"grey"}


def test_a_watch_tells_its_lag_and_what_it_warns_of(tmp_path):
    live = xr.Dataset({"utc": ("look", [1.0])}, attrs={"lag_s": 3.5, "frames_done": 90, "frames_seen": 100})
    words = {n: ("alert", np.array([f"{n} 1", f"{n} 2"], object)) for n in ("kind", "where", "text")}
    alerts = xr.Dataset({"ended": ("alert", [5.0, np.nan]), **words})
    told = write(tmp_path, {"live": live, "alerts": alerts}).overview()
    assert (told["live"]["lag_s"], told["live"]["frames_done"]) == (3.5, 90)
    assert told["alerts"] == [{"kind": "kind 2", "where": "where 2", "text": "text 2"}]


def test_the_pattern_of_a_rectangle_is_its_mean(tmp_path):
    rng = np.random.default_rng(3)
    values = rng.random((2, 4, 3, 6)).astype("f4")
    values[0, 1, 1] = np.nan
    dims = ("time", "z", "x", "q")
    points = xr.Dataset({"intensity": (dims, values), "intensity_err": (dims, 0 * values + 0.3)})
    run = write(
        tmp_path, {"points": points.assign_coords(q=np.arange(6.0)), "xrd/R": with_dims("time", "z", "x")}
    )
    about, (found,) = run.pattern(0, (0, 2), (1, 2))
    np.testing.assert_allclose(found[0], np.nanmean(values[0, 0:3, 1:3], axis=(0, 1)), rtol=1e-6)
    np.testing.assert_allclose(found[1], 0.3 / np.sqrt(5), rtol=1e-6)
    assert about["points"] == 5
    for wrong in ((2, (0, 0), (0, 0)), (0, (0, 9), (0, 0)), (0, (-1, 0), (0, 0))):
        with pytest.raises(InputError, match="there is no"):
            run.pattern(*wrong)


def test_links_to_other_files_are_not_followed(run, tmp_path):
    """A results file from elsewhere must not make the server read out other files of this machine."""
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["v"] = np.full((4, 8, 5), 42.0)
        secret["v"].attrs["dims"] = '["time", "z", "x"]'
        secret.create_group("g").attrs["NX_class"] = "NXdata"
        secret["g/v"] = secret["v"]
    (tmp_path / "raw.bin").write_bytes(np.full((4, 8, 5), 42.0).tobytes())
    with h5py.File(run.file, "a") as file:
        group = file["entry/xrd"]
        group["stolen_link"] = h5py.ExternalLink("secret.h5", "/v")
        file["entry/stolen_group"] = h5py.ExternalLink("secret.h5", "/g")
        layout = h5py.VirtualLayout((4, 8, 5), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "v", (4, 8, 5))
        group.create_virtual_dataset("stolen_virtual", layout)
        outside = [(str(tmp_path / "raw.bin"), 0, 1280)]
        group.create_dataset("stolen_bytes", (4, 8, 5), "f8", external=outside)
        for name in ("stolen_virtual", "stolen_bytes"):
            group[name].attrs["dims"] = '["time", "z", "x"]'
    names = [quantity["name"] for quantity in run.overview()["quantities"]]
    assert "xrd:transmission" in names
    assert not any("stolen" in name for name in names)
    for name in ("stolen_link", "stolen_virtual", "stolen_bytes"):
        with pytest.raises(InputError, match="no quantity"):
            run.maps(f"xrd:{name}")


def test_a_rewritten_file_is_a_new_version_and_its_numbers_are_new(run, tmp_path):
    before, first = run.state()["version"], run.maps("xrd:transmission")[1][0]
    again = write(tmp_path, build(maps=6, rows=8, columns=5).groups)
    assert run.state()["version"] != before
    assert again.file == run.file
    assert run.maps("xrd:transmission")[1][0].shape == (6, 8, 5) != first.shape


@pytest.mark.parametrize("wrong", ["absent", "empty", "text", "cut", "foreign"])
def test_what_is_no_results_file_is_one_clear_error(run, wrong):
    data = run.file.read_bytes()
    if wrong == "absent":
        run.file.unlink()
    elif wrong == "foreign":
        with h5py.File(run.file, "w") as file:
            file["entry"] = 1
    else:
        run.file.write_bytes({"empty": b"", "text": b"hello", "cut": data[: len(data) // 2]}[wrong])
    with pytest.raises((InputError, ReadError)) as caught:
        run.overview()
    assert caught.value.what
    assert caught.value.where
    assert caught.value.fix


def test_the_command_refuses_a_folder_without_results(tmp_path):
    from operando.cli import app

    done = CliRunner().invoke(app, ["show", str(tmp_path), "--no-open"])
    assert isinstance(done.exception, InputError)
    assert "no results here" in str(done.exception)


def test_help_has_an_example_and_fits_a_screen():
    from operando.cli import app

    text = CliRunner().invoke(app, ["show", "--help"]).output
    assert "Example: operando show run" in text
    assert len(text.splitlines()) <= 24


def test_quantities_come_in_the_order_of_the_experiment_file(tmp_path):
    groups = {f"xrd/{name}": with_dims("time", "z", "x") for name in ("A", "B", "C")}
    groups |= {"lithium": with_dims("time", "z", "x"), "compton": with_dims("state", "y", "x")}
    experiment = {"xrd": {"rings": [{"name": "B"}, {"name": "A"}, {"name": "C"}]}}
    write_results(Results("made up", experiment, groups), tmp_path / "results.nxs")
    names = [quantity["group"] for quantity in RunData(tmp_path).overview()["quantities"]]
    assert names == ["lithium", "xrd/B", "xrd/A", "xrd/C", "compton"]


def test_a_file_that_is_replaced_between_two_questions_is_read_anew(run, tmp_path):
    before = run.maps("xrd/LCO003:c:perp")[1][0]
    other = build(maps=4, rows=8, columns=5).groups
    other["xrd/LCO003"]["c"] = other["xrd/LCO003"]["c"] + 1.0
    write_results(
        Results("made up", {}, other), tmp_path / "results.nxs"
    )  # renamed over it: another file by then
    moved = run.maps("xrd/LCO003:c:perp")[1][0] - before
    assert np.isfinite(moved).any()
    np.testing.assert_allclose(moved[np.isfinite(moved)], 1.0, atol=1e-5)


def test_what_the_page_advises_is_a_key_of_the_experiment_file(run):
    import re
    from importlib.resources import files

    from operando.flow.sections.xrd import XrdSection

    with pytest.raises(InputError) as said:
        run.pattern(0, (0, 0), (0, 0))
    page = (files("operando.show.dashboard") / "page" / "pattern.js").read_text()
    keys = re.findall(r"(\w+) = true", f"{said.value.fix} {page}")
    keys = [key for key in keys if key != "told"]  # of the script itself
    assert len(keys) == 2
    assert set(keys) <= set(XrdSection.model_fields)
