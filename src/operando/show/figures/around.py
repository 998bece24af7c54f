"""Around the rings: ratio of families over depth, and how round the rings are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from ..style import MARKS, RULE, SERIES, Exhibit, panel, sheet, styled


@styled
def ratio(ring: str, data: xr.Dataset) -> Exhibit:
    """Ratio of the areas of two families of a ring against depth."""
    figure = sheet(2.4)
    axes = panel(figure, 0.75, 0.5, 4.6, 1.8)
    for k, pair in enumerate(data["pair"].values):
        one = data.sel(pair=pair)
        axes.errorbar(data["z"].values, one["depth"].values, one["depth_err"].values, fmt=MARKS[k % 6] + "-", ms=3,
                      lw=0.9, color=SERIES[k % 6], elinewidth=0.8, label=str(pair))  # fmt: skip
    axes.axhline(1, color=RULE, lw=0.8, zorder=0)
    axes.set(xlabel="z / µm", ylabel="ratio of areas")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Exhibit(
        f"{ring}-ratio", f"Ratio of the families of {ring} over depth",
        "Peak areas of one family over those of the other, summed over times and columns where both are valid, with "
        "1σ errors. As seen: not divided by structure factors or by the share of each family that the detector covers.",
        "Ratio of peak areas of two families against depth.", figure,
        data[["depth", "depth_err"]].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def roundness(rings: dict[str, xr.Dataset]) -> Exhibit:
    """Harmonics of ring positions against time: beam centre (first) and tilt or strain (second)."""
    figure = sheet(2.4)
    axes = panel(figure, 0.75, 0.5, 4.6, 1.8)
    tables = []
    for k, (name, data) in enumerate(rings.items()):
        for harmonic, line in ((1, "-"), (2, ":")):
            one = data.sel(harmonic=harmonic)
            text = f"{name}, {'centre' if harmonic == 1 else 'tilt'}"
            axes.errorbar(np.arange(data.sizes["time"]) + 1, 1e4 * one["amplitude"].values,
                          1e4 * one["amplitude_err"].values, fmt=MARKS[k % 6] + line, ms=3, lw=0.9,
                          color=SERIES[k % 6], elinewidth=0.7, label=text)  # fmt: skip
        names = ["amplitude", "amplitude_err", "phase", "lattice_error", "p_flat"]
        tables.append(data[names].to_dataframe().reset_index().assign(ring=name))
    axes.set(xlabel="map", ylabel="amplitude / 10⁻⁴ of q")
    axes.set_ylim(0)
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Exhibit(
        "roundness", "How round the rings are",
        "Amplitude of the first and second harmonic of the position around each ring that is seen at enough azimuths. "
        "The first tells of the beam centre, the second of the tilt (or of strain); the amplitude is also the largest "
        "relative error of a lattice parameter taken at one azimuth.",
        "Harmonics of ring positions against map number.", figure, pd.concat(tables),
    )  # fmt: skip
