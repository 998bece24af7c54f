"""`operando run --json`: one line on stdout, with what is in the run folder."""

import json

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from operando import flow
from operando.cli import app
from operando.core import Flag
from operando.core.flags import flag_variable
from operando.flow import Process, Results


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What the command prints of a run of two maps with twelve points each."""
    dims, shape = ("time", "z", "x"), (2, 4, 3)
    flags = np.zeros(shape, int)
    flags[0, 0] = int(Flag.TOO_FEW_COUNTS)
    flags[0, 0, 0] |= int(Flag.POOR_FIT)
    groups = {
        "xrd": xr.Dataset({"frames": (dims, np.ones(shape)), "flag": flag_variable(np.zeros(shape), dims)}),
        "xrd/LCO003": xr.Dataset({"c": (dims, np.ones(shape)), "flag": flag_variable(flags, dims)}),
        "echem": xr.Dataset({"voltage": ("record", np.ones(5))}),
    }
    results = Results(
        "two maps", {}, groups, [Process("map", "1", 0.5), Process("run", "1", 12.3456)], ["look there"]
    )
    given = {}

    def run(experiment, output, **more):
        given.update(more)
        (tmp_path / "run").mkdir()
        return tmp_path / "run", results

    monkeypatch.setattr(flow, "run", run, raising=False)
    done = CliRunner().invoke(app, ["run", str(tmp_path / "experiment.toml"), "--json", "--no-report"])
    assert done.exit_code == 0, done.output
    assert given["listener"] is None
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout), tmp_path / "run"


def test_one_line_tells_where_everything_is_and_what_it_holds(told):
    line, folder = told
    assert line["results"] == str(folder.resolve() / "results.nxs")
    assert line["log"] == str(folder.resolve() / "run.log")
    assert line["report"] is None
    assert line["warnings"] == ["look there"]
    assert line["seconds"] == 12.346
    assert line["counts"] == {"groups": 3, "values": 4 * 24 + 5, "maps": 2, "frames": 24}
    assert line["flags"]["xrd/LCO003"]["flag"] == {
        "values": 24,
        "good": 21,
        "too_few_counts": 3,
        "poor_fit": 1,
    }
    assert line["flags"]["xrd"]["flag"] == {"values": 24, "good": 24}
    assert "echem" not in line["flags"]


def test_errors_are_not_on_stdout(tmp_path):
    done = CliRunner().invoke(app, ["run", str(tmp_path / "none.toml"), "--json"])
    assert done.exit_code != 0
    assert done.stdout == ""
