"""`operando echem` in the terminal and as a page: what it says is what the Datasets hold."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from operando.cli import main
from operando.flow.echem_look import look
from operando.read import cycler
from operando.show.echem_page import write_echem_page
from operando.show.echem_tables import all_tables
from operando.show.text import number, scaled

HEAD = "Test Time / s,Voltage / V,Current / A,Step Count / 1,Cycle Count / 1,Unix Time / s\n"


def record(path, *, begin=0.0, utc=1.74e9, rows=400, sign=1.0):
    """Two cycles between 3 and 4.3 V at 1 mA, with a knee at 4 V; 98 % comes back."""
    lines, time = [], begin
    for run in range(4):
        length = rows if run % 2 == 0 else int(0.98 * rows)
        part = np.linspace(0, length / rows, length)
        volts = (3 + 1.3 * part**2) if run % 2 == 0 else (4.3 - 1.3 * part**2)
        for v in volts:
            lines.append(
                f"{time:.1f},{v:.6f},{sign * (1e-3 if run % 2 == 0 else -1e-3):.4e},{run},{run // 2},{utc + time:.1f}"
            )
            time += 10.0
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return path


def spectrum(path, r0=20.0, r1=100.0, tau=1e-3):
    """A csv of a resistor before one arc, with 0.2 % of noise."""
    f = np.geomspace(1e5, 1, 40)
    z = r0 + r1 / (1 + 1j * 2 * np.pi * f * tau)
    rng = np.random.default_rng(3)
    z = z * (1 + 2e-3 * (rng.standard_normal(len(f)) + 1j * rng.standard_normal(len(f))))
    rows = "\n".join(f"{a:.6g},{b.real:.8g},{b.imag:.8g}" for a, b in zip(f, z, strict=True))
    path.write_text("freq/Hz,Re(Z)/Ohm,Im(Z)/Ohm\n" + rows + "\n")
    return path


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr("sys.argv", ["operando", "echem", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    out, err = capsys.readouterr()
    return stop.value.code, out, err


def cell(table, row, column):
    return table.rows[row][table.columns.index(column)]


def test_steps_and_cycles_shown_are_those_of_the_datasets(tmp_path):
    results = look([record(tmp_path / "cell.bdf.csv")], area_cm2=2.0, nominal_mAh=1.0)
    shown = {table.name: table for table in all_tables(results.groups)}
    steps, cycles = results.groups["echem/steps"], results.groups["echem/cycles"]
    drawn, unit = scaled(steps["capacity"].values, "mAh")
    for i in range(steps.sizes["run"]):
        assert cell(shown["steps"], i, f"capacity / {unit}") == number(float(drawn[i]), 4)
        assert cell(shown["steps"], i, "C-rate / h⁻¹") == number(float(steps["c_rate"][i]), 3)
        assert cell(shown["steps"], i, "current / mA/cm²") == number(float(steps["areal_current"][i]), 4)
    for i in range(cycles.sizes["cycle"]):
        wanted = f"{100 * float(cycles['coulombic_efficiency'][i]):.2f} %"
        assert cell(shown["cycles"], i, "coulombic efficiency") == wanted
    assert float(cycles["coulombic_efficiency"][0]) == pytest.approx(0.98, abs=0.005)


def test_the_terminal_says_what_the_page_says(tmp_path, monkeypatch, capsys):
    file, page = record(tmp_path / "cell.bdf.csv"), tmp_path / "cell.html"
    code, out, _ = run(monkeypatch, capsys, file, "--area-cm2", "2", "--page", page)
    assert code == 0
    text = page.read_text()
    results = look([file], area_cm2=2.0)
    for table in all_tables(results.groups):
        for row in table.rows:
            assert row[0] in out
            for value in row:
                assert f">{value}<" in text
    for section in ("record", "steps", "differential", "made"):
        assert f'<section id="{section}">' in text
    for figure in ("record", "differential"):
        assert f'id="fig-{figure}"' in text
    assert "resolution 7.1\u00a0mV" in text


def test_the_page_needs_no_network(tmp_path):
    files = [record(tmp_path / "cell.bdf.csv"), spectrum(tmp_path / "eis.csv")]
    text = write_echem_page(look(files), tmp_path / "page.html").read_text()
    assert not re.search(r'(?:src|href)="(?!#|data:)', text)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert "@import" not in text
    assert 'id="fig-impedance-1"' in text


def test_json_is_json_without_nan_and_holds_the_numbers(tmp_path, monkeypatch, capsys):
    file = record(tmp_path / "cell.bdf.csv")
    code, out, _ = run(monkeypatch, capsys, file, spectrum(tmp_path / "eis.csv"), "--json")
    assert code == 0
    told = json.loads(out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    table = cycler(file)
    assert told["record"]["rows"] == table.sizes["record"]
    wanted = look([file]).groups["echem/steps"]["capacity"].values
    np.testing.assert_allclose(told["groups"]["echem/steps"]["capacity"]["values"], wanted)
    assert told["groups"]["impedance/resistances"]["series"]["values"][0] == pytest.approx(20, rel=5e-3)


def test_a_circuit_is_chosen_and_its_resistances_are_those_of_the_cell(tmp_path):
    results = look([spectrum(tmp_path / "eis.csv")], area_cm2=0.5, thickness_um=50.0)
    found = results.groups["impedance/resistances"]
    assert str(found["circuit"].values[0]) == "R0-p(R1,CPE1)"
    assert float(found["series"][0]) == pytest.approx(20, rel=5e-3)
    assert float(found["interface_areal"][0]) == pytest.approx(50, rel=5e-3)
    assert float(found["conductivity"][0]) == pytest.approx(50e-4 / (20 * 0.5), rel=5e-3)


def test_an_exported_record_reads_back_as_the_same_table(tmp_path, monkeypatch, capsys):
    file, copy = record(tmp_path / "cell.bdf.csv"), tmp_path / "again.bdf.csv"
    assert run(monkeypatch, capsys, file, "--export", copy)[0] == 0
    one, two = cycler(file), cycler(copy)
    for name in ("time", "utc", "voltage", "current", "step", "cycle"):
        np.testing.assert_allclose(one[name], two[name], err_msg=name)
    np.testing.assert_allclose(
        one["capacity"] - one["capacity"][0], two["capacity"] - two["capacity"][0], atol=1e-9
    )


def test_two_files_are_joined_in_order_of_time(tmp_path):
    first = record(tmp_path / "a.csv")
    second = record(tmp_path / "b.csv", utc=1.74e9 + 50_000)
    results = look([second, first])
    assert results.groups["echem/steps"].sizes["run"] == 8
    assert (np.diff(results.groups["echem"]["utc"].values) >= 0).all()


BAD = {
    "empty": (lambda p: p.write_bytes(b""), "empty", "Has the measurement begun"),
    "magic": (lambda p: p.write_bytes(b"\x00\x01not a cycler file" * 9), "", ""),
    "no columns": (lambda p: p.write_text("a,b\n1,2\n"), "no line with column names", "Name the columns"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("ending", [".mpr", ".csv", ".z"])
def test_bad_files_get_one_error_with_what_where_and_what_to_do(tmp_path, monkeypatch, capsys, case, ending):
    path = tmp_path / f"bad{ending}"
    make, _, _ = BAD[case]
    make(path)
    code, out, err = run(monkeypatch, capsys, path)
    assert code == 2
    assert not out
    lines = err.strip().splitlines()
    assert len(lines) == 2, err
    assert path.name in lines[0]
    assert len(lines[1].strip()) > 10


def test_a_missing_file_is_said(tmp_path, monkeypatch, capsys):
    code, _, err = run(monkeypatch, capsys, tmp_path / "nothing.mpr")
    assert code == 2
    assert "no such file" in err


def test_files_that_overlap_are_refused(tmp_path, monkeypatch, capsys):
    files = record(tmp_path / "a.csv"), record(tmp_path / "b.csv", utc=1.74e9 + 100)
    code, _, err = run(monkeypatch, capsys, *files)
    assert code == 2
    assert "overlaps" in err
    assert "Leave one of them out" in err


def test_files_without_absolute_times_ask_for_the_zone(tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        text = record(tmp_path / f"{name}.csv").read_text()
        (tmp_path / f"{name}.csv").write_text(
            "\n".join(line.rpartition(",")[0] for line in text.splitlines())
        )
    code, _, err = run(monkeypatch, capsys, tmp_path / "a.csv", tmp_path / "b.csv")
    assert code == 2
    assert "no absolute times" in err
    assert "zone" in err


def test_repairs_and_doubts_are_said(tmp_path, monkeypatch, capsys):
    file = record(tmp_path / "cell.csv")
    head, *rows = file.read_text().splitlines()
    # no utc, a strange column, and a clock that restarts half way
    half = [row.rpartition(",")[0] + ",7" for row in rows[: len(rows) // 2]]
    file.write_text("\n".join([head.rpartition(",")[0] + ",frobnication", *half, *half]) + "\n")
    code, out, _ = run(monkeypatch, capsys, file)
    assert code == 0
    for words in ("time restarts", "frobnication", "no absolute start time"):
        assert words in out


def test_a_reversed_current_is_noticed_and_can_be_turned(tmp_path, monkeypatch, capsys):
    file = record(tmp_path / "cell.csv", sign=-1.0)
    assert "current_sign = -1" in run(monkeypatch, capsys, file)[1]
    assert "current_sign = -1" not in run(monkeypatch, capsys, file, "--reversed")[1]


def test_charge_at_constant_voltage_has_no_differential_curve_and_this_is_said(tmp_path):
    t = np.arange(0, 4000, 10.0)
    rows = "\n".join(
        f"{a},{4.3 + 1e-4 * (i % 2)},{2e-3 * np.exp(-a / 1000):.6e},1,0" for i, a in enumerate(t)
    )
    (tmp_path / "cv.csv").write_text(HEAD.replace(",Unix Time / s", "") + rows + "\n")
    results = look([tmp_path / "cv.csv"])
    assert not any("dqdv" in name for name in results.groups)
    assert any("voltage is held" in line for line in results.experiment["echem"]["absent"])
