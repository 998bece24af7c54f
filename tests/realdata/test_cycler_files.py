"""Cycler files by others: pairs of binary and text, and the clock of a coin cell at a beamline."""

from __future__ import annotations

import time

import numpy as np
import pytest
import xarray as xr

from operando.core.flags import Flag
from operando.echem import Clock, at, cycles, steps
from operando.read.cycler import cycler

pytestmark = pytest.mark.realdata
PAIRS = ["cp", "gcpl.pr_182.1", "lsv", "mb.issue_149", "ocv", "peis"]


@pytest.mark.parametrize("name", PAIRS)
def test_binary_and_text_give_the_same_table_to_the_printed_precision(real_data, name):
    folder = real_data / "cycler" / "biologic_pairs"
    binary, text = (cycler(folder / f"{name}.{ending}", zone="Europe/Zurich") for ending in ("mpr", "mpt"))
    assert binary.sizes == text.sizes
    assert binary.attrs["start"] == text.attrs["start"]
    shared = [v for v in binary if v in text]
    assert {"time", "utc", "voltage", "current", "capacity", "step", "cycle"} <= set(shared)
    assert set(binary) == set(shared)  # whatever the binary file holds is in the text as well
    for variable in shared:
        # single precision is printed with 8 digits, double with 16; sums of charge lose a little
        np.testing.assert_allclose(
            binary[variable].values.astype(float), text[variable].values.astype(float), rtol=1.5e-7, atol=1e-12,
            err_msg=variable,
        )  # fmt: skip


def test_46_102_rows_in_well_under_a_second(real_data):
    path = real_data / "cycler" / "bdf" / "jdb11-1_c3_gcpl_5cycles_2V-3p8V_C-24_data_C09.mpr"
    cycler(path)
    begin = time.perf_counter()
    table = cycler(path, zone="America/Edmonton")
    assert time.perf_counter() - begin < 1.0
    assert table.sizes["record"] == 46_102
    every = cycles(table)
    # the file's own counter of each half cycle
    half = table["half_cycle"].values
    own = {h: float(table["Q_charge_discharge_mA_h"].values[half == h][-1]) for h in np.unique(half)}
    ours = every.discharge_capacity.values[1:]
    theirs = np.array([-own[int(2 * n + 1)] for n in every.cycle.values[1:]])
    np.testing.assert_allclose(ours, theirs, rtol=2e-4)


def test_every_file_is_read(real_data):
    pytest.importorskip("NewareNDA", reason="the extra echem is not installed")
    paths = [
        p
        for p in sorted((real_data / "cycler").rglob("*.*"))
        if p.suffix in (".mpr", ".mpt", ".nda", ".ndax", ".csv")
    ]
    assert len(paths) >= 18
    for path in paths:
        table = cycler(path)
        assert np.isfinite(table.voltage.values).all(), path
        assert (np.diff(table.time.values) >= 0).all(), path
        integral = (
            np.sum(0.5 * (table.current.values[1:] + table.current.values[:-1]) * np.diff(table.time.values))
            / 3.6
        )
        scale = np.abs(np.diff(table.capacity.values)).sum()
        net = float(table.capacity[-1] - table.capacity[0])
        assert abs(net - integral) <= 0.05 * scale + 1e-6, (path, net, integral)


def test_an_arbin_table_in_battery_data_format(real_data):
    table = cycler(real_data / "cycler" / "bdf" / "arbin_example.bdf.csv")
    runs = steps(table)
    assert {"charge", "discharge", "rest"} <= set(runs.kind.values)
    assert table.attrs["start_local"].startswith("2023-07-24T")


@pytest.mark.parametrize("moment", ["start_time", "middle", "end_time"])
def test_scans_before_the_first_record_of_the_cycler_are_placed_before_it(real_data, moment):
    """Log and record both hold local times. The record begins at 19:08:11, the first scan ends at 19:06:56, the second
    begins at 19:15:04: one scan precedes, whichever moment of a scan counts; two would, with clocks 8 min apart."""
    pytest.importorskip("NewareNDA", reason="the extra echem is not installed")
    folder = real_data / "operando_coin_cell" / "coincell8_LDE2"
    import pandas as pd

    log = pd.read_csv(next((folder / "Log").glob("*.csv")), parse_dates=["start_time", "end_time"])
    log["middle"] = log.start_time + (log.end_time - log.start_time) / 2
    stamps = log[moment].dt.tz_localize("Europe/London")
    utc = (stamps.dt.tz_convert("UTC").dt.tz_localize(None) - pd.Timestamp(0)).dt.total_seconds().to_numpy()
    table = cycler(next((folder / "Echem").glob("*.ndax")), zone="Europe/London")
    assert table.attrs["start_local"] == "2025-07-02T19:08:11"
    for clock, expected in ((Clock(), 1), (Clock(-600.0), 2)):
        state = at(table, xr.DataArray(utc, dims="time"), clock)
        before = np.arange(5) < expected
        np.testing.assert_array_equal(clock.to_cycler(utc) < float(table.utc[0]), before)
        np.testing.assert_array_equal(state.voltage_flag.values[before], Flag.BEFORE_RECORD)
        assert np.isnan(state.voltage.values[before]).all()
        assert (state.voltage_flag.values[~before] == 0).all()
        assert (state.voltage.values[~before] > 3.0).all()
