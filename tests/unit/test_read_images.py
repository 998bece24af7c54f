"""Folders of TIFF, CBF and EDF: natural order, multi-frame files, times, positions and counters of headers."""

import pickle
import struct

import numpy as np
import pytest
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.tifimage import TifImage

from operando.core import Frames, ScanGrid
from operando.core.errors import ReadError
from operando.read import inspect, open_scans

SHAPE = (23, 31)


def pictures(n: int) -> np.ndarray:
    frames = np.random.default_rng(3).poisson(5, (n, *SHAPE)).astype("int32")
    frames[:, :, 4] = -1
    frames[:, 0, 0] = np.arange(n)
    return frames


def epics_tiff(
    path, image: np.ndarray, start_s: float, attributes: dict[str, object], order: str = "<"
) -> None:
    """A TIFF as EPICS areaDetector writes it, byte by byte (TIFF 6.0): seconds since 1990 in tag 65000."""
    pixels = image.astype(image.dtype.newbyteorder(order)).tobytes()
    tags: list[tuple[int, int, int, bytes]] = []
    short, long = (lambda v: struct.pack(order + "H", v)), (lambda v: struct.pack(order + "I", v))
    kind = {"u": 1, "i": 2, "f": 3}[image.dtype.kind]
    for tag, value in ((256, image.shape[1]), (257, image.shape[0])):
        tags.append((tag, 4, 1, long(value)))
    for tag, value in ((258, 8 * image.itemsize), (259, 1), (262, 1)):
        tags.append((tag, 3, 1, short(value)))
    tags.append((273, 4, 1, long(8)))
    tags += [(277, 3, 1, short(1)), (278, 4, 1, long(image.shape[0])), (279, 4, 1, long(len(pixels)))]
    tags += [(339, 3, 1, short(kind)), (65000, 12, 1, struct.pack(order + "d", start_s - 631152000.0))]
    for i, (name, value) in enumerate(attributes.items()):
        text = f"{name}:{value}".encode() + b"\0"
        tags.append((65010 + i, 2, len(text), text))
    place = 8 + len(pixels)
    extra, after = b"", place + 2 + 12 * len(tags) + 4
    entries = b""
    for tag, code, n, raw in tags:
        if len(raw) > 4:
            entries += struct.pack(order + "HHII", tag, code, n, after + len(extra))
            extra += raw + b"\0" * (len(raw) % 2)
        else:
            entries += struct.pack(order + "HHI", tag, code, n) + raw.ljust(4, b"\0")
    magic = (b"II" if order == "<" else b"MM") + short(42) + long(place)
    path.write_bytes(magic + pixels + short(len(tags)) + entries + long(0) + extra)


WRITERS = {"tif": TifImage, "edf": EdfImage, "cbf": CbfImage}


@pytest.mark.parametrize("kind", WRITERS)
def test_folder_is_one_scan_in_natural_order(tmp_path, kind):
    frames = pictures(12)
    for i in np.random.default_rng(0).permutation(12):
        WRITERS[kind](data=frames[i]).write(str(tmp_path / f"map_{i}_E1.{kind}"))
    (tmp_path / "notes.txt").write_text("not an image")
    (scan,) = open_scans(tmp_path)
    assert isinstance(scan.frames, Frames)
    assert (scan.frames.shape, scan.frames.dtype, scan.frames.dead_value) == (SHAPE, np.dtype("int32"), None)
    travelled = pickle.loads(pickle.dumps(scan.frames))
    blocks = list(travelled.blocks(1, size=5))
    assert {block.codec for block in blocks} == {"raw"}
    np.testing.assert_array_equal(np.concatenate([b.load() for b in blocks]), frames[1:])
    np.testing.assert_array_equal(np.concatenate([b.index for b in blocks]), np.arange(1, 12))


def test_multi_frame_files_follow_each_other(tmp_path):
    frames = pictures(5)
    first = EdfImage(data=frames[0])
    first.append_frame(data=frames[1])
    first.append_frame(data=frames[2])
    first.write(str(tmp_path / "a.edf"))
    second = EdfImage(data=frames[3])
    second.append_frame(data=frames[4])
    second.write(str(tmp_path / "b.edf"))
    (scan,) = open_scans(tmp_path)
    np.testing.assert_array_equal(next(iter(scan.frames.blocks())).load(), frames)


def test_edf_header_gives_time_motors_and_counters(tmp_path):
    for i in range(6):
        header = {
            "time_of_day": str(1e9 + 2 * i), "count_time": "0.5", "motor_mne": "sx sz phi",
            "motor_pos": f"{0.01 * (i % 3)} {0.002 * (i // 3)} 5", "counter_mne": "sec mon",
            "counter_pos": f"0.5 {100 + i}",
        }  # fmt: skip
        EdfImage(data=pictures(1)[0], header=header).write(str(tmp_path / f"f{i}.edf"))
    (scan,) = open_scans(tmp_path, monitor="mon")
    np.testing.assert_allclose(scan.frames.time_s, 1e9 + 2 * np.arange(6) + 0.25)
    np.testing.assert_allclose(scan.x_um, 10 * (np.arange(6) % 3))
    np.testing.assert_allclose(scan.z_um, 2 * (np.arange(6) // 3))
    np.testing.assert_array_equal(scan.frames.monitor, 100 + np.arange(6))
    with pytest.raises(ReadError, match="no number 'nope' in the header"):
        open_scans(tmp_path, monitor="nope")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["int32", "uint16", "float32"])
def test_areadetector_tiff_gives_time_positions_and_numbers(tmp_path, order, dtype):
    frames = pictures(4).clip(0).astype(dtype)
    for i in range(4):
        facts = {
            "Horizontal": 0.1 * (i % 2),
            "Vertical": -0.5 + 0.02 * (i // 2),
            "Exposure time(s)": 3.0,
            "Ion chamber2": 50.0 + i,
        }
        epics_tiff(tmp_path / f"m_{i}.tif", frames[i], 1.4e9 + 10 * i, facts, order)
    (scan,) = open_scans(str(tmp_path / "m_*.tif"), monitor="Ion chamber2")
    np.testing.assert_array_equal(next(iter(scan.frames.blocks())).load(), frames)
    np.testing.assert_allclose(scan.frames.time_s, 1.4e9 + 10 * np.arange(4) + 1.5)
    np.testing.assert_allclose(scan.x_um, [0, 100, 0, 100])
    np.testing.assert_allclose(scan.z_um, [-500, -500, -480, -480])
    np.testing.assert_array_equal(scan.frames.monitor, [50, 51, 52, 53])
    assert ScanGrid.from_positions(scan.x_um, scan.z_um).shape == (2, 2)
    assert scan.frames.dead_value == (65535 if dtype == "uint16" else None)


def test_image_of_another_shape_or_type_is_named(tmp_path):
    for i in range(4):
        TifImage(data=pictures(1)[0]).write(str(tmp_path / f"m_{i}.tif"))
    TifImage(data=np.zeros((10, 31), "int32")).write(str(tmp_path / "m_2.tif"))
    with pytest.raises(ReadError, match="10 x 31 pixels among images of 23 x 31") as caught:
        open_scans(tmp_path)
    assert caught.value.where.endswith("m_2.tif")
    TifImage(data=np.zeros(SHAPE, "uint16")).write(str(tmp_path / "m_2.tif"))
    with pytest.raises(ReadError, match="pixels are uint16"):
        open_scans(tmp_path)


def test_image_exchanged_after_opening(tmp_path):
    for i in range(2):
        TifImage(data=pictures(1)[0]).write(str(tmp_path / f"m_{i}.tif"))
    (scan,) = open_scans(tmp_path)
    TifImage(data=np.zeros((10, 31), "int32")).write(str(tmp_path / "m_1.tif"))
    with pytest.raises(ReadError, match="10 x 31 pixels"):
        next(iter(scan.frames.blocks())).load()


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("content", [b"", b"II*\0", b"nonsense" * 50])
def test_damaged_image_is_named(tmp_path, kind, content):
    path = tmp_path / f"m.{kind}"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=f"m.{kind}.*not a readable"):
        open_scans(path)
    assert not inspect(path).readable


@pytest.mark.parametrize("kind", WRITERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_truncated_image_is_refused_and_not_filled_with_zeros(tmp_path, kind, share):
    path = tmp_path / f"m.{kind}"
    WRITERS[kind](data=np.random.default_rng(0).integers(0, 2**30, (80, 90), "int32")).write(str(path))
    whole = path.read_bytes()
    (scan,) = open_scans(path)
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ReadError, match="not a readable"):
        open_scans(path)
    assert not inspect(path).readable
    with pytest.raises(ReadError, match=r"readable|decoded"):
        next(iter(scan.frames.blocks())).load()


def test_digest_follows_the_files(tmp_path):
    for i in range(3):
        TifImage(data=pictures(3)[i]).write(str(tmp_path / f"m_{i}.tif"))
    first = open_scans(tmp_path)[0].frames.digest
    assert open_scans(tmp_path)[0].frames.digest == first
    changed = pictures(3)[1]
    changed[5, 5] += 1
    TifImage(data=changed).write(str(tmp_path / "m_1.tif"))
    assert open_scans(tmp_path)[0].frames.digest != first


def test_a_pixel_of_so_many_bits_is_told(tmp_path):
    path = tmp_path / "m.tif"
    epics_tiff(path, np.ones((20, 20), np.uint16), 1.4e9, {}, "<")
    bits = struct.pack("<HHI", 258, 3, 1)
    raw = path.read_bytes()
    assert raw.count(bits) == 1
    path.write_bytes(raw.replace(bits + raw[raw.index(bits) + 8 :][:2], bits + struct.pack("<H", 400)))
    with pytest.raises(ReadError, match="not a readable"):
        open_scans(str(path))


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_compressed_tiff_is_read_one_or_many_to_a_file(tmp_path, kind):
    from PIL import Image

    frames = pictures(4).astype(kind)
    first, *others = (Image.fromarray(frame) for frame in frames)
    first.save(tmp_path / "a.tif", compression="tiff_adobe_deflate", save_all=True, append_images=others[:2])
    others[2].save(tmp_path / "b.tif", compression="tiff_lzw")
    (scan,) = open_scans(tmp_path)
    np.testing.assert_array_equal(next(iter(scan.frames.blocks())).load(), frames)
