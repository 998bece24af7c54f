import errno

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import Busy, OperandoError
from operando.flow.results import Process, Results
from operando.flow.run_lock import locked
from operando.flow.stage import Stages, versioned
from operando.flow.store import read_results, write_results


def dataset(value=1.0):
    return xr.Dataset(
        {"c": (("z", "x"), np.full((2, 3), value)), "c_flag": (("z", "x"), np.zeros((2, 3), np.uint16))},
        {"z": [0.0, 1.0], "x": [0.0, 33.0, 66.0]},
    )


@pytest.fixture
def counted():
    calls = []

    @versioned("1")
    def double(source, *, factor):
        calls.append(factor)
        return source * factor

    return double, calls


def test_a_stage_runs_once_and_gives_the_same_bits(tmp_path, counted):
    double, calls = counted
    first = Stages(tmp_path).stage(double, {"source": dataset(0.1)}, {"factor": 3})
    second = Stages(tmp_path).stage(double, {"source": dataset(0.1)}, {"factor": 3})
    assert calls == [3]
    assert first.identical(second)
    assert first.c.values.tolist() == (dataset(0.1) * 3).c.values.tolist()


def test_settings_inputs_and_version_are_part_of_the_key(tmp_path, counted):
    double, calls = counted
    stages = Stages(tmp_path)
    stages.stage(double, {"source": dataset()}, {"factor": 2})
    stages.stage(double, {"source": dataset()}, {"factor": 3})
    stages.stage(double, {"source": dataset(7.0)}, {"factor": 3})
    double.version = "2"
    stages.stage(double, {"source": dataset(7.0)}, {"factor": 3})
    assert calls == [2, 3, 3, 3]


def test_groups_come_back_as_groups(tmp_path):
    def both(source):
        return {"xrd": source, "xrd/LCO003": source * 2}

    found = Stages(tmp_path).stage(both, {"source": dataset()})
    assert list(found) == ["xrd", "xrd/LCO003"]
    assert float(found["xrd/LCO003"].c[0, 0]) == 2.0
    assert found["xrd"].attrs["stage_key"] != found["xrd/LCO003"].attrs["stage_key"]


def test_a_failed_stage_leaves_nothing_behind(tmp_path):
    def broken(source):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Stages(tmp_path).stage(broken, {"source": dataset()})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said_and_what_was_finished_stays(tmp_path, counted, monkeypatch):
    double, calls = counted
    stages = Stages(tmp_path)
    stages.stage(double, {"source": dataset()}, {"factor": 2})

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("operando.flow.stage_file.write_dataset", full)
        with pytest.raises(OperandoError, match="disk is full"):
            stages.stage(double, {"source": dataset()}, {"factor": 5})
    assert len(list(tmp_path.iterdir())) == 1
    stages.stage(double, {"source": dataset()}, {"factor": 2})
    stages.stage(double, {"source": dataset()}, {"factor": 5})
    assert calls == [2, 5, 5]


def test_what_a_killed_run_left_is_swept(tmp_path):
    (tmp_path / "map-0.h5.deadbeef.partial").touch()
    stages = Stages(tmp_path)
    stages.sweep()
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_is_kept_out(tmp_path):
    with locked(tmp_path), pytest.raises(Busy, match="another operando process"), locked(tmp_path):
        pass


def test_results_come_back_from_nexus_as_they_went(tmp_path):
    rings = dataset(0.5).assign(name=("x", ["a", "b", "µ"]))
    rings["c"].attrs |= {"units": "angstrom", "long_name": "c"}
    results = Results(
        "title", {"xrd": {"rings": [1, 2]}}, {"xrd/LCO003": rings, "echem": dataset()},
        [Process("map", "1", 0.5, {"a": 1}, {"frames": "abc"}, "fast")], ["look"], {"cores": 2}, "operando run",
    )  # fmt: skip
    write_results(results, tmp_path / "results.nxs")
    again = read_results(tmp_path / "results.nxs")
    assert again.groups["xrd/LCO003"].identical(rings)
    assert again.record() == results.record()


def test_groups_come_back_in_their_order(tmp_path):
    """Colours of figures go by it: a report made of the file looks like that of the run."""
    one = xr.Dataset({"a": ("n", np.arange(3.0), {"units": "1"})})
    names = ["xrd/Ti100", "xrd/LCO003", "xrd", "clock", "joint/cycler/Li of the charge"]
    write_results(Results("order", {}, dict.fromkeys(names, one)), tmp_path / "results.nxs")
    assert list(read_results(tmp_path / "results.nxs").groups) == names


def test_nexus_has_defaults_that_a_viewer_follows(tmp_path):
    import h5py

    rings = dataset(0.5).assign(c_err=(("z", "x"), np.ones((2, 3))))
    write_results(Results("t", {}, {"xrd": dataset(), "xrd/LCO003": rings}), tmp_path / "r.nxs")
    with h5py.File(tmp_path / "r.nxs") as file:
        group = file
        while "default" in group.attrs:
            group = group[group.attrs["default"]]
        assert group.name == "/entry/xrd/LCO003"
        assert group.attrs["NX_class"] == "NXdata"
        assert group.attrs["signal"] == "c"
        assert list(group.attrs["axes"]) == ["z", "x"]
        assert group["c_errors"][0, 0] == 1.0
