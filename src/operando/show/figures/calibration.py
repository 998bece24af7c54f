"""What a calibration leaves of the rings of a reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from ..style import INK, MARKS, RULE, SERIES, SOFT, panel, sheet, styled

ROW = 0.95  # inches a ring


@styled
def write_residuals(points: xr.Dataset, q: np.ndarray, path: Path) -> None:
    """2 theta seen less known around every ring, before (open, grey) and after, with 1-sigma errors; PNG or SVG."""
    rings = np.unique(points["ring"].values)
    figure = sheet(0.75 + ROW * len(rings))
    after = 1e3 * points["residual"].values
    reach = 1.1 * max(float(np.abs(after[points["used"].values]).max()), 1e-3)
    for k, ring in enumerate(rings):
        axes = panel(figure, 0.85, 0.5 + ROW * (len(rings) - 1 - k), 5.6, ROW - 0.14)
        mine = points.isel(point=np.flatnonzero(points["ring"].values == ring))
        azimuth, used = mine["azimuth"].values, mine["used"].values
        axes.axhline(0, color=RULE, lw=0.8, zorder=0)
        axes.plot(azimuth, 1e3 * mine["residual_start"].values, "o", ms=2.5, mfc="none", mec=SOFT, mew=0.5,
                  label="before")  # fmt: skip
        axes.errorbar(azimuth[used], 1e3 * mine["residual"].values[used], 1e3 * mine["residual_err"].values[used],
                      fmt=MARKS[0], ms=2.5, lw=0.7, color=SERIES[0], label="after")  # fmt: skip
        if not used.all():
            axes.plot(azimuth[~used], np.clip(1e3 * mine["residual"].values[~used], -reach, reach), "x", ms=4,
                      color=SERIES[1], label="left out")  # fmt: skip
        axes.set(xlim=(0, 360), ylim=(-reach, reach), xticks=np.arange(0, 361, 60))
        axes.text(1.01, 0.5, f"q = {q[ring]:.3f} Å⁻¹", transform=axes.transAxes, va="center", color=INK)
        if k < len(rings) - 1:
            axes.tick_params(labelbottom=False)
        else:
            axes.set_xlabel("azimuth / deg")
    figure.text(0.1 / figure.get_figwidth(), 0.5, "2θ, seen less known / mdeg", rotation=90, va="center")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 0.35), handletextpad=0.2)
    figure.savefig(path, dpi=200, facecolor="white")
