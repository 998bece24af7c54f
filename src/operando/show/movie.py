"""A movie: one quantity of a run as a map, beside the voltage and the current with a cursor in time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from operando.core.errors import ExtraMissing, InputError

from .figures.cycler import aligned, map_clock_time, thinned
from .gallery import ring_groups
from .style import AMOUNT, INK, LATTICE, RC, SERIES, edges, hatch_missing, limits, panel
from .summary import lattice_name
from .text import axis_label, number, scaled, time_unit

if TYPE_CHECKING:
    from operando.flow.results import Results

WIDTH, MAP_WIDTH, MAP_PANEL, LEFT = 7.6, 3.6, 3.0, 0.7


def write_movie(
    results: Results, path: str | Path, quantity: str = "", *, fps: int = 6, dpi: int = 120,
    progress: Callable[[int, int], None] | None = None,
) -> Path:  # fmt: skip
    """Write a map over time beside voltage and current to `path`: .gif, or .mp4 where ffmpeg is installed.

    quantity  "group:variable", and for rings "group:variable:family", as in "xrd/LCO003:c:perp"; "": the first lattice
              parameter, else the transmission
    fps       maps shown in a second

    Raises `InputError` for an unknown quantity or ending, `ExtraMissing` for .mp4 without ffmpeg.
    """
    path = Path(path)
    values = chosen_quantity(results, quantity)
    writer = movie_writer(path, fps)
    with mpl.rc_context({**RC, "figure.facecolor": "white", "savefig.facecolor": "white"}):
        figure, show = _stage(values, results.groups)
        temporary = path.with_name(f"{path.stem}.part{path.suffix}")
        with writer.saving(figure, str(temporary), dpi):
            for t in range(values.sizes["time"]):
                show(t)
                writer.grab_frame(facecolor="white")
                if progress is not None:
                    progress(t + 1, values.sizes["time"])
        temporary.replace(path)
    return path


def chosen_quantity(results: Results, quantity: str) -> xr.DataArray:
    """The values over (time, z, x) that `quantity` names; flagged points are NaN."""
    groups = results.groups
    quantity = quantity or _first_quantity(results)
    group, variable, family = ([*quantity.split(":"), "", ""])[:3]
    dataset = groups.get(group)
    if dataset is None or variable not in dataset:
        known = ", ".join(maps_of(groups)[:12])
        raise InputError(f"no map is called {quantity!r}", fix=f"Known are: {known}.")
    values = dataset[variable].where(_flag(dataset, variable) == 0)
    if "family" in values.dims:
        names = [str(name) for name in values["family"].values]
        if family and family not in names:
            raise InputError(f"{group} has no family {family!r}", fix=f"Known are: {', '.join(names)}.")
        values = values.sel(family=family or names[0], drop=True)
    if set(values.dims) != {"time", "z", "x"}:
        raise InputError(f"{quantity} is no map in time", fix="Choose a variable over time, z and x.")
    values.attrs = {
        **dataset[variable].attrs,
        "title": " ".join(filter(None, [group.removeprefix("xrd/"), family])),
    }
    return values.transpose("time", "z", "x").sortby("z").rename(variable)


def maps_of(groups: dict[str, xr.Dataset]) -> list[str]:
    """Every quantity that can be shown, as `write_movie` takes it."""
    return [
        f"{name}:{variable}"
        for name, dataset in groups.items()
        for variable, values in dataset.data_vars.items()
        if {"time", "z", "x"} <= set(values.dims) and not str(variable).endswith(("_err", "flag"))
    ]


def _first_quantity(results: Results) -> str:
    for name, ring in ring_groups(results.groups, results.experiment).items():
        axis = lattice_name(ring)
        if axis is not None and np.isfinite(ring[axis].where(ring["flag"] == 0)).any():
            return f"xrd/{name}:{axis}"
    known = maps_of(results.groups)
    if not known:
        raise InputError("these results hold no map in time", fix="Run an experiment with [xrd] first.")
    return known[0]


def _flag(dataset: xr.Dataset, variable: str) -> xr.DataArray:
    name = next((n for n in (f"{variable}_flag", "flag") if n in dataset), None)
    return dataset[name] if name else xr.zeros_like(dataset[variable], dtype=int)


def movie_writer(path: Path, fps: int):
    """matplotlib's writer for the ending of `path`. Raises `InputError`, or `ExtraMissing` for .mp4 without ffmpeg."""
    from matplotlib import animation

    if path.suffix == ".gif":
        return animation.PillowWriter(fps=fps)
    if path.suffix != ".mp4":
        raise InputError(f"no movie is written to {path.suffix or 'a file without ending'}", where=str(path),
                         fix="Call it .gif or .mp4.")  # fmt: skip
    if not animation.FFMpegWriter.isAvailable():
        raise ExtraMissing("an mp4 needs the program ffmpeg", fix="Install ffmpeg, or write a .gif.")
    return animation.FFMpegWriter(
        fps=fps, extra_args=["-pix_fmt", "yuv420p", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]
    )


def _stage(values: xr.DataArray, groups: dict[str, xr.Dataset]) -> tuple[Figure, Callable[[int], None]]:
    """The figure, and a function that makes it show map `t`."""
    x, z = edges(values["x"].values), edges(values["z"].values)
    equal = MAP_PANEL * np.ptp(z) / np.ptp(x)
    height = float(np.clip(equal, 1.8, 4.0))
    stretch = "" if height == equal else f", z × {number(height / equal, 2)}"
    figure = Figure(figsize=(WIDTH, height + 1.05))
    axes = panel(figure, LEFT, 0.55, MAP_PANEL, height)
    hatch_missing(axes)
    low, high = limits(values.values, 0.5, 99.5)
    unit = values.attrs.get("units", "")
    colours = LATTICE if unit == "angstrom" else AMOUNT
    image = axes.pcolormesh(x, z, np.ma.masked_invalid(values.values[0]), cmap=colours, vmin=low, vmax=high)
    axes.set(xlabel="x / µm", ylabel=f"z / µm{stretch}")
    title = axes.set_title("")
    bar = figure.colorbar(image, cax=panel(figure, LEFT + MAP_PANEL + 0.1, 0.55, 0.1, height))
    bar.outline.set_visible(False)
    bar.set_label(axis_label(str(values.name), unit), color=INK)
    cursors, per, word = _record(figure, values, groups, height)

    def show(t: int) -> None:
        image.set_array(np.ma.masked_invalid(values.values[t]))
        now = float(values["time"].values[t]) / per
        title.set_text(f"{values.attrs['title']}   map {t + 1} · {now:.3g} {word}")
        for cursor in cursors:
            cursor.set_xdata([now, now])

    return figure, show


def _record(figure: Figure, values: xr.DataArray, groups: dict[str, xr.Dataset], height: float):
    """Voltage and current against time with a cursor each; and the unit of time."""
    time = values["time"].values
    echem, clock = groups.get("echem"), groups.get("clock")
    joined = echem is not None and aligned(echem, clock)
    seconds = map_clock_time(echem, clock) if joined and echem is not None else np.asarray(time, float)
    per, word = time_unit(np.concatenate([seconds[np.isfinite(seconds)], time]))
    cursors = []
    if joined and echem is not None:
        each = (height - 0.15) / 2
        for k, (name, base) in enumerate((("voltage", "V"), ("current", "A"))):
            axes = panel(
                figure,
                LEFT + MAP_WIDTH + 0.85,
                0.55 + (1 - k) * (each + 0.15),
                WIDTH - LEFT - MAP_WIDTH - 1.0,
                each,
            )
            shown, unit = scaled(echem[name].values, echem[name].attrs.get("units", base))
            axes.plot(*thinned(seconds / per, shown), color=SERIES[0], lw=0.9)
            axes.set_ylabel(axis_label(name, unit))
            cursors.append(axes.axvline(time[0] / per, color=SERIES[1], lw=1.2))
            if k == 0:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel(f"time / {word}")
    return cursors, per, word
