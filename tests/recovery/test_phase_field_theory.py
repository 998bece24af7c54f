"""The phase field recovers what is known exactly: front speed, triple junction, growth law."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import curve_fit

from operando.models.phase_field import Growth, Seeds, consistent, drag_speed, front_speed, grow, step_limit
from operando.models.phase_field._engines import Coefficients, Sparse
from operando.models.phase_field.seeds import _nearest

DX = 0.5


def started(film, labels, names, *, step=0.5):
    shape = (labels.shape[0], labels.shape[2])
    growth = Growth(shape, 1.0, 1.0, deposition_um_per_s=0, first_layers=shape[0], spacing_um=DX)
    seeds = Seeds(labels, names)
    dt = step * step_limit(film, growth)
    return Sparse.start(Coefficients.of(film, growth, seeds, dt), growth, seeds, shape[0]), dt


@pytest.mark.parametrize(("third", "factor"), [(0.0, 1.0), (6e4, 1.0), (0.0, 8.0)])
def test_a_front_between_two_grains_has_the_exact_speed(third, factor):
    """Weak and strong drive, and a third orientation that shifts the drives off their symmetric values."""
    film = consistent({"a": 0.0, "b": 1e4 * factor, "c": third})
    labels = np.zeros((1, 1, 200), int)
    labels[..., 60:140] = 1
    run, dt = started(film, labels, ("a", "b"))
    speed = front_speed(film, "a", "b")
    per = max(1, round(4 * DX / speed / dt))  # four cells
    run.advance(per)
    before = run.dense()[1].sum()
    run.advance(4 * per)
    measured = (before - run.dense()[1].sum()) / 2 * DX / (4 * per * dt)  # two fronts
    assert measured == pytest.approx(speed, rel=0.02)


def test_triple_junctions_meet_at_120_degrees_and_drag_at_the_exact_speed():
    width = 30.0
    film = consistent({"a": 0.0})
    nx, nz = int(2 * width / DX), 110
    labels = np.zeros((nz, 1, nx), int)
    labels[:60, 0, : nx // 2], labels[:60, 0, nx // 2 :] = 1, 2
    run, dt = started(film, labels, ("a", "a", "a"))
    steps = int(8 / drag_speed(film, width) / dt)
    x = (np.arange(nx // 2) + 0.5) * DX - width / 2

    def contour() -> np.ndarray:
        top = run.dense()[0, :, 0, : nx // 2]
        k = (top > 0.5).argmax(axis=0)
        low, high = top[k - 1, np.arange(k.size)], top[k, np.arange(k.size)]
        return (k - 0.5 + (0.5 - low) / (high - low)) * DX

    run.advance(steps)
    first = contour()
    run.advance(steps // 2)
    second = contour()
    away = np.abs(x) < width / 2 - 1.5 * 2.5  # outside the diffuse junction

    def steady(x, a, z):
        return z + np.log(np.cos(a * x)) / a

    (a, _), _ = curve_fit(steady, x[away], second[away], p0=[np.pi / 3 / width, second.mean()])
    assert 180 - 2 * np.degrees(a * width / 2) == pytest.approx(120, abs=3)
    middle = np.abs(x) < width / 4
    assert (first - second)[middle].mean() / (steps // 2 * dt) == pytest.approx(
        drag_speed(film, width), rel=0.02
    )


def test_grains_grow_with_the_square_root_of_time():
    """R^2 - R_1^2 goes with (t - t_1)^(2p) once the random start is forgotten: p = 1/2."""
    film = consistent({"a": 0.0}, width_um=2.0)
    rng = np.random.default_rng(0)
    n, grains = 240, 700
    labels = _nearest(rng.uniform(0, n, grains), rng.uniform(0, n, grains), n, n)[:, None, :]
    growth = Growth((n, n), 1.0, 1.0, deposition_um_per_s=0, first_layers=n, scheme="explicit", spacing_um=DX)
    dt = 0.9 * step_limit(film, growth)
    growth = replace(growth, time_step_s=dt, duration_s=1200 * dt)
    found = grow(film, growth, Seeds(labels, ("a",) * grains), frames=37)
    left = (found["size"] > 0).sum("grain_id").values
    area, t = (n * DX) ** 2 / left, found.time.values
    first = int(np.flatnonzero(left < 0.75 * grains)[0])
    late = slice(first + 6, None)
    slope = np.polyfit(np.log(t[late] - t[first]), np.log(area[late] - area[first]), 1)[0]
    assert left[-1] < 170
    assert slope / 2 == pytest.approx(0.5, abs=0.05)
