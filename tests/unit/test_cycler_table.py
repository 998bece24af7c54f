"""Plain tables: names and units, clocks that restart, signs, files that follow each other, and the data format."""

from __future__ import annotations

import numpy as np
import pytest

from operando.core.errors import InputError, ReadError
from operando.echem import Clock, at
from operando.read.bdf import write_bdf
from operando.read.cycler import cycler
from operando.read.labels import parse_label


def csv(
    tmp_path,
    header: str,
    columns,
    separator: str = ",",
    name: str = "a.csv",
    encoding: str = "utf-8",
    comma=False,
):
    rows = [separator.join(str(v) for v in row) for row in zip(*columns, strict=True)]
    if comma:
        rows = [row.replace(".", ",") for row in rows]
    path = tmp_path / name
    path.write_bytes("\n".join([header, *rows, ""]).encode(encoding))
    return path


T = np.arange(0, 1000, 10.0)
V = 3.5 + T / 1e4
I_MA = np.full(100, 0.36)
Q = T * 0.36 / 3600


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ("time_s,voltage_V,current_mA,capacity_mAh", (1, 1, 1, 1)),
        ("Time (h),Voltage [mV],Current(uA),Capacity (Ah)", (1 / 3600, 1e3, 1e3, 1e-3)),
        ("Test Time / s,Voltage / V,Current / A,Net Capacity / Ah", (1, 1, 1e-3, 1e-3)),
        ("test_time_second,voltage_volt,current_ampere,capacity_mAh", (1, 1, 1e-3, 1)),
        ("time/min,Ewe/V,I/mA,(Q-Qo)/C", (1 / 60, 1, 1, 3.6)),
    ],
)
def test_units_in_the_names_are_read(tmp_path, header, scale):
    columns = [a * s for a, s in zip((T, V, I_MA, Q), scale, strict=True)]
    read = cycler(csv(tmp_path, header, columns))
    for name, expected in zip(("time", "voltage", "current", "capacity"), (T, V, I_MA / 1e3, Q), strict=True):
        np.testing.assert_allclose(read[name], expected, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig", "utf-16"])
def test_separators_encodings_and_decimal_commas(tmp_path, separator, encoding):
    header = separator.join(["time_s", "voltage_V", "current_mA", "Temperatur (°C)"])
    read = cycler(csv(tmp_path, header, [T, V, I_MA, T], separator, encoding=encoding, comma=True))
    np.testing.assert_allclose(read.voltage, V)
    assert "Temperatur_degC" in read
    assert read["Temperatur_degC"].attrs["units"] == "°C"


def test_lines_before_the_names_are_passed_over(tmp_path):
    path = csv(tmp_path, "Cell 7\nmade by hand\ntime_s,voltage_V,current_mA", [T, V, I_MA])
    assert cycler(path).sizes["record"] == 100


@pytest.mark.parametrize(
    ("text", "name", "unit", "kind"),
    [
        ("Ewe/V", "ewe", "V", "voltage"), ("<I>/mA", "<i>", "mA", "current"), ("|I|/A", "|i|", "A", "current"),
        ("control/V/mA", "control", "V or mA", ""), ("Capacitance charge/µF", "capacitancechargef", "µF", ""),
        ("Q charge/discharge/mA.h", "qchargedischarge", "mA.h", "charge"), ("I (µA)", "i", "µA", "current"),
    ],
)  # fmt: skip
def test_a_label_is_taken_apart(text, name, unit, kind):
    label = parse_label(text)
    assert (label.unit, label.kind) == (unit, kind)
    assert kind == "" or label.name == name


def test_the_amplitude_of_an_impedance_is_not_taken_for_the_current(tmp_path):
    read = cycler(csv(tmp_path, "time/s,Ewe/V,|I|/A,I/mA", [T, V, T, I_MA]))
    np.testing.assert_allclose(read.current, I_MA / 1e3)


def test_unknown_columns_are_kept_under_their_names(tmp_path):
    read = cycler(
        csv(tmp_path, "time_s,voltage_V,current_mA,Operator remark,foo bar", [T, V, I_MA, ["x"] * 100, T])
    )
    assert read["Operator_remark"].values[0] == "x"
    np.testing.assert_array_equal(read["foo_bar"], T)
    assert any("foo bar" in warning for warning in read.attrs["warnings"])


def test_columns_without_units_are_taken_with_a_warning(tmp_path):
    read = cycler(csv(tmp_path, "time_s,voltage,current_mA", [T, V, I_MA]))
    np.testing.assert_allclose(read.voltage, V)
    assert any("no unit" in warning for warning in read.attrs["warnings"])


def test_the_user_says_which_column_is_what(tmp_path):
    path = csv(tmp_path, "time_s,E_full (mV),voltage_V,current_mA", [T, V * 1e3, V * 0, I_MA])
    np.testing.assert_allclose(cycler(path, columns={"voltage": "E_full (mV)"}).voltage, V)
    with pytest.raises(InputError, match="no column"):
        cycler(path, columns={"voltage": "nothing"})


def test_a_clock_that_restarts_is_stitched_and_said(tmp_path):
    read = cycler(csv(tmp_path, "time_s,voltage_V,current_mA", [np.concatenate([T[:50], T[:50]]), V, I_MA]))
    np.testing.assert_allclose(read.time, T)
    assert any("restarts at row 50" in warning for warning in read.attrs["warnings"])


def test_a_restarted_clock_with_dates_keeps_the_true_gap(tmp_path):
    utc = 1.7e9 + np.concatenate([T[:50], T[:50] + 4000])
    header = "time_s,Unix Time / s,voltage_V,current_mA"
    read = cycler(csv(tmp_path, header, [np.concatenate([T[:50], T[:50]]), utc, V, I_MA]))
    np.testing.assert_allclose(read.time, utc - utc[0])


def test_a_row_out_of_order_is_said_and_not_taken_for_a_restart(tmp_path):
    time = T.copy()
    time[60] = 575.0
    read = cycler(csv(tmp_path, "time_s,voltage_V,current_mA", [time, V, I_MA]))
    assert float(read.time[-1]) == T[-1]
    assert (np.diff(read.time) >= 0).all()
    assert any("backwards" in warning for warning in read.attrs["warnings"])


@pytest.mark.parametrize(
    "header", ["time_s,voltage_V,current_mA,Net Capacity / mAh", "time_s,voltage_V,current_mA"]
)
def test_a_reversed_current_is_noticed_and_mended_on_request(tmp_path, header):
    columns = [T, V + np.arange(100) * 5e-3, -I_MA, Q][: header.count(",") + 1]
    path = csv(tmp_path, header, columns)
    assert any("current_sign" in warning for warning in cycler(path).attrs["warnings"])
    mended = cycler(path, current_sign=-1)
    assert not any("current_sign" in warning for warning in mended.attrs["warnings"])
    assert float(mended.current[0]) > 0
    np.testing.assert_allclose(mended.capacity, Q, rtol=0.02)


def test_counters_of_charge_and_discharge_that_start_again_give_the_net_charge(tmp_path):
    current = np.repeat([1.0, 0.0, -1.0, 1.0], 25)
    expected = np.concatenate([[0], np.cumsum(0.5 * (current[1:] + current[:-1]) * 10 / 3600)])
    up = np.concatenate([np.arange(25), np.full(25, 24), np.zeros(25), np.arange(25)]) * 10 / 3600
    down = np.concatenate([np.zeros(50), np.arange(25), np.full(25, 24)]) * 10 / 3600
    header = "time_s,voltage_V,current_mA,Charge Capacity (mAh),Discharge Capacity (mAh)"
    read = cycler(csv(tmp_path, header, [T, V, current, up, down]))
    np.testing.assert_allclose(read.capacity, expected, atol=2 * 10 / 3600)
    same = cycler(
        csv(tmp_path, "time_s,voltage_V,current_mA,capacity_mAh", [T, V, current, up + down * (current < 0)])
    )
    np.testing.assert_allclose(same.capacity, expected, atol=2 * 10 / 3600)


def test_dates_with_a_zone_are_absolute_and_without_are_asked_for(tmp_path):
    stamps = [f"2025-03-04T22:{int(t) // 60:02d}:{int(t) % 60:02d}" for t in T]
    path = csv(tmp_path, "time_s,voltage_V,current_mA,DateTime", [T, V, I_MA, stamps])
    read = cycler(path)
    assert np.isnan(read.utc.values).all()
    assert read.attrs["start_local"].startswith("2025-03-04T22:00")
    with pytest.raises(InputError, match="zone"):
        at(read, np.array([0.0]))
    zoned = cycler(path, zone="Europe/Berlin")
    assert float(zoned.utc[0]) == 1741122000.0
    written = csv(
        tmp_path,
        "time_s,voltage_V,current_mA,DateTime",
        [T, V, I_MA, [s + "+01:00" for s in stamps]],
        name="b.csv",
    )
    np.testing.assert_allclose(cycler(written).utc, zoned.utc)


def test_no_start_at_all_is_asked_for_and_can_be_given(tmp_path):
    path = csv(tmp_path, "time_s,voltage_V,current_mA", [T, V, I_MA])
    with pytest.raises(InputError, match="start"):
        at(cycler(path), np.array([0.0]), Clock())
    assert float(cycler(path, start="2025-03-04T22:00:00+01:00").utc[0]) == 1741122000.0
    with pytest.raises(InputError, match="not a date"):
        cycler(path, start="yesterday")
    with pytest.raises(InputError, match="time zone"):
        cycler(path, start="2025-03-04T22:00:00", zone="Mars/Olympus")


def two_files(tmp_path, gap):
    header = "time_s,voltage_V,current_mA,cycle"
    first = csv(tmp_path, header, [T, V, I_MA, np.ones(100, int)], name="one.csv")
    second = csv(tmp_path, header, [T, V, I_MA, np.ones(100, int)], name="two.csv")
    from operando.read.joined import join_tables

    begin = "2025-03-04T22:00:00+00:00"
    later = 1741125600.0 + T[-1] + gap
    from datetime import UTC, datetime

    return join_tables([cycler(second, start=datetime.fromtimestamp(later, UTC)), cycler(first, start=begin)])


def test_files_that_follow_each_other_become_one_in_order_of_time(tmp_path):
    joined = two_files(tmp_path, 500.0)
    assert joined.sizes["record"] == 200
    assert (np.diff(joined.utc) > 0).all()
    np.testing.assert_allclose(joined.time, joined.utc - joined.utc[0])
    assert float(joined.capacity[-1]) == pytest.approx(2 * Q[-1])


def test_files_that_overlap_are_refused_with_both_names_and_the_overlap(tmp_path):
    with pytest.raises(ReadError, match=r"two\.csv(.|\n)*one\.csv by 100 s"):
        two_files(tmp_path, -100.0)


def test_files_without_absolute_times_cannot_be_joined(tmp_path):
    paths = [
        csv(tmp_path, "time_s,voltage_V,current_mA", [T, V, I_MA], name=n) for n in ("one.csv", "two.csv")
    ]
    with pytest.raises(ReadError, match="order"):
        cycler(paths)


@pytest.mark.parametrize("machine", [False, True])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_battery_data_format_there_and_back(tmp_path, ending, machine):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    current = np.repeat([1.0, 0.0, -1.0, 0.5], 25)
    table = cycler(
        csv(tmp_path, "time_s,voltage_V,current_mA,cycle", [T, V, current, np.arange(100) // 50]),
        start="2025-03-04T22:00:00Z",
    )
    back = cycler(write_bdf(table, tmp_path / f"out.bdf.{ending}", machine_names=machine))
    for name in ("time", "utc", "voltage", "current", "capacity", "step", "cycle"):
        np.testing.assert_allclose(back[name], table[name], atol=1e-12, err_msg=name)
    assert back.attrs["format"].startswith("Battery Data Format")


def test_rows_without_a_time_are_left_out_and_counted(tmp_path):
    volts = [*V[:50], "", *V[51:]]
    read = cycler(csv(tmp_path, "time_s,voltage_V,current_mA", [T, volts, I_MA]))
    assert read.sizes["record"] == 99
    assert any("1 rows without" in warning for warning in read.attrs["warnings"])
    with pytest.raises(ReadError, match="no row"):
        cycler(csv(tmp_path, "time_s,voltage_V,current_mA", [T, [""] * 100, I_MA]))


def test_rows_without_a_current_are_said_and_stay_missing(tmp_path):
    read = cycler(csv(tmp_path, "time_s,voltage_V,current_mA", [T, V, ["", "", *I_MA[2:]]]))
    assert any("2 rows have no current" in warning for warning in read.attrs["warnings"])
    np.testing.assert_array_equal(np.isnan(read.current), [True, True, *[False] * 98])


def test_a_zone_that_does_not_exist_is_refused_also_where_none_is_needed(tmp_path):
    path = csv(tmp_path, "time_s,Unix Time / s,voltage_V,current_mA", [T, 1.7e9 + T, V, I_MA])
    assert np.isfinite(cycler(path, zone="Europe/Paris").utc).all()
    with pytest.raises(InputError, match="unknown time zone 'Mars'"):
        cycler(path, zone="Mars")


def test_the_hour_that_comes_twice_in_autumn_is_passed_without_a_jump(tmp_path):
    import pandas as pd

    true = pd.Timestamp("2025-10-25T23:30:00Z") + pd.to_timedelta(T * 10, unit="s")
    local = true.tz_convert("Europe/Berlin").tz_localize(None).strftime("%Y-%m-%d %H:%M:%S")
    read = cycler(
        csv(tmp_path, "time_s,voltage_V,current_mA,DateTime", [T * 10, V, I_MA, local]), zone="Europe/Berlin"
    )
    np.testing.assert_allclose(read.utc, (true.tz_localize(None) - pd.Timestamp(0)).total_seconds())
