"""Whatever goes wrong on the way to a map: one error that says what, where and what to do; nothing is lost."""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from operando import cli
from operando.core.errors import (
    Busy,
    ExperimentError,
    GeometryError,
    GridError,
    InputError,
    MaskMissing,
    ReadError,
)
from operando.flow import read_results, run
from operando.flow.export import export_group
from operando.flow.run_lock import locked
from operando.flow.stage_file import is_whole
from operando.twin.film import FilmCell, simulate

DEAD = 2**32 - 1
MASTER, DATA = "raw/scan_0002.h5", "raw/scan_0002/eiger_0000.h5"
COUNTER = "1.1/measurement/ct34"
FRAMES = "entry_0000/measurement/data"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Two maps of 4 x 3 points with cycler file, geometry and mask; never altered."""
    folder = tmp_path_factory.mktemp("twin") / "twin"
    simulate(FilmCell.tiny(rows=4, columns=3, step_z_um=8.0), folder)
    return folder


@pytest.fixture(scope="module")
def good(original):
    """The run folder of the unaltered twin."""
    return run(original / "experiment.toml", original.parent / "good")[0]


@pytest.fixture
def twin(original, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(original, tmp_path / "twin")


@pytest.fixture
def done(good, tmp_path):
    """A copy of the finished run folder to spoil."""
    return shutil.copytree(good, tmp_path / "run")


# ways to spoil a twin -------------------------------------------------------------------------------------------------


def cut(name, size):
    """Shorten a file to `size` bytes; negative: by so many."""
    return lambda twin: os.truncate(twin / name, size if size >= 0 else (twin / name).stat().st_size + size)


def holds(name, content):
    def alter(twin):
        data = content if isinstance(content, bytes) else content.encode()
        (twin / name).write_bytes(data)

    return alter


def gone(name):
    return lambda twin: (twin / name).unlink()


def folder_at(name):
    return lambda twin: ((twin / name).unlink(), (twin / name).mkdir())


def toml(old, new, name="experiment.toml"):
    def alter(twin):
        text = (twin / name).read_text()
        assert old in text
        (twin / name).write_text(text.replace(old, new, 1))

    return alter


def key(line):
    return toml("[xrd]\n", f"[xrd]\n{line}\n")


def poni(name, value):
    def alter(twin):
        path = twin / "calib/detector.poni"
        text, found = re.subn(rf"^{name}: .*$", f"{name}: {value}", path.read_text(), flags=re.M)
        assert found == 1
        path.write_text(text)

    return alter


def image(line, values):
    """A .npy image that a line of [xrd] names, in place of the mask where the line says so."""

    def alter(twin):
        np.save(twin / "image.npy", values)
        old = 'mask = "detector"'
        toml(old, line if line.startswith("mask") else f"{old}\n{line}")(twin)

    return alter


def stored(name, values, scan="0001"):
    """Replace a dataset of a master file; None removes it."""

    def alter(twin):
        with h5py.File(twin / f"raw/scan_{scan}.h5", "r+") as file:
            del file[name]
            if values is not None:
                file[name] = values

    return alter


def frames(change, *scans):
    """Change the frames of scans: `change` takes and returns (n, rows, columns)."""

    def alter(twin):
        for scan in scans:
            with h5py.File(twin / f"raw/scan_{scan}/eiger_0000.h5", "r+") as file:
                file[FRAMES][...] = change(file[FRAMES][()])

    return alter


def another_size(shape):
    """The second scan as one plain HDF5 file of another detector or another number of frames."""

    def alter(twin):
        with h5py.File(twin / MASTER, "r+") as file:
            for name in ("measurement/eiger", "instrument/eiger/data"):
                del file[f"1.1/{name}"]
            data = file.create_dataset("1.1/instrument/eiger/data", shape, "u4", maxshape=(None, *shape[1:]))
            data.attrs["interpretation"] = "image"
            file["1.1/measurement/eiger"] = h5py.SoftLink("/1.1/instrument/eiger/data")

    return alter


def both(*alterations):
    return lambda twin: [alter(twin) for alter in alterations]


def no_detector_mask(pixels):
    pixels[pixels == DEAD] = 0
    return pixels


def all_dead(pixels):
    return np.full_like(pixels, DEAD)


SHAPE = (300, 400)
GRID = "grid = { rows = 4, columns = 3"
LCO = 'LiCoO2 = { a = 2.8035, c = 14.0, spacegroup = "R-3m" }'

#: name: (what is spoilt, kind of error, words of what, where and what to do)
CASES = {
    # raw files
    "empty master": (cut(MASTER, 0), ReadError, "an empty file", MASTER, ""),
    "master of one byte": (cut(MASTER, 1), ReadError, "not an HDF5 file", MASTER, ""),
    "master cut in its head": (cut(MASTER, 8), ReadError, "cannot be opened", MASTER, "[Cc]opy"),
    "master cut": (cut(MASTER, 5000), ReadError, "truncated HDF5 file: 5,000 of", MASTER, "copy"),
    "master short of a byte": (cut(MASTER, -1), ReadError, "truncated HDF5 file", MASTER, "copy"),
    "data file cut": (cut(DATA, 100_000), ReadError, "truncated HDF5 file: 100,000 of", DATA, "copy"),
    "data file short of a byte": (cut(DATA, -1), ReadError, "truncated HDF5 file", DATA, "copy"),
    "data file empty": (cut(DATA, 0), ReadError, "an empty file", DATA, ""),
    "data file missing": (gone(DATA), ReadError, r"scan_0002/eiger_0000\.h5 is missing", MASTER, "Copy it into"),
    "data file a folder": (folder_at(DATA), ReadError, "a folder", DATA, ""),
    "master a folder": (folder_at(MASTER), ReadError, "an empty folder", MASTER, ""),
    "no raw files": (lambda twin: shutil.rmtree(twin / "raw"), ExperimentError, "no file matches", "line 2",
        "looked for"),
    "one of two patterns": (
        toml('"raw/scan_*.h5"', '["raw/scan_*.h5", "raw/more.h5"]'), ExperimentError, r"no file matches raw/more\.h5",
        "line 2", "looked for",
    ),
    "other detector": (another_size((12, 200, 300)), GridError, "images are", MASTER, "experiments of their own"),
    "other number of frames": (another_size((9, *SHAPE)), GridError, "9 frames do not fill", MASTER, "incomplete"),
    "no frames": (another_size((0, *SHAPE)), ReadError, "no frames yet", "scan_0002", "Wait"),
    # grid and positions
    "grid too large": (toml("rows = 4", "rows = 5"), GridError, "12 frames do not fill a grid of 5 rows x 3",
        "scan_0001",
                       "incomplete = true"),
    "grid too small": (
        toml("rows = 4", "rows = 3"), GridError, "12 frames do not fill", "scan_0001", "The first 9 frames.*3 left out",
    ),
    "grid without end": (toml("rows = 4", "rows = 1000000000"), ExperimentError, "rows.*20000", "line 31", ""),
    "grid of too many points": (toml("rows = 4, columns = 3", "rows = 20000, columns = 20000"), ExperimentError,
                                "more than 10,000,000 points", "line 31", ""),
    "positions of nowhere": (
        both(toml("grid = {", "# grid = {"), stored("1.1/instrument/positioners/sx", np.full(12, np.nan)),
             stored("1.1/measurement/sx", np.full(12, np.nan))), GridError, "no finite motor position", "scan_0001", "",
    ),
    # geometry
    "PONI of another size": (poni("Detector_config", '{"pixel1": 7.5e-5, "pixel2": 7.5e-5, "max_shape": [2167, 2070]}'),
                             GeometryError, "300 x 400 pixels, the geometry is for 2167 x 2070", "scan_0001", "PONI"),
    "PONI of random bytes": (holds("calib/detector.poni", bytes(range(256))), GeometryError, "not a PONI", "poni",
        "Make"),
    "PONI empty": (holds("calib/detector.poni", ""), GeometryError, "not a PONI", "poni", "Make"),
    "PONI without wavelength": (holds("calib/detector.poni", "Distance: 0.1\nPoni1: 0\nPoni2: 0\nPixelSize1: 1e-4\n"
                                "PixelSize2: 1e-4\n"), GeometryError, "no wavelength", "poni", "Wavelength"),
    "PONI with a word": (poni("Distance", "far"), GeometryError, "not a PONI file.*far", "poni", "Make"),
    "PONI at no distance": (poni("Distance", "0"), GeometryError, "Distance is 0", "poni", "Make"),
    "PONI at nan": (poni("Poni1", "nan"), GeometryError, "poni1 is nan", "poni", "Make"),
    "PONI of endless waves": (poni("Wavelength", "inf"), GeometryError, "Wavelength is inf", "poni", "Make"),
    "PONI with one axis": (poni("Detector_config", '{"pixel1": 1e-4, "pixel2": 1e-4, "max_shape": [300]}'),
                           GeometryError, "max_shape", "poni", "Make"),
    "PONI of another detector": (poni("Detector", "Eiger4M"), GeometryError, "Eiger4M", "Eiger4M", "PONI"),
    "PONI of no version": (poni("poni_version", "NaN"), GeometryError, "no detector in it", "poni", "Make"),
    "PONI with a side that is no number": (
        poni("Detector_config", '{"pixel1": 1e-4, "pixel2": 1e-4, "max_shape": [NaN, 400]}'),
        GeometryError, "not rows, columns", "poni", "Make"),
    "PONI of an unknown detector": (poni("Detector", "Eiger5M"), GeometryError, "not a PONI file", "poni", "Make"),
    "PONI a folder": (folder_at("calib/detector.poni"), ExperimentError, "a folder", "line 27", ""),
    "PONI absent": (gone("calib/detector.poni"), ExperimentError, "xrd.geometry: no such file", "line 27", "relative"),
    # mask and corrections
    "no dead pixels, no mask": (frames(no_detector_mask, "0001", "0002"), MaskMissing, "no mask", "scan_0001",
        '"none"'),
    "first map dead": (frames(all_dead, "0001"), MaskMissing, "every pixel is dead", "scan_0001",
        "Leave this scan out"),
    "mask of another size": (image('mask = "image.npy"', np.zeros((9, 9))), GeometryError, "9 x 9", "image.npy",
        "this"),
    "mask of one axis": (image('mask = "image.npy"', np.zeros(120_000)), InputError, "not one image", "image.npy",
        "2-d"),
    "mask of words": (image('mask = "image.npy"', np.full(SHAPE, "a")), InputError, "not one image", "image.npy",
        "2-d"),
    "mask of nan": (image('mask = "image.npy"', np.full(SHAPE, np.nan)), InputError, "not finite", "image.npy", "mask"),
    "mask of everything": (image('mask = "image.npy"', np.ones(SHAPE)), InputError, "no pixel", "image.npy", "true"),
    "mask absent": (toml('mask = "detector"', 'mask = "m.edf"'), ExperimentError, "no such file: m.edf", "line 28", ""),
    "mask not an image": (toml('mask = "detector"', 'mask = "echem/cell.csv"'), InputError, "not a readable image",
                          "cell.csv", "npy"),
    "dark of nan": (image('dark = "image.npy"', np.full(SHAPE, np.nan)), InputError, "xrd.dark.*not finite", "image",
        ""),
    "flat of another size": (image('flat = "image.npy"', np.ones((9, 9))), GeometryError, "xrd.flat: 9 x 9", "image",
        ""),
    # monitor
    "no monitor": (stored(COUNTER, None), InputError, "no beam monitor", "scan_0001", 'monitor = "none"'),
    "no monitor in one scan": (stored(COUNTER, None, "0002"), InputError, "no beam monitor", "scan_0002", "out of"),
    "monitor zero": (stored(COUNTER, np.zeros(12)), InputError, "reads zero", "scan_0001", "another counter"),
    "monitor nan": (stored(COUNTER, np.full(12, np.nan)), InputError, "reads zero", "scan_0001", "another counter"),
    "monitor of another name": (key('monitor = "pico9"'), ReadError, "no counter 'pico9'", "scan_0001", "ct34"),
    # cycler
    "cycler file empty": (holds("echem/cell.csv", ""), ReadError, "empty", "cell.csv", ""),
    "cycler file of random bytes": (holds("echem/cell.csv", bytes(range(256)) * 9), ReadError, ".", "cell.csv", "."),
    "cycler file of words": (holds("echem/cell.csv", "to\nwhom\n"), ReadError, "no line with column names",
        "cell.csv", "Name"),
    "cycler file a header": (lambda twin: holds("echem/cell.csv",
        (twin / "echem/cell.csv").read_text().split("\n")[0])(twin),
                             ReadError, "without rows", "cell.csv", ""),
    "cycler file a folder": (folder_at("echem/cell.csv"), ExperimentError, "a folder", "line 22", ""),
    # rings
    "ring off the detector": (toml("hkl = [1, 1, 1]", "hkl = [9, 9, 9]"), GeometryError, "not all on the detector",
                              "line 36", "Remove this ring"),
    "family between bins": (key("azimuth_bins = 4"), ExperimentError, "family perp: no azimuth bin within 10 deg of 25",
                            "line 3", "azimuth_bins"),
    "family of nothing": (toml("perp = [25, 160, 205, 345]", "perp = []"), ExperimentError, "families.perp",
        "line 33", ""),
    "ring of no phase": (toml('phase = "Ti", hkl', 'phase = "Tl", hkl'), ExperimentError, "names phase 'Tl'", "", ""),
    "layer of no phase": (toml('phase = "Ti", th', 'phase = "Tl", th'), ExperimentError, "names phase 'Tl'", "", ""),
    "ring of a taken name": (toml('"LCO003"', '"pattern"'), ExperimentError, "cannot be called", "line 33", ""),
    "ring named like a path": (toml('"LCO003"', '"../../x"'), ExperimentError, "name", "line 33", ""),
    "forbidden reflection": (toml("hkl = [0, 0, 3]", "hkl = [0, 0, 1]"), InputError, "absent in R-3m", "LiCoO2",
        "indices"),
    "cell of a million angstrom": (toml("a = 2.8035", "a = 1e6"), ExperimentError, "millions of reflections", "line 16",
                                   "angstrom"),
    "unknown space group": (toml('"R-3m"', '"R-3x"'), InputError, "unknown space group", "LiCoO2", "R-3m"),
    "CIF that is none": (toml(LCO, 'LiCoO2 = { cif = "echem/cell.csv" }'), InputError, "not a readable CIF",
        "cell.csv", ""),
    "pattern off the detector": (key("q_range = [1e-9, 1e9]"), GeometryError, "not on the detector", "line 26",
        "Correct"),
    # the experiment file itself
    "not UTF-8": (holds("experiment.toml", b'title = "x"\n# \xe9\n'), ExperimentError, "not UTF-8", "line 2", "UTF-8"),
    "zeros": (holds("experiment.toml", b"\0" * 99), ExperimentError, "not valid TOML", "experiment.toml", "Correct"),
    "brackets": (holds("experiment.toml", "x = " + "[" * 3000), ExperimentError, "nested|not valid",
        "experiment.toml", "."),
    "a folder": (folder_at("experiment.toml"), ExperimentError, "cannot be read: Is a directory", "experiment.toml",
        "."),
    "absent": (gone("experiment.toml"), ExperimentError, "no such file", "experiment.toml", "demo"),
    "empty": (holds("experiment.toml", ""), ExperimentError, "title is missing", "experiment.toml", "Add title"),
    "unknown key": (key("polarization = 0.9"), ExperimentError, "unknown key", "line 26", "polarisation"),
    "unit in the key": (toml("step_z_um = 8.0", "step_z_mm = 0.008"), ExperimentError, "unknown key", "line 31",
        "step_z_um"),
    "unit in the value": (toml("step_z_um = 8.0", 'step_z_um = "8 um"'), ExperimentError, "valid number", "line 31",
        "in um"),
    "number as text": (key('azimuth_bins = "360"'), ExperimentError, "valid integer", "line 26", "plain number"),
    "yes for true": (key('incomplete = "yes"'), ExperimentError, "valid boolean", "line 26", ""),
    "true for a number": (toml("rows = 4", "rows = true"), ExperimentError, "valid integer", "line 31", ""),
    "negative bins": (key("azimuth_bins = -5"), ExperimentError, "greater than or equal to 4", "line 26", ""),
    "endless bins": (key("azimuth_bins = 1000000000"), ExperimentError, "less than or equal to 3600", "line 26", ""),
    "empty list": (key("q_range = []"), ExperimentError, "too few values", "line 26", ""),
    "a number for a table": (lambda twin: holds("experiment.toml", 'title = "x"\nxrd = 3\n')(twin), ExperimentError,
                             "xrd must be a table", "line 2", r"\[xrd\]"),
    "clock offset of a word": (toml("clock_offset_s = 0.0", "clock_offset_s = true"), ExperimentError, "number",
        "line 23", ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_error_says_what_where_and_what_to_do(twin, case):
    alter, kind, what, where, fix = CASES[case]
    alter(twin)
    before = sorted(path.name for path in twin.iterdir())
    with pytest.raises(kind) as caught:
        run(twin / "experiment.toml", twin.parent / "run")
    error = caught.value
    assert error.exit_code == 2
    assert re.search(what, error.what), error.what
    assert where in error.where, error.where
    assert re.search(fix, error.fix), error.fix
    assert sorted(path.name for path in twin.iterdir()) == before
    assert not list(twin.parent.rglob("*.partial"))


# what goes on, with NaN and flags -------------------------------------------------------------------------------------


def test_incomplete_maps_are_nan_where_no_frame_is_when_asked(twin):
    toml("rows = 4", "rows = 6")(twin)
    _, results = run(twin / "experiment.toml", twin / "run", overrides={"xrd.incomplete": True})
    counts = results.groups["xrd"]["total_counts"]
    assert counts.sizes["z"] == 6
    assert counts.isel(z=slice(4)).notnull().all()
    assert counts.isel(z=slice(4, 6)).isnull().all()
    assert (results.groups["xrd"]["flag"].isel(z=slice(4, 6)) != 0).all()
    assert any("6 points without a frame in map 1" in note for note in results.notes)


def test_a_dead_frame_and_a_lost_monitor_are_nan_with_a_flag_and_leave_the_rest_alone(twin, good):
    def dead_frame(pixels):
        pixels[5] = DEAD
        return pixels

    with h5py.File(twin / "raw/scan_0002.h5") as file:
        monitor = file[COUNTER][()]
    monitor[[2, 7]] = 0, np.nan
    both(frames(dead_frame, "0001"), stored(COUNTER, monitor, "0002"))(twin)
    _, results = run(twin / "experiment.toml", twin / "run")
    found, plain = results.groups["xrd"], read_results(good / "results.nxs").groups["xrd"]
    flag = found["flag"].transpose("time", "z", "x").values.reshape(2, -1)
    assert np.flatnonzero(flag[0]).tolist() == [5]
    assert np.flatnonzero(flag[1]).tolist() == [2, 7]
    transmission = found["transmission"].transpose("time", "z", "x").values.reshape(2, -1)
    assert np.flatnonzero(np.isnan(transmission[0])).tolist() == [5]
    assert np.flatnonzero(np.isnan(transmission[1])).tolist() == [2, 7]
    counts, whole = (
        g["total_counts"].transpose("time", "z", "x").values.reshape(2, -1) for g in (found, plain)
    )
    kept = np.arange(12) != 5
    np.testing.assert_array_equal(counts[0][kept], whole[0][kept])
    assert np.isnan(counts[0][5])


def test_a_whole_map_of_dead_frames_is_nan(twin):
    frames(all_dead, "0002")(twin)
    _, results = run(twin / "experiment.toml", twin / "run")
    for name in ("xrd", "xrd/LCO110"):
        for variable in ("total_counts", "transmission") if name == "xrd" else ("intensity", "a"):
            assert results.groups[name][variable].isel(time=1).isnull().all(), variable
    assert results.groups["xrd"]["total_counts"].isel(time=0).notnull().all()


@pytest.mark.parametrize("offset", [-1e6, 1e6])
def test_maps_outside_the_cyclers_record_have_no_voltage(twin, offset):
    _, results = run(
        twin / "experiment.toml", twin / "run", overrides={"cycler.clock_offset_s": offset, "xrd.rings": []}
    )
    clock = results.groups["clock"]
    assert clock["voltage"].isnull().all()
    assert (clock["voltage_flag"] != 0).all()


# the command line -----------------------------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch, capsys):
    """The command line in this process: returns exit code, stdout and stderr."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["operando", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as done:
            code = done.code or 0
        return code, *capsys.readouterr()

    return call


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"], ["run"], ["run", "a.toml", "b.toml"], ["run", "a.toml", "--nonsense"], ["inspect"], ["export"],
        ["simulate"], ["simulate", "x", "--rows", "many"], ["simulate", "x", "--maps", "0"], ["simulate", "x",
        "--seed", "-1"],
        ["simulate", "x", "--preset", "y"], ["simulate", "x", "--layout", "y"], ["run", "absent.toml"], ["export",
        "absent"],
        ["inspect", "absent"],
    ],
)  # fmt: skip
def test_wrong_usage_exits_2_and_writes_nothing(command, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    code, out, err = command(*words)
    assert code == 2
    assert "Traceback" not in err
    assert "defect" not in err
    assert "Usage" in err or "operando: " in err or "readable: no" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("xrd.mask", "needs KEY=VALUE"),
        ("xrd=3", "must be a table"),
        ("xrd.rings.0.name=x", "rings is not a table"),
        ("title.deeper=1", "title is not a table"),
        ("xrd.msak=none", "Did you mean mask"),
        ("xrd.grid.rows=nine", "valid integer"),
        ("xrd.mask=absent.npy", "no such file"),
    ],
)
def test_a_wrong_setting_on_the_command_line_is_named(command, twin, assignment, words):
    code, _, err = command("run", twin / "experiment.toml", "-o", twin / "run", "--set", assignment)
    assert code == 2
    assert words in err
    assert "--set" in err or "absent" in err
    assert not (twin / "run").exists()


def test_places_that_cannot_be_written_are_named(command, twin, done):
    experiment, file = twin / "experiment.toml", twin / "truth.h5"
    for words in (
        ["run", experiment, "-o", file],
        ["run", experiment, "-o", file / "below"],
        ["run", experiment, "-o", "/proc/nowhere"],
        ["simulate", file / "below"],
        ["simulate", "/proc/nowhere"],
        ["demo", "-o", file, "--no-open"],
        ["export", done, "-g", "xrd", "-o", file / "o.csv"],
        ["export", done, "-g", "xrd", "-o", "/proc/o.csv"],
    ):
        code, _, err = command(*words)
        assert code in (1, 2), words
        assert "defect" not in err, words
        assert str(words[-1]).split(".csv")[0].removesuffix("--no-open") in err or str(file) in err, err
        assert len(err.strip().splitlines()) == 2, err


def test_an_experiment_is_never_overwritten_by_its_run_folder(command, twin):
    text = (twin / "experiment.toml").read_text()
    code, _, err = command("run", twin / "experiment.toml", "-o", twin)
    assert code == 2
    assert "overwrite" in err
    assert (twin / "experiment.toml").read_text() == text


def test_a_folder_with_another_experiment_is_left_alone(command, twin, done):
    before = (done / "results.nxs").read_bytes()
    toml('title = "', 'title = "Another, ')(twin)
    code, _, err = command("run", twin / "experiment.toml", "-o", done)
    assert code == 2
    assert "another experiment" in err
    assert (done / "results.nxs").read_bytes() == before


def test_simulate_leaves_an_experiment_alone_and_no_half_one_behind(command, twin, tmp_path, monkeypatch):
    code, _, err = command("simulate", twin)
    assert code == 2
    assert "never overwritten" in err

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("operando.twin.film.write.write_map", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate(FilmCell.tiny(), tmp_path / "half")
    assert list((tmp_path / "half").iterdir()) == []


def test_a_second_process_exits_1_and_says_so(command, twin):
    with locked(twin / "run"):
        code, _, err = command("run", twin / "experiment.toml", "-o", twin / "run")
    assert code == Busy.exit_code == 1
    assert "another operando process" in err


@pytest.mark.parametrize("damage", ["empty", "cut", "short", "flipped"])
def test_a_damaged_stage_is_made_again_and_the_log_says_so(original, good, done, damage):
    content = {}
    for path in sorted(done.glob("stages/*.h5")):
        content[path] = path.read_bytes()
        half = len(content[path]) // 2
        spoilt = bytearray(content[path])
        spoilt[half] ^= 1
        path.write_bytes(
            {"empty": b"", "cut": spoilt[:half], "short": spoilt[:-1], "flipped": spoilt}[damage]
        )
        assert not is_whole(path)
    run(original / "experiment.toml", done)
    assert len(content) >= 4
    assert all(is_whole(path) for path in content)
    assert (done / "run.log").read_text().count("damaged since it was written, made again") == len(content)
    again, first = (read_results(folder / "results.nxs").groups for folder in (done, good))
    assert set(again) == set(first)
    for name in first:
        for variable, values in first[name].variables.items():
            np.testing.assert_array_equal(
                again[name][variable].values, values.values, err_msg=f"{name} {variable}"
            )


def _without(group, name):
    def spoil(path):
        with h5py.File(path, "r+") as file:
            del file[group][name]

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: os.truncate(path, 0),
        lambda path: os.truncate(path, 1000),
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: path.write_text("hello"),
        _without("/", "entry"),
        _without("entry", "record"),
    ],
)
def test_damaged_results_are_said_to_be(command, done, tmp_path, spoil):
    spoil(done / "results.nxs")
    code, _, err = command("export", done, "-g", "xrd", "-o", tmp_path / "out.csv")
    assert code == 2
    assert "results.nxs: " in err
    assert "defect" not in err
    assert "Run the experiment again" in err
    _, _, err = command("inspect", done / "results.nxs")
    assert "defect" not in err
    assert not (tmp_path / "out.csv").exists()


def test_an_export_that_fails_leaves_the_old_file(done, tmp_path, monkeypatch):
    target = tmp_path / "xrd.csv"
    export_group(done, "xrd", target)
    before = target.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pandas.DataFrame.to_csv", full)
    with pytest.raises(Exception, match="No space left"):
        export_group(done, "xrd", target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.glob("xrd*")] == ["xrd.csv"]


@pytest.mark.parametrize(("name", "told"), [
    ("nope", "Without --group all are listed"), ("xrd/LCO03", "There are: xrd/LCO003"), ("xrd", ".csv, .nc, .npz"),
])  # fmt: skip
def test_export_of_what_is_not_there_names_what_is(command, done, name, told):
    code, _, err = command("export", done, "-g", name, "-o", done / "out.xlsx")
    assert code == 2
    assert told in err


@pytest.mark.parametrize("name", [MASTER, DATA])
def test_wrong_bytes_anywhere_are_an_error_or_harmless(twin, name):
    """Random bytes over the metadata of raw files: read, or refused in words."""
    from operando.read import inspect, open_scans

    rng = np.random.default_rng(3)
    path, refused = twin / name, 0
    whole = path.read_bytes()
    for _ in range(30):
        spoilt = np.frombuffer(whole, np.uint8).copy()
        spoilt[rng.integers(0, min(len(spoilt), 6000), 20)] = rng.integers(0, 256, 20)
        path.write_bytes(spoilt.tobytes())
        look = inspect(twin / MASTER)
        try:
            open_scans(twin / MASTER)
        except ReadError as told:
            refused += 1
            error = told
        else:
            continue
        assert error.where
        assert not look.readable
    assert refused > 10


def test_a_damaged_frame_is_named_with_its_file(twin):
    with h5py.File(twin / DATA, "r+") as file:
        file[FRAMES].id.write_direct_chunk((7, 0, 0), b"\x00" * 60)
    with pytest.raises(ReadError, match="damaged") as caught:
        run(twin / "experiment.toml", twin / "run", overrides={"xrd.mask": "calib/mask.npy"})
    assert "scan_0002" in caught.value.where
    assert "frame 7" in caught.value.where


# signals and pipes ----------------------------------------------------------------------------------------------------


def test_ctrl_c_says_so_exits_130_and_leaves_no_half_file(twin):
    folder = twin / "run"
    words = [sys.executable, "-m", "operando", "run", str(twin / "experiment.toml"), "-o", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while process.poll() is None and not list(folder.glob("stages/*")) and time.monotonic() < until:
        time.sleep(0.005)
    assert process.poll() is None, "the run was over before it could be stopped"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "operando: stopped; run the same command again to continue"
    assert not list(folder.rglob("*.partial"))
    assert all(is_whole(path) for path in folder.glob("stages/*.h5"))


def test_a_closed_pipe_and_a_full_device_are_no_defects(original):
    words = [
        sys.executable,
        "-m",
        "operando",
        "inspect",
        str(original / MASTER),
        str(original / "echem/cell.csv"),
    ]
    reader, writer = os.pipe()
    os.close(reader)
    closed = subprocess.run(words, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert closed.stderr == ""
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as device:
            full = subprocess.run(words, stdout=device, stderr=subprocess.PIPE, text=True, check=False)
        assert full.returncode == 1
        assert "No space left" in full.stderr
        assert "defect" not in full.stderr
        assert "Traceback" not in full.stderr


def test_ctrl_c_in_a_callback_that_drops_exceptions_is_sent_again():
    code = """
import os, signal, sys, time, weakref
from operando import cli

def app(**_):
    class Thing: pass
    thing = Thing()
    watch = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.SIGINT), time.sleep(0.01)))
    del thing  # the callback gets the signal, and Python drops what it raises
    time.sleep(30)

cli.errors.app, sys.argv = app, ["operando", "run"]
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 130
    assert "stopped; run the same command again" in done.stderr


def test_words_of_other_libraries_do_not_reach_the_person(command, twin, caplog):
    poni("Detector_config", '{"pixel1')(twin)
    with caplog.at_level(logging.CRITICAL):
        code, _, err = command("run", twin / "experiment.toml", "-o", twin / "run")
    assert code == 2
    assert "Traceback" not in err
    assert "not a PONI file" in err
