"""The rows of an inspection for files of frames."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from ..core.errors import GridError, ReadError
from ..core.frames import Frames
from ..core.grid import ScanGrid
from ..core.scan import Scan
from . import bliss, eiger
from .hdf5 import Files, damage_told
from .hdf5_frames import Hdf5Frames
from .images import ImageFrames, guess_motors, open_images
from .inspection import Inspection, Row
from .scans import find_frames, open_file
from .sources import BITSHUFFLE, bitshuffle_codec, filters
from .virtual import resolve

COMPRESSIONS = {
    1: "gzip",
    32000: "lzf",
    32001: "blosc",
    32004: "LZ4",
    32015: "zstd",
    32026: "blosc2",
    4: "szip",
}
UNSTEADY = 10.0  # percent: an incoming beam that varies more is no monitor
SHUFFLES = (2, 3)  # byte shuffle and checksum: not compressions
BEHIND_SHUFFLE = {0: "bitshuffle", 2: "bitshuffle-LZ4", 3: "bitshuffle-zstd"}


def in_bytes(size: float) -> str:
    """A size in bytes as text, in units of a thousand."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def hdf5_file(path: Path, dataset: str | None) -> Inspection:
    """Frames, positions, monitor, dead pixels and engine of the first scan of a file, and how many follow it."""
    with damage_told(path), Files() as files:
        places = find_frames(files, path, dataset)
        entry, names = places[0]
        is_bliss = bliss.is_bliss(files, path, entry)
        kind = "ESRF BLISS" if is_bliss else "Eiger master" if re.search(r"/data_\d+$", names[0]) else "HDF5"
        started = eiger.value(files, path, f"{entry}/start_time") or eiger.value(
            files, path, f"{entry}/{eiger.DETECTOR}/detectorSpecific/data_collection_date"
        )
        compression, engine = _storage(files, path, names[0])
        columns = _column_names(files, path, entry) if is_bliss else ("", "")
    scans = open_file(path, dataset)
    where = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1].rsplit('/', 1)[1]}"
    frames = scans[0].frames
    assert isinstance(frames, Hdf5Frames)
    rows = [("frames", where, _frames(frames, compression, _stored(frames)))]
    rows += _beside(scans[0], *columns)
    if len(scans) > 1:
        total = sum(len(scan.frames) for scan in scans)
        rows.append(
            ("scans", f"{places[0][0]} ... {places[-1][0]}", f"{len(scans)} scans, {total:,} frames in all")
        )
    head = [
        str(path),
        kind,
        f"scan {entry.strip('/')}" if is_bliss else "",
        f"started {started}" if started else "",
    ]
    rows.append(("engine", *engine))
    return Inspection(" · ".join(part for part in head if part), tuple(rows), engine=": ".join(engine))


def _storage(files: Files, path: Path, name: str) -> tuple[str, tuple[str, str]]:
    """Compression in words, and which engine takes it and why."""
    source = next((s for s in resolve(files, path, name) if s.path is not None), None)
    if source is None or source.path is None:
        return "nothing written", ("weighted", "no frame was written yet")
    dataset = files.find(source.path, source.dataset)
    if dataset.is_virtual:
        return "virtual", ("weighted", "the virtual dataset maps pieces of frames")
    held = filters(dataset)
    words = [COMPRESSIONS.get(code, f"filter {code}") for code in held if code not in (BITSHUFFLE, *SHUFFLES)]
    if BITSHUFFLE in held:
        words.insert(0, BEHIND_SHUFFLE.get(bitshuffle_codec(held), "bitshuffle"))
    compression = " + ".join(words) or "not compressed"
    if source.offset is not None:
        return compression, ("fast", "bitshuffle-LZ4, one frame a chunk")
    if words == ["bitshuffle-LZ4"]:
        return compression, (
            "weighted",
            f"chunks of {' x '.join(map(str, dataset.chunks))} are not single frames",
        )
    return compression, ("weighted", f"{compression}: frames are decoded by HDF5")


def _column_names(files: Files, path: Path, entry: str) -> tuple[str, str]:
    columns = bliss.Columns(files, path, entry, 2)
    motors = columns.guess_motors(columns.moving())
    return ", ".join(motors or ()), bliss.usual_monitor(columns.recorded("measurement")) or ""


def _stored(frames: Hdf5Frames) -> float:
    """Bytes on disk of these frames: of their chunks where known, else of the whole datasets behind them."""
    if frames.compressed:
        return float(sum(s.size.sum() for s in frames.sources if s.size is not None))
    return float(sum({(s.path, s.dataset): s.stored for s in frames.sources}.values()))


def _frames(frames: Frames, compression: str, stored: float) -> str:
    shape = f"{len(frames)} x {frames.shape[0]} x {frames.shape[1]} {frames.dtype}"
    each = f", {in_bytes(stored / len(frames))} a frame" if len(frames) > 1 else ""
    return f"{shape}, {compression}, {in_bytes(stored)} on disk{each}"


def _beside(scan: Scan, motors: str, monitor: str) -> list[Row]:
    """Rows on what was recorded beside the frames, and what is not there."""
    frames = scan.frames
    rows: list[Row] = [
        ("positions", motors, grid_in_words(scan)),
        ("monitor", monitor, _steadiness(frames.monitor)),
    ]
    rows.append(("dead", *_dead(frames)))
    if frames.mask is not None:
        rows.append(("mask", "pixel_mask", f"{100 * frames.mask.mean():.3g} % of pixels"))
    else:
        rows.append(("mask", "", "none in the file"))
    rows.append(("time", "", _times(frames.time_s)))
    missing = frames.missing if isinstance(frames, Hdf5Frames) else np.zeros(0, bool)
    if missing.any():
        rows.append(
            ("missing", f"frame {int(missing.argmax())} first", f"{missing.sum()} frames were never written")
        )
    return rows


def grid_in_words(scan: Scan) -> str:
    """Size, steps, order and completeness of the grid behind recorded positions."""
    if scan.x_um is None or scan.z_um is None:
        return "none recorded (give the grid in the experiment file)"
    try:
        grid = ScanGrid.from_positions(scan.x_um, scan.z_um, name=scan.name)
    except GridError as error:
        return f"no regular grid: {error.what}"
    steps = [float(line[1] - line[0]) if len(line) > 1 else 0.0 for line in (grid.x_um, grid.z_um)]
    lost = len(grid.missing)
    words = [f"{len(grid.z_um)} x {len(grid.x_um)} grid", f"{steps[0]:.4g} x {steps[1]:.4g} um", _order(grid)]
    words.append("complete" if not lost else f"{lost} of {len(grid.z_um) * len(grid.x_um)} points missing")
    return ", ".join(words + ([f"{grid.repeated} frames repeated"] if grid.repeated else []))


def _order(grid: ScanGrid) -> str:
    """How the points follow each other: rows or columns, in one direction or back and forth."""
    z, x = np.divmod(grid.point[grid.point >= 0], len(grid.x_um))
    fast, slow, name = (
        (x, z, "rows") if (np.diff(x) != 0).sum() >= (np.diff(z) != 0).sum() else (z, x, "columns")
    )
    steps = np.sign(np.diff(fast))[np.diff(slow) == 0]
    steps = steps[steps != 0]
    if not len(steps):
        return name
    return f"{name} in one direction" if (steps == steps[0]).all() else f"{name} back and forth"


def _steadiness(monitor: np.ndarray | None) -> str:
    if monitor is None:
        return "none recorded"
    good = monitor[np.isfinite(monitor) & (monitor != 0)]
    lost = len(monitor) - len(good)
    words = f"{len(monitor)} values"
    if len(good):
        spread = 100 * good.std() / abs(good.mean())
        how = "steady within" if spread < UNSTEADY else "behind the sample? varies by"
        words += f", mean {good.mean():.4g}, {how} {spread:.2g} % (1 sigma)"
    return words + (f", {lost} zero or missing" if lost else "")


def _dead(frames: Frames) -> tuple[str, str]:
    """What marks a dead pixel, and the share of them in one frame."""
    missing = frames.missing if isinstance(frames, Hdf5Frames) else np.zeros(len(frames), bool)
    if missing.all():
        return "", "no frame to look at"
    first = int((~missing).argmax())
    image = next(iter(frames.blocks(first, first + 1, 1))).load()[0]
    if image.dtype.kind == "u":
        largest = frames.dead_value
        name = {2**32 - 1: "2^32-1", 2**16 - 1: "65535"}.get(largest or 0, str(largest))
        return name, f"{100 * (image == largest).mean():.3g} % of pixels of frame {first}"
    if image.dtype.kind == "i":
        return "negative", f"{100 * (image < 0).mean():.3g} % of pixels of frame {first}"
    return "NaN", f"{100 * np.isnan(image).mean():.3g} % of pixels of frame {first}"


def _times(time_s: np.ndarray | None) -> str:
    if time_s is None or not np.isfinite(time_s).any():
        return "not recorded for single frames"
    held = time_s[np.isfinite(time_s)]
    each = f"{np.median(np.diff(held)):.4g} s a frame, " if len(held) > 1 else ""
    words = f"{each}{held.max() - held.min():.4g} s from first to last"
    return words + (f", {len(time_s) - len(held)} unknown" if len(held) < len(time_s) else "")


def picture_files(paths: list[Path], name: str) -> Inspection:
    """Image files as one scan, with the numbers of their headers."""
    from .image_headers import read_header

    scan = open_images(paths)
    if not isinstance(scan.frames, ImageFrames):
        raise ReadError("not a set of images", where=name)
    headers = [read_header(path) for path in paths]
    stored = sum(path.stat().st_size for path in paths)
    where = paths[0].name if len(paths) == 1 else f"{paths[0].name} ... {paths[-1].name}"
    rows: list[Row] = [
        (
            "frames",
            where,
            _frames(scan.frames, "1 file" if len(paths) == 1 else f"{len(paths)} files", stored),
        ),
        *_beside(scan, ", ".join(guess_motors(headers) or ()), ""),
    ]
    for key, text in list(headers[0].text.items())[:40]:
        values = [header.numbers[key] for header in headers if key in header.numbers]
        changing = values and min(values) < max(values)
        rows.append(("header", key, f"{min(values):g} to {max(values):g}, changes" if changing else text))
    engine = ("weighted", "images are decoded by fabio")
    headline = f"{name} · {len(paths)} {paths[0].suffix} file{'s' if len(paths) > 1 else ''}"
    return Inspection(headline, (*rows, ("engine", *engine)), engine=": ".join(engine))
