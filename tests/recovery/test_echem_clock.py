"""Offset and drift of the clocks, and the state of the cell at a frame, recovered from made-up measurements."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.echem import Clock, at, current_events, find_clock

EPOCH = 1_740_000_000.0
CYCLE = [
    ("rest", 1.0, 0.0),
    ("charge", 8.0, 1.0),
    ("rest", 1.5, 0.0),
    ("discharge", 8.0, -1.0),
    ("rest", 1.0, 0.0),
]
PLAN = [*CYCLE, *CYCLE[1:]]
HOURS = sum(hours for _, hours, _ in PLAN)

SWITCHES = np.array([1, 9, 10.5, 18.5, 19.5, 27.5, 29, 37]) * 3600


def protocol(interval_s: float = 10.0, current_mA: float = 0.1, step_changes: bool = True) -> xr.Dataset:
    """A cycler table: two cycles of charge, rest, discharge, rest; voltage rises with charge."""
    time, current, step = [], [], []
    begin = 0.0
    for number, (_, hours, sign) in enumerate(PLAN):
        t = begin + np.arange(0.0, hours * 3600, interval_s)
        time.append(t)
        current.append(np.full(len(t), sign * current_mA / 1e3))
        step.append(np.full(len(t), number if step_changes else 0, np.int32))
        begin += hours * 3600
    t, i = np.concatenate(time), np.concatenate(current)
    return xr.Dataset(
        {
            "time": ("record", t), "utc": ("record", EPOCH + t), "current": ("record", i),
            "capacity": ("record", charge(t, current_mA)), "voltage": ("record", 3.9 + 0.1 * charge(t, current_mA)),
            "step": ("record", np.concatenate(step)), "cycle": ("record", np.zeros(len(t), np.int32)),
        },
        attrs={"source": "made up"},
    )  # fmt: skip


def charge(time: np.ndarray, current_mA: float = 0.1) -> np.ndarray:
    """Exact net charge (mAh) of the plan at times since the start."""
    edges = np.concatenate([[0.0], np.cumsum([h for _, h, _ in PLAN])]) * 3600
    values = np.concatenate([[0.0], np.cumsum([h * s * current_mA for _, h, s in PLAN])])
    return np.interp(time, edges, values)


def rows(clock: Clock, rng, noise: float, row_s: float = 15.0, slow: float = 0.02):
    """Detector times of map rows and a signal that follows the charge, each averaged over its row."""
    utc = EPOCH - clock.offset_s - 600 + np.arange(0, HOURS * 3600, row_s)
    fine = utc[:, None] + row_s * (np.arange(30) + 0.5 - 15) / 30
    seen = charge(clock.to_cycler(fine) - EPOCH).mean(axis=1)
    return utc, 1.0 + seen + slow * (utc - utc[0]) / 3600 + rng.normal(0, noise, len(utc))


def test_offset_within_2_s_and_drift_within_20_percent_at_rows_of_15_s(rng):
    truth = Clock(137.0, drift=1e-4, reference_utc=EPOCH)
    pulls, offsets, drifts = [], [], []
    table = protocol()
    for _ in range(8):
        utc, signal = rows(truth, rng, noise=1e-4)  # 0.1 % of what the signal changes in an hour of charge
        clock = find_clock(utc, signal, table, guess_s=100, exposure_s=15.0, window_s=5400)
        middle = clock.reference_utc
        offsets.append(clock.offset_s - float(truth.offset(middle)))
        drifts.append(clock.drift)
        pulls += [offsets[-1] / clock.offset_err_s, (clock.drift - truth.drift) / clock.drift_err]
    assert np.abs(offsets).max() < 2.0
    assert np.abs(np.array(drifts) / truth.drift - 1).max() < 0.2
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.4


@pytest.mark.parametrize("kind", ["charge", "slope"])
def test_an_unknown_error_of_the_signal_is_taken_from_the_scatter(rng, kind):
    truth = Clock(-42.0, reference_utc=EPOCH)
    utc, signal = rows(truth, rng, noise=2e-3)
    free = find_clock(utc, signal, protocol(), exposure_s=15.0, drift=False, kind=kind)
    known = find_clock(
        utc, signal, protocol(), exposure_s=15.0, drift=False, signal_err=np.full(len(utc), 2e-3)
    )
    assert free.offset_err_s == pytest.approx(known.offset_err_s, rel=0.2)
    assert abs(free.offset_s + 42.0) < 4 * free.offset_err_s
    assert free.drift == 0


def test_a_jump_is_found_as_a_jump(rng):
    truth = Clock(25.0, reference_utc=EPOCH)
    utc = EPOCH - 1000 + np.arange(0, 19.5 * 3600, 15.0)
    state = np.interp(
        truth.to_cycler(utc) - EPOCH, [0, 3600, 3600.1, 9 * 3600, 9 * 3600 + 0.1], [0, 0, 1, 1, 0]
    )
    signal = 5 + state + rng.normal(0, 0.1, len(utc))
    clock = find_clock(utc, signal, protocol(), exposure_s=0.0, kind="step", drift=False)
    assert abs(clock.offset_s - 25.0) < 4 * clock.offset_err_s
    assert clock.offset_err_s < 15 / np.sqrt(12)


def test_a_signal_that_does_not_answer_gives_an_error_that_asks_for_the_offset(rng):
    utc = EPOCH + np.arange(0, 10 * 3600, 15.0)
    with pytest.raises(InputError, match="clock_offset_s"):
        find_clock(utc, rng.normal(0, 1, len(utc)), protocol(), exposure_s=15.0)


def test_current_events_are_at_the_first_record_of_a_step_or_between_two_records():
    sure = current_events(protocol())
    np.testing.assert_allclose(sure.utc.values - EPOCH, SWITCHES)
    assert (sure.utc_err.values == 0).all()
    unsure = current_events(protocol(step_changes=False))
    np.testing.assert_allclose(unsure.utc.values - EPOCH, SWITCHES - 5)
    np.testing.assert_allclose(unsure.utc_err.values, 10 / np.sqrt(12))


def test_the_state_at_a_frame_is_the_exact_charge_and_never_clipped():
    table = protocol(interval_s=60.0)
    clock = Clock(30.0, 2.0, 1e-4, 0.0, EPOCH)
    utc = EPOCH + np.array([-100.0, -31.0, 0.0, 7200.0, 30_000.0, 190_000.0])
    state = at(table, utc, clock)
    exact = charge(clock.to_cycler(utc) - EPOCH)
    np.testing.assert_allclose(state.capacity.values[2:5], exact[2:5], atol=1e-9)
    assert list(state.capacity_flag.values) == [Flag.BEFORE_RECORD] * 2 + [0, 0, 0] + [Flag.AFTER_RECORD]
    assert np.isnan(state.voltage.values[[0, 1, 5]]).all()
    np.testing.assert_allclose(state.capacity_err.values[3], 2.0 * 0.1 / 3600, rtol=1e-6)


def test_a_switch_of_the_current_is_not_smeared():
    table = protocol(interval_s=60.0)
    before, after = EPOCH + 3600 - 1.0, EPOCH + 3600 + 0.5
    state = at(table, np.array([before, after]))
    np.testing.assert_allclose(state.current.values, [0.0, 1e-4])


def test_row_times_of_a_map_keep_their_shape_and_shift_by_the_offset():
    table = protocol()
    utc = xr.DataArray(EPOCH + 5000 + np.arange(12.0).reshape(3, 4) * 15, dims=("time", "z"))
    with_offset, moved = at(table, utc, Clock(60.0)), at(table, utc + 60.0)
    assert with_offset.capacity.dims == ("time", "z")
    np.testing.assert_allclose(with_offset.capacity, moved.capacity)


def test_to_detector_undoes_to_cycler():
    clock = Clock(12.0, drift=3e-4, reference_utc=EPOCH)
    utc = EPOCH + np.linspace(-1e5, 1e5, 7)
    np.testing.assert_allclose(clock.to_detector(clock.to_cycler(utc)), utc, atol=1e-6)


def test_rows_of_a_map_are_joined_each_with_its_own_line_and_time(rng):
    truth = Clock(90.0, reference_utc=EPOCH)
    utc, signal = rows(truth, rng, noise=2e-3)
    _, clean = rows(truth, rng, noise=0.0)
    many = np.column_stack(
        [clean * k + 5 * k + rng.normal(0, 2e-3 * abs(k), len(utc)) for k in (1.0, 3.0, -2.0)]
    )
    single = find_clock(utc, signal, protocol(), exposure_s=15.0, drift=False)
    joined = find_clock(np.column_stack([utc] * 3), many, protocol(), exposure_s=15.0, drift=False)
    assert abs(joined.offset_s - 90.0) < 4 * joined.offset_err_s
    assert joined.offset_err_s == pytest.approx(single.offset_err_s / np.sqrt(3), rel=0.2)


def test_switches_that_contradict_each_other_are_refused_not_called_a_drift(rng):
    truth = Clock(0.0, reference_utc=EPOCH)
    utc, signal = rows(truth, rng, noise=1e-4)
    early = utc < EPOCH + 5 * 3600
    signal[early] = np.interp(utc[early] - 400, utc, signal)  # the first charge is answered 400 s late
    table = protocol().isel(record=slice(0, 9 * 360 + 400))
    with pytest.raises(InputError, match="contradict"):
        find_clock(utc, signal, table, exposure_s=15.0)
    right = find_clock(utc, signal, table, exposure_s=15.0, use=[1])
    assert abs(right.offset_s) < 4 * right.offset_err_s


def test_offset_from_the_rings_of_the_film_twin_within_2_s_at_rows_of_15_s(tmp_path):
    from operando.read import cycler
    from operando.twin.film import FilmCell, film_rings
    from operando.twin.film.beside import write_beside

    cell = FilmCell.tiny(
        rows=3, columns=2, step_z_um=6.0, maps=500, map_period_s=45.0, exposure_s=7.4, row_overhead_s=0.1,
        initial_rest_s=3000.0, charge_s=8000.0, half_charge_s=3000.0, clock_offset_s=137.0, mean_counts=20000.0,
    )  # fmt: skip
    index = np.arange(150, 340)  # maps around the end of charge, at 11 000 s
    signal = np.empty((len(index), cell.rows))
    for place, number in enumerate(index):
        counts = (
            film_rings(cell, int(number), "LCO003", azimuth_bins=4).counts.sum(("x", "azimuth")).astype(float)
        )
        signal[place] = (counts * counts.q).sum("q") / counts.sum("q")
    utc = cell.started_s + index[:, None] * cell.map_period_s + (np.arange(cell.rows) + 0.5) * cell.row_s
    write_beside(cell, tmp_path, "bliss")
    table = cycler(tmp_path / "echem" / "cell.csv")
    # further out the lattice is no straight line of the charge any more
    clock = find_clock(utc, signal, table, guess_s=100.0, exposure_s=cell.row_s, window_s=2400.0, use=[1])
    assert abs(clock.offset_s - 137.0) < 2.0
    assert abs(clock.offset_s - 137.0) < 3.5 * clock.offset_err_s
    assert clock.offset_err_s < 2.0
