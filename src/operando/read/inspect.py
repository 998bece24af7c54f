"""What is in a file, and can it be read? For people: `operando inspect FILE`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import OperandoError, ReadError
from ..core.trust import taken_at_its_word
from . import images
from .hdf5 import SUFFIXES, attribute, damage_told, open_hdf5
from .inspection import Inspection, Row

if TYPE_CHECKING:
    import h5py
    import xarray as xr

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def inspect(path: str | Path, dataset: str | None = None) -> Inspection:
    """Look into a file or folder: frames, projections, histograms, orientation maps, masks, volumes, results, PONI,
    experiment files, cycler or impedance records.

    dataset  the frames of an HDF5 file that holds several. Never raises for what is wrong with a file: it says so.
    """
    path = Path(path)
    try:
        with taken_at_its_word(path):
            return _look(path, dataset)
    except OperandoError as error:
        what = str(error) if error.where != str(path) else f"{error.what}\n{error.fix}".strip()
        return Inspection(f"{path} · {_size(path)}", readable=False, why=what)
    except OSError as error:
        why = (
            f"cannot be read: {error.strerror or error}\nCheck the disk, and that the file is yours to read."
        )
        return Inspection(f"{path} · {_size(path)}", readable=False, why=why)


def _size(path: Path) -> str:
    from .inspect_frames import in_bytes

    if not path.exists():
        return "not there"
    return "folder" if path.is_dir() else in_bytes(path.stat().st_size)


def _look(path: Path, dataset: str | None) -> Inspection:
    from .inspect_frames import hdf5_file, picture_files

    if not path.exists():
        raise ReadError("no such file or folder", where=str(path), fix="Check the path.")
    if path.is_dir():
        return _folder(path, dataset)
    suffix = path.suffix.lower()
    if suffix in _endings():
        return _by_ending(path, suffix)
    if _is_hdf5(path):
        return _results(path) or _of_science(path, dataset) or hdf5_file(path, dataset)
    if suffix in images.SUFFIXES:
        return picture_files([path], str(path))
    return _poni(path) if suffix == ".poni" else _table(path)


def _of_science(path: Path, dataset: str | None) -> Inspection | None:
    """Scans, histograms, volumes and truths; not asked where a dataset is named: then it holds frames."""
    from .inspect_science import hdf5_of_science

    return hdf5_of_science(path) if dataset is None else None


def _endings() -> tuple[str, ...]:
    from .inspect_science import EBSD

    return (*EBSD, ".npy", ".toml")


def _by_ending(path: Path, suffix: str) -> Inspection:
    from .inspect_experiment import experiment_file
    from .inspect_science import array_file, orientation_file

    return {".npy": array_file, ".toml": experiment_file}.get(suffix, orientation_file)(path)


def _is_hdf5(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(8) == HDF5_SIGNATURE or path.suffix.lower() in SUFFIXES
    except PermissionError as error:
        raise ReadError(
            "permission denied", where=str(path), fix="Ask for read access to this file."
        ) from error


def _folder(path: Path, dataset: str | None) -> Inspection:
    from .inspect_frames import hdf5_file, picture_files
    from .scans import expand

    if any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zarray")):
        from .inspect_volumes import zarr_store

        return zarr_store(path)
    if (path / "results.nxs").exists():
        return _look(path / "results.nxs", dataset)
    from .inspect_science import picture_scan

    if (scan := picture_scan(path)) is not None:
        return scan
    found = expand(path)
    if found[0].suffix.lower() in images.SUFFIXES:
        return picture_files(found, str(path))
    if len(found) == 1:
        return hdf5_file(found[0], dataset)
    looks = [inspect(file, dataset) for file in found]
    rows = tuple(("file", file.name, _in_short(look)) for file, look in zip(found, looks, strict=True))
    bad = [file.name for file, look in zip(found, looks, strict=True) if not look.readable]
    why = f"not all are readable: {', '.join(bad[:5])}{', ...' if len(bad) > 5 else ''}" if bad else ""
    return Inspection(f"{path} · {len(found)} HDF5 files", rows, not bad, why, looks[0].engine)


def _in_short(look: Inspection) -> str:
    if not look.readable:
        return look.why.split("\n")[0]
    told = ("frames", "projections", "histograms")
    return next((f"{what}: {detail}" if what != told[0] else detail for what, _, detail in look.rows if what in told),
                look.headline.partition(" · ")[2])  # fmt: skip


def _results(path: Path) -> Inspection | None:
    """A results file of operando, told by its `format`; None for any other HDF5 file."""
    with damage_told(path), open_hdf5(path) as file:
        form = str(attribute(file, "format", ""))
        if not form.startswith("operando-results"):
            return None
        import h5py

        rows: list[Row] = []

        def visit(name: str, item: object) -> None:
            kind = attribute(item, "NX_class", "") if isinstance(item, h5py.Group) else ""
            if isinstance(item, h5py.Group) and kind == "NXdata":
                rows.append(("group", name, ", ".join(_held(item))))

        if "entry" not in file:
            raise ReadError("results without an entry", where=str(path), fix="Run the experiment again.")
        file["entry"].visititems(visit)
        title = file["entry/title"].asstr()[()] if "title" in file["entry"] else ""
    return Inspection(f"{path} · operando results · {title}", tuple(rows))


def _held(group: h5py.Group) -> list[str]:
    """Names of the arrays of a group: no groups within, no errors, no flags."""
    import h5py

    arrays = [key for key in group if group.get(key, getclass=True) is h5py.Dataset]
    return [key for key in arrays if not key.endswith(("_err", "_errors", "flag"))]


def _poni(path: Path) -> Inspection:
    from ..core.geometry import Geometry

    g = Geometry.from_poni(path)
    shape = " x ".join(map(str, g.shape)) if g.shape else "size unknown"
    rows = (
        (
            "detector",
            g.detector or "plain",
            f"{shape}, pixels {g.pixel_m[0] * 1e6:g} x {g.pixel_m[1] * 1e6:g} um",
        ),
        ("distance", "", f"{g.distance_m * 1e3:.4g} mm"),
        ("wavelength", "", f"{g.wavelength_A:.6g} angstrom ({12.398419843320026 / g.wavelength_A:.5g} keV)"),
        ("rotations", "", f"{g.rot1:.6g}, {g.rot2:.6g}, {g.rot3:.6g} rad"),
        ("orientation", str(g.orientation), "of the image it belongs to (EXIF number)"),
    )
    return Inspection(f"{path} · PONI geometry", rows)


def _table(path: Path) -> Inspection:
    """A cycler file, else an impedance file; the reasons of both when it is neither."""
    if not path.stat().st_size:
        raise ReadError("an empty file", where=str(path), fix="Check what wrote it.")
    reasons = []
    for reader in (_cycler, _impedance):
        try:
            found = reader(path)
        except (OperandoError, ImportError) as error:
            reasons.append(error.what if isinstance(error, OperandoError) else str(error))
        else:
            return found
    raise ReadError(
        f"not a kind of file that is known; as cycler file: {reasons[0]}; as impedance: {reasons[-1]}", where=str(path),
        fix="Known are HDF5, TIFF, CBF, EDF, PONI, npy, toml, EBSD maps, zarr, and files of cyclers and impedance.",
    )  # fmt: skip


def _described(path: Path, kind: str, table, span: Callable[[], str]) -> Inspection:
    (size,) = table.sizes.values() if len(table.sizes) == 1 else (max(table.sizes.values()),)
    rows: list[Row] = [("rows", next(iter(table.sizes)), f"{size:,}{span()}")]
    for name, column in table.data_vars.items():
        rows.append(("column", str(name), _reach(str(name), column)))
    rows += [("warning", "", str(text)) for text in table.attrs.get("warnings", ())]
    start = f" · started {table.attrs['start']}" if table.attrs.get("start") else ""
    return Inspection(f"{path} · {kind}{start}", tuple(rows))


def _reach(name: str, column: xr.DataArray) -> str:
    """Least and largest value with the unit; times of day as such."""
    finite = column.values[column.notnull().values] if column.dtype.kind in "uif" else column.values[:0]
    if not len(finite):
        return "nothing"
    if name == "utc":
        ends = (datetime.fromtimestamp(float(t), UTC) for t in (finite.min(), finite.max()))
        return " to ".join(f"{t:%Y-%m-%d %H:%M:%S}" for t in ends)
    unit = str(column.attrs.get("units", ""))
    return f"{finite.min():.5g} to {finite.max():.5g} {'' if unit == '1' else unit}".strip()


def _cycler(path: Path) -> Inspection:
    from .cycler import cycler

    table = cycler(path)
    kind = " ".join(str(table.attrs.get(key, "")) for key in ("format", "technique")).strip() or "cycler file"

    def span() -> str:
        seconds = float(table["time"].max() - table["time"].min()) if table.sizes["record"] else 0.0
        return f", {seconds / 3600:.3g} h" if seconds >= 3600 else f", {seconds:.4g} s"

    return _described(path, kind, table, span)


def _impedance(path: Path) -> Inspection:
    from .impedance import impedance

    spectra = impedance(path)
    first = _described(path, "impedance", spectra[0], lambda: "")
    more = (("spectra", "", f"{len(spectra)}, the first is shown"),) if len(spectra) > 1 else ()
    return Inspection(f"{path} · {spectra[0].attrs.get('format', '')} impedance", (*more, *first.rows))
