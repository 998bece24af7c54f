"""Figures of `lithium_lsps_tomography.py`."""

from __future__ import annotations

import numpy as np
import pandas as pd
from _page import drawn, styled
from matplotlib.colors import ListedColormap

from operando.show.style import INK, MARKS, RULE, SERIES, SOFT, panel, sheet

NAMES = ("bottom", "top")
COLOURS = ["#9a9fb0", "#7f9fc4", "#e4572e", "#a8488c", "#e8dfc0", "#4a4a4a"]


def contact(found, true, record, known):
    """Fig. 4a: voltage, share in contact and effective current density, one under the other."""
    t = found["time"].values / 60
    with styled():
        figure = sheet(3.4)
        axes = panel(figure, 0.75, 2.5, 5.3, 0.75)
        clock = record["time"].values / 60
        axes.plot(clock, record["voltage"].values, color=INK, lw=0.9)
        axes.set_ylabel("U / V")
        share = panel(figure, 0.75, 1.5, 5.3, 0.9)
        dense = panel(figure, 0.75, 0.45, 5.3, 0.9)
        for k, name in enumerate(NAMES):
            how = {"fmt": f"{MARKS[k]}-", "ms": 3.5, "lw": 0.9, "color": SERIES[k]}
            one = found.isel(electrode=k)
            share.errorbar(t, one["contact_share"], one["contact_share_err"], label=name, **how)
            share.plot(t, true[:, k], "x", ms=5, color=INK, label="true" if k else None)
            dense.errorbar(t, one["effective_current_density"], one["effective_current_density_err"], **how)
        share.set_ylabel("share in contact")
        dense.set_ylabel("I / contact\nmA/cm²")
        dense.set_xlabel("time / min")
        dense.axhline(known.cell.current_mA_cm2, color=SOFT, lw=0.7, ls=":")
        for one in (axes, share, dense):
            one.set_xlim(t[0] - 0.05 * np.ptp(t), t[-1] + 0.08 * np.ptp(t))
            one.tick_params(labelbottom=one is dense)
            for at in t:
                one.axvline(at, color=RULE, lw=0.6, zorder=0)
        share.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    table = (
        found[["contact_share", "contact_share_err", "effective_current_density"]]
        .to_dataframe()
        .reset_index()
    )
    return drawn(
        "lsps-contact", "Contact area beside the voltage",
        "Voltage from the cycler; share of the section where lithium touches the solid, found with its "
        "error and true; current over contact area (dotted: nominal). The top is stripped first, then the "
        "bottom.", figure, table,
    )  # fmt: skip


def voltage(curves, time_s, recorded):
    """Fig. 4d: recorded and modelled voltage."""
    t = np.asarray(time_s) / 60
    with styled():
        figure = sheet(2.3)
        axes = panel(figure, 0.75, 0.45, 3.7, 1.7)
        axes.plot(t, recorded, "x", color=INK, ms=6, label="recorded", zorder=5)
        for k, name in enumerate(curves["scenario"].values):
            axes.plot(
                t,
                curves["voltage"].sel(scenario=name),
                f"{MARKS[k]}-",
                ms=3,
                lw=1,
                color=SERIES[k],
                label=str(name),
            )
        axes.axhline(0, color=RULE, lw=0.6, zorder=0)
        axes.set_xlabel("time / min")
        axes.set_ylabel("voltage / V")
        axes.set_yscale("symlog", linthresh=0.2)
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return drawn(
        "lsps-voltage", "Recorded voltage and that of the contact maps",
        "Butler-Volmer on the measured contact of both faces, interphase and electrolyte in series; shares "
        "of the contact as in the paper; contact held at its start; and current constriction solved on the "
        "maps. Linear within ± 0.2 V, logarithmic beyond.", figure, curves.to_dataframe().reset_index(),
    )  # fmt: skip


def volumes(found, true, passed, names, grey, labels):
    """Fig. 2: a classified section, and volumes against charge."""
    middle, voxel = grey.sizes["y"] // 2, grey.attrs["voxel_um"]
    with styled():
        figure = sheet(2.7)
        for r, (values, how) in enumerate((
            (grey.values[:, middle], {"cmap": "gray", "vmin": 0, "vmax": 0.45}),
            (labels.values[:, middle], {"cmap": ListedColormap(COLOURS), "vmin": -0.5, "vmax": 5.5}),
        )):  # fmt: skip
            axes = panel(figure, 0.55 + r * 1.6, 0.45, 1.5, 1.75)
            axes.imshow(
                values, origin="lower", extent=(0, values.shape[1] * voxel, 0, values.shape[0] * voxel), **how
            )
            axes.set_xlabel("x / µm", labelpad=1)
            axes.tick_params(length=2, labelsize=6, labelleft=r == 0)
            axes.set_title(("grey value", "classified")[r], fontsize=7)
            if r == 0:
                axes.set_ylabel("z / µm", labelpad=2)
        for k, name in enumerate(("interphase", "lithium")):
            axes = panel(figure, 4.65, 0.45 + 1.0 * (1 - k), 2.3, 0.85)
            at = names.index(name)
            value = np.array([float(one["volume_corrected"][at]) for one in found])
            error = np.array([float(one["volume_err"][at]) for one in found])
            axes.errorbar(
                passed,
                1e-3 * value,
                1e-3 * error,
                fmt=f"{MARKS[k]}-",
                ms=3.5,
                color=(COLOURS[3], SERIES[0])[k],
                label="found",
            )
            axes.plot(passed, 1e-3 * true[:, at], "x", color=INK, ms=5, label="true")
            axes.set_ylabel(f"{name}\n10³ µm³")
            axes.tick_params(labelbottom=k == 1)
            axes.margins(y=0.2)
        axes.set_xlabel("charge passed / mAh cm⁻²")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 1.0))
        for k, name in enumerate(names):
            colour = COLOURS[k] if name != "electrolyte" else "#b09a4a"
            figure.text(
                0.075 + 0.09 * k + (0.03 if k > 4 else 0),
                0.93,
                name,
                color=colour,
                fontsize=6.5,
                weight="bold",
            )
    rows = [{"charge": q, "phase": n, "found": float(f["volume_corrected"][k]), "error": float(f["volume_err"][k]),
             "true": v[k]} for q, f, v in zip(passed, found, true, strict=True)
            for k, n in enumerate(names)]  # fmt: skip
    return drawn(
        "lsps-volumes", "Interphase and lithium by a trained pixel classifier",
        "A forest on painted voxels (what WEKA does) of two half volumes; volumes corrected by what the "
        "other halves show is taken for what, with that error. Lithium: of both electrodes together.", figure,
        pd.DataFrame(rows),
    )  # fmt: skip


def motion(found, known, moved, maps):
    """Fig. 5: positions of faces and collectors, displacement vectors, stack thickness."""
    low, high = (float(maps["face"].isel(electrode=k, time=0).median()) for k in (0, 1))
    moved = moved.where((moved["z"] > low) & (moved["z"] < high), drop=True)
    t = found["time"].values / 60
    with styled():
        figure = sheet(2.75)
        axes = panel(figure, 0.6, 0.45, 1.75, 1.75)
        for k, name in enumerate(NAMES):
            face = maps["face"].isel(electrode=k)
            mean = face.where(maps["used"] > 0).mean(("y", "x"))
            axes.plot(t, mean - mean[0], f"{MARKS[k]}-", ms=3, color=SERIES[k], label=f"{name} face")
        rise = found["stack_thickness"] - found["stack_thickness"][0]
        axes.plot(t, rise, "^-", ms=3, color=SERIES[2], label="upper collector")
        axes.plot(t, known.scans["collector_rise"], "x", color=INK, ms=4, label="true")
        axes.set_xlabel("time / min")
        axes.set_ylabel("moved up / µm", labelpad=2)
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(-0.15, 1.0),
            ncol=2,
            columnspacing=0.6,
            handletextpad=0.3,
            fontsize=6,
        )
        row = moved.sizes["y"] // 2
        one = moved.isel(y=row)
        good = one["flag"].values == 0
        x, z = np.meshgrid(one["x"].values, one["z"].values)
        second = panel(figure, 3.0, 0.45, 2.1, 1.75)
        seen = second.quiver(
            x[good], z[good], 5 * one["u_x"].values[good], 5 * one["u_z"].values[good], one["u_z"].values[good],
            angles="xy", scale_units="xy", scale=1, cmap="viridis", width=0.008,
        )  # fmt: skip
        second.set_xlabel("x / µm")
        second.set_ylabel("z / µm", labelpad=2)
        second.set_aspect("equal")
        second.set_title("displacement, five times", fontsize=7)
        box = second.get_position()
        bar = figure.add_axes((box.x1 + 0.008, box.y0, 0.01, box.height))
        figure.colorbar(seen, cax=bar, label="u_z / µm")
        third = panel(figure, 6.2, 0.45, 1.25, 1.75)
        heights = moved["u_z"].where(moved["flag"] == 0)
        third.errorbar(
            heights.median(("y", "x")),
            moved["z"],
            xerr=heights.std(("y", "x")),
            fmt="o",
            ms=3,
            color=SERIES[0],
            elinewidth=0.7,
        )
        true = known.displacement["rise"].isel(time=-1).mean(("y", "x"))
        third.plot(true, true["z"], color=INK, lw=0.8, ls="--")
        third.set_xlabel("u_z / µm")
        third.tick_params(labelleft=False)
        third.set_title("found, true (dashed)", fontsize=7)
    return drawn(
        "lsps-motion", "What moves",
        "Left: mean height of the faces of the solid and of the upper collector since the first scan; "
        "crosses: true rise of the collector. Middle: displacement of the solid in the plane at the middle "
        "of y, first to last scan, drawn five times too long. Right: its vertical part by height, median "
        "and spread over the section.", figure,
        moved[["u_z", "u_y", "u_x"]].to_dataframe().reset_index(),
    )  # fmt: skip


def relation(rough, growth, one):
    """Fig. S9: local roughness against void growth, column by column."""
    a, b = rough.values.ravel(), growth.values.ravel()
    good = np.isfinite(a) & np.isfinite(b)
    with styled():
        figure = sheet(2.2)
        axes = panel(figure, 0.7, 0.45, 2.6, 1.6)
        axes.hexbin(a[good], b[good], gridsize=28, mincnt=1, cmap="Blues", linewidths=0.1)
        edges = np.quantile(a[good], np.linspace(0, 1, 7))
        at = np.clip(np.digitize(a[good], edges[1:-1]), 0, 5)
        mean = [b[good][at == k].mean() for k in range(6)]
        axes.plot(0.5 * (edges[1:] + edges[:-1]), mean, "o-", color=SERIES[1], ms=3.5, lw=1)
        axes.set_xlabel("local R_a before / µm")
        axes.set_ylabel("void thickness gained / µm")
        value = {str(n): float(one[n]) for n in one.data_vars}
        words = (
            f"rank correlation {value['correlation']:+.2f} ± {value['correlation_err']:.2f}",
            f"p = {value['p_value']:.2f} by permutation of blocks",
            f"p = {value['p_value_naive']:.1g} if neighbours were independent",
        )
        figure.text(0.5, 0.75, "\n".join(words), va="top", fontsize=7.5)
    return drawn(
        "lsps-relation", "Roughness of the interface against growth of voids",
        "Top electrode, every column measured, first scan to the end of its stripping; orange: mean of six "
        "equal parts. Neighbouring columns are alike, so whole blocks are permuted.", figure,
        pd.DataFrame({"roughness": a[good], "void_growth": b[good]}),
    )  # fmt: skip
