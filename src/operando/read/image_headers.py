"""What the headers of image files say, without decoding a pixel."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ..core.errors import ReadError
from .image_sizes import require

EPICS_EPOCH_S = 631152000.0  # 1990-01-01 00:00 UTC
TIFF_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 11: "f", 12: "d", 16: "Q"}


@dataclass(frozen=True)
class ImageHeader:
    """Facts of one image file. `numbers`: what its header names with a number; `time_s`: mid-exposure (UTC)."""

    shape: tuple[int, int]
    dtype: np.dtype
    frames: int = 1
    time_s: float | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    text: dict[str, str] = field(default_factory=dict)


def read_header(path: Path) -> ImageHeader:
    """Header of a TIFF, CBF or EDF file. Raises `ReadError` when it cannot be understood."""
    try:
        if path.suffix.lower() in (".tif", ".tiff"):
            return _tiff(path)
        return _fabio(path)
    except (struct.error, KeyError, ValueError, IndexError, TypeError, OSError) as error:
        if isinstance(error, PermissionError):
            raise ReadError(
                "permission denied", where=str(path), fix="Ask for read access to this file."
            ) from error
        raise ReadError(
            f"not a readable {path.suffix} image ({error})", where=str(path),
            fix="The file is damaged or not what its name says: copy it again, or leave it out.",
        ) from error  # fmt: skip


def _fabio(path: Path) -> ImageHeader:
    """CBF and EDF: fabio decodes the file; these formats keep size and type in headers of many dialects."""
    from .image_file import open_image

    image = open_image(path)
    text = {str(k): str(v) for k, v in image.header.items()}
    rows, columns = image.shape
    return ImageHeader(
        (int(rows), int(columns)),
        np.dtype(image.data.dtype),
        int(image.nframes),
        _edf_time(text),
        _edf_numbers(text),
        text,
    )


def _edf_time(text: dict[str, str]) -> float | None:
    """ESRF EDF: `time_of_day` (s since the epoch), plus half of the exposure."""
    try:
        return float(text["time_of_day"]) + 0.5 * float(
            text.get("count_time", text.get("acq_expo_time", 0.0))
        )
    except (KeyError, ValueError):
        return _dated("\n".join(text.values()))


def _edf_numbers(text: dict[str, str]) -> dict[str, float]:
    """Numbers of a header, and SPEC's paired lists of motor and counter names and values."""
    numbers = {key: number for key, value in text.items() if (number := _number(value)) is not None}
    for kind in ("motor", "counter"):
        names, values = text.get(f"{kind}_mne", "").split(), text.get(f"{kind}_pos", "").split()
        numbers |= {n: v for n, t in zip(names, values, strict=False) if (v := _number(t)) is not None}
    return numbers


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _tiff(path: Path) -> ImageHeader:
    """Walk the directories of a TIFF file (TIFF 6.0), reading tags only."""
    with open(path, "rb") as file:
        magic = file.read(8)
        order = {b"II": "<", b"MM": ">"}.get(magic[:2])
        if order is None or struct.unpack(order + "H", magic[2:4])[0] != 42:
            raise ValueError("no TIFF signature" if magic else "empty file")
        (place,) = struct.unpack(order + "I", magic[4:8])
        pages: list[dict[int, object]] = []
        while place and len(pages) < 1_000_000:
            tags, place = _directory(file, order, place)
            pages.append(tags)
    first = pages[0]
    require(path.stat().st_size, max(_strip_ends(page) for page in pages))
    kind = {1: "u", 2: "i", 3: "f"}[int(_first(first.get(339, 1)))]
    dtype = np.dtype(f"{kind}{int(_first(first[258])) // 8}")
    text = _tiff_text(first)
    time_s, numbers = _epics(first, text)
    if time_s is None:
        time_s = _dated(str(first.get(306, "")) + "\n" + str(first.get(270, "")))
    return ImageHeader(
        (int(_first(first[257])), int(_first(first[256]))), dtype, len(pages), time_s, numbers, text
    )


def _strip_ends(tags: dict[int, object]) -> int:
    """Byte at which the last strip of pixels of a page ends; 0 where the tags do not say."""
    offsets, sizes = tags.get(273), tags.get(279)
    if not isinstance(offsets, tuple) or not isinstance(sizes, tuple) or len(offsets) != len(sizes):
        return 0
    return max(offset + size for offset, size in zip(offsets, sizes, strict=True))


def _first(values) -> float:
    return values[0] if isinstance(values, tuple) else values


def _directory(file, order: str, place: int) -> tuple[dict[int, object], int]:
    file.seek(place)
    (count,) = struct.unpack(order + "H", file.read(2))
    entries = file.read(12 * count + 4)
    tags: dict[int, object] = {}
    for i in range(count):
        tag, kind, n = struct.unpack(order + "HHI", entries[12 * i : 12 * i + 8])
        if kind not in TIFF_TYPES or (n > 4096 and kind != 2):
            continue
        code = TIFF_TYPES[kind]
        form = f"{order}{n}s" if code == "s" else order + code * n
        raw = entries[12 * i + 8 : 12 * i + 12]
        if struct.calcsize(form) > 4:
            file.seek(struct.unpack(order + "I", raw)[0])
            raw = file.read(struct.calcsize(form))
        values = struct.unpack(form, raw[: struct.calcsize(form)])
        tags[tag] = values[0].split(b"\0")[0].decode(errors="replace") if code == "s" else values
    (following,) = struct.unpack(order + "I", entries[12 * count : 12 * count + 4])
    return tags, following


def _tiff_text(tags: dict[int, object]) -> dict[str, str]:
    """EPICS areaDetector attributes: texts `name:value` in tags from 65010 on; DECTRIS: lines `# name value`."""
    text = {}
    for tag, value in tags.items():
        if tag >= 65010 and isinstance(value, str) and ":" in value:
            name, _, content = value.partition(":")
            text[name.strip()] = content.strip()
    description = tags.get(270)
    for line in description.splitlines() if isinstance(description, str) else ():
        name, _, content = line.lstrip("# ").partition(" ")
        if line.startswith("#") and content:
            text[name.rstrip(":=")] = content.lstrip("= ").strip()
    return text


def _epics(tags: dict[int, object], text: dict[str, str]) -> tuple[float | None, dict[str, float]]:
    """Time (start of the exposure in tag 65000, plus half of it) and numbers of areaDetector tags."""
    numbers = {
        name: v for name, content in text.items() if (v := _number(content.removesuffix(" s"))) is not None
    }
    stamp = tags.get(65000)
    if not isinstance(stamp, tuple) or not stamp[0] > 0:
        return None, numbers
    exposure = next((v for name, v in numbers.items() if re.match(r"(?i)exposure|acquire_?time", name)), 0.0)
    return EPICS_EPOCH_S + float(stamp[0]) + 0.5 * exposure, numbers


def _dated(text: str) -> float | None:
    """A date such as `2014/Dec/05 12:12:12.123` or `2014:10:24 16:33:09` plus half of `Exposure_time`; taken as UTC."""
    found = re.search(r"(\d{4})[-:/](\w{2,3})[-:/](\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)", text)
    if not found:
        return None
    month = found[2] if found[2].isdigit() else f"{datetime.strptime(found[2], '%b').month:02d}"
    moment = datetime.fromisoformat(f"{found[1]}-{month}-{found[3]}T{found[4]}").replace(tzinfo=UTC)
    exposure = re.search(r"Exposure_time\s*=?\s*([\d.eE+-]+)", text)
    return moment.timestamp() + (0.5 * float(exposure[1]) if exposure else 0.0)
