"""How far a segmentation is to be believed: reliability, confusion, and what the classifier learned."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..style import INK, RULE, SERIES, SOFT, WIDTH, Exhibit, hatch_missing, panel, sheet, styled


@styled
def reliability(found: xr.Dataset) -> Exhibit:
    """How often the likeliest phase is right against how sure the classifier was, and how many voxels say so."""
    figure = sheet(2.75)
    axes = panel(figure, 0.75, 0.85, 1.75, 1.75)
    below = panel(figure, 0.75, 0.42, 1.75, 0.36, sharex=axes)
    least = 1 / found.sizes["phase"]
    axes.plot([least, 1], [least, 1], color=SOFT, lw=0.8, ls="--", label="as it should be")
    if "raw_accuracy" in found:
        axes.plot(found["raw_confidence"], found["raw_accuracy"], "s", ms=3, color=SERIES[1], mfc="none",
                  label="as trained")  # fmt: skip
    axes.errorbar(found["confidence"].values, found["accuracy"].values, found["accuracy_err"].values, fmt="o", ms=3.2,
                  color=SERIES[0], elinewidth=0.8, label="with the temperature")  # fmt: skip
    axes.set(ylabel="share that is right", xlim=(least - 0.02, 1.02), ylim=(least - 0.02, 1.02))
    axes.set_aspect("equal")
    axes.tick_params(labelbottom=False)
    axes.legend(loc="lower right", fontsize=5.8, handlelength=1.4)
    edges = np.linspace(0, 1, found.sizes["bin"] + 1)
    below.bar(0.5 * (edges[1:] + edges[:-1]), found["count"].values / found["count"].sum().item(), 0.9 * np.diff(edges),
              color=SERIES[0])  # fmt: skip
    below.set(xlabel="probability of the likeliest phase", ylabel="share", yscale="log")
    below.tick_params(labelsize=6)
    each = panel(figure, 4.1, 0.42, 3.2, 2.18)
    names = [str(n) for n in found["phase"].values]
    each.barh(np.arange(len(names)), found["class_ece"].values, 0.6, color=SERIES[2])
    each.set_yticks(np.arange(len(names)), names)
    each.invert_yaxis()
    each.axvline(float(found["ece"]), color=INK, lw=0.8)
    each.text(float(found["ece"]), -0.75, f" all: {float(found['ece']):.4f}", fontsize=6.5, va="center")
    each.set_xlabel("expected calibration error")
    each.set_xlim(0, 1.15 * max(float(found["class_ece"].max()), float(found["ece"]), 1e-3))
    table = found[["confidence", "accuracy", "accuracy_err", "count"]].to_dataframe().reset_index()
    return Exhibit(
        "segmentation-reliability", "Are the probabilities right?",
        "Labels that were not trained on. Left: of the voxels to which the classifier gave a probability, the share in "
        "which it is right (bars: 1σ if voxels were independent, which neighbours are not), and how many there are. "
        "Each half is judged at the temperature fitted on the other. Right: error of each phase, line: of all.",
        "Reliability diagram and calibration errors by phase.", figure, table,
    )  # fmt: skip


@styled
def confusion(found: xr.Dataset) -> Exhibit:
    """What held-out voxels of each phase are called, in per cent of the phase; Dice beside it."""
    names = [str(n) for n in found["true"].values]
    n = len(names)
    side = min(0.42 * n, 3.6)
    figure = sheet(side + 1.2)
    axes = panel(figure, 1.15, 0.95, side, side)
    rate = 100 * found["rate"].values
    axes.imshow(np.ma.masked_invalid(np.sqrt(rate / 100)), cmap="Blues", vmin=0, vmax=1, aspect="equal")
    hatch_missing(axes)
    for i in range(n):
        for j in range(n):
            if np.isfinite(rate[i, j]) and rate[i, j] >= 0.05:
                axes.text(j, i, f"{rate[i, j]:.1f}" if rate[i, j] < 99.95 else "100", ha="center", va="center",
                          fontsize=5.8 if n > 6 else 7, color=INK if rate[i, j] < 45 else "#fefefe")  # fmt: skip
    axes.set_xticks(range(n), names, rotation=45, ha="right")
    axes.set_yticks(range(n), names)
    axes.set(xlabel="called", ylabel="is")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    beside = panel(figure, 1.15 + side + 0.35, 0.95, WIDTH - 1.15 - side - 0.6, side)
    beside.errorbar(found["dice"].values, np.arange(n), xerr=found["dice_err"].values, fmt="o", ms=3.5, color=SERIES[0],
                    elinewidth=0.9)  # fmt: skip
    least = min(0.5, float(np.nanmin(found["dice"])) - 0.05)
    beside.set(ylim=(n - 0.5, -0.5), xlabel="Dice of held-out voxels", xlim=(least, 1.02))
    beside.set_yticks(range(n), [""] * n)
    beside.grid(axis="y", color=RULE, lw=0.5)
    table = found["rate"].to_dataframe("rate").reset_index()
    return Exhibit(
        "segmentation-confusion", "What is taken for what",
        "Of the held-out voxels of each phase (rows), the per cent that is called each phase (columns); shares under "
        "0.05 % are left out. Right: Dice of each phase, bars 1σ from how blocks of the volume differ.",
        "Confusion matrix and Dice scores.", figure, table,
    )  # fmt: skip


#: kinds of features; of those with eigenvalues what each is, rising
FEATURES = {
    "grey": "grey value", "gaussian": "smoothed grey value", "gradient": "gradient", "hessian": "curvature",
    "structure": "structure", "difference": "difference of two widths,",
}  # fmt: skip


def _feature(name: str) -> str:
    """`hessian 0 1.4` as `curvature 1, 1.4`: kind, number of the eigenvalue, width."""
    kind, *rest = name.split()
    said = FEATURES.get(kind, kind)
    if kind in ("hessian", "structure") and len(rest) == 2:
        return f"{said} {int(rest[0]) + 1}, {rest[1]}"
    return f"{said} {' to '.join(rest)}".strip()


@styled
def learned(model: xr.Dataset) -> Exhibit:
    """Importance of the features of a forest, or the losses of a U-Net during its training."""
    if "importance" in model:
        order = np.argsort(-model["importance"].values)[:12]
        names, values = model["feature"].values[order], model["importance"].values[order]
        figure = sheet(0.6 + 0.17 * len(order))
        axes = panel(figure, 2.1, 0.42, 4.1, 0.17 * len(order))
        axes.barh(np.arange(len(order)), values, 0.65, color=SERIES[0])
        axes.set_yticks(np.arange(len(order)), [_feature(str(name)) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel("importance (share of what the splits of all trees gain)")
        return Exhibit("segmentation-features", "What the forest looks at",
                       f"The {len(order)} features that part the painted voxels best, at their widths in voxels.",
                       "Importance of features.", figure, model.to_dataframe().reset_index())  # fmt: skip
    figure = sheet(2.0)
    left, right = panel(figure, 0.75, 0.45, 2.7, 1.35), panel(figure, 4.4, 0.45, 2.7, 1.35)
    at = np.arange(model.sizes["epoch"]) + 1
    left.plot(at, model["loss"], color=SERIES[0], label="patches trained on")
    left.plot(at, model["held_loss"], color=SERIES[1], label="held-out slices")
    left.set(xlabel="epoch", ylabel="cross entropy / nat", yscale="log")
    left.legend(fontsize=6)
    right.plot(at, model["held_dice"], color=SERIES[0], label="mean over phases")
    right.plot(at, model["held_worst_dice"], color=SERIES[1], label="worst phase")
    right.set(xlabel="epoch", ylabel="Dice of held-out slices", ylim=(None, 1.0))
    right.legend(fontsize=6)
    return Exhibit("segmentation-training", "Training of the U-Net",
                   "Loss of the patches (phases weighted) and of the slices held out, and Dice of the latter; the "
                   "weights with the lowest held-out loss are kept.", "Loss and Dice by epoch.", figure,
                   model.to_dataframe().reset_index())  # fmt: skip
