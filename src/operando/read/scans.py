"""From paths to scans: which files are meant, what layout each has, in which order they were taken."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable
from pathlib import Path

from ..core.errors import ReadError
from ..core.scan import Scan
from ..core.trust import reads
from . import bliss, eiger, images
from .hdf5 import SUFFIXES, Files, damage_told, natural
from .hdf5_frames import Hdf5Frames

log = logging.getLogger(__name__)

Paths = str | os.PathLike | Iterable[str | os.PathLike]


def open_scans(
    paths: Paths,
    dataset: str | None = None,
    *,
    motors: tuple[str, str] | None = None,
    monitor: str | None = None,
) -> list[Scan]:
    """Open raw data for reading: one `Scan` a map, in order of start time.

    paths    a file, a folder, a glob, or a list of these. HDF5: every file (and every entry with frames in it) is a
             scan. TIFF, CBF and EDF: all files together are one scan, in natural order.
    dataset  the HDF5 dataset of frames, where a file holds several: `/entry/data/data`, or relative to each entry
             (`measurement/eiger`)
    motors   names of the recorded positions along x and z; guessed from the scan's title, and logged, if left out
    monitor  name of the counter of the beam

    Returns scans whose frames hold paths only. Raises `ReadError` for what is missing, truncated, or not images.
    """
    found = expand(paths)
    pictures = [path for path in found if path.suffix.lower() in images.SUFFIXES]
    if pictures and len(pictures) < len(found):
        other = next(path for path in found if path not in pictures)
        raise ReadError(
            f"{other.name} is not an image, {pictures[0].name} is", where=str(other.parent),
            fix="Give one kind of file, with a glob such as raw/*.h5.",
        )  # fmt: skip
    if pictures:
        return [images.open_images(pictures, motors=motors, monitor=monitor)]
    scans = [scan for path in found for scan in open_file(path, dataset, motors=motors, monitor=monitor)]
    return _in_order(_without_data_files(scans))


def expand(paths: Paths) -> list[Path]:
    """Files behind paths, folders and globs, in natural order. Raises `ReadError` where there is none."""
    several = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    found: list[Path] = []
    for item in several:
        path = Path(item)
        if path.is_dir():
            found += _in_folder(path)
        elif path.exists() or not glob.has_magic(str(item)):
            found.append(path)
        else:
            matches = sorted(map(Path, glob.glob(str(item), recursive=True)), key=natural)
            if not matches:
                raise ReadError("no file matches", where=str(item), fix="Check the folder and the pattern.")
            found += matches
    if not found:
        raise ReadError("no paths given", fix="Name at least one file.")
    return list(dict.fromkeys(found))


def _in_folder(folder: Path) -> list[Path]:
    """The raw files of a folder: its images of one kind, or its HDF5 files."""
    if not os.access(folder, os.R_OK | os.X_OK):
        raise ReadError("permission denied", where=str(folder), fix="Ask for read access to this folder.")
    files = sorted((p for p in folder.iterdir() if p.is_file() and p.name[0] != "."), key=natural)
    kinds: dict[str, list[Path]] = {}
    for path in files:
        suffix = path.suffix.lower()
        kind = ".h5" if suffix in SUFFIXES else suffix.replace("tiff", "tif")
        if kind == ".h5" or suffix in images.SUFFIXES:
            kinds.setdefault(kind, []).append(path)
    if not kinds:
        raise ReadError(
            f"no HDF5 files or images among {len(files)} files" if files else "an empty folder", where=str(folder),
            fix="Known: " + ", ".join(SUFFIXES + images.SUFFIXES) + ".",
        )  # fmt: skip
    if len(kinds) > 1:
        raise ReadError(
            f"files of several kinds: {', '.join(sorted(kinds))}", where=str(folder),
            fix=f"Say which with a glob, for example {folder}/*{sorted(kinds)[0]}.",
        )  # fmt: skip
    (chosen,) = kinds.values()
    if len(chosen) < len(files):
        log.info(
            "%s: %d files taken, %d of other kinds left out", folder, len(chosen), len(files) - len(chosen)
        )
    return chosen


@reads("this scan")
def open_file(
    path: Path,
    dataset: str | None = None,
    *,
    motors: tuple[str, str] | None = None,
    monitor: str | None = None,
) -> list[Scan]:
    """Every scan of one HDF5 file, in natural order of its entries."""
    with damage_told(path), Files() as files:
        places = find_frames(files, path, dataset)
        scans = []
        for entry, names in places:
            if bliss.is_bliss(files, path, entry):
                scans.append(bliss.open_entry(files, path, entry, names[0], motors, monitor))
            else:
                scans.append(eiger.open_entry(files, path, entry, names, monitor))
    return scans


def find_frames(files: Files, path: Path, dataset: str | None = None) -> list[tuple[str, list[str]]]:
    """Entries of a file with the datasets that hold their frames. Raises `ReadError` with the candidates if unsure."""
    from .search import candidates, describe, entries

    if dataset is not None:
        return _named(files, path, dataset)
    places = []
    for entry in entries(files, path):
        if bliss.is_bliss(files, path, entry):
            found = bliss.image_datasets(files, path, entry)
            if len(found) > 1:
                raise _unsure(path, [f"{name}" for name in found])
            if not found:
                log.info("%s::%s: no frames in this scan", path, entry)
            places += [(entry, found)] if found else []
        elif names := eiger.frame_datasets(files, path, entry):
            places.append((entry, names))
    if places:
        return places
    held = candidates(files, path)
    images_ = [c for c in held if c.dataset.ndim >= 3 and c.interpretation != "spectrum"]
    if len(images_) == 1:
        name = images_[0].name
        log.info("%s: the only stack of images is %s", path, name)
        return [("/" + name.strip("/").split("/")[0] if name.count("/") > 1 else "", [name])]
    raise _unsure(path, [describe(c) for c in images_ or held])


def _named(files: Files, path: Path, dataset: str) -> list[tuple[str, list[str]]]:
    """A dataset by its full name, or by its name within every entry."""
    from .search import entries

    full = dataset if dataset.startswith("/") else f"/{dataset}"
    if eiger.optional(files, path, full) is None and not dataset.startswith("/"):
        places = [
            (entry, [f"{entry}/{inside}{dataset}"])
            for entry in entries(files, path)
            for inside in ("", "measurement/")
            if eiger.optional(files, path, f"{entry}/{inside}{dataset}") is not None
        ]
        if places:
            return places
    files.find(path, full)
    entry = "/" + full.strip("/").split("/")[0] if full.count("/") > 1 else ""
    return [(entry, [full])]


def _unsure(path: Path, names: list[str]) -> ReadError:
    if not names:
        return ReadError(
            "no dataset of frames in this file", where=str(path), fix="Give the file with the images."
        )
    shown = "\n  ".join(names[:12]) + ("\n  ..." if len(names) > 12 else "")
    return ReadError(
        "not clear which dataset holds the frames", where=str(path),
        fix=f"Name it with dataset = ...; candidates:\n  {shown}",
    )  # fmt: skip


def _without_data_files(scans: list[Scan]) -> list[Scan]:
    """Leave out scans of data files that a master among the scans links to: each frame counts once."""

    def behind(scan: Scan) -> set[Path]:
        held = scan.frames.sources if isinstance(scan.frames, Hdf5Frames) else ()
        return {path.resolve() for source in held for path in (source.path, *source.also) if path is not None}

    own = [Path(scan.name.rsplit("::", 1)[0]).resolve() for scan in scans]
    linked = {path for scan, master in zip(scans, own, strict=True) for path in behind(scan) - {master}}
    kept = [scan for scan, path in zip(scans, own, strict=True) if path not in linked]
    if len(kept) < len(scans):
        log.info("%d data files left out: a master file links to them", len(scans) - len(kept))
    return kept


def _in_order(scans: list[Scan]) -> list[Scan]:
    if all(scan.started_s is not None for scan in scans):
        return sorted(scans, key=lambda scan: scan.started_s or 0.0)
    if len(scans) > 1:
        log.info("start times are not recorded: scans are in natural order of their names")
    return scans
