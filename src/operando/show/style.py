"""One look for every figure: colours that have a dark twin, sizes in inches, colour maps by meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 7.6  # inches: the width of the report's column
INK, SOFT, RULE, MISSING, PAPER = "#1b2026", "#5a646e", "#c9d0d6", "#e6e9ec", "#fefefe"
SERIES = ("#0b6fb3", "#c8501a", "#0c8a66", "#7e6083", "#523000", "#003a66")
MARKS = "osD^vP"
LAYERS = ("#d8d2c4", "#7f9fc4", "#dcb8a0", "#a3bfa8", "#9a9fb0", "#c9a227", "#b48ead", "#88b0b8")
DARK = {
    INK: "#e8eaed", SOFT: "#a2acb6", RULE: "#454d56", MISSING: "#30363c", PAPER: "#14171a",
    SERIES[0]: "#62b4ee", SERIES[1]: "#f58a55", SERIES[2]: "#48c79d", SERIES[3]: "#e08cc6", SERIES[4]: "#f3e2a9",
    SERIES[5]: "#cfe6ff",
}  # fmt: skip
#: CSS variable of each themed colour; the light value is the fallback
VARIABLES = {colour: f"--fig-{i}" for i, colour in enumerate(DARK)}

AMOUNT, CHANGE, ANGLE, LATTICE = "viridis", "RdBu_r", "twilight", "cividis"

RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"], "font.size": 7.5, "axes.titlesize": 8, "axes.labelsize": 7.5,
    "xtick.labelsize": 7, "ytick.labelsize": 7, "legend.fontsize": 7, "axes.linewidth": 0.6,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 3, "ytick.major.size": 3,
    "axes.edgecolor": SOFT, "axes.labelcolor": INK, "text.color": INK, "xtick.color": SOFT, "ytick.color": SOFT,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.facecolor": "none", "figure.facecolor": "none",
    "savefig.facecolor": "none", "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "lines.linewidth": 1.2, "svg.fonttype": "none", "hatch.linewidth": 0.4, "axes.titlelocation": "left",
    "axes.unicode_minus": True, "axes.formatter.useoffset": False, "image.interpolation": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Exhibit:
    """A drawn figure with what it takes to stand alone: title, caption, description, its numbers as a tidy table."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure
    table: pd.DataFrame = field(repr=False)

    def svg(self) -> str:
        """The figure as SVG text with CSS variables for colours (light values as fallback) and ids of its own."""
        return themed(raw_svg(self.figure, self.name), self.name)


def styled(function):
    """Draw inside our matplotlib settings, leaving the user's untouched."""
    import functools

    @functools.wraps(function)
    def drawn(*args, **kwargs):
        with mpl.rc_context(RC):
            return function(*args, **kwargs)

    return drawn


def sheet(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of a size in inches, outside pyplot."""
    return Figure(figsize=(width, height))


def panel(figure: Figure, left: float, bottom: float, width: float, height: float, **kwargs) -> Axes:
    """Axes placed in inches from the lower left corner."""
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h), **kwargs)


def raw_svg(figure: Figure, name: str) -> str:
    """SVG text of a figure, the same bytes each time."""
    import io

    buffer = io.StringIO()
    with mpl.rc_context({**RC, "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", dpi=220, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def themed(svg: str, name: str) -> str:
    """Used ids under the figure's own prefix, colours as CSS variables, the page's font."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = _own_ids(svg, name)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable},{colour})")
    svg = svg.replace("'DejaVu Sans'", "var(--sans,sans-serif)")
    head, _, tail = svg.partition(">")
    head = re.sub(
        r' (?:width|height)="[\d.]+pt"', "", head
    )  # the page sizes it; viewBox keeps the proportions
    tail = re.sub(r' d="([^"]+)"', lambda m: f' d="{_shorter(m[1])}"', tail)
    return re.sub(r"\n\s*", "\n", f"{head}>{tail}").strip()


def _shorter(path: str) -> str:
    """Path coordinates to a thousandth of a point."""
    return re.sub(r"(\.\d{3})\d+", r"\1", path)


def _own_ids(svg: str, name: str) -> str:
    used = set(re.findall(r'url\(#([^)]+)\)|xlink:href="#([^"]+)"', svg))
    wanted = {one for pair in used for one in pair if one}

    def renamed(match: re.Match) -> str:
        if match[1] not in wanted:
            return ""
        wanted.discard(match[1])  # matplotlib may define the same thing twice
        return f' id="{name}-{match[1]}"'

    svg = re.sub(r' id="([^"]*)"', renamed, svg)
    return re.sub(r'(url\(|xlink:href=")#', rf"\1#{name}-", svg)


def limits(
    values, low: float = 1.0, high: float = 99.0, *, include_zero: bool = False
) -> tuple[float, float]:
    """Colour limits: percentiles of the finite values, so that one bad point does not set the scale."""
    values = np.asarray(values, float)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    bottom, top = np.percentile(finite, [low, high])
    if include_zero:
        bottom = min(bottom, 0.0) if bottom < -0.05 * top else 0.0
    if top <= bottom:
        pad = abs(bottom) * 1e-6 or 0.5
        bottom, top = bottom - pad, top + pad
    return float(bottom), float(top)


def at_least(low: float, high: float, span: float) -> tuple[float, float]:
    """Limits at least `span` apart about the same middle: noise must not fill the colour scale."""
    short = max(0.0, span - (high - low)) / 2
    return low - short, high + short


def hatch_missing(axes: Axes) -> None:
    """Show points without a value as hatched ground."""
    from matplotlib.patches import Rectangle

    ground = Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor=MISSING, edgecolor=RULE, linewidth=0,
                       hatch="//////", zorder=-10)  # fmt: skip
    axes.add_patch(ground)


def edges(centres) -> np.ndarray:
    """Cell edges around ascending centres: half way between neighbours, same reach at the ends."""
    centres = np.asarray(centres, float)
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = 0.5 * (centres[1:] + centres[:-1])
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def chosen(count: int, most: int) -> np.ndarray:
    """Indices of at most `most` of `count` maps, first and last among them, evenly spaced where that can be."""
    for columns in range(most, max(most // 2, 1), -1):
        if count > most and (count - 1) % (columns - 1) == 0:
            most = columns
            break
    return np.unique(np.round(np.linspace(0, count - 1, min(count, most))).astype(int))
