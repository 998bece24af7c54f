"""Maps as small multiples: the same times in columns, one quantity a row, one colour bar a scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr

from ..style import (
    AMOUNT,
    CHANGE,
    INK,
    SOFT,
    WIDTH,
    Exhibit,
    at_least,
    chosen,
    edges,
    hatch_missing,
    limits,
    panel,
    sheet,  # fmt: skip
    styled,
)
from ..summary import tidy
from ..text import axis_label, number, pretty
from .cycler import heading

LEFT, RIGHT, TOP, BOTTOM, GAP = 1.08, 0.85, 0.34, 0.46, 0.05
MOST = 12  # columns
NICE = np.array(
    [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 150, 200, 300, 500]
)


@dataclass(frozen=True)
class Row:
    """A quantity to map: its label, values and errors over (time, z, x), and the meaning of its colours."""

    label: str
    values: xr.DataArray
    errors: xr.DataArray | None = None
    colours: str = AMOUNT
    zero: bool = False  # amounts begin at zero
    scale: str | None = None  # rows with the same name share limits and colour bar

    @property
    def unit(self) -> str:
        """Unit of the row, as it is written."""
        return pretty(self.values.attrs.get("units"))


@styled
def small_multiples(name: str, title: str, caption: str, rows: list[Row], clock: xr.Dataset | None = None,
                    most: int = MOST) -> Exhibit:  # fmt: skip
    """Draw rows of maps at (at most `most`) common times."""
    time = rows[0].values["time"]
    which = chosen(len(time), most)
    x, z = edges(rows[0].values["x"].values), edges(rows[0].values["z"].values)
    width = min((WIDTH - LEFT - RIGHT) / len(which), 1.6)
    height, stretch = _panel_height(width - GAP, np.ptp(x), np.ptp(z))
    figure = sheet(TOP + BOTTOM + len(rows) * (height + 2 * GAP))
    scales = _scales(rows)
    bars: dict[str, list] = {}
    for r, row in enumerate(rows):
        y = BOTTOM + (len(rows) - 1 - r) * (height + 2 * GAP)
        key = row.scale or row.label
        for c, i in enumerate(which):
            axes = panel(figure, LEFT + c * width, y, width - GAP, height)
            image = _one_map(axes, row, i, x, z, scales[key])
            _labels(axes, c == 0, r == len(rows) - 1, c)
            if r == 0:
                axes.set_title(
                    heading(clock, time, i),
                    loc="center",
                    fontsize=7 if len(which) < 10 else 6,
                    color=INK,
                    pad=4,
                )
        figure.text(0.05 / WIDTH, (y + height / 2) / figure.get_size_inches()[1], row.label, weight="bold", va="center",
                    fontsize=7.5, linespacing=1.3)  # fmt: skip
        bars.setdefault(key, [image, y + height, y, row])[2] = y
    at = LEFT + len(which) * width
    for image, upper, lower, row in bars.values():
        _bar(figure, image, at, lower, upper - lower, row)
    _scale_bar(figure, at, (width - GAP) / np.ptp(x), stretch, np.ptp(x))
    missing = (
        "Hatched: no valid value, see the flags."
        if any(_incomplete(row.values, which) for row in rows)
        else ""
    )
    subset = "" if len(which) == len(time) else f" {len(which)} of {len(time)} maps are shown."
    text = f"{caption}{subset} {_aspect(stretch)} Each colour bar holds for its rows at all times. {missing}"
    return Exhibit(name, title, text.strip(), _describe(rows, len(which)), figure, _table(rows, which))


def _panel_height(width, dx, dz):
    """Panel height and stretch of z: equal where that looks like a map, else a round factor."""
    equal = width * dz / dx
    if 0.35 <= equal <= 2.2:
        return equal, 1.0
    factors = np.concatenate([NICE, 1 / NICE])
    stretch = factors[np.abs(np.log(factors * equal / 0.95)).argmin()]
    return float(equal * stretch), float(stretch)


def _scales(rows):
    """Colour limits of each scale; symmetric about zero for changes."""
    found = {}
    for key in {row.scale or row.label for row in rows}:
        same = [row for row in rows if (row.scale or row.label) == key]
        values = np.concatenate([row.values.values.ravel() for row in same])
        low, high = limits(values, include_zero=same[0].zero)
        noise = max((_noise(row.errors) for row in same), default=0.0)
        if same[0].colours == CHANGE:
            high = max(abs(low), abs(high), 5 * noise)
            low = -high
        elif not same[0].zero:
            low, high = at_least(low, high, 6 * noise)
        found[key] = (low, high)
    return found


def _noise(errors):
    """Median error, zero where none is known."""
    values = np.array([]) if errors is None else errors.values[np.isfinite(errors.values)]
    return float(np.median(values)) if values.size else 0.0


def _one_map(axes, row, index, x, z, scale):
    data = row.values.isel(time=index).transpose("z", "x").values
    if not np.isfinite(data).all():
        hatch_missing(axes)
    image = axes.imshow(np.ma.masked_invalid(data), extent=(x[0], x[-1], z[0], z[-1]), origin="lower", aspect="auto",
                        cmap=row.colours, vmin=scale[0], vmax=scale[1], interpolation="none")  # fmt: skip
    for spine in axes.spines.values():
        spine.set_visible(False)
    return image


def _labels(axes, left, bottom, column):
    axes.tick_params(
        length=2, pad=2, labelleft=left, labelbottom=bottom, left=left, bottom=bottom, labelsize=6.5
    )
    axes.locator_params(axis="x", nbins=2)
    axes.locator_params(axis="y", nbins=4)
    if bottom and column == 0:
        axes.set_ylabel("z / µm", labelpad=1.5)
        axes.set_xlabel("x / µm", labelpad=1.5)
    elif bottom:
        axes.tick_params(labelbottom=False)


def _bar(figure, image, at, bottom, height, row):
    trimmed = min(height, 2.2)
    axes = panel(figure, at + 0.1, bottom + (height - trimmed) / 2, 0.09, trimmed)
    bar = figure.colorbar(image, cax=axes)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, pad=2, labelsize=6.5)
    bar.ax.locator_params(nbins=4 if trimmed < 1.4 else 6)
    name = row.scale or row.label.replace("\n", " ")
    short = name if len(name) < 14 or trimmed > 1.2 else ""
    bar.set_label(
        axis_label(short, row.values.attrs.get("units")) if short else row.unit, fontsize=6.5, labelpad=3
    )


def _scale_bar(figure, at, per_um, stretch, span):
    """An L with arms of round lengths: what a length is along x and along z."""
    length = max(
        (n for n in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n * per_um <= 0.45),
        default=span,
    )
    h = figure.get_size_inches()[1]
    left, y = at + 0.1, 0.3
    figure.add_artist(_line([left, left + length * per_um], [y, y], h))
    figure.text((left) / WIDTH, (y - 0.05) / h, f"{number(length)} µm", va="top", fontsize=6.5)
    if stretch != 1:
        figure.text(
            (left) / WIDTH,
            (y - 0.16) / h,
            f"z stretched {number(stretch)}×",
            va="top",
            fontsize=6.5,
            color=SOFT,
        )


def _line(x, y, height):
    from matplotlib.lines import Line2D

    return Line2D(np.array(x) / WIDTH, np.array(y) / height, color=INK, lw=1.6, solid_capstyle="butt")


def _aspect(stretch):
    if stretch == 1:
        return "Equal scale along x and z."
    return (
        f"z is drawn {number(stretch)} times larger than x."
        if stretch > 1
        else f"x is drawn {number(1 / stretch)} times larger than z."
    )


def _incomplete(values, which):
    return not np.isfinite(values.isel(time=which).values).all()


def _describe(rows, columns):
    return (
        f"{len(rows)} rows of {columns} maps: {', '.join(row.label.replace(chr(10), ' ') for row in rows)}."
    )


def _table(rows, which):
    tables = [
        tidy({"value": row.values.isel(time=which).drop_attrs(deep=False),
              "error": None if row.errors is None else row.errors.isel(time=which).drop_attrs(deep=False)},
             quantity=row.label.replace("\n", " "), unit=row.values.attrs.get("units", ""))
        for row in rows
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)
