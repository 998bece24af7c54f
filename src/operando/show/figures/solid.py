"""Interfaces as lit surfaces by pyvista (extra `view`), in a process of its own: no graphics driver may end a run."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

log = logging.getLogger("operando.show")
SECONDS = 120
SIZE = (1100, 820)


def rendered(
    x: np.ndarray, y: np.ndarray, level: np.ndarray, span: tuple[float, float], stretch: float
) -> np.ndarray | None:
    """Picture (rows, columns, 3) uint8 of heights `level` (y, x; um, NaN is a hole), coloured over `span`.

    None where pyvista is not installed or cannot draw here (the log says why).
    """
    if importlib.util.find_spec("pyvista") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        data, picture = Path(folder) / "surface.npz", Path(folder) / "surface.npy"
        np.savez(data, x=x, y=y, level=level, span=span, stretch=stretch)
        command = [sys.executable, "-m", __name__, str(data), str(picture)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("no rendering by pyvista: %s", error)
            return None
        if not picture.exists():
            log.warning(
                "no rendering by pyvista: %s", (done.stderr.strip().splitlines() or ["it ended early"])[-1]
            )
            return None
        return np.load(picture)


def main(data: str, picture: str) -> None:
    import pyvista

    held = np.load(data)
    x, y = np.meshgrid(held["x"], held["y"])
    (low, high), stretch = held["span"], float(held["stretch"])
    level = np.clip(held["level"], low, high)
    mesh = pyvista.StructuredGrid(x, y, np.nan_to_num(level) * stretch)
    mesh["height"] = level.ravel(order="F")
    known = mesh.threshold((low - 1, high + 1), scalars="height", all_scalars=True).extract_surface()
    smooth = known.compute_normals(auto_orient_normals=True)
    plotter = pyvista.Plotter(off_screen=True, window_size=SIZE, lighting="three lights")
    plotter.set_background("white")
    plotter.add_mesh(
        smooth, scalars="height", cmap="viridis", clim=(low, high), smooth_shading=True, show_scalar_bar=False,
        specular=0.15,
    )  # fmt: skip
    plotter.view_vector((-0.55, -1.0, 0.75), viewup=(0, 0, 1))
    x0, x1, nx = _round(held["x"][0], held["x"][-1], 4)
    y0, y1, ny = _round(held["y"][0], held["y"][-1], 4)
    z0, z1, nz = _round(low, high, 2)
    plotter.show_bounds(
        bounds=[x0, x1, y0, y1, stretch * z0, stretch * z1], axes_ranges=[x0, x1, y0, y1, z0, z1], location="outer",
        ticks="outside", xtitle="x / um", ytitle="y / um", ztitle="z / um", n_xlabels=nx, n_ylabels=ny, n_zlabels=nz,
        font_size=26, fmt="%g", bold=False,
    )  # fmt: skip
    plotter.reset_camera(bounds=[x0, x1, y0, y1, stretch * z0, stretch * z1])
    plotter.camera.zoom(0.92)
    image = np.asarray(plotter.screenshot(return_img=True))
    drawn = np.any(image < 250, axis=-1)
    rows, columns = np.flatnonzero(np.any(drawn, axis=1)), np.flatnonzero(np.any(drawn, axis=0))
    np.save(picture, image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _round(low: float, high: float, most: int) -> tuple[float, float, int]:
    """Round ends around a range, and how many labels stand at round numbers from end to end."""
    raw = (high - low) / most
    power = 10.0 ** np.floor(np.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= 0.999 * raw)
    first, last = np.floor(low / step) * step, np.ceil(high / step) * step
    return float(first), float(last), round(float((last - first) / step)) + 1


if __name__ == "__main__":
    main(*sys.argv[1:])
