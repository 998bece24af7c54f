"""Electrochemistry within a run: impedance, zones, the drift of the clocks, and the lithium that does not add up."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import ExperimentError, InputError
from operando.echem import circuit_impedance, faraday_thickness, lithium_balance
from operando.flow import run
from operando.flow.experiment import load_experiment
from operando.flow.job import RECIPES
from operando.flow.lithium import plating_groups
from operando.flow.running import Run
from operando.flow.stage import Stages
from operando.flow.timeline import clock_groups, electrochemistry
from operando.twin.film import FilmCell, simulate

CIRCUIT, VALUES = "R0-p(R1,CPE1)", (34.3, 174.6, 2e-6, 0.85)
THICKNESS_UM, AREA_CM2 = 30.0, 0.5


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    simulate(FilmCell.tiny(), folder)
    return folder / "experiment.toml"


@pytest.fixture
def no_frames(monkeypatch):
    """A run that comes as far as the frames fails the test."""
    for section in RECIPES:
        monkeypatch.setitem(RECIPES, section, "nowhere:pytest_fails_here")


def with_lines(file, section, lines):
    """The experiment file again, with lines added to a section, under another name beside it."""
    other = file.with_name("changed.toml")
    other.write_text(file.read_text().replace(f"[{section}]\n", f"[{section}]\n{lines}\n"))
    return other


def test_impedance_in_a_run_gives_its_groups_and_the_true_resistances(tmp_path, rng):
    f = np.geomspace(2e5, 0.1, 50)
    for number, r1 in enumerate((174.6, 199.2), 1):
        z = circuit_impedance(CIRCUIT, (VALUES[0], r1, *VALUES[2:]), f)
        z = z * (1 + 2e-3 * (rng.normal(size=50) + 1j * rng.normal(size=50)))
        rows = "\n".join(f"{a:.8g},{b.real:.8g},{b.imag:.8g}" for a, b in zip(f, z, strict=True))
        (tmp_path / f"eis_{number}.csv").write_text("freq/Hz,Re(Z)/Ohm,Im(Z)/Ohm\n" + rows + "\n")
    (tmp_path / "experiment.toml").write_text(
        'title = "spectra alone"\n[impedance]\nfiles = ["eis_1.csv", "eis_2.csv"]\n'
        f'circuit = "{CIRCUIT}"\narea_cm2 = {AREA_CM2}\nthickness_um = {THICKNESS_UM}\n'
    )
    folder, results = run(tmp_path / "experiment.toml")
    from operando.flow import read_results

    for groups in (results.groups, read_results(folder / "results.nxs").groups):
        assert {"impedance/1", "impedance/2", "impedance/resistances"} <= set(groups)
        found = groups["impedance/resistances"]
        truth = {
            "series": [34.3, 34.3],
            "interface_areal": [87.3, 99.6],
            "conductivity": [THICKNESS_UM * 1e-4 / (34.3 * AREA_CM2)] * 2,
        }
        for name, expected in truth.items():
            error = found[f"{name}_err"].values
            assert (np.abs(found[name].values - expected) < 4 * error).all(), name
            assert (error < 0.02 * np.array(expected)).all(), name
        assert groups["impedance/1"].attrs["kk_verdict"].startswith("consistent")


def test_a_record_without_zone_stops_the_run_before_any_frame(twin, no_frames):
    with pytest.raises(ExperimentError, match="local time without a zone") as caught:
        run(twin, overrides={"cycler.file": "echem/cell.mpt"})
    assert "cell.mpt" in str(caught.value)
    assert 'zone = "Europe/Paris"' in caught.value.fix


def test_a_record_without_any_start_stops_the_run_and_asks_for_it(twin, no_frames):
    rows = [line.split(",") for line in (twin.parent / "echem" / "cell.csv").read_text().splitlines()]
    (twin.parent / "echem" / "bare.csv").write_text("\n".join(",".join([r[0], *r[2:]]) for r in rows))
    with pytest.raises(ExperimentError, match="no absolute start") as caught:
        run(twin, overrides={"cycler.file": "echem/bare.csv"})
    assert 'start = "' in caught.value.fix


def test_a_zone_that_does_not_exist_is_refused_even_where_the_file_holds_utc(twin, no_frames):
    with pytest.raises(InputError, match="unknown time zone 'Mars'") as caught:
        run(with_lines(twin, "cycler", 'zone = "Mars"'))
    assert "Europe/Paris" in caught.value.fix


EPOCH = 1_740_000_000.0
PLAN = [(1.0, 0), *[(4.0, 1), (1.0, 0), (4.0, -1), (1.0, 0)] * 2]  # hours, sign of the current
EDGES = np.concatenate([[0.0], np.cumsum([h for h, _ in PLAN])]) * 3600
CHARGE = np.concatenate([[0.0], np.cumsum([h * s * 0.1 for h, s in PLAN])])  # mAh at 0.1 mA


def write_record(path, interval_s=10.0):
    t = np.arange(0.0, EDGES[-1], interval_s)
    step = np.searchsorted(EDGES, t, side="right") - 1
    sign = np.array([s for _, s in PLAN])[step]
    q = np.interp(t, EDGES, CHARGE)
    rows = (
        f"{a},{EPOCH + a},{3.9 + 0.1 * c:.6f},{b * 1e-4:.6e},{c:.9f},{n}"
        for a, b, c, n in zip(t, sign, q, step, strict=True)
    )
    path.write_text("time_s,utc_s,voltage_V,current_A,capacity_mAh,step\n" + "\n".join(rows) + "\n")


def maps_of(offset, drift, rng, noise_A=5e-5, row_s=15.0):
    """Groups as the recipe makes them: c of three rows of two points follows the charge at each row's own time."""
    maps = int((EDGES[-1] - 1200) / (3 * row_s))
    row_time = np.arange(maps)[:, None] * 3 * row_s + row_s * (np.arange(3) + 0.5)  # since the first map
    lead = 600.0
    fine = row_time[..., None] + row_s * (np.arange(16) + 0.5 - 8) / 16
    cycler = lead + fine + drift * (fine - fine.mean())  # detector time to cycler time, less the offset
    c = 14.03 + 0.6 * np.interp(cycler, EDGES, CHARGE).mean(axis=2)
    c = c[..., None, None] + rng.normal(0, noise_A, (maps, 3, 2, 1))
    start = EPOCH + lead - offset
    xrd = xr.Dataset(
        {"row_time": (("time", "z"), row_time)},
        coords={"time": row_time.mean(axis=1), "z": [0.0, 6.0, 12.0], "x": [0.0, 33.0]},
        attrs={"epoch": datetime.fromtimestamp(start, UTC).isoformat()},
    )
    dims = ("time", "z", "x", "family")
    ring = xr.Dataset(
        {"c": (dims, c), "c_err": (dims, np.full(c.shape, noise_A)), "flag": (dims, np.zeros(c.shape, int))},
        coords={"family": ["perp"]},
    )
    return {"xrd": xrd, "xrd/LCO003": ring}


def test_clock_drift_find_recovers_the_drift_within_20_percent_and_its_error(twin, tmp_path, rng):
    write_record(twin.parent / "echem" / "long.csv")
    overrides = {
        "cycler.file": "echem/long.csv",
        "cycler.clock_offset_s": "find",
        "cycler.clock_drift": "find",
    }
    job = Run(tmp_path, load_experiment(twin, overrides), Stages(tmp_path / "stages"))
    table = electrochemistry(job, {})
    for offset, drift in ((137.0, 1e-4), (-60.0, -1e-4)):
        groups = maps_of(offset, drift, rng)
        clock = clock_groups(job, table, groups)["clock"].attrs
        middle = datetime.fromisoformat(groups["xrd"].attrs["epoch"]).timestamp() + float(
            groups["xrd"].row_time.mean()
        )
        found = clock["clock_offset_s"] + clock["clock_drift"] * (middle - clock["clock_reference_utc"])
        assert abs(clock["clock_drift"] / drift - 1) < 0.2
        assert abs(clock["clock_drift"] - drift) < 4 * clock["clock_drift_err"]
        assert abs(found - offset) < 2.0
        assert abs(found - offset) < 4 * clock["clock_offset_err_s"]


def test_the_lithium_that_is_missing_is_recovered_within_its_error(rng):
    """15 % of the charge is no metal; charge, volume and both areas are known with errors of their own."""
    area, imaged, share = 0.5, 0.003, 0.15
    charge = xr.DataArray(np.array([0.2, 0.8]), dims="time")  # mAh
    truth = share * charge.values * 3.6 / 96485.33212 / area * 1e6  # umol/cm2
    dense = faraday_thickness(charge / area) * 1e-4 * imaged * 1e12
    pulls = []
    for _ in range(300):
        found = lithium_balance(
            charge + rng.normal(0, 0.004, 2), capacity_err=0.004, area_cm2=area * (1 + 0.01 * rng.normal()),
            area_err_cm2=0.01 * area, volume_um3=(1 - share) * dense + rng.normal(0, 4e4, 2), volume_err_um3=4e4,
            imaged_area_cm2=imaged * (1 + 0.01 * rng.normal()), imaged_area_err_cm2=0.01 * imaged,
        )  # fmt: skip
        pulls.append((found.missing_volume.values - truth) / found.missing_volume_err.values)
        pulls.append((found.missing_fraction.values - share) / found.missing_fraction_err.values)
    width = np.sqrt(np.mean(np.square(pulls)))
    assert 0.85 < width < 1.15, width
    assert truth[1] > 5 * float(found.missing_volume_err[1])


def test_the_balance_of_a_run_finds_what_lifts_the_collector_beyond_dense_lithium(rng):
    """Voids add 30 % to the rise: five columns of the collector, each known to 0.1 um, at six maps."""
    area, porosity = 0.007, 0.3
    charge = np.linspace(0.0, 0.02, 6)
    experiment = {
        "cell": {"area_cm2": area, "layers": [{"name": "Li", "phase": "Li"}, {"name": "Ti", "phase": "Ti"}]},
        "xrd": {"rings": [{"name": "Ti100", "phase": "Ti"}]},
    }
    dense = faraday_thickness(charge / area)
    truth = porosity * dense * 1e-4 / 13.0 * 1e6
    clock = xr.Dataset({"capacity": ("time", 1.5 + charge), "capacity_err": ("time", np.full(6, 1e-5))})
    ring = xr.Dataset({"intensity": (("time", "x"), np.ones((6, 5)))})
    pulls = []
    for _ in range(200):
        place = 30 + (1 + porosity) * dense[:, None] + rng.normal(0, 0.1, (6, 5))
        layer = xr.Dataset(
            {"position": (("time", "x"), place), "position_err": (("time", "x"), np.full((6, 5), 0.1))}
        )
        groups = {"clock": clock, "xrd/Ti100": ring, "xrd/Ti100/layer": layer}
        balance = plating_groups(groups, experiment)["plating/balance"]
        off = balance.excess_displacement.values - truth
        pulls.append((off / balance.excess_displacement_err.values)[1:])
    width = np.sqrt(np.mean(np.square(pulls)))
    assert 0.8 < width < 1.2, width
    assert truth[-1] > 5 * float(balance.excess_displacement_err[-1])
