"""BioLogic files made byte by byte: both layouts, cut off, unknown columns, and everything that must be refused."""

from __future__ import annotations

import struct
from datetime import datetime

import numpy as np
import pytest

from operando.core.errors import ReadError
from operando.read.biologic import DATA_START
from operando.read.cycler import cycler

MAGIC = b"BIO-LOGIC MODULAR FILE\x1a".ljust(48) + bytes(4)
COLUMNS = [1, 2, 3, 31, 4, 6, 8, 13, 131]  # flags, time, Ewe, I, Q-Qo, Ns
RECORD = np.dtype([("flags", "u1"), ("t", "<f8"), ("e", "<f4"), ("i", "<f4"), ("q", "<f8"), ("ns", "<u2")])


def module(name: bytes, data: bytes, version: int, new: bool) -> bytes:
    head = b"MODULE" + name.ljust(10) + name.ljust(25)
    if new:
        return head + struct.pack("<IQI", 0xFFFFFFFF, len(data), version) + b"03/04/25" + data
    return head + struct.pack("<II", len(data), version) + b"03/04/25" + data


def records(n: int = 50) -> np.ndarray:
    table = np.zeros(n, RECORD)
    table["t"] = np.arange(n) * 10.0
    table["i"] = np.where(np.arange(n) < 20, 0.0, 0.36)
    table["q"] = np.maximum(np.arange(n) - 19, 0) * 1e-3
    table["e"] = 3.0 + table["q"]
    table["ns"] = np.arange(n) >= 20
    table["flags"] = np.where(np.arange(n) < 20, 3, 1 | 4)
    return table


def mpr(table: np.ndarray, columns=COLUMNS, new: bool = False, rows: int | None = None) -> bytes:
    version = 11 if new else 3
    head = struct.pack("<IH" if new else "<IB", len(table) if rows is None else rows, len(columns))
    head += struct.pack(f"<{len(columns)}H", *columns)
    log = bytearray(700)
    log[585:593] = struct.pack(
        "<d", (datetime(2025, 3, 4, 22, 17, 3) - datetime(1899, 12, 30)).total_seconds() / 86400
    )
    return (
        MAGIC
        + module(b"VMP Set", b"\x04" + bytes(6000), 10 if new else 0, new)
        + module(b"VMP data", head.ljust(DATA_START[version], b"\0") + table.tobytes(), version, new)
        + module(b"VMP LOG", bytes(log), 10 if new else 0, new)
    )


def written(tmp_path, data: bytes, name: str = "a.mpr"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("new", [False, True])
def test_both_layouts_give_the_table_that_was_written(tmp_path, new):
    table = records()
    read = cycler(written(tmp_path, mpr(table, new=new)), zone="+01:00")
    np.testing.assert_array_equal(read.time, table["t"])
    np.testing.assert_array_equal(read.voltage, table["e"])
    np.testing.assert_allclose(read.current, table["i"] / 1e3)
    np.testing.assert_array_equal(read.capacity, table["q"])
    np.testing.assert_array_equal(read.step, table["ns"])
    np.testing.assert_array_equal(read["mode"], np.where(np.arange(50) < 20, 3, 1))
    np.testing.assert_array_equal(read["ox_red"], np.arange(50) >= 20)
    assert read.attrs["start"] == "2025-03-04T22:17:03+01:00"
    assert float(read.utc[0]) == 1741123023.0
    assert read.attrs["technique"] == "GCPL"
    assert read.attrs["warnings"] == []


@pytest.mark.parametrize("lost", [1, 100, 1000])
@pytest.mark.parametrize("new", [False, True])
def test_a_file_cut_off_while_it_is_written_gives_its_complete_rows_and_says_so(tmp_path, new, lost):
    whole = mpr(records(), new=new)
    end_of_data = whole.index(b"VMP LOG") - 6
    read = cycler(written(tmp_path, whole[: end_of_data - lost]))
    assert read.sizes["record"] == 50 - int(np.ceil(lost / RECORD.itemsize))
    assert "cut off" in " ".join(read.attrs["warnings"])


def test_a_file_that_ends_before_its_first_row_is_refused_with_a_question(tmp_path):
    whole = mpr(records())
    for place in (60, whole.index(b"VMP data") + 60, whole.index(b"VMP data") + 300):
        with pytest.raises(ReadError, match=r"before|complete row|no data module"):
            cycler(written(tmp_path, whole[:place]))


def widened(kind: str) -> tuple[np.ndarray, list[int]]:
    """The same records with a column of unknown number between I and Q."""
    table = records()
    wide = np.zeros(len(table), np.dtype([*RECORD.descr[:4], ("new", kind), *RECORD.descr[4:]]))
    for name in RECORD.names:
        wide[name] = table[name]
    wide["new"] = 7.5
    return wide, [*COLUMNS[:7], 9999, *COLUMNS[7:]]


def test_one_unknown_column_is_kept_under_its_number_with_a_warning(tmp_path):
    wide, columns = widened("<f4")
    read = cycler(written(tmp_path, mpr(wide, columns)))
    np.testing.assert_array_equal(read["unknown_9999"], np.full(50, 7.5))
    np.testing.assert_array_equal(read.capacity, wide["q"])
    assert any("9999" in warning for warning in read.attrs["warnings"])


def test_several_unknown_columns_are_stepped_over_from_both_ends(tmp_path):
    wide, columns = widened("<f8")
    columns = [*columns[:7], 9998, *columns[7:]]
    read = cycler(written(tmp_path, mpr(wide, columns)))  # 8 bytes for two columns
    np.testing.assert_array_equal(read.capacity, wide["q"])
    np.testing.assert_array_equal(read.voltage, wide["e"])
    assert any("9998, 9999" in warning for warning in read.attrs["warnings"])


def test_unknown_columns_in_a_cut_file_are_refused_by_number(tmp_path):
    wide, columns = widened("<f4")
    whole = mpr(wide, columns)
    with pytest.raises(ReadError, match="9999"):
        cycler(written(tmp_path, whole[: whole.index(b"VMP LOG") - 100]))


def test_another_version_of_the_data_module_is_refused_by_number(tmp_path):
    whole = bytearray(mpr(records()))
    place = whole.index(b"VMP data") + 39
    whole[place : place + 4] = struct.pack("<I", 77)
    with pytest.raises(ReadError, match="version 77"):
        cycler(written(tmp_path, bytes(whole)))


def mpt(rows: int = 30, comma: bool = True, header: bool = True, tail: str = "") -> bytes:
    lines = ["EC-Lab ASCII FILE", "Nb header lines : XX"]
    if header:
        lines += ["", "Galvanostatic Cycling with Potential Limitation"]
        lines += [
            "Acquisition started on : 03/04/2025 22:17:03.250",
            "Electrode surface area : 0,007 cm²",
            "",
        ]
    lines.append(
        "mode\tNs\ttime/s\tEwe/V\t<I>/mA\t(Q-Qo)/mA.h\thalf cycle\tTemperature/°C\tCapacitance charge/µF\t"
    )
    lines[1] = f"Nb header lines : {len(lines)}"
    for k in range(rows):
        row = f"1\t1\t{k * 10:.6E}\t{3.5 + k / 1e3:.7E}\t{0.36:.7E}\t{k * 1e-3:.7E}\t{k // 10}\t25.0\t1.0"
        lines.append(row.replace(".", ",") if comma else row)
    return ("\r\n".join(lines) + "\r\n" + tail).encode("latin-1")


@pytest.mark.parametrize("comma", [True, False])
@pytest.mark.parametrize("header", [True, False])
def test_text_with_comma_or_point_and_long_or_short_header(tmp_path, comma, header):
    read = cycler(written(tmp_path, mpt(comma=comma, header=header), "a.mpt"), zone="UTC")
    np.testing.assert_allclose(read.time, np.arange(30) * 10.0)
    np.testing.assert_allclose(read.voltage, 3.5 + np.arange(30) / 1e3)
    np.testing.assert_allclose(read.current, 0.36e-3)
    np.testing.assert_array_equal(read.cycle, np.arange(30) // 20)
    assert {"Temperature_degC", "Capacitance_charge_uF"} <= set(read)
    assert read.attrs["start"] == ("2025-03-04T22:17:03.250000+00:00" if header else "")
    assert np.isfinite(read.utc.values).all() == header


def test_text_cut_off_in_its_last_line_gives_the_lines_before_it(tmp_path):
    read = cycler(written(tmp_path, mpt(tail="1\t1\t3,0E+2\t3,"), "a.mpt"))
    assert read.sizes["record"] == 30
    assert any("cut off" in warning for warning in read.attrs["warnings"])


def test_text_with_a_header_only_is_refused(tmp_path):
    with pytest.raises(ReadError, match="without rows"):
        cycler(written(tmp_path, mpt(rows=0), "a.mpt"))


def test_the_current_of_a_file_that_stores_only_charge_is_its_rate(tmp_path):
    dtype = np.dtype([("flags", "u1"), ("t", "<f8"), ("dq", "<f8"), ("e", "<f4")])
    table = np.zeros(20, dtype)
    table["t"], table["dq"], table["e"] = np.arange(20) * 5.0, 1e-3, np.linspace(3, 3.2, 20)
    read = cycler(written(tmp_path, mpr(table, [1, 4, 7, 6])))
    np.testing.assert_allclose(read.current[1:], 1e-3 * 3.6 / 5)
    assert float(read.capacity[-1]) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.mpr", b"", "empty"), ("a.mpt", b"", "empty"), ("a.csv", b"", "empty"),
        ("a.mpr", b"PK\x03\x04 something else entirely, long enough", "not a known|begins with"),
        ("a.nda", b"notneware, but some text", "not a Neware|NewareNDA"),
        ("a.xyz", b"\x00\x01\x02", "not a known"),
        ("a.csv", b"1,2,3\n4,5,6\n", "names a voltage"),
    ],
)  # fmt: skip
def test_what_is_no_cycler_file_is_refused_with_a_reason(tmp_path, name, data, says):
    from operando.core.errors import OperandoError

    with pytest.raises(OperandoError, match=says):
        cycler(written(tmp_path, data, name))
