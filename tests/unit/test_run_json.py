"""`operando run --json`: one line on stdout, with what is in the run folder."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from operando.cli import app
from operando.core import Flag
from operando.flow import read_results
from operando.twin.film import FilmCell, simulate


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    simulate(FilmCell.tiny(maps=1), folder / "data")
    done = CliRunner().invoke(app, ["run", str(folder / "data" / "experiment.toml"), "--json", "--no-report"])
    assert done.exit_code == 0, done.output
    return folder, done.stdout


def test_one_line_tells_where_everything_is_and_what_it_holds(ran):
    folder, text = ran
    assert text.count("\n") == 1
    told = json.loads(text)
    results = read_results(told["results"])
    assert told["results"] == str((folder / "data" / "run" / "results.nxs").resolve())
    assert told["report"] is None
    assert told["warnings"] == results.notes
    assert told["counts"]["frames"] == 36  # 12 x 3 points
    assert told["counts"]["maps"] == 1
    assert told["counts"]["groups"] == len(results.groups)
    ring = results.groups["xrd/LCO003"]["flag"].values
    found = told["flags"]["xrd/LCO003"]["flag"]
    assert found["values"] == ring.size
    assert found["good"] == int((ring == 0).sum())
    assert found.get("too_few_counts", 0) == int(((ring & int(Flag.TOO_FEW_COUNTS)) != 0).sum())
    assert np.isfinite(told["seconds"])


def test_errors_are_not_on_stdout(tmp_path):
    done = CliRunner().invoke(app, ["run", str(tmp_path / "none.toml"), "--json"])
    assert done.exit_code != 0
    assert done.stdout == ""
