"""Three sections of a volume as one picture: the first look after a reconstruction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 800  # pixels of a section's longer side


def write_preview(array: Any, voxel_um: float, path: Path) -> None:
    """PNG of the middle sections across z, y and x of an array (z, y, x) in 1/cm, on one grey scale with its bar."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    nz, ny, nx = array.shape
    thin = [max(1, -(-n // LARGEST)) for n in (nz, ny, nx)]
    sections = [
        (np.asarray(array[nz // 2])[:: thin[1], :: thin[2]], "x", "y", nx, ny),
        (np.asarray(array[:, ny // 2])[:: thin[0], :: thin[2]], "x", "z", nx, nz),
        (np.asarray(array[:, :, nx // 2])[:: thin[0], :: thin[1]], "y", "z", ny, nz),
    ]
    values = np.concatenate([s[0][np.isfinite(s[0])] for s in sections])
    low, high = np.percentile(values, [0.5, 99.5]) if values.size else (0.0, 1.0)
    figure = Figure(figsize=(12, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 3)
    for ax, (image, across, up, n, m) in zip(axes, sections, strict=True):
        extent = (0, n * voxel_um, 0, m * voxel_um)
        shown = ax.imshow(image, cmap="gray", vmin=low, vmax=high, origin="lower", extent=extent)
        ax.set_xlabel(f"{across} (µm)")
        ax.set_ylabel(f"{up} (µm)")
        ax.set_facecolor("0.85")
    figure.colorbar(shown, ax=axes, label="attenuation (1/cm)", shrink=0.8)
    figure.savefig(path, dpi=110)
