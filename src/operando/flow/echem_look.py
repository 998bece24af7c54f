"""A quick look at cycler and impedance files: everything that `operando echem` shows, as Results."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from operando.core.errors import InputError, ReadError

from .echem_record import IMPEDANCE, record_groups
from .results import Process, Results, describe_machine
from .spectra import impedance_groups

#: formats that hold no impedance
CYCLER_ONLY = (".nda", ".ndax", ".res", ".parquet")


def look(
    paths: Sequence[str | Path], *, zone: str | None = None, start: str | None = None, current_sign: int = 1,
    columns: dict[str, str] | None = None, area_cm2: float | None = None, nominal_mAh: float | None = None,
    thickness_um: float | None = None, circuit: str | None = None, command: str = "",
) -> Results:  # fmt: skip
    """Read files of one cell and compute what a first look needs.

    Several cycler files are joined in order of absolute time (so their zone must be known); spectra are kept in the
    order of the files. Groups: `echem` and those of `record_groups`, `impedance/...` of `impedance_groups`. `notes`:
    warnings of the readers and what does not apply. experiment["echem"]: the settings, the facts of the files, and
    `absent`, the sentences on what could not be computed.

    Raises `ReadError` for a file that is neither a cycler record nor an impedance file, and says why.
    """
    begun = time.perf_counter()
    reading = {"zone": zone, "start": start, "current_sign": current_sign, "columns": columns}
    tables, spectra, notes = [], [], []
    for path in paths:
        table, found, told = read_any(Path(path), **reading)
        tables += [table] if table is not None else []
        spectra += found
        notes += told
    groups: dict[str, xr.Dataset] = {}
    absent: list[str] = []
    if tables:
        table = joined(tables)
        notes = [*(str(w) for w in table.attrs.get("warnings", [])), *notes]
        groups["echem"] = table
        more, absent = record_groups(table, area_cm2=area_cm2, nominal_mAh=nominal_mAh)
        groups |= more
    if spectra:
        groups |= impedance_groups(spectra, circuit=circuit, area_cm2=area_cm2, thickness_um=thickness_um)
    settings = {"area_cm2": area_cm2, "nominal_mAh": nominal_mAh, "thickness_um": thickness_um, **reading}
    used = {k: v for k, v in settings.items() if v is not None}
    inputs = {Path(p).name: hashlib.sha256(Path(p).read_bytes()).hexdigest() for p in paths}
    process = Process("look", "1", time.perf_counter() - begun, used, inputs, f"{len(groups)} groups")
    experiment: dict[str, Any] = {"echem": {"files": [str(p) for p in paths], **used, "absent": absent}}
    title = ", ".join(Path(p).name for p in paths[:3]) + (" and more" if len(paths) > 3 else "")
    return Results(title, experiment, groups, [process], notes, describe_machine(), command)


def save_record(results: Results, path: Path) -> Path:
    """Write the cycler record in Battery Data Format, csv or parquet by the ending; a file there is replaced."""
    from operando.read import write_bdf

    if "echem" not in results.groups:
        raise InputError(
            "there is no cycler record to export", where=results.title, fix="Name a cycler file."
        )
    return write_bdf(results.groups["echem"], path)


def joined(tables: Sequence[xr.Dataset]) -> xr.Dataset:
    """One table of several, by the rules of `read.cycler`."""
    from operando.read.joined import join_tables

    return tables[0] if len(tables) == 1 else join_tables(tables)


def read_any(path: Path, **reading: Any) -> tuple[xr.Dataset | None, list[xr.Dataset], list[str]]:
    """The record of a file, its spectra, and notes; a file may hold both, or only one of them."""
    from operando import read

    table, why = None, None
    try:
        table = read.cycler(path, **reading)
    except ReadError as error:
        why = error
    if path.suffix.lower() in CYCLER_ONLY or (table is not None and not _mentions_impedance(table)):
        if table is None and why is not None:
            raise why
        return table, [], []
    try:
        spectra = read.impedance_spectra(path, zone=reading.get("zone"))
    except ReadError as error:
        if table is None or table.attrs.get("technique") in IMPEDANCE:
            raise _better(why, error, path) from error
        return table, [], [f"{path.name}: no impedance is shown: {error.what}. {error.fix}"]
    if table is not None and table.attrs["format"] in ("csv", "Battery Data Format csv"):
        table = None  # a table of an impedance instrument that happens to have a voltage
    return table, spectra, []


def _mentions_impedance(table: xr.Dataset) -> bool:
    names = [str(name).lower() for name in table.data_vars]
    return table.attrs.get("technique") in IMPEDANCE or any("freq" in name for name in names)


def _better(as_record: ReadError | None, as_spectrum: ReadError, path: Path) -> ReadError:
    """The reason to tell: that of the record for cycler files, else both in one."""
    if as_record is None or as_record.what == as_spectrum.what:
        return as_spectrum
    if path.suffix.lower() in (".mpr", ".mpt", ".csv"):
        return as_record
    if path.suffix.lower() in (".z", ".dta", ".par"):
        return as_spectrum
    return ReadError(
        f"neither a cycler record ({as_record.what}) nor an impedance file ({as_spectrum.what})", where=str(path),
        fix=as_record.fix or as_spectrum.fix,
    )  # fmt: skip
