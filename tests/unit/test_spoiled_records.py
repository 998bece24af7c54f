"""A record that was spoiled on its way is refused, or what was left out is said: no plausible wrong numbers."""

import numpy as np
import pytest

from operando.core.errors import ReadError
from operando.read import cycler

HEAD = "Test Time / s,Voltage / V,Current / A,Cycle Count / 1,Step Count / 1"
TIME = np.arange(200) * 10.0
ROWS = [f"{t:.1f},{3.6 + 4e-5 * t:.5f},{(t > 500) * 1e-3:.6f},1,{1 + (t > 500)}" for t in TIME]


def written(tmp_path, rows, head=HEAD, end="\n"):
    path = tmp_path / "cell.bdf.csv"
    path.write_bytes(end.join([head, *rows, ""]).encode())
    return path


@pytest.mark.parametrize("start", [0, 100])
def test_decimal_commas_between_commas_are_refused(tmp_path, start):
    rows = [row.replace(".", ",") if i >= start else row for i, row in enumerate(ROWS)]
    with pytest.raises(ReadError, match="names 5 columns, but") as caught:
        cycler(written(tmp_path, rows))
    assert "decimal sign" in caught.value.fix


def test_a_name_that_is_missing_is_not_made_up_by_shifting_the_others(tmp_path):
    with pytest.raises(ReadError, match="names 4 columns, but row 1"):
        cycler(written(tmp_path, ROWS, HEAD.replace(",Current / A", "")))


def test_rows_in_no_order_are_refused(tmp_path):
    rows = list(np.random.default_rng(1).permutation(ROWS))
    with pytest.raises(ReadError, match="not in the order of their times"):
        cycler(written(tmp_path, rows))


def test_clocks_that_restart_with_every_short_step_are_still_stitched(tmp_path):
    rows = [f"{10 * (i % 4):.1f},{row.split(',', 1)[1]}" for i, row in enumerate(ROWS)]
    found = cycler(written(tmp_path, rows))
    np.testing.assert_allclose(found["time"], TIME)


@pytest.mark.parametrize("damaged", ["1e12", "-5e9", "0.0"])
def test_one_damaged_time_moves_no_other_row(tmp_path, damaged):
    rows = list(ROWS)
    rows[80] = f"{damaged},{rows[80].split(',', 1)[1]}"
    found = cycler(written(tmp_path, rows))
    np.testing.assert_allclose(found["time"], np.delete(TIME, 80))
    assert any(
        "1 rows have a time far outside" in text and "row 80" in text for text in found.attrs["warnings"]
    )


@pytest.mark.parametrize(("column", "damaged", "told"), [
    (1, "1e308", "without a time or a voltage"), (1, "inf", "without a time or a voltage"),
    (2, "1e200", "too large to be"), (2, "inf", "too large to be"), (1, "0.1", "jumps and comes back"),
])  # fmt: skip
def test_a_number_that_cannot_be_is_said(tmp_path, column, damaged, told):
    rows = list(ROWS)
    cells = rows[80].split(",")
    cells[column] = damaged
    rows[80] = ",".join(cells)
    found = cycler(written(tmp_path, rows))
    assert any(told in text for text in found.attrs["warnings"])
    current = found["current"].values
    assert np.nanmax(np.abs(current)) <= 1e-3
    assert np.abs(found["capacity"].values).max() < 1


def test_a_thousand_with_an_underscore_is_no_number(tmp_path):
    rows = [ROWS[0].replace("3.60000", "1_000"), *ROWS[1:]]
    with pytest.raises(ReadError, match="not a number"):
        cycler(written(tmp_path, rows))


def test_rows_that_lack_values_are_said(tmp_path):
    rows = [
        row if i < 100 else ",".join(row.split(",")[:2] + row.split(",")[3:]) for i, row in enumerate(ROWS)
    ]
    warnings = cycler(written(tmp_path, rows)).attrs["warnings"]
    assert any("100 rows end before the last column" in text for text in warnings)


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_old_line_ends_lose_no_row(tmp_path, end):
    assert cycler(written(tmp_path, ROWS, end=end)).sizes["record"] == 200
