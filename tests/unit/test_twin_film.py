"""The film twin: deterministic, written as beamlines write, with the charge and the clocks that it says."""

import subprocess
import sys
import tomllib
from dataclasses import replace

import h5py
import hdf5plugin  # noqa: F401  registers the filters
import numpy as np
import pytest

from operando.core import Frames
from operando.core.errors import InputError, ReadError
from operando.twin import FilmCell, Truth, film_frames, film_rings, simulate
from operando.twin.film import protocol
from operando.twin.film.beside import cycler_table, poni_text
from operando.twin.film.grains import grow_grains

DEAD = 2**32 - 1
SMALL = FilmCell.tiny(order="snake", maps=2, clock_offset_s=137.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("twin") / "bliss"
    simulate(SMALL, path)
    return path


def images(map_index: int, cell: FilmCell = SMALL) -> np.ndarray:
    return np.concatenate([block.load() for block in film_frames(cell, map_index).blocks(size=7)])


def test_frames_in_memory_are_the_frames_in_the_files(folder):
    for number in range(SMALL.maps):
        with h5py.File(folder / "raw" / f"scan_{number + 1:04d}.h5") as file:
            np.testing.assert_array_equal(file["/1.1/measurement/eiger"][:], images(number))


def test_the_same_cell_gives_the_same_data_and_another_seed_does_not(folder, tmp_path):
    again = simulate(SMALL, tmp_path / "again")
    for name in ("maps", "columns", "grains"):
        assert getattr(again, name).identical(getattr(Truth.load(folder), name))
    for path in ("echem/cell.csv", "echem/cell.mpt", "experiment.toml", "calib/detector.poni"):
        assert (tmp_path / "again" / path).read_bytes() == (folder / path).read_bytes()
    with (
        h5py.File(folder / "raw/scan_0002.h5") as one,
        h5py.File(tmp_path / "again/raw/scan_0002.h5") as two,
    ):
        for name in ("measurement/eiger", "measurement/ct34", "measurement/epoch"):
            np.testing.assert_array_equal(one["1.1"][name][:], two["1.1"][name][:])
    assert (images(0) != images(0, replace(SMALL, seed=2))).mean() > 0.1


def test_frames_are_restartable_and_do_not_depend_on_the_blocks():
    frames = film_frames(SMALL, 1)
    assert isinstance(frames, Frames)
    blocks = list(frames.blocks(5, 17, size=4))
    assert np.concatenate([b.index for b in blocks]).tolist() == list(range(5, 17))
    np.testing.assert_array_equal(np.concatenate([b.load() for b in blocks]), images(1)[5:17])
    assert frames.digest != film_frames(SMALL, 0).digest
    assert frames.digest != film_frames(replace(SMALL, mean_counts=2.0), 1).digest


def test_dead_pixels_are_gaps_and_beam_stop_and_nothing_else():
    dead = images(0) == DEAD
    mask = film_frames(SMALL).mask
    assert (dead == mask).all()
    assert mask[150:155].all()  # a module gap
    assert mask[:, 131:135].all()
    assert 0.02 < mask.mean() < 0.2


def test_bliss_layout(folder):
    with h5py.File(folder / "raw/scan_0001.h5") as file:
        scan = file["1.1"]
        assert scan["measurement/eiger"].is_virtual
        assert scan["instrument/positioners/sz"].attrs["units"] == "mm"
        row, column = np.divmod(np.arange(SMALL.points), SMALL.columns)
        column = np.where(row % 2, SMALL.columns - 1 - column, column)
        np.testing.assert_allclose(scan["instrument/positioners/sx"][:] * 1e3, column * SMALL.step_x_um)
        np.testing.assert_allclose(scan["instrument/positioners/sz"][:] * 1e3, row * SMALL.step_z_um)
        assert (np.diff(scan["measurement/epoch"][:]) > 0.9 * SMALL.exposure_s).all()
        assert b"T22:17:03" in scan["start_time"][()]
        source = scan["measurement/eiger"].virtual_sources()[0]
    with h5py.File(folder / "raw" / source.file_name) as file:
        stored = file[source.dset_name]
        assert stored.chunks == (1, *SMALL.shape)
        assert list(stored._filters) == ["32008"]  # bitshuffle
        assert stored._filters["32008"][4] == 2  # LZ4


def test_eiger_layout(tmp_path):
    simulate(SMALL, tmp_path, "eiger")
    with h5py.File(tmp_path / "raw/scan_0002_master.h5") as file:
        assert isinstance(file["entry/data"].get("data_000001", getlink=True), h5py.ExternalLink)
        np.testing.assert_array_equal(file["entry/data/data_000001"][:], images(1))
        pixel_mask = file["entry/instrument/detector/detectorSpecific/pixel_mask"][:]
        np.testing.assert_array_equal(pixel_mask > 0, film_frames(SMALL).mask)


def test_single_layout(tmp_path):
    simulate(SMALL, tmp_path, "single")
    with h5py.File(tmp_path / "raw/maps.h5") as file:
        assert sorted(file) == ["1.1", "2.1"]
        np.testing.assert_array_equal(file["2.1/measurement/eiger"][:], images(1))


@pytest.mark.parametrize("layout", ["bliss", "eiger", "single"])
def test_every_layout_is_an_experiment_that_flow_accepts(layout, tmp_path):
    from operando.flow.experiment import load_experiment

    seen = []
    simulate(SMALL, tmp_path, layout, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (SMALL.maps * SMALL.points,) * 2
    experiment = load_experiment(tmp_path / "experiment.toml")
    assert len(experiment.xrd.scans) == (1 if layout == "single" else SMALL.maps)
    assert experiment.xrd.grid.order == "snake"
    assert tomllib.loads((tmp_path / "experiment.toml").read_text())["cycler"]["clock_offset_s"] == 137.0


@pytest.mark.parametrize("mean", [0.2, 1.0, 5.0])
def test_mean_counts_are_as_asked(mean):
    first = images(0, replace(SMALL, mean_counts=mean))
    assert first[first != DEAD].mean() == pytest.approx(mean, rel=0.03)


def test_poni_is_read_back_by_pyfai_with_its_orientation(tmp_path):
    import pyFAI

    (tmp_path / "x.poni").write_text(poni_text(SMALL))
    integrator = pyFAI.load(str(tmp_path / "x.poni"))
    assert integrator.detector.orientation == SMALL.orientation
    assert integrator.detector.shape == SMALL.shape
    assert integrator.dist == SMALL.distance_m
    assert integrator.wavelength == pytest.approx(12.398419843320026e-10 / 18.0, rel=1e-12)


def test_charge_is_the_integral_of_the_current_and_reaches_the_papers_numbers():
    cell = FilmCell.paper()
    start, discharge, rest = protocol.step_times(cell)
    t = np.linspace(0, rest + 1000, 200_001)
    summed = np.cumsum(protocol.current_density(cell, t)) * (t[1] - t[0]) / 3600
    np.testing.assert_allclose(protocol.charge_density(cell, t), summed, atol=2e-4)
    assert protocol.charge_density(cell, start + 45 * 60) == pytest.approx(0.7)
    assert protocol.charge_density(cell, start + 2.3 * 3600) == pytest.approx(1.4)
    assert discharge - start == pytest.approx(2.3 * 3600)
    assert protocol.current_density(cell, discharge + 1) * cell.area_cm2 == pytest.approx(-2e-3)  # 2 uA


@pytest.mark.parametrize(("charge", "thickness"), [(0.7, 3.39), (0.8, 3.88), (1.4, 6.79)])
def test_plated_thickness_follows_faraday(charge, thickness):
    cell = FilmCell.paper(charge_mAh_cm2=charge)
    end = protocol.step_times(cell)[1]
    assert protocol.plated_um(cell, end - 1e-6) == pytest.approx(thickness, abs=0.01)


def test_cycler_clock_has_the_offset_and_drift_that_were_set(folder):
    cell = replace(SMALL, clock_drift=1e-4)
    table, plain = cycler_table(cell), cycler_table(replace(SMALL, clock_offset_s=0.0))
    onset, true = (np.flatnonzero(t["current_A"] > 0)[0] for t in (table, plain))
    assert onset == true
    late = plain["utc_s"][true] - plain["utc_s"][0]
    assert table["utc_s"][onset] - plain["utc_s"][true] == pytest.approx(137.0 + 1e-4 * late, abs=1e-6)
    rows = np.genfromtxt(folder / "echem/cell.csv", delimiter=",", names=True)
    np.testing.assert_allclose(np.diff(rows["time_s"]), SMALL.cycler_step_s, atol=1e-6)
    assert rows["utc_s"][0] == pytest.approx(SMALL.started_s - SMALL.cycler_lead_s + 137.0, rel=0, abs=2e-3)
    through = np.sum(rows["current_A"][:-1]) * SMALL.cycler_step_s / 3.6
    assert rows["capacity_mAh"][-1] == pytest.approx(through, rel=1e-4)


def test_both_cycler_files_hold_the_same_record(folder):
    rows = np.genfromtxt(folder / "echem/cell.csv", delimiter=",", names=True)
    lines = (folder / "echem/cell.mpt").read_text("latin-1").splitlines()
    head = int(lines[1].split(":")[1])
    names = lines[head - 1].split("\t")
    values = np.array([[float(v) for v in line.split("\t")] for line in lines[head:]])
    np.testing.assert_allclose(values[:, names.index("Ewe/V")], rows["voltage_V"], atol=1e-5)
    np.testing.assert_allclose(values[:, names.index("<I>/mA")], rows["current_A"] * 1e3, rtol=1e-5)
    assert "03/04/2025 22:17:20.000" in lines[7]  # started 120 s before the scan, by a clock 137 s ahead


def test_truth_survives_the_file(folder):
    loaded, fresh = Truth.load(folder), Truth.of(SMALL)
    assert loaded.cell == SMALL
    for name in ("maps", "columns", "grains"):
        assert getattr(loaded, name).identical(getattr(fresh, name))
        assert all(
            "units" in v.attrs for v in getattr(loaded, name).data_vars.values() if v.dtype.kind == "f"
        )


def test_bad_input_is_one_clear_error(folder, tmp_path):
    with pytest.raises(InputError, match="an experiment here already"):
        simulate(SMALL, folder)
    with pytest.raises(InputError, match="unknown layout 'nexus'"):
        simulate(SMALL, tmp_path / "new", "nexus")
    with pytest.raises(InputError, match="longer than map_period_s"):
        FilmCell.demo(map_period_s=10.0)
    with pytest.raises(InputError, match="must be at least 1"):
        FilmCell.demo(rows=0)
    with pytest.raises(InputError, match="Eiger4M has 2167 x 2070 pixels of 75 um"):
        images(0, FilmCell.paper(shape=(1000, 1000), rows=1, columns=1))
    with pytest.raises(InputError, match="no ring called 'LCO006'"):
        film_rings(SMALL, 0, "LCO006")
    with pytest.raises(ReadError, match="no truth here"):
        Truth.load(tmp_path)


def test_importing_the_room_loads_nothing_heavy():
    code = "import sys, operando.twin; print(*[m for m in ('numba', 'h5py', 'pyFAI', 'scipy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""


def test_a_cell_may_have_no_grains():
    truth = Truth.of(replace(SMALL, grain_births_per_mm_map=(0.0, 0.0)))
    assert truth.grains.sizes["grain"] == 0
    assert truth.grains.total.values.tolist() == [0, 0]


def test_grains_rise_turn_and_vanish():
    grains = grow_grains(FilmCell.demo(seed=4))
    middle = (grains.born_s + grains.died_s) / 2
    each = np.arange(len(grains))
    assert (grains.strength_at(middle)[each, each] == 1).all()
    assert (grains.strength_at(grains.born_s)[each, each] == 0).all()
    assert (grains.strength_at(grains.died_s + 1)[each, each] == 0).all()
    turned = grains.azimuth_at(grains.born_s + 3600)[each, each] - grains.azimuth_deg
    np.testing.assert_allclose((turned + 180) % 360 - 180, 3600 * grains.rotation_deg_per_s, atol=1e-9)
    assert (np.abs(grains.rotation_deg_per_s) > 0).all()
    assert set(grains.kind.tolist()) == {0, 1, 2}


def test_frames_survive_pickling():
    import pickle

    frames = pickle.loads(pickle.dumps(film_frames(SMALL, 1)))
    np.testing.assert_array_equal(next(frames.blocks(0, 2)).load(), images(1)[:2])
