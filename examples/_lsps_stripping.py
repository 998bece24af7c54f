"""Fig. 2c of the contact-loss paper: what share of the current strips lithium metal, by the interphase that is there.

Each point is a cell of its own. The twin is told both numbers; they are found again from two scans, before and after
the top is stripped: thickness of the interphase at the start, and the lithium that has gone for the charge passed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from _page import Page, drawn, styled
from _volumes import painted, retrieved

from operando import tomography as tomo
from operando.core.units import FARADAY_C_PER_MOL, LI_MOLAR_VOLUME_CM3_PER_MOL
from operando.show.style import INK, SERIES, panel, sheet
from operando.twin.symmetric_cell import SymmetricCell, truth

#: interphase at the top at the start (um), and share of stripping, which falls between the two that the paper prints
TOLD = ((3.5, 0.72), (6.0, 0.66), (8.5, 0.61), (11.0, 0.56), (13.5, 0.51))
STRIPPED_S = 3600.0


def cells(block: SymmetricCell, small: bool) -> list[SymmetricCell]:
    """A block for each point, scanned at rest and at the end of the stripping of its top; small: every other point."""
    chosen = TOLD[::2] if small else TOLD
    return [
        replace(block, scans=2, scan_period_s=STRIPPED_S, rest_s=300.0, half_cycle_s=STRIPPED_S + 3600.0, seed=20 + k,
                interphase_um=(block.interphase_um[0], thick), stripping_fraction=share,
                electrolyte_um=block.electrolyte_um - thick + block.interphase_um[1])
        for k, (thick, share) in enumerate(chosen)
    ]  # fmt: skip


def stripping(page: Page, block: SymmetricCell, phases: dict[str, int], small: bool) -> None:
    """Rows and figure; one forest for all cells, its rates from the halves that it was not trained on: of the top
    alone, before and after apart, as small voids are missed more often than grown ones."""
    made = cells(block, small)
    scans = [[retrieved(cell, t, phases) for t in (0, 1)] for cell in made]
    rng, half = np.random.default_rng(0), block.width // 2
    flat = [scan for pair in scans for scan in pair]  # before and after: with few voids and with many
    train = [(g.isel(y=slice(0, half)), p.isel(y=slice(0, half))) for g, p in flat]
    forest = tomo.train_forest(
        [g for g, _ in train], [painted(p, 0.02, rng) for _, p in train],
        features=tomo.FeatureSettings(dimensions=3), balanced=False, depth=14,
    )  # fmt: skip
    labels = [[tomo.most_likely(forest.probabilities(grey)) for grey, _ in pair] for pair in scans]
    confusion = [
        tomo.confusion_matrix(*[
            [_top(cell, pair[t]).isel(y=slice(half, None)) for cell, pair in zip(made, known, strict=True)]
            for known in (labels, [[true for _, true in pair] for pair in scans])
        ])
        for t in (0, 1)
    ]  # fmt: skip
    rows = []
    for cell, pair in zip(made, labels, strict=True):
        rows.append(_of(cell, pair, list(phases), confusion))
        words = f"at {rows[-1]['true_um']:.1f} µm of interphase"
        page.row(f"share of the current from lithium metal, {words}", rows[-1]["share"], rows[-1]["share_err"],
                 truth=cell.stripping_fraction, paper="falls with the interphase")  # fmt: skip
    page.figures.append(figure(pd.DataFrame(rows)))


def _of(cell: SymmetricCell, pair, phases: list[str], confusion) -> dict[str, float]:
    """Interphase at the top before, and F V / (V_m Q) of the lithium that has gone from the top."""
    told = [
        tomo.corrected_volumes(_top(cell, one), rates, rng=np.random.default_rng(k))
        for k, (one, rates) in enumerate(zip(pair, confusion, strict=True))
    ]
    area = (cell.width * cell.voxel_um) ** 2
    k, i = phases.index("lithium"), phases.index("interphase")
    gone = float(told[0]["volume_corrected"][k] - told[1]["volume_corrected"][k])
    gone_err = float(np.hypot(*(one["volume_err"][k] for one in told)))
    charge = float(np.diff(truth(cell).scans["charge"].values)[0]) * 3.6 * area * 1e-8  # C
    per = FARADAY_C_PER_MOL / (LI_MOLAR_VOLUME_CM3_PER_MOL * 1e12) / charge
    return {
        "interphase_um": float(told[0]["volume_corrected"][i]) / area,
        "interphase_um_err": float(told[0]["volume_err"][i]) / area, "true_um": cell.interphase_um[1],
        "share": gone * per, "share_err": gone_err * per, "true_share": cell.stripping_fraction,
    }  # fmt: skip


def _top(cell: SymmetricCell, volume):
    """What lies above the middle of the electrolyte at the start."""
    below = cell.steel_um + cell.lithium_um[0] + cell.interphase_um[0] + cell.electrolyte_um / 2
    return volume.isel(z=slice(round(below / cell.voxel_um), None))


def figure(table: pd.DataFrame):
    """Share of stripping against the thickness of the interphase, found and told."""
    with styled():
        page = sheet(2.4)
        axes = panel(page, 0.75, 0.5, 3.4, 1.75)
        axes.plot(
            table["true_um"], table["true_share"], "x-", color=INK, lw=0.7, ms=6, label="true", zorder=0
        )
        axes.errorbar(table["interphase_um"], table["share"], table["share_err"], table["interphase_um_err"], fmt="o",
                      ms=4, color=SERIES[0], label="found")  # fmt: skip
        axes.set(xlabel="interphase when stripping begins / µm", ylabel="share of the current\nfrom lithium metal",
                 ylim=(0, 1))  # fmt: skip
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return drawn(
        "lsps-stripping", "What strips lithium metal, by the interphase",
        "Each point is a cell, scanned before and after its top is stripped with 2 mAh/cm². Both numbers are from "
        "volumes by a pixel classifier, corrected by what held-out halves show is taken for what; crosses: what the "
        "twin was told, which falls as the paper's points do.", page, table,
    )  # fmt: skip
