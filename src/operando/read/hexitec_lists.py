"""Event lists of energy-resolved pixel detectors: one row a photon (or a hit pixel)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from ..core.errors import ReadError
from ..core.trust import reads
from .hdf5 import attribute

if TYPE_CHECKING:
    import h5py


@reads("this list of events")
def hexitec_events(path: str | Path, group: str | None = None) -> xr.Dataset:
    """A list of events: over `event` `frame`, `y`, `x` and `value` (raw, or keV where the file says so).

    group  that holds the four columns; left out: the first group with columns frame, y (or row), x (or column)
           and value (or energy, adc, charge), or one table of such fields. Raises `ReadError` where there is none.
    """
    from .hdf5 import damage_told, open_hdf5

    with damage_told(path), open_hdf5(path) as file:
        found = _event_columns(file, path, group)
        units = str(found["value"][1])
        data = {
            name: ("event", values, {"units": units if name == "value" else "1"})
            for name, (values, _) in found.items()
        }
    lengths = {len(values[1]) for values in data.values()}
    if len(lengths) > 1:
        raise ReadError("the columns of the event list have different lengths", where=str(path))
    return xr.Dataset(data, attrs={"source": str(path)})


COLUMNS = {
    "frame": ("frame", "frames", "frame_number", "time"), "y": ("y", "row", "rows"),
    "x": ("x", "column", "col", "columns"),
    "value": ("value", "energy", "adc", "charge", "amplitude"),
}  # fmt: skip


def _event_columns(file: h5py.File, path, group: str | None) -> dict[str, tuple[np.ndarray, str]]:
    import h5py

    places: list = []

    def visit(_: str, item: object) -> None:
        places.append(item)

    file.visititems(visit)
    for item in [file[group]] if group is not None and group in file else [file, *places]:
        fields = list(item) if isinstance(item, h5py.Group) else list(item.dtype.names or ())
        chosen = {
            name: next((f for f in fields if f.lower() in words), None) for name, words in COLUMNS.items()
        }
        if all(chosen.values()):
            found = {}
            for name, field in chosen.items():
                column = item[field]
                units = attribute(column, "units", "adu") if isinstance(item, h5py.Group) else "adu"
                found[name] = (np.asarray(column), units.decode() if isinstance(units, bytes) else str(units))
            return found
    raise ReadError(
        "no event list: columns frame, y, x and value were not found", where=str(path),
        fix="Name the group that holds them, or read histograms with hexitec_histogram.",
    )  # fmt: skip
