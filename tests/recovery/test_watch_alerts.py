"""Alerts of a watch: each is told for what it is made for, once, with its time, and not for what is normal."""

import numpy as np
import pytest
import xarray as xr

from operando.core import ArrayFrames
from operando.flow.experiment import Experiment
from operando.flow.watch_alerts import Alerts, Arrivals, look_at_brightest, look_at_frames
from operando.flow.watch_cell import Cell, cell_events
from operando.stream import TotalCounts, run

UTC = 1_700_000_000.0


def _record(voltage, current, step=None):
    size = len(voltage)
    step = np.ones(size) if step is None else step
    columns = {"voltage": voltage, "current": current, "step": step, "utc": UTC + np.arange(size)}
    return xr.Dataset({name: ("record", np.asarray(values, float)) for name, values in columns.items()})


def _charge(size=60):
    """A quiet charge: voltage rises slowly with noise, the current is constant."""
    noise = np.random.default_rng(0).normal(0, 2e-4, size)
    return np.linspace(3.8, 4.0, size) + noise, np.full(size, 1e-4)


def test_quiet_charge_rest_and_next_charge_tell_nothing():
    voltage, current = _charge()
    rest = np.r_[voltage, np.full(40, 3.5), voltage]
    flows = np.r_[current, np.zeros(40), -current]
    step = np.r_[np.ones(60), np.full(40, 2), np.full(60, 3)]
    assert cell_events(_record(rest, flows, step)) == []


def test_slow_fade_of_the_current_at_constant_voltage_tells_nothing():
    current = 1e-4 * np.exp(-np.arange(400) / 20.0)
    assert cell_events(_record(np.full(400, 4.2), current)) == []


def test_short_circuit_is_told_once_with_its_time():
    voltage, current = _charge()
    voltage[30:] = 0.003
    ((kind, utc, text),) = cell_events(_record(voltage, current))
    assert kind == "short circuit"
    assert utc == UTC + 30
    assert "0.003 V" in text


def test_a_current_that_stops_within_a_step_is_a_lost_contact():
    voltage, current = _charge()
    current[25:] = 0
    ((kind, utc, _),) = cell_events(_record(voltage, current))
    assert (kind, utc) == ("contact loss", UTC + 25)


def test_a_voltage_that_jumps_is_a_lost_contact():
    voltage, current = _charge()
    voltage[40:] += 0.9
    found = cell_events(_record(voltage, current))
    assert (found[0][0], found[0][1]) == ("contact loss", UTC + 40)
    assert len(found) == 1


@pytest.mark.parametrize("cut", [20, 30, 31, 45])
def test_read_in_two_pieces_tells_the_same(cut):
    voltage, current = _charge()
    voltage[30:] = 0.0
    table = _record(voltage, current)
    early = cell_events(table.isel(record=slice(cut)))
    assert early + cell_events(table, cut) == cell_events(table)


def test_cycler_file_that_grows_and_is_cut(tmp_path):
    rows = [f"{i}.0,{UTC + i},{3.8 + 1e-3 * i:.4f},1.0e-4\n" for i in range(40)]
    rows += [f"{40 + i}.0,{UTC + 40 + i},0.0010,1.0e-4\n" for i in range(10)]
    path, text = tmp_path / "cell.csv", "time_s,utc_s,voltage_V,current_A\n"
    path.write_text(text + "".join(rows[:38]) + rows[38][:9])
    section = {"title": "t", "cycler": {"file": str(path), "clock_offset_s": "none"}}
    said: list[str] = []
    alerts = Alerts(lambda _, text: said.append(text))
    cell = Cell(Experiment.model_validate(section), alerts)
    cell.look()
    assert cell.table is not None
    assert cell.table.sizes["record"] == 38
    assert alerts.told == []
    path.write_text(text + "".join(rows))
    cell.again = 0.0
    cell.look()
    cell.look()
    (alert,) = alerts.told
    assert (alert.kind, alert.utc, alert.where) == ("short circuit", UTC + 40, "cell.csv")
    assert said[0].endswith(alert.text)


def _counts(images):
    frames = ArrayFrames(images, dead_value=int(np.iinfo(images.dtype).max))
    return run([TotalCounts()], frames)["total_counts"]


def test_saturated_pixels_are_counted_where_they_are():
    images = np.full((6, 20, 30), 3, np.uint16)
    images[4, 2, :5] = 65535
    alerts = Alerts(lambda *_: None)
    look_at_frames(alerts, "scan", _counts(images[:4]), None, None, None)
    assert alerts.told == []
    look_at_frames(alerts, "scan", _counts(images), None, UTC + np.arange(6.0), None)
    (alert,) = alerts.told
    assert (alert.kind, alert.utc) == ("saturated", UTC + 4)
    assert "5 pixels" in alert.text
    assert "frame 4" in alert.text
    look_at_frames(alerts, "scan", _counts(images), None, None, None)
    assert len(alerts.told) == 1  # it goes on: told once
    look_at_frames(alerts, "scan", _counts(images[:4]), None, None, None)
    assert np.isfinite(alerts.told[0].ended)


def test_the_detectors_own_limit():
    image = np.full((20, 30), 3, np.uint32)
    alerts = Alerts(lambda *_: None)
    look_at_brightest(alerts, "scan", 7, image, 1000.0)
    assert alerts.told == []
    image[0, :2] = 1000
    image[1, 0] = 2**32 - 1  # dead, not bright
    look_at_brightest(alerts, "scan", 7, image, 1000.0)
    assert "2 pixels" in alerts.told[0].text


def test_lost_monitor_begins_and_ends_with_the_beam():
    counts, times = _counts(np.full((8, 4, 4), 3, np.uint16)), UTC + np.arange(8.0)
    monitor = np.array([1000.0, 990, 3, 2, 1, 995, 1001, np.nan])
    alerts = Alerts(lambda *_: None)
    look_at_frames(alerts, "scan", counts, monitor, times, 1000.0)
    (alert,) = alerts.told
    assert (alert.kind, alert.utc, alert.ended) == ("monitor lost", UTC + 2, UTC + 5)
    table = alerts.group()
    assert table["utc"].values.tolist() == [UTC + 2]
    assert table["kind"].values.tolist() == ["monitor lost"]
    look_at_frames(alerts, "scan", counts, np.full(8, np.nan), times, 1000.0)  # not recorded yet
    assert len(alerts.told) == 1


class Clock:
    def __init__(self):
        self.t = 0.0

    def __call__(self):
        return self.t


def test_silence_and_lag_by_a_clock():
    clock = Clock()
    arrivals = Arrivals(clock)
    for second in range(1, 31):  # 20 frames a second, seen once a second
        clock.t = float(second)
        arrivals.saw(20 * second)
    assert arrivals.usual_s() == pytest.approx(0.05)
    assert arrivals.since(600) == 0
    assert arrivals.since(500) == pytest.approx(30 - 501 / 20)
    assert not arrivals.too_silent()
    for second in range(31, 39):
        clock.t = float(second)
        arrivals.saw(600)
        assert not arrivals.too_silent()
    clock.t = 41.0
    arrivals.saw(600)
    assert arrivals.too_silent()
    assert arrivals.silent_s() == pytest.approx(11.0)
