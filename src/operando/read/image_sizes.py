"""Is an image file complete? fabio fills a cut EDF with zeros, and searches a cut CBF header without end."""

from __future__ import annotations

import re
from pathlib import Path

CBF_DATA = b"\x0c\x1a\x04\xd5"  # begins the binary section (CBF/imgCIF)
CBF_HEAD = 1 << 20  # longest CBF header that is looked through


def check_stored(path: Path) -> None:
    """Raise `ValueError` for an empty file, or a CBF file that ends before its binary section does."""
    size = path.stat().st_size
    if not size:
        raise ValueError("empty file")
    if path.suffix.lower() != ".cbf":
        return
    with open(path, "rb") as file:
        head = file.read(CBF_HEAD)
    start = head.find(CBF_DATA)
    declared = re.search(rb"X-Binary-Size:\s*(\d+)", head[: max(start, 0)])
    if start < 0 or declared is None:
        raise ValueError("no binary section: truncated, or not CBF")
    require(size, start + len(CBF_DATA) + int(declared[1]))


def check_frames(path: Path, image) -> None:
    """Raise `ValueError` when a frame of an open fabio image ends behind the end of the file (EDF)."""
    if path.suffix.lower() == ".edf":
        frames = [image.get_frame(i) for i in range(image.nframes)]
        require(path.stat().st_size, max(frame.start + frame.blobsize for frame in frames))


def require(size: int, needed: int) -> None:
    """Raise `ValueError` for a file shorter than it must be."""
    if size < needed:
        raise ValueError(f"truncated: {size:,} of {needed:,} bytes are there")
