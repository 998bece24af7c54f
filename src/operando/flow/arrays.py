"""Datasets as groups of an HDF5 file, and back: attributes, coordinates and strings survive."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import xarray as xr

#: smaller variables are not compressed
SMALL = 1000


def write_dataset(group: h5py.Group, dataset: xr.Dataset, compression: Mapping[str, Any]) -> None:
    """Write every variable of `dataset` into `group`; `compression` are options of h5py's create_dataset."""
    for name, variable in dataset.variables.items():
        values = variable.values
        if values.dtype.kind in "OUT":
            values = np.array([str(v) for v in values.reshape(-1)], dtype=h5py.string_dtype()).reshape(
                values.shape
            )
        options = compression if values.size > SMALL else {}
        item = group.create_dataset(str(name), data=values, **options)
        item.attrs["dims"] = json.dumps(list(variable.dims))
        for key, value in variable.attrs.items():
            plain = isinstance(value, (str, int, float, np.ndarray, np.generic))
            item.attrs[str(key)] = value if plain else json.dumps(value)
    group.attrs["coordinates"] = json.dumps([str(name) for name in dataset.coords])
    group.attrs["attributes"] = json.dumps(dataset.attrs, default=str)


def read_dataset(group: h5py.Group) -> xr.Dataset:
    """The dataset that `write_dataset` wrote; links and subgroups in the group are passed over."""
    variables: dict[str, xr.Variable] = {}
    for name, item in group.items():
        if not isinstance(item, h5py.Dataset) or isinstance(group.get(name, getlink=True), h5py.SoftLink):
            continue
        values = item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]
        attrs = {key: value for key, value in item.attrs.items() if key != "dims"}
        variables[name] = xr.Variable(json.loads(item.attrs["dims"]), values, attrs)
    coords = {n: variables.pop(n) for n in json.loads(group.attrs["coordinates"]) if n in variables}
    return xr.Dataset(variables, coords, json.loads(group.attrs["attributes"]))
