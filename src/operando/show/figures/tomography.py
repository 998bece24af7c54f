"""Tomography: sections with faces and voids, contact and voids in time beside the voltage, roughness, porosity."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from ..style import INK, MARKS, RULE, SERIES, SOFT, WIDTH, Exhibit, chosen, limits, panel, sheet, styled
from ..text import time_unit

ELECTRODES = ("bottom", "top")
VOID = "#e4572e"


@styled
def sections(found: xr.Dataset) -> Exhibit:
    """Vertical sections of up to four scans, faces as lines and voids filled."""
    shown = chosen(found.sizes["time"], 4)
    width = (WIDTH - 1.35) / len(shown)
    x, z = found["x"].values, found["z"].values
    height = width * np.ptp(z) / np.ptp(x)
    figure = sheet(height + 0.95)
    low, high = limits(found["xz"].values[:, len(z) // 4 : -(len(z) // 4)], 0.5, 99.5)
    factor, unit = time_unit(found["time"].values)
    for c, k in enumerate(shown):
        axes = panel(figure, 0.6 + c * width, 0.5, width - 0.08, height)
        one = found.isel(time=int(k))
        extent = (x[0], x[-1], z[0], z[-1])
        image = axes.imshow(
            one["xz"].values, origin="lower", extent=extent, cmap="gray", vmin=low, vmax=high, aspect="equal"
        )
        for name, sign in (("bottom", -1), ("top", 1)):
            face, void = one[f"face_{name}_x"].values, one[f"void_{name}_x"].values
            axes.plot(x, face, color=SERIES[0], lw=0.7)
            thick = np.where(void > 0.5, void, np.nan)
            axes.fill_between(x, face, face + sign * thick, color=VOID, lw=0, alpha=0.75)
        axes.set_title(f"{one['time'].values / factor:.3g} {unit}", fontsize=6.5)
        axes.tick_params(length=2, labelsize=6, labelleft=c == 0)
        axes.set_xlabel("x / µm", labelpad=1)
        if c == 0:
            axes.set_ylabel("z / µm", labelpad=2)
    bar = figure.colorbar(
        image, cax=figure.add_axes((0.915, 0.5 / (height + 0.95), 0.012, height / (height + 0.95)))
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, labelsize=6)
    bar.set_label("grey value / (1/cm)", fontsize=6.5)
    lines = {f"{w}_{n}": found[f"{w}_{n}_x"] for w in ("face", "void") for n in ELECTRODES}
    table = xr.Dataset({k: v.drop_vars("electrode", errors="ignore") for k, v in lines.items()})
    return Exhibit(
        "tomography-sections", "Sections through the stack",
        "Grey value (1/cm, the same scale for all) in the plane at the middle of y, at the time since the first scan. "
        "Blue: face of the solid as found; orange: voids between lithium and solid. Collectors have "
        "one grey value.",
        "Vertical sections of the cell with interfaces and voids drawn in.", figure, table.to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def orthoslices(found: xr.Dataset, maps: xr.Dataset) -> Exhibit:
    """Three sections at right angles of the first and last scan: across x, and just outside of both faces."""
    scans = sorted({0, found.sizes["time"] - 1})
    x, y, z = (found[a].values for a in "xyz")
    ratio = float(np.ptp(z) / np.ptp(y))
    size = (WIDTH - 2.0) / (2 + ratio)
    deep = size * ratio
    figure = sheet(0.75 + len(scans) * (size + 0.12))
    factor, unit = time_unit(found["time"].values)
    low, high = limits(found["xz"].values[:, len(z) // 4 : -(len(z) // 4)], 0.5, 99.5)
    look: dict[str, Any] = {"origin": "lower", "cmap": "gray", "vmin": low, "vmax": high, "aspect": "equal"}
    for r, k in enumerate(scans):
        one, bottom = found.isel(time=k), 0.42 + (len(scans) - 1 - r) * (size + 0.12)
        axes = panel(figure, 0.75, bottom, deep, size)
        image = axes.imshow(one["yz"].values.T, extent=(z[0], z[-1], y[0], y[-1]), **look)
        for n, sign in (("bottom", -1), ("top", 1)):
            face, void = one[f"face_{n}_y"].values, one[f"void_{n}_y"].values
            axes.plot(face, y, color=SERIES[0], lw=0.7)
            thick = np.where(void > 0.5, void, np.nan)
            axes.fill_betweenx(y, face, face + sign * thick, color=VOID, lw=0, alpha=0.75)
        axes.set_ylabel(f"{float(one['time']) / factor:.3g} {unit}\ny / µm", labelpad=2)
        _plain(axes, r == len(scans) - 1, True, "z / µm", "" if r else "middle of x")
        for c, n in enumerate(ELECTRODES):
            axes = panel(figure, 0.75 + deep + 0.12 + c * (size + 0.12), bottom, size, size)
            axes.imshow(one[f"xy_{n}"].values, extent=(x[0], x[-1], y[0], y[-1]), **look)
            share = np.nan_to_num(maps["contact"].sel(electrode=n).isel(time=k).values, nan=1.0)
            if (share < 0.5).any():
                axes.contour(x, y, share, [0.5], colors=VOID, linewidths=0.8)
            _plain(axes, r == len(scans) - 1, False, "x / µm", "" if r else f"lithium at the {n} face")
    bar = figure.colorbar(image, cax=figure.add_axes(((WIDTH - 0.72) / WIDTH, 0.3, 0.012, 0.45)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2, labelsize=6)
    bar.set_label("grey value / (1/cm)", fontsize=6.5)
    table = found[[f"face_{n}_y" for n in ELECTRODES] + [f"void_{n}_y" for n in ELECTRODES]].isel(time=scans)
    return Exhibit(
        "tomography-orthoslices", "Sections at right angles",
        "First and last scan, one grey scale. Left: the plane at the middle of x, faces in blue, voids in orange. "
        "Middle and right: planes along the collectors, 1.5 voxels into the lithium from the median height of each "
        "face; bright there is solid that stands out. Orange outlines: no contact.",
        "Orthogonal sections with faces, voids and contact drawn in.", figure,
        table.drop_vars("electrode", errors="ignore").to_dataframe().reset_index(),
    )  # fmt: skip


def _plain(axes, last: bool, first: bool, across: str, title: str) -> None:
    axes.locator_params(nbins=3)
    axes.tick_params(length=2, labelsize=6, labelbottom=last, labelleft=first)
    if last:
        axes.set_xlabel(across, labelpad=1)
    axes.set_title(title, fontsize=6.5)


@styled
def in_time(result: xr.Dataset, record: xr.Dataset | None) -> Exhibit:
    """Voltage, share in contact, effective current density, volume of voids against time."""
    rows = [("contact_share", "share in\ncontact", 1.0), ("void_volume", "voids /\n10³ µm³", 1e-3)]
    if "effective_current_density" in result:
        rows.insert(1, ("effective_current_density", "I / contact\nmA/cm²", 1.0))
    rows.append(("lithium_thickness", "lithium /\nµm", 1.0))
    voltage = record is not None
    count = len(rows) + voltage
    figure = sheet(0.55 + 0.98 * count)
    factor, unit = time_unit(result["time"].values)
    t = result["time"].values / factor
    for r in range(count):
        axes = panel(figure, 0.95, 0.45 + 0.98 * (count - 1 - r), 5.3, 0.85)
        if voltage and r == 0:
            assert record is not None
            _voltage(axes, record, t, factor)
        else:
            name, label, scale = rows[r - voltage]
            for k, electrode in enumerate(ELECTRODES):
                one = result[name].sel(electrode=electrode) * scale
                error = (
                    result[f"{name}_err"].sel(electrode=electrode) * scale
                    if f"{name}_err" in result
                    else None
                )
                axes.errorbar(t + 0.004 * np.ptp(t) * (2 * k - 1), one.values, None if error is None else error.values,
                              fmt=f"{MARKS[k]}-", ms=3.5, lw=0.9, elinewidth=0.8, color=SERIES[k],
                              label=electrode)  # fmt: skip
            axes.set_ylabel(label)
            axes.margins(y=0.15)
            if r == voltage:
                axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), title="electrode", title_fontsize=7)
        axes.set_xlim(t[0] - 0.04 * max(np.ptp(t), 1e-9), t[-1] + 0.04 * max(np.ptp(t), 1e-9))
        axes.tick_params(labelbottom=r == count - 1)
    axes.set_xlabel(f"time / {unit}")
    names = [n for n in ("contact_share", "contact_share_err", "void_volume", "void_volume_err", "lithium_volume",
                         "lithium_volume_err", "effective_current_density", "effective_current_density_err",
                         "lithium_thickness") if n in result]  # fmt: skip
    return Exhibit(
        "tomography-time", "Contact, voids and lithium in time",
        "Cell voltage from the cycler; share of the section where lithium touches the solid; current over contact area "
        "(crowding at rims not counted); volume of voids in the whole section; mean thickness of lithium. Bars: 1σ, "
        "with the error of the segmentation, which all scans share.",
        "Voltage, contact share, effective current density and void volume against time.", figure,
        result[names].to_dataframe().reset_index(),
    )  # fmt: skip


def _voltage(axes, record: xr.Dataset, t: np.ndarray, factor: float) -> None:
    at = record["time_of_scans"].values / factor
    inside = (at > t[0] - 0.05 * np.ptp(t)) & (at < t[-1] + 0.05 * np.ptp(t))
    axes.plot(at[inside], record["voltage"].values[inside], color=INK, lw=0.9)
    for one in t:
        axes.axvline(one, color=RULE, lw=0.6, zorder=0)
    axes.set_ylabel("U / V")


@styled
def porosity(found: xr.Dataset) -> Exhibit:
    """Porosity against depth under each face, first and last scan."""
    figure = sheet(2.3)
    axes = panel(figure, 0.75, 0.5, 4.6, 1.6)
    for k, name in enumerate(ELECTRODES):
        for scan, style in ((0, "-"), (-1, "--")):
            one = found.sel(electrode=name).isel(time=scan)
            axes.errorbar(one["depth"].values, 100 * one["porosity"].values, 100 * one["porosity_err"].values, lw=0.9,
                          fmt=f"{MARKS[k]}{style}", ms=3, elinewidth=0.7, color=SERIES[k],
                          label=f"{name}, {'first' if scan == 0 else 'last'} scan")  # fmt: skip
    axes.set(xlabel="depth under the face / µm", ylabel="porosity / %")
    axes.set_ylim(bottom=0)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return Exhibit(
        "tomography-porosity", "Porosity of the solid by depth",
        "Share of voxels darker than half way between void and solid, by depth under each face of the solid. Bars: "
        "spread of 64 parts of the section. Pores smaller than the blur are not seen.",
        "Porosity against depth.", figure,
        found[["porosity", "porosity_err"]].to_dataframe().reset_index(),
    )  # fmt: skip


@styled
def centre(result: xr.Dataset) -> Exhibit:
    """Rotation centre of every scan, and by how much its two estimates differ."""
    figure = sheet(1.9)
    axes = panel(figure, 0.85, 0.5, 2.4, 1.2), panel(figure, 4.3, 0.5, 2.4, 1.2)
    at = np.arange(result.sizes["time"]) + 1
    axes[0].errorbar(at, result["centre"].values, result["centre_err"].values, fmt="o", ms=3, color=SERIES[0])
    axes[0].set(xlabel="scan", ylabel="centre / px")
    axes[1].plot(at, result["centre_apart"].values, "s", ms=3.5, color=SERIES[1])
    axes[1].set(
        xlabel="scan",
        ylabel="pairs - focus / px",
        ylim=(0, 1.2 * float(np.nanmax(result["centre_apart"])) or 1.0),
    )
    for one in axes:
        one.set_xticks(at if len(at) < 9 else at[:: len(at) // 8])
        one.tick_params(colors=SOFT)
    return Exhibit(
        "tomography-centre", "Rotation centre",
        "Column of the rotation axis found in each scan with its error, and the difference between its two estimates "
        "(projections half a turn apart, and focus of the slices).",
        "Rotation centre by scan.", figure,
        result[["centre", "centre_err", "centre_apart"]].to_dataframe().reset_index(),
    )  # fmt: skip
