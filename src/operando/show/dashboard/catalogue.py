"""What in a results file can be drawn as a series of maps, and where it lies. Follows no link out of the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import h5py

STEPS, ROWS, COLUMNS = ("time", "state", "interval"), ("z", "y"), ("x", "y")
#: a further dim (family, pair, peak) longer than this is no choice for a menu
MOST_LABELS = 12
CHANGES = ("displacement", "difference", "change", "strain", "excess", "current_density")
LATTICE = ("a", "c", "d", "q", "q_mean", "x_li")
NOT_DRAWN = ("deviance",)


@dataclass(frozen=True)
class Quantity:
    """One series of maps: a variable at one label of each of its further dims."""

    name: str
    group: str
    variable: str
    labels: tuple[tuple[str, int, str], ...]  # dim, index, label
    dims: tuple[str, str, str]  # step, row, column
    units: str
    long_name: str
    colours: str
    error: str
    flag: str

    def told(self) -> dict:
        """What the page needs to know."""
        return {
            "name": self.name, "group": self.group, "variable": self.variable, "dims": self.dims,
            "labels": [label for _, _, label in self.labels], "units": self.units, "long_name": self.long_name,
            "colours": self.colours, "has_error": bool(self.error), "has_flag": bool(self.flag),
        }  # fmt: skip


def own(group: h5py.Group, name: str) -> h5py.Dataset | h5py.Group | None:
    """A member that lies in this very file: no soft or external link, no virtual or external storage."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        return None
    item = group[name]
    if isinstance(item, h5py.Dataset) and (item.is_virtual or item.external):
        return None
    return item


def data_groups(entry: h5py.Group) -> list[str]:
    """Names of the groups that hold datasets of ours (NXdata)."""
    found: list[str] = []

    def keep(name, item):  # visititems visits hard links only
        if isinstance(item, h5py.Group) and item.attrs.get("NX_class") == "NXdata":
            found.append(name)

    entry.visititems(keep)
    return found


class Groups(Mapping[str, h5py.Group]):
    """Groups of an open file by name, each opened when it is asked for: a file may have hundreds."""

    def __init__(self, entry: h5py.Group, names: Sequence[str]) -> None:
        self.entry, self._names = entry, dict.fromkeys(names)

    def __getitem__(self, name: str) -> h5py.Group:
        if name not in self._names:
            raise KeyError(name)
        return self.entry[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def dims_of(item: h5py.Dataset) -> tuple[str, ...]:
    """Names of the axes of a dataset."""
    return tuple(json.loads(item.attrs.get("dims", "[]")))


def variables(group: h5py.Group) -> dict[str, h5py.Dataset]:
    """Variables and coordinates of a group."""
    members = {name: own(group, name) for name in group}
    return {name: item for name, item in members.items() if isinstance(item, h5py.Dataset)}


def text(item: h5py.Dataset, key: str) -> str:
    """An attribute as text; empty where it is missing."""
    value = item.attrs.get(key, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def quantities(groups: Mapping[str, h5py.Group]) -> dict[str, Quantity]:
    """Every series of maps, rings' lattice parameters first as they are what one looks for."""
    found: dict[str, Quantity] = {}
    for name in sorted(groups, key=_order):
        members = variables(groups[name])
        for variable in sorted(members, key=_rank):
            for quantity in _of_variable(name, variable, members):
                found[quantity.name] = quantity
    return found


def _order(group: str) -> tuple:
    first = group.count("/") != 1 or not group.startswith("xrd/")
    return (group != "lithium", first, group.partition("/")[0], group == "tomography/current", group)


def _rank(variable: str) -> tuple:
    first = (
        "c",
        "a",
        "x_li",
        "intensity",
        "transmission",
        "total_counts",
        "fraction",
        "ratio",
        "d",
        "q",
        "width",
        "area",
    )
    return (first.index(variable) if variable in first else len(first), variable)


def _of_variable(group: str, variable: str, members: dict[str, h5py.Dataset]):
    item = members[variable]
    if "_err" in variable or variable.endswith("flag") or variable in NOT_DRAWN:
        return
    if item.dtype.kind not in "iufb":
        return
    axes = _axes(dims_of(item))
    if axes is None or min(item.shape) == 0 or (axes[0] == "interval" and "end" not in members):
        return
    further = [(dim, size) for dim, size in zip(dims_of(item), item.shape, strict=True) if dim not in axes]
    if any(size > MOST_LABELS for _, size in further):
        return
    for labels in _choices(further, members):
        yield Quantity(
            ":".join([group, variable, *(label for _, _, label in labels)]), group, variable, labels, axes,
            text(item, "units"), text(item, "long_name") or variable, _colours(group, variable),
            _fitting(members, f"{variable}_err", item), _flag(members, variable, item),
        )  # fmt: skip


def _axes(dims: tuple[str, ...]) -> tuple[str, str, str] | None:
    step, row = (next((dim for dim in kind if dim in dims), "") for kind in (STEPS, ROWS))
    column = next((dim for dim in COLUMNS if dim in dims and dim != row), "")
    return (step, row, column) if step and row and column else None


def _choices(further: list[tuple[str, int]], members) -> list[tuple[tuple[str, int, str], ...]]:
    chosen: list[tuple[tuple[str, int, str], ...]] = [()]
    for dim, size in further:
        names = _labels(members.get(dim), size)
        chosen = [(*before, (dim, i, names[i])) for before in chosen for i in range(size)]
    return chosen


def _labels(coordinate: h5py.Dataset | None, size: int) -> list[str]:
    if coordinate is None or coordinate.shape != (size,):
        return [str(i + 1) for i in range(size)]
    if h5py.check_string_dtype(coordinate.dtype):
        return [str(label) for label in coordinate.asstr()[()]]
    return [f"{value:g}" for value in coordinate[()]]


def _fitting(members, name: str, item: h5py.Dataset) -> str:
    return name if name in members and dims_of(members[name]) == dims_of(item) else ""


def _flag(members, variable: str, item: h5py.Dataset) -> str:
    for name in (f"{variable}_flag", "flag"):
        if name in members and set(dims_of(members[name])) <= set(dims_of(item)):
            return name
    return ""


def _colours(group: str, variable: str) -> str:
    if group == "tomography/sections":
        return "grey"
    if any(word in variable for word in CHANGES):
        return "change"
    if "azimuth" in variable or "direction" in variable:
        return "angle"
    return "lattice" if variable in LATTICE else "amount"
