"""Formats read through libraries: what is made of their tables, and what is said where they are missing."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from operando.core.errors import ExtraMissing, ReadError
from operando.read.cycler import cycler
from operando.read.neware import lay_end_to_end


def test_step_times_are_laid_end_to_end_by_whole_second_dates():
    true = np.concatenate([0.3 + np.arange(0, 50, 0.7), 60.9 + np.arange(0, 50, 0.7)])
    step = np.repeat([1, 2], len(true) // 2)
    since = np.concatenate([true[step == n] - true[step == n][0] for n in (1, 2)])
    found = lay_end_to_end(step, since, np.floor(true))
    assert np.abs(found - found[0] - (true - true[0])).max() < 0.5  # dates are whole seconds
    assert (np.diff(found) > 0).all()


def fake_neware(zoned: bool):
    stamps = pd.Series(pd.Timestamp("2025-03-04 22:00:00") + pd.to_timedelta(np.arange(40) * 10, unit="s"))
    frame = pd.DataFrame(
        {
            "Index": np.arange(40), "Cycle": 1, "Step": np.repeat([1, 2], 20), "Step_Index": np.repeat([1, 2], 20),
            "Status": "CC_Chg", "Time": np.tile(np.arange(20) * 10.0, 2), "Voltage": np.linspace(3, 4, 40),
            "Current(mA)": np.repeat([0.0, 0.36], 20),
            "Charge_Capacity(mAh)": np.r_[np.zeros(20), np.arange(20) * 1e-3],
            "Discharge_Capacity(mAh)": 0.0, "Timestamp": stamps.dt.tz_localize("UTC") if zoned else stamps,
        }
    )  # fmt: skip
    return SimpleNamespace(read=lambda path, log_level: frame)


@pytest.mark.parametrize("zoned", [False, True])
def test_a_neware_table_in_our_units(tmp_path, monkeypatch, zoned):
    monkeypatch.setitem(sys.modules, "NewareNDA", fake_neware(zoned))
    path = tmp_path / "a.nda"
    path.write_bytes(b"NEWARE and so on")
    table = cycler(path, zone=None if zoned else "UTC")
    np.testing.assert_allclose(table.time, np.arange(40) * 10.0)
    assert float(table.utc[0]) == pd.Timestamp("2025-03-04 22:00:00", tz="UTC").timestamp()
    np.testing.assert_allclose(table.current[20:], 0.36e-3)
    assert float(table.capacity[-1]) == pytest.approx(0.019)
    np.testing.assert_array_equal(table.step, np.repeat([1, 2], 20))


def test_an_arbin_table_in_our_units_and_in_order(tmp_path, monkeypatch):
    n = 30
    order = np.random.default_rng(1).permutation(n)
    table = {
        "Data_Point": np.arange(1, n + 1), "Test_Time": np.arange(n) * 5.0,
        "DateTime": 45720.5 + np.arange(n) * 5 / 86400,
        "Step_Index": np.ones(n, int), "Cycle_Index": np.ones(n, int), "Current": np.full(n, 1e-3),
        "Voltage": np.linspace(3, 3.3, n), "Charge_Capacity": np.arange(n) * 5e-3 / 3600,
        "Discharge_Capacity": np.zeros(n),
    }  # fmt: skip
    shuffled = {k: list(v[order]) for k, v in table.items()}
    parser = SimpleNamespace(parse_table=lambda name: shuffled if name == "Channel_Normal_Table" else {})
    monkeypatch.setitem(sys.modules, "access_parser", SimpleNamespace(AccessParser=lambda path: parser))
    path = tmp_path / "a.res"
    path.write_bytes(b"\x00\x01\x00\x00Standard Jet DB\x00")
    read = cycler(path, zone="UTC")
    np.testing.assert_allclose(read.time, np.arange(n) * 5.0)
    np.testing.assert_allclose(read.capacity, np.arange(n) * 5e-3 / 3.6)
    assert read.attrs["start"].startswith("2025-03-04T12:00:00")


@pytest.mark.parametrize(
    ("name", "head", "module"), [("a.nda", b"NEWARE", "NewareNDA"), ("a.res", b"\x00\x01", "access_parser")]
)
def test_a_missing_library_is_one_sentence_with_the_command(tmp_path, monkeypatch, name, head, module):
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / name
    path.write_bytes(head)
    with pytest.raises(ExtraMissing, match=r'pip install "operando\[echem\]"'):
        cycler(path)


def test_a_library_that_gives_up_is_reported_with_the_file(tmp_path, monkeypatch):
    def gives_up(path, log_level):
        raise IndexError("list index out of range")

    monkeypatch.setitem(sys.modules, "NewareNDA", SimpleNamespace(read=gives_up))
    path = tmp_path / "broken.ndax"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(ReadError, match=r"broken\.ndax.*IndexError"):
        cycler(path)
