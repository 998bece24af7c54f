"""Mean diffraction pattern with indexed rings, and profiles along the rings."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import xarray as xr

from ..style import INK, MISSING, SERIES, SOFT, Exhibit, panel, sheet, styled
from ..summary import tidy
from ..text import axis_label, number


@styled
def mean_pattern(pattern: xr.Dataset, reflections: xr.Dataset | None = None) -> Exhibit:
    """Intensity against q of the first and last map, square-root scale, with a row of ticks for each phase."""
    phases = [] if reflections is None else list(dict.fromkeys(map(str, reflections["phase"].values)))
    room = 0.30 * len(phases)
    figure = sheet(0.5 + room + 2.55)
    axes = panel(figure, 0.75, 0.5 + room, 6.7, 2.35)
    _, units = _lines(axes, pattern)
    q = pattern["q"].values
    seen = q[np.isfinite(pattern["intensity"].transpose("time", "q").values).any(axis=0)]
    span = (float(seen[0]), float(seen[-1]))
    axes.set(xlim=span, ylabel=axis_label("mean intensity", units))
    lower = panel(figure, 0.75, 0.45, 6.7, room, sharex=axes) if phases else axes
    if phases:
        axes.tick_params(labelbottom=False)
        _ticks(lower, reflections, phases, span)
    lower.set_xlabel("q / Å⁻¹")
    marked = " Ticks: calculated reflections of each phase; bold: rings that were followed." if phases else ""
    return Exhibit(
        "pattern", "Mean diffraction pattern",
        "Mean over the map of the first and the last map, on a square-root scale so that weak rings are seen." + marked,
        f"Diffraction pattern from q = {span[0]:.2f} to {span[1]:.2f} per angstrom{', indexed with ' if phases else ''}"
        f"{', '.join(phases)}.",
        figure, _drawn(pattern),
    )  # fmt: skip


def _lines(axes, pattern):
    values = pattern["intensity"].transpose("time", "q").values
    q = pattern["q"].values
    last = values.shape[0] - 1
    axes.set_yscale("function", functions=(_root, _square))
    axes.plot(q, values[0], color=SERIES[0], lw=0.9, label="first map" if last else "the map")
    if last:
        axes.plot(q, values[last], color=SERIES[1], lw=0.9, label="last map")
        axes.legend(loc="upper right")
    finite = values[[0, last]][np.isfinite(values[[0, last]])]
    top = finite.max(initial=0.0) * 1.08 or 1.0
    low = max(finite.min(initial=top) * 0.9, 0.0)
    ticks = [t for t in _nice_ticks(top) if t >= low]
    axes.set(ylim=(low, top), yticks=ticks, yticklabels=[number(t, 3) for t in ticks])
    return values, pattern["intensity"].attrs.get("units", "")


def _root(y):
    return np.sqrt(np.clip(y, 0, None))


def _square(y):
    return np.square(y)


def _nice_ticks(top):
    """Some seven round values spread evenly on a square-root scale."""
    raw = top * (np.arange(9) / 8.2) ** 2
    with np.errstate(divide="ignore"):
        power = 10.0 ** np.floor(np.log10(np.where(raw > 0, raw, 1.0)))
    lead = np.array([1, 2, 3, 5, 7, 10])
    return np.unique(
        [0.0 if r == 0 else p * lead[np.abs(lead - r / p).argmin()] for r, p in zip(raw, power, strict=True)]
    )


def _ticks(axes, reflections, phases, span):
    axes.set(ylim=(len(phases), 0), yticks=np.arange(len(phases)) + 0.3, yticklabels=phases)
    axes.tick_params(left=False)
    axes.spines["left"].set_visible(False)
    for row, phase in enumerate(phases):
        part = reflections.isel(reflection=np.flatnonzero(reflections["phase"].values == phase))
        q, rings = (
            part["q"].values,
            [str(r) for r in part["ring"].values] if "ring" in part else [""] * part.sizes["reflection"],
        )
        axes.vlines(q, row + 0.12, row + 0.48, color=SERIES[row % len(SERIES)], lw=1.0)
        taken: list[tuple[float, float]] = []
        order = sorted(range(len(q)), key=lambda i: (not rings[i], q[i]))
        for i in order:
            text = rings[i] or _indices(part["hkl"].values[i])
            half = 0.0095 * (span[1] - span[0]) * 0.5 * (len(text) + 1.2)
            if span[0] <= q[i] <= span[1] and all(q[i] + half < a or q[i] - half > b for a, b in taken):
                taken.append((q[i] - half, q[i] + half))
                axes.text(q[i], row + 0.53, text, ha="center", va="top", fontsize=6,
                          weight="bold" if rings[i] else "normal", color=INK if rings[i] else SOFT)  # fmt: skip


def _indices(hkl) -> str:
    """Miller indices as 104, or 1 0 −5 where one is negative or above 9."""
    parts = [int(part) for part in (re.findall(r"-?\d+", hkl) if isinstance(hkl, str) else hkl)]
    spaced = any(part < 0 or part > 9 for part in parts)
    return (" " if spaced else "").join(map(str, parts)).replace("-", "\u2212")


@styled
def azimuth_profiles(profiles: dict[str, xr.Dataset], settings: dict[str, dict]) -> Exhibit:
    """Intensity along each ring, first and last map, with the azimuth windows of its families."""
    figure = sheet(0.55 + 1.02 * len(profiles) + 0.2)
    top, first = float(figure.get_size_inches()[1]) - 0.2, None
    for name, profile in profiles.items():
        top -= 1.02
        axes = panel(figure, 0.75, top, 6.7, 0.78, sharex=first)
        first = first or axes
        ring = settings.get(name, {})
        _windows(axes, ring.get("families") or {}, ring.get("half_width_deg", 10.0))
        _profile(axes, profile)
        axes.text(0.0, 1.02, name, transform=axes.transAxes, weight="bold", va="bottom")
        if name != list(profiles)[-1]:
            axes.tick_params(labelbottom=False)
    axes.set(xlim=(0, 360), xticks=np.arange(0, 361, 45), xlabel="azimuth / °   (0 along +x, 90 along +z)")
    figure.axes[0].legend(
        loc="lower right",
        bbox_to_anchor=(1, 0.98),
        ncols=4,
        borderaxespad=0,
    )
    figure.text(0.02, 0.5, axis_label("intensity", next(iter(profiles.values()))["intensity"].attrs.get("units")),
                rotation=90, va="center", fontsize=7.5)  # fmt: skip
    table = pd.concat([_drawn(p, ring=n) for n, p in profiles.items()])
    return Exhibit(
        "azimuth", "Intensity along the rings",
        "Intensity in the window of each ring against azimuth, mean over the map, for the first and the last map. "
        "Bands: the azimuths that are fitted together as one family. Grey: module gaps, beam stop or mask.",
        f"Azimuth profiles of {', '.join(profiles)}.", figure, table,
    )  # fmt: skip


def _profile(axes, profile):
    azimuth = profile["azimuth"].values
    values = profile["intensity"].transpose("time", "azimuth").values
    step = float(np.median(np.diff(azimuth))) if len(azimuth) > 1 else 1.0
    gap = ~np.isfinite(values).any(axis=0)
    for start, stop in _runs(gap):
        axes.axvspan(
            azimuth[start] - step / 2,
            azimuth[stop - 1] + step / 2,
            facecolor=MISSING,
            edgecolor="none",
            lw=0,
            zorder=0,
        )
    last = values.shape[0] - 1
    axes.plot(azimuth, values[0], color=SERIES[0], lw=0.9, label="first map")
    if last:
        axes.plot(azimuth, values[last], color=SERIES[1], lw=0.9, label="last map")
    finite = values[np.isfinite(values)]
    axes.set_ylim(min(0.0, finite.min(initial=0.0)), 1.12 * finite.max(initial=0.0) or 1.0)
    axes.locator_params(axis="y", nbins=3)


def _runs(mask):
    """Start and stop of each stretch of True."""
    steps = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return zip(steps[::2], steps[1::2], strict=True)


def _windows(axes, families, half):
    for i, (name, centres) in enumerate(families.items()):
        colour = SERIES[2 + i % (len(SERIES) - 2)]
        for k, centre in enumerate(centres):
            for turn in (-360, 0, 360):
                low, high = max(centre - half + turn, 0), min(centre + half + turn, 360)
                if low < high:
                    axes.axvspan(low, high, facecolor=colour, alpha=0.22, lw=0, zorder=0,
                                 label=name if k == 0 and turn == 0 else None)  # fmt: skip


def _drawn(profile: xr.Dataset, **extra) -> pd.DataFrame:
    """The first and last map of a profile, as a table."""
    ends = profile.isel(time=np.unique([0, profile.sizes["time"] - 1]))
    return tidy({"intensity": ends["intensity"], "intensity_err": ends.get("intensity_err")}, **extra)
