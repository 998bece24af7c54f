"""The same small map in every format gives the same Dataset, and broken files say what is wrong."""

import h5py
import numpy as np
import pytest

from operando.core.errors import InputError, ReadError
from operando.microscopy import disorientation
from operando.microscopy.rotations import orientations, quaternions
from operando.read import orientation_map

ROWS, COLUMNS, STEP = 3, 4, 0.5
RNG = np.random.default_rng(5)
EULER = RNG.uniform(0.1, 1.4, (ROWS * COLUMNS, 3))
PHASE = np.array([1, 1, 2, 2, 0, 1, 1, 2, 1, 1, 2, 2])
Y, X = (STEP * g.ravel() for g in np.meshgrid(np.arange(ROWS), np.arange(COLUMNS), indexing="ij"))
CELLS = {"Li": (3.51, 3.51, 3.51, 90, 90, 90), "Ti": (2.951, 2.951, 4.684, 90, 90, 120)}


def ang(path, symmetry=("43", "62")):
    head = []
    for number, ((name, cell), code) in enumerate(zip(CELLS.items(), symmetry, strict=True), 1):
        head += [f"# Phase {number}", f"# MaterialName {name}", f"# Symmetry {code}",
                 "# LatticeConstants " + " ".join(map(str, cell))]  # fmt: skip
    head += ["# GRID: SqrGrid", f"# XSTEP: {STEP}", f"# YSTEP: {STEP}", f"# NCOLS_ODD: {COLUMNS}",
             f"# NCOLS_EVEN: {COLUMNS}", f"# NROWS: {ROWS}"]  # fmt: skip
    rows = [
        f"{' '.join(f'{a:.6f}' for a in e)} {x} {y} 30.0 {0.9 if p else -1} {max(p, 1)}"
        for e, x, y, p in zip(EULER, X, Y, PHASE, strict=True)
    ]
    path.write_text("\n".join(head + rows))


def oxford_euler():
    """Oxford has x of hexagonal crystals along a*, 30 degrees from a."""
    turned = EULER.copy()
    turned[PHASE == 2, 2] += np.pi / 6
    return turned


def ctf(path, comma=False):
    lines = [
        "Channel Text File",
        f"XCells\t{COLUMNS}",
        f"YCells\t{ROWS}",
        f"XStep\t{STEP}",
        f"YStep\t{STEP}",
        "Phases\t2",
    ]
    for (name, cell), laue in zip(CELLS.items(), (11, 9), strict=True):
        lines.append(f"{';'.join(map(str, cell[:3]))}\t{';'.join(map(str, cell[3:]))}\t{name}\t{laue}\t0")
    lines.append("Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS")
    for p, x, y, e in zip(PHASE, X, Y, np.degrees(oxford_euler()), strict=True):
        lines.append(f"{p}\t{x}\t{y}\t8\t0\t" + "\t".join(f"{a:.5f}" for a in e) + "\t0.5\t120\t80")
    text = "\n".join(lines)
    path.write_text(text.replace(".", ",") if comma else text)


def crc(path):
    lines = ["[Job]", f"xCells={COLUMNS}", f"yCells={ROWS}", f"GridDistX={STEP}", f"GridDistY={STEP}", "[Fields]",
             "Count=5", "Field1=3", "Field2=4", "Field3=5", "Field4=6", "Field5=7", "[Phases]", "Count=2"]  # fmt: skip
    for number, ((name, cell), laue) in enumerate(zip(CELLS.items(), (11, 9), strict=True), 1):
        names = ("a", "b", "c", "alpha", "beta", "gamma")
        lines += [f"[Phase{number}]", f"StructureName={name}", f"LaueGroup={laue}"]
        lines += [f"{key}={value}" for key, value in zip(names, cell, strict=True)]
    path.with_suffix(".cpr").write_text("\n".join(lines))
    kind = np.dtype([("p", "u1"), ("a", "<f4"), ("b", "<f4"), ("c", "<f4"), ("mad", "<f4"), ("bc", "u1")])
    records = np.zeros(len(PHASE), kind)
    records["p"], records["bc"] = PHASE, 120
    for k, name in enumerate("abc"):
        records[name] = oxford_euler()[:, k]
    path.write_bytes(records.tobytes())


def h5oina(path):
    with h5py.File(path, "w") as file:
        head, data = file.create_group("1/EBSD/Header"), file.create_group("1/EBSD/Data")
        for name, value in (("X Cells", COLUMNS), ("Y Cells", ROWS), ("X Step", STEP), ("Y Step", STEP)):
            head[name] = np.array([value])
        for number, ((name, cell), laue) in enumerate(zip(CELLS.items(), (11, 9), strict=True), 1):
            group = head.create_group(f"Phases/{number}")
            group["Phase Name"] = np.array([name.encode()])
            group["Lattice Dimensions"], group["Lattice Angles"] = np.array(cell[:3]), np.radians(cell[3:])
            group["Laue Group"] = np.array([laue])
        data["Euler"], data["Phase"] = oxford_euler().astype("f4"), PHASE.astype("u1")
        data["Band Contrast"] = np.full(len(PHASE), 120, "u1")


@pytest.mark.parametrize(
    ("writer", "name"), [(ang, "map.ang"), (ctf, "map.ctf"), (crc, "map.crc"), (h5oina, "map.h5oina")]
)
def test_every_format_gives_the_same_map(tmp_path, writer, name):
    writer(tmp_path / name)
    found = orientation_map(tmp_path / name)
    np.testing.assert_array_equal(found["phase"].values.ravel(), PHASE)
    assert list(found["name"].values) == ["Li", "Ti"]
    assert list(found["laue"].values) == ["m-3m", "6/mmm"]
    np.testing.assert_allclose(found["cell"].values, np.array(list(CELLS.values())), atol=1e-4)
    np.testing.assert_allclose(found["x"].values, STEP * np.arange(COLUMNS))
    for number, laue in ((1, "m-3m"), (2, "6/mmm")):
        of = number == PHASE
        one = quaternions(orientations(found["euler"].values.reshape(-1, 3)[of]))
        assert disorientation(one, quaternions(orientations(EULER[of])), laue).max() < 1e-2
    assert np.isnan(found["euler"].values.reshape(-1, 3)[PHASE == 0]).all()


def test_a_cpr_finds_its_crc_and_commas_are_read(tmp_path):
    crc(tmp_path / "map.crc")
    ctf(tmp_path / "comma.ctf", comma=True)
    points, commas = orientation_map(tmp_path / "map.cpr"), orientation_map(tmp_path / "comma.ctf")
    np.testing.assert_array_equal(points["phase"], commas["phase"])
    (tmp_path / "map.crc").unlink()
    with pytest.raises(ReadError, match=r"needs map\.crc"):
        orientation_map(tmp_path / "map.cpr")


def test_hexagonal_grids_with_short_rows(tmp_path):
    ang(tmp_path / "a.ang")
    text = (
        (tmp_path / "a.ang")
        .read_text()
        .replace("SqrGrid", "HexGrid")
        .replace("NCOLS_EVEN: 4", "NCOLS_EVEN: 3")
    )
    lines = text.splitlines()
    del lines[-5]  # the last point of the second row
    (tmp_path / "a.ang").write_text("\n".join(lines))
    found = orientation_map(tmp_path / "a.ang")
    assert found.attrs["grid"] == "hexagonal"
    assert found["phase"].values[1, 3] == 0
    np.testing.assert_array_equal(found["phase"].values[2], PHASE.reshape(3, 4)[2])


def test_a_phase_without_symmetry_is_asked_for(tmp_path):
    ang(tmp_path / "a.ang", symmetry=("99", "62"))
    with pytest.raises(InputError, match="has no symmetry"):
        orientation_map(tmp_path / "a.ang")
    assert orientation_map(tmp_path / "a.ang", laue={"Li": "m-3m"})["laue"].values[0] == "m-3m"
    with pytest.raises(InputError, match="unknown Laue group"):
        orientation_map(tmp_path / "a.ang", laue={"Li": "cubic"})
    with pytest.raises(InputError, match="no phase is called"):
        orientation_map(tmp_path / "a.ang", laue={"Na": "m-3m"})


@pytest.mark.parametrize(("name", "content", "told"), [
    ("a.ang", "", "no table"), ("a.ang", "# x\n1 2 three 4 5 6 7 8\n", "does not hold numbers"),
    ("a.ctf", "nothing", "begins with Phase"), ("a.h5oina", "nothing", "not a whole HDF5 file"),
    ("a.txt", "", "no orientation map is known"),
])  # fmt: skip
def test_what_is_no_map_says_so(tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(ReadError, match=told):
        orientation_map(tmp_path / name)


def test_a_file_that_is_cut_short(tmp_path):
    ang(tmp_path / "a.ang")
    whole = (tmp_path / "a.ang").read_text()
    (tmp_path / "a.ang").write_text("\n".join(whole.splitlines()[:-2]))
    with pytest.raises(ReadError, match="10 points, but the header says 3 rows of 4"):
        orientation_map(tmp_path / "a.ang")
    with pytest.raises(ReadError, match="no such file"):
        orientation_map(tmp_path / "none.ang")
