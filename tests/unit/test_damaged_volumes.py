"""Volumes whose head, chunk or page is damaged, or says what no image can be: one clear error with the file's name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from operando.core.errors import OperandoError, ReadError
from operando.core.voxel import is_grey, voxel_of
from operando.flow.segmentation_known import read_strokes
from operando.flow.transport_source import read_labels
from operando.read.volume_file import open_volume

zarr = pytest.importorskip("zarr")
tifffile = pytest.importorskip("tifffile")
LABELS = np.random.default_rng(0).integers(0, 3, (6, 8, 9)).astype(np.uint8)
WHOLE = tuple(slice(0, n) for n in LABELS.shape)


def store(place, **attrs):
    group = zarr.open_group(place / "v.zarr", mode="w")
    array = group.create_array("labels", shape=LABELS.shape, chunks=LABELS.shape, dtype="uint8")
    array[:] = LABELS
    array.attrs.update(attrs)
    return place / "v.zarr"


def head(path, **other):
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | other))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: (p / "labels/c/0/0/0").write_bytes(b"\x00" * 40),
        lambda p: (p / "labels/c/0/0/0").write_bytes((p / "labels/c/0/0/0").read_bytes()[:20]),
        lambda p: head(p / "labels/zarr.json", zarr_format=1),
        lambda p: head(p / "labels/zarr.json", codecs=[{"name": "none"}]),
        lambda p: head(p / "labels/zarr.json", chunk_key_encoding=[]),
        lambda p: head(p / "zarr.json", attributes=[0, 1]),
        lambda p: (p / "zarr.json").write_bytes(b"\xcb{"),
        lambda p: (p / "zarr.json").unlink(),
    ],
)
def test_a_damaged_zarr_store_is_told_by_both_readers(tmp_path, spoil):
    path = store(tmp_path, voxel_um=1.0)
    np.testing.assert_array_equal(open_volume(path).box(WHOLE), LABELS)
    np.testing.assert_array_equal(read_labels(path, None, None)[0], LABELS)
    spoil(path)
    for read in (lambda: open_volume(path).box(WHOLE), lambda: read_labels(path, None, None)):
        with pytest.raises(ReadError, match=r"damaged|arrays of three axes") as told:
            read()
        assert told.value.where == str(path)


@pytest.mark.parametrize("slices", [True, False])
def test_a_damaged_page_of_a_packed_tiff_is_told(tmp_path, slices):
    (tmp_path / "s").mkdir()
    file = tmp_path / "s/s_0.tif"
    tifffile.imwrite(file, LABELS[0] if slices else LABELS, compression="zlib")
    with tifffile.TiffFile(file) as seen:
        start = seen.pages[0].dataoffsets[0]
    data = bytearray(file.read_bytes())
    data[start + 20] ^= 0xFF
    file.write_bytes(bytes(data))
    path = tmp_path / "s" if slices else file
    with pytest.raises(ReadError, match="damaged") as told:
        open_volume(path).box((slice(0, 1), *WHOLE[1:]))
    assert told.value.where.startswith(str(path))


@pytest.mark.parametrize("said", [0, -1.7, np.nan, 1e300, 1e-300, "wide", [1, 2], [], {"a": 1}, None])
def test_a_voxel_that_no_image_has_is_not_known(tmp_path, said):
    assert voxel_of(said) is None
    path = store(tmp_path, voxel_um=None if isinstance(said, float) and np.isnan(said) else said)
    assert open_volume(path).voxel_um is None
    with pytest.raises(OperandoError, match="voxel size"):
        read_labels(path, None, None)


def test_sides_of_voxels_and_grey_values():
    assert voxel_of(1.7) == (1.7, 1.7, 1.7)
    assert voxel_of(np.array([1.0, 2.0, 3.0])) == (1.0, 2.0, 3.0)
    seen = is_grey(np.array([0, -3.5, 1e8, 1e10, -1e38, np.inf, np.nan], np.float32))
    assert seen.tolist() == [True, True, True, False, False, False, False]


STROKE = {"phase": "a", "points": [[0, 1, 2], [0, 1, 5]], "radius_vox": 1.0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"points": []},
        {"points": [[0, 1]]},
        {"points": [[0, 1, 2], [0, 1]]},
        {"points": "here"},
        {"points": [[0, "1", 2]]},
        {"points": [[0, 1, None]]},
        {"radius_vox": 1e300},
        {"radius_vox": -1},
        {"across": 7},
        {"across": ["z"]},
        {"phase": 5},
        {"phase": ["a"]},
    ],
)
def test_strokes_that_are_none_are_told(tmp_path, wrong):
    told = {"format": "operando strokes", "version": 1, "shape": [6, 8, 9], "phases": ["a", "b"]}
    file = tmp_path / "strokes.json"
    file.write_text(json.dumps(told | {"strokes": [STROKE]}))
    assert read_strokes(file)["strokes"] == [STROKE]
    file.write_text(json.dumps(told | {"strokes": [STROKE | wrong]}))
    with pytest.raises(ReadError, match="no strokes of the dashboard"):
        read_strokes(file)


def test_labels_without_a_voxel_and_a_link_to_itself_are_told(tmp_path):
    import h5py

    with h5py.File(tmp_path / "none.h5", "w") as file:
        file["labels"] = LABELS[:0]
        file["labels"].attrs["voxel_um"] = 1.0
    with pytest.raises(ReadError, match=r"\(0, 8, 9\) values"):
        read_labels(tmp_path / "none.h5", None, None)
    loop = tmp_path / "loop.tif"
    loop.symlink_to(loop)
    from typer.testing import CliRunner

    from operando.cli import app

    done = CliRunner().invoke(app, ["model", "transport", str(loop), "-o", str(tmp_path / "out")])
    assert isinstance(done.exception, OperandoError)
    assert done.exception.what == "no such file"


def test_a_head_that_claims_what_no_image_has_is_told_at_once(tmp_path):
    for shape in ([10**12, 8, 9], [99_999, 99_999, 99_999]):
        path = store(tmp_path, voxel_um=1.0)
        head(path / "labels/zarr.json", shape=shape)
        with pytest.raises(ReadError, match="which no image has"):
            open_volume(path)


@pytest.mark.parametrize("memory_gb", [1.0, 0.1, 1e-3, 1e-20])
@pytest.mark.parametrize("binning", [1, 3])
def test_the_binning_that_fits_is_the_least(memory_gb, binning):
    """As counting up finds it; and at once for a volume of a million voxels a side."""
    from operando.flow.sections import TomographySection
    from operando.flow.tomography_plan import PEAK_VOLUMES, Planned, require_memory

    greys = {"lithium": 0.1, "electrolyte": 0.4, "steel": 1.4}
    section = TomographySection(volumes="v", greys=greys, memory_gb=memory_gb, binning=binning)
    shape = (900, 400, 350)
    least = binning + 1
    while 4 * PEAK_VOLUMES * np.prod([float(n * binning // least) for n in shape]) > 1e9 * memory_gb:
        least += 1
    with pytest.raises(OperandoError, match=rf"binning = {least} takes"):
        require_memory(section, Planned("v", shape, 1.0, 0))
    with pytest.raises(OperandoError, match=r"binning = \d+ takes"):
        require_memory(section, Planned("v", (10**9,) * 3, 1.0, 0))


def test_a_volume_of_which_chunks_were_never_written_is_told(tmp_path):
    import h5py

    with h5py.File(tmp_path / "v.h5", "w") as file:
        volume = file.create_dataset("grey", (40, 50, 60), "f4", chunks=(20, 50, 60))
        volume[:20] = 1.0
    with pytest.raises(ReadError, match="grey holds 1 of its 2 chunks"):
        open_volume(tmp_path / "v.h5")
    labels = open_volume(tmp_path / "v.h5", sparse=True)  # of the slices that somebody labelled
    assert labels.box((slice(19, 21), slice(0, 1), slice(0, 1))).ravel().tolist() == [1.0, 0.0]
    with h5py.File(tmp_path / "none.h5", "w") as file:
        file.create_dataset("labels", (40, 50, 60), "u1", chunks=(20, 50, 60))
    with pytest.raises(ReadError, match="labels holds 0 of its 2 chunks"):
        open_volume(tmp_path / "none.h5", sparse=True)
