"""Results in formats that other programs read."""

from __future__ import annotations

import contextlib
import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from operando.core.errors import InputError, OperandoError

from .results import Results
from .store import read_results


def open_run(path: Path) -> Results:
    """Results of a run folder, or of its results.nxs."""
    file = path / "results.nxs" if path.is_dir() else path
    if not file.exists():
        raise InputError(
            "no results here", where=str(path), fix="Give a run folder, or the results.nxs in one."
        )
    return read_results(file)


def list_groups(path: Path) -> str:
    """One line a group: its name, dims and variables."""
    lines = []
    for name, dataset in open_run(path).groups.items():
        sizes = " x ".join(f"{size} {dim}" for dim, size in dataset.sizes.items())
        lines.append(f"{name:<20} {sizes:<40} {', '.join(map(str, dataset.data_vars))}")
    return "\n".join(lines)


def export_group(path: Path, group: str, target: Path) -> None:
    """Write one group as .csv (long table: a row a point), .nc (netCDF) or .npz.

    Raises `InputError` for an unknown group or ending.
    """
    groups = open_run(path).groups
    if group not in groups:
        near = get_close_matches(group, groups, 5, 0.4) or list(groups)[:5]
        fix = f"There are: {', '.join(near)} ... Without --group all are listed."
        raise InputError(f"no group called {group!r}", where=str(path), fix=fix)
    dataset = groups[group]
    writers = {".csv": _csv, ".nc": _netcdf, ".npz": _npz}
    if target.suffix not in writers:
        raise InputError(
            f"unknown ending {target.suffix!r}", where=str(target), fix=f"Use one of {', '.join(writers)}."
        )
    partial = target.with_name(f"{target.stem}.partial{target.suffix}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        writers[target.suffix](dataset, partial)
        os.replace(partial, target)
    except OSError as error:
        raise OperandoError(
            f"cannot be written: {error.strerror or error}", where=str(target), fix="Choose another --output."
        ) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _csv(dataset: xr.Dataset, target: Path) -> None:
    """Columns carry their unit; variables that lack a dim are repeated along it."""
    table = dataset.to_dataframe().reset_index()
    units = {str(n): str(v.attrs.get("units", "")) for n, v in dataset.variables.items()}
    table.columns = [
        f"{name} / {units[name]}" if units.get(name) not in (None, "", "1") else name
        for name in table.columns
    ]
    table.to_csv(target, index=False, float_format="%.8g")


def _netcdf(dataset: xr.Dataset, target: Path) -> None:
    plain = dataset.copy()
    for variable in plain.variables.values():
        variable.attrs = {
            k: v
            for k, v in variable.attrs.items()
            if isinstance(v, (str, int, float, np.ndarray, np.generic))
        }
    plain.attrs = {k: str(v) for k, v in plain.attrs.items()}
    plain.to_netcdf(target, engine="scipy")


def _npz(dataset: xr.Dataset, target: Path) -> None:
    arrays: dict[str, Any] = {str(name): variable.values for name, variable in dataset.variables.items()}
    np.savez_compressed(target, **arrays)
