"""Files and settings of tomography, Compton, EBSD and models that are not what they should be: one clear error."""

import shutil

import h5py
import numpy as np
import pytest
from projection_files import data_exchange, nxtomo

from operando.core.errors import ExperimentError, InputError
from operando.flow import run
from operando.flow.model_runs import write_model
from operando.flow.model_symmetric import symmetric
from operando.read import inspect
from operando.twin.coin_cell import CoinCell, simulate_coin_cell


def row(look, what):
    return next((where, detail) for name, where, detail in look.rows if name == what)


def histogram(path, *, units="keV", cut=False):
    with h5py.File(path, "w") as file:
        file["entry/data/counts"] = np.random.default_rng(1).poisson(3.0, (20, 20, 64)).astype(np.uint16)
        file["entry/data/energy"] = np.linspace(1, 140, 64)
        if units:
            file["entry/data/energy"].attrs["units"] = units
    if cut:
        path.write_bytes(path.read_bytes()[:9000])
    return path


ANG = """# TEM_PIXperUM 1.0
# MaterialName Lithium
# Symmetry 43
# LatticeConstants 3.51 3.51 3.51 90 90 90
# GRID: SqrGrid
# XSTEP: 0.5
# YSTEP: 0.5
# NCOLS_ODD: {columns}
# NCOLS_EVEN: {columns}
# NROWS: {rows}
"""


def ang(path, rows=1, columns=1, told=None):
    points = [f"0.1 0.2 0.3 {x * 0.5} {y * 0.5} 90 0.9 0 1 1" for y in range(rows) for x in range(columns)]
    path.write_text(ANG.format(rows=told or rows, columns=columns) + "\n".join(points) + "\n")
    return path


@pytest.mark.parametrize("write", [data_exchange, nxtomo])
def test_inspect_knows_projections(tmp_path, write):
    write(tmp_path / "scan.h5", np.linspace(0, 180, 12))
    look = inspect(tmp_path / "scan.h5")
    assert look.readable, look.why
    assert "projections · started 2024-05-01T10:00:00" in look.headline
    assert row(look, "projections")[1].startswith("12 x 3 x 20 uint16, ")
    assert row(look, "angles")[1].startswith("12, 0 to 180, steps of 16.36")
    assert (row(look, "flats")[1], row(look, "darks")[1]) == ("5", "4")
    assert row(look, "pixel")[1] == ("1.7 um" if write is data_exchange else "0.65 um")


def test_inspect_says_what_a_reconstruction_would_stop_at(tmp_path):
    data_exchange(tmp_path / "scan.h5", np.linspace(0, 180, 12), flats=False)
    look = inspect(tmp_path / "scan.h5")
    assert not look.readable
    assert "no flats" in look.why
    assert row(look, "flats")[1] == "none"


def test_inspect_knows_energy_histograms(tmp_path):
    look = inspect(histogram(tmp_path / "a.h5"))
    assert look.readable
    assert row(look, "histograms") == ("/entry/data/counts", "20 x 20 pixels, uint16")
    assert row(look, "energies") == ("axis 2", "1 to 140 keV, 64 channels")
    assert row(look, "exposure")[1] == "not in the file"
    unsaid = inspect(histogram(tmp_path / "b.h5", units=None))
    assert not unsaid.readable
    assert "units" in unsaid.why
    assert "truncated" in inspect(histogram(tmp_path / "c.h5", cut=True)).why


def test_frames_at_several_energies_are_still_frames(tmp_path):
    with h5py.File(tmp_path / "xanes.h5", "w") as file:
        file["entry/data/images"] = np.ones((9, 40, 30), np.uint16)
        file["entry/data/energy"] = np.linspace(7, 8, 9)
    assert row(inspect(tmp_path / "xanes.h5"), "frames")[0] == "/entry/data/images"


def test_inspect_knows_orientation_maps(tmp_path):
    look = inspect(ang(tmp_path / "map.ang", 3, 4))
    assert look.readable
    assert row(look, "points") == ("square", "3 x 4, 0.5 x 0.5 um")
    assert row(look, "phase") == ("1 Lithium", "m-3m, 100 % of the points")
    short = inspect(ang(tmp_path / "short.ang", 3, 4, told=5))
    assert not short.readable
    assert "12 points, but the header says 5 rows of 4" in short.why


def test_inspect_knows_masks_and_angles(tmp_path):
    mask = np.zeros((10, 10), bool)
    mask[0] = True
    np.save(tmp_path / "mask.npy", mask)
    np.save(tmp_path / "angles.npy", np.linspace(0, 180, 5))
    assert row(inspect(tmp_path / "mask.npy"), "mask") == ("non-zero is masked", "10 % of pixels")
    assert row(inspect(tmp_path / "angles.npy"), "numbers")[1] == "5, 0 to 180, steps of 45"
    (tmp_path / "mask.npy").write_bytes((tmp_path / "mask.npy").read_bytes()[:130])
    look = inspect(tmp_path / "mask.npy")
    assert not look.readable
    assert "not a whole .npy file" in look.why
    (tmp_path / "empty.npy").write_bytes(b"")
    assert not inspect(tmp_path / "empty.npy").readable


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A small coin cell; never altered."""
    folder = tmp_path_factory.mktemp("coin") / "Zelle Nr. ä 1"
    simulate_coin_cell(CoinCell.tiny(), folder)
    return folder


@pytest.fixture
def coin(original, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(original, tmp_path / "coin cell ü")


def test_inspect_knows_every_file_of_a_coin_cell(original):
    kinds = {
        "tomogram.h5": "segmented volume", "truth.h5": "truth of a twin", "experiment.toml": "experiment file",
        "raw/state_00_region_1.h5": "energy histograms",
    }  # fmt: skip
    for name, kind in kinds.items():
        look = inspect(original / name)
        assert look.readable, look.why
        assert kind in look.headline


def test_inspect_says_which_files_an_experiment_lacks(coin):
    (coin / "tomogram.h5").unlink()
    look = inspect(coin / "experiment.toml")
    assert not look.readable
    assert "files that are not there: tomogram.h5" in look.why
    (coin / "experiment.toml").write_text("[compton\n")
    assert "not valid TOML" in inspect(coin / "experiment.toml").why


HEADER = "time_s,current_mA,contact_top_cm2,contact_bottom_cm2\n"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("0,1,abc,0.02\n10,1,0.02,0.02\n", "'abc' in column contact_top_cm2 is no number"),
        ("", "0 rows"),
        ("10,1,0.02,0.02\n0,1,0.02,0.02\n", "times that do not ascend"),
        ("0,1,0.02,0.02\n10,,0.02,0.02\n", "currents that are missing"),
        ("0,1,,0.02\n10,1,0.02,0.02\n", "contact area is zero or missing"),
    ],
)  # fmt: skip
def test_table_of_contacts_with_wrong_rows(tmp_path, rows, words):
    (tmp_path / "t.csv").write_text(HEADER + rows)
    with pytest.raises(InputError, match=words):
        symmetric(tmp_path / "t.csv", area_cm2=0.03)


def test_a_model_that_fails_leaves_no_folder(tmp_path):
    def make():
        raise InputError("no")

    with pytest.raises(InputError):
        write_model("title", {}, make, tmp_path / "new")
    assert not (tmp_path / "new").exists()


R1, LATER = "raw/state_00_region_1.h5", "raw/state_01_region_2.h5"


def mend(coin, old, new):
    file = coin / "experiment.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def spoil(path, change):
    with h5py.File(path, "r+") as file:
        change(file["entry/data"])


def fewer_rows(data):
    counts = data["counts"][:-4]
    del data["counts"]
    data["counts"] = counts
    data["counts"].attrs["interpretation"] = "spectrum"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: mend(c, "energy_keV = 115.0", "energy_keV = 115000.0"), "another unit"),
        (lambda c: mend(c, "state_01", "state_00"), "is named twice, in 'reference, lithiated' and in 'pristine'"),
        (lambda c: spoil(c / LATER, lambda d: d["energy"].write_direct(1.1 * d["energy"][()])), "energies up to"),
        (lambda c: spoil(c / LATER, lambda d: d["counts"].__setitem__(..., 0)), "no counts at all"),
        (lambda c: spoil(c / LATER, fewer_rows), "but the first exposure has 16 x 16 x 1024"),
        (lambda c: (c / R1).write_bytes((c / R1).read_bytes()[:5000]), "truncated HDF5 file"),
        (lambda c: mend(c, 'formula = "Li"', 'formula = "Xx2"'), "unknown element"),
    ],
)  # fmt: skip
def test_compton_run_with_wrong_input(coin, change, words):
    change(coin)
    with pytest.raises(InputError, match=words):
        run(coin / "experiment.toml")
    assert not (coin / "run/results.nxs").exists()


def rewrite(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rewrite("XSTEP: 0.5", "XSTEP: 0"), "steps of 0.5 x 0 um"),
        (rewrite("XSTEP: 0.5", "XSTEP: E"), "the header has no XSTEP"),
        (rewrite("0.1 0.2 0.3", "nan 0.2 0.3"), "indexed points without angles"),
        (rewrite("0.1 0.2 0.3", "110 20 30"), "are they in degrees"),
        (rewrite("3.51 3.51 3.51", "x y z"), "are not six numbers"),
        (rewrite("3.51 3.51 3.51 90", "3.51"), "are not six numbers"),
        (lambda path: ang(path), "no grain of 5 points or more in 1 points"),
    ],
)  # fmt: skip
def test_ebsd_run_with_a_wrong_map(tmp_path, change, words):
    change(ang(tmp_path / "a.ang", 4, 4).rename(tmp_path / "a.ang"))
    (tmp_path / "e.toml").write_text('title = "t"\n[ebsd]\nmaps = [{ name = "a", file = "a.ang" }]\n')
    with pytest.raises(InputError, match=words):
        run(tmp_path / "e.toml")
    assert not (tmp_path / "run/results.nxs").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("direction = [0, 0, 0]\nmaps = [{ name = 'a', file = 'a.ang' }]", "direction"),
        ("maps = [{ name = 'shares', file = 'a.ang' }]", "name of a result"),
        ("maps = [{ name = 'a', file = 'a.ang' }, { name = 'b', file = 'a.ang' }]", "one file is named twice"),
    ],
)  # fmt: skip
def test_ebsd_settings_that_mean_nothing(tmp_path, line, words):
    ang(tmp_path / "a.ang", 4, 4)
    (tmp_path / "e.toml").write_text(f"title = 't'\n[ebsd]\n{line}\n")
    with pytest.raises(InputError, match=words):
        run(tmp_path / "e.toml")


def test_block_larger_than_the_image(coin):
    mend(coin, "sheet_um = 250.0", "sheet_um = 250.0\nblock = 80")
    with pytest.raises(InputError, match="blocks of 80 pixels in images of 16 x 16"):
        run(coin / "experiment.toml")


def test_a_name_that_no_file_can_hold_is_refused_with_its_line(tmp_path):
    from operando.flow import load_experiment

    path = tmp_path / "experiment.toml"
    path.write_text('title = "a"\n[ebsd]\nmaps = [{ name = "\\u0000", file = "a.ang" }]\n')
    with pytest.raises(ExperimentError, match="nothing can show") as caught:
        load_experiment(path)
    assert "line 3" in caught.value.where


@pytest.mark.parametrize("number", [10**30, -(10**30)])
def test_a_whole_number_beyond_all_measure_is_refused_with_its_line(tmp_path, number):
    from operando.flow import load_experiment

    path = tmp_path / "experiment.toml"
    path.write_text(
        f'title = "a"\n[ebsd]\npoles = [[0, 0, {number}]]\nmaps = [{{ name = "b", file = "a.ang" }}]\n'
    )
    with pytest.raises(ExperimentError) as caught:
        load_experiment(path)
    assert "line 3" in caught.value.where
