"""Interfaces in relief: pyvista where it is, matplotlib where it is not or fails; nothing of it ends a run."""

from __future__ import annotations

import importlib.util
import subprocess

import numpy as np
import pytest
import xarray as xr

from operando.show.figures import solid, tomography_relief


def hill(side=33, step=2.0):
    at = np.arange(side) * step
    y, x = np.meshgrid(at, at, indexing="ij")
    level = 3 * np.exp(-((x - 48) ** 2 + (y - 32) ** 2) / 100)
    level[:3] = np.nan
    return at, at, level


def maps():
    at, _, level = hill()
    face = np.stack([level + 20, level + 60])[None]
    return xr.Dataset(
        {"face": (("time", "electrode", "y", "x"), face)},
        {"time": [0.0], "electrode": ["bottom", "top"], "y": at, "x": at},
    )


@pytest.mark.skipif(
    importlib.util.find_spec("pyvista") is None, reason="pyvista is not installed (extra view)"
)
def test_pyvista_draws_the_hill_in_the_colours_of_its_height():
    x, y, level = hill()
    picture = solid.rendered(x, y, level, (0.0, 3.0), 4.0)
    assert picture is not None, "pyvista cannot draw off-screen here"
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    yellow, violet = (red > 180) & (green > 170) & (blue < 120), (blue > green + 20) & (red < 110)
    assert yellow.sum() > 50
    assert violet.sum() > 1000  # most of the face is flat
    peak, flat = np.argwhere(yellow).mean(0), np.argwhere(violet).mean(0)
    assert peak[0] < flat[0]  # the hill stands up


@pytest.mark.parametrize("way", ["absent", "crash", "hang"])
def test_without_pyvista_or_where_it_fails_matplotlib_draws(monkeypatch, way, caplog):
    if way == "absent":
        monkeypatch.setattr(solid.importlib.util, "find_spec", lambda name: None)
    else:
        monkeypatch.setattr(solid.importlib.util, "find_spec", lambda name: object())

        def run(*args, **kwargs):
            if way == "hang":
                raise subprocess.TimeoutExpired("python", 120)
            return subprocess.CompletedProcess(args, -11, "", "no graphics driver")

        monkeypatch.setattr(solid.subprocess, "run", run)
    exhibit = tomography_relief.relief(maps())
    assert "Drawn by matplotlib" in exhibit.caption
    assert (way == "absent") == ("no rendering by pyvista" not in caplog.text)
