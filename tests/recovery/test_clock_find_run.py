"""clock_offset_s = "find": the offset of a twin's cycler recovered by a whole run, or refused."""

from __future__ import annotations

import pytest

from operando.core.errors import ExperimentError
from operando.flow import run
from operando.twin.film import FilmCell, simulate

OTHER_RINGS = ('"LCO110"', '"Ti100"', '"Au111"', '"Li110"')


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """100 maps of three rows of 15 s around one charge; only the ring that answers is followed."""
    folder = tmp_path_factory.mktemp("twin")
    cell = FilmCell.demo(
        rows=3, columns=2, step_z_um=6.0, maps=100, map_period_s=45.0, exposure_s=7.4, row_overhead_s=0.1,
        initial_rest_s=300.0, charge_s=2400.0, half_charge_s=900.0, front_speed_nm_per_s=25.0, clock_offset_s=137.0,
        mean_counts=200.0,
    )  # fmt: skip
    simulate(cell, folder)
    file = folder / "experiment.toml"
    kept = [line for line in file.read_text().splitlines() if not any(name in line for name in OTHER_RINGS)]
    file.write_text("\n".join(kept))
    return file


def test_the_offset_is_found_with_an_honest_error(twin):
    _, results = run(twin, overrides={"cycler.clock_offset_s": "find"})
    told = results.groups["clock"].attrs
    offset, error = told["clock_offset_s"], told["clock_offset_err_s"]
    assert abs(offset - 137.0) < 2.0
    assert abs(offset - 137.0) < 3 * error
    assert error < 1.0  # the families of 003, at the end of the charge: c of a row to 3e-4 angstrom
    assert "LCO003" in told["clock_source"]
    assert results.groups["clock/alignment"].attrs["clock_offset_s"] == offset


def test_an_offset_that_does_not_show_stops_the_run(twin):
    with pytest.raises(ExperimentError, match="cannot be found") as caught:
        run(twin, overrides={"cycler.clock_offset_s": "find", "cycler.clock_signal": "Ti100"})
    assert "clock_guess_s" in caught.value.fix
