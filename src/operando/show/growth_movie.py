"""A movie of a film that grows in the phase field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from operando.core.errors import InputError

from .figures.selection import draw_codes, orientation_codes
from .movie import movie_writer
from .style import RC, panel

if TYPE_CHECKING:
    from operando.flow.results import Results


def write_growth(results: Results, path: str | Path, *, fps: int = 8, dpi: int = 120) -> Path:
    """Write the frames of `model/phase_field/film` to `path` (.gif, or .mp4 with ffmpeg). Raises `InputError` "
    "without."""
    path = Path(path)
    film = results.groups.get("model/phase_field/film")
    if film is None:
        raise InputError(
            "no phase field in these results", where=str(path), fix="Run operando model phase-field."
        )
    names = [str(n) for n in film.attrs["orientations"]]
    codes = orientation_codes(film, names)
    writer = movie_writer(path, fps)
    with mpl.rc_context({**RC, "figure.facecolor": "white", "savefig.facecolor": "white"}):
        height = 6.4 * film.sizes["z"] / film.sizes["x"]
        figure = Figure(figsize=(7.6, height + 1.0))
        axes = panel(figure, 0.8, 0.55, 6.4, height)
        image = draw_codes(axes, film, codes[0], names)
        axes.set(xlabel="x / µm", ylabel="z / µm")
        title = axes.set_title("")
        temporary = path.with_name(f"{path.stem}.part{path.suffix}")
        with writer.saving(figure, str(temporary), dpi):
            for t, frame in enumerate(codes):
                image.set_data(np.ma.masked_less(frame, 0))
                title.set_text(f"{float(film['time'][t]):.3g} s")
                writer.grab_frame(facecolor="white")
        temporary.replace(path)
    return path
