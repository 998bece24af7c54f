"""A phantom whose projections are known exactly: ellipses, with line integrals averaged over each pixel.

The sample frame: x cos t + y sin t = s, s = 0 on the axis; lengths in pixels, attenuation in 1/pixel. Written for the
tests of reconstruction, apart from the code that it tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from operando.core.projections import ArrayStack, Projections


@dataclass(frozen=True)
class Ellipse:
    """Centre, half axes, direction of the first half axis (degrees from +x to +y), attenuation added inside."""

    x: float
    y: float
    a: float
    b: float
    turn_deg: float
    mu: float


def cell(width: int, mu: float = 1.0, grains: int = 60, seed: int = 3) -> list[Ellipse]:
    """A ring, a disc off the axis in it, and grains and voids of a few pixels; attenuation about `mu` / width."""
    rng = np.random.default_rng(seed)
    w, m = width / 2, mu / width
    shapes = [
        Ellipse(0.02 * w, -0.03 * w, 0.86 * w, 0.86 * w, 0, 2 * m),
        Ellipse(0.02 * w, -0.03 * w, 0.78 * w, 0.78 * w, 0, -1.5 * m),
        Ellipse(0.1 * w, 0.12 * w, 0.5 * w, 0.33 * w, 25, 0.8 * m),
    ]
    for _ in range(grains):
        r, t = 0.68 * w * np.sqrt(rng.random()), 2 * np.pi * rng.random()
        a, b = rng.uniform(0.015, 0.06, 2) * w
        shapes.append(
            Ellipse(r * np.cos(t), r * np.sin(t), a, b, 180 * rng.random(), m * rng.choice([-0.4, 1.5]))
        )
    return shapes


def _below(q: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Integral of sqrt(r^2 - q^2) from -r to q."""
    q = np.clip(q, -r, r)
    return 0.5 * (q * np.sqrt(r * r - q * q) + r * r * (np.arcsin(q / r) + np.pi / 2))


def line_integrals(shapes: list[Ellipse], angles_deg, columns: int, centre: float) -> np.ndarray:
    """(angles, columns) exact means of the line integrals over each pixel."""
    turn = np.deg2rad(np.asarray(angles_deg, float))
    edges = np.arange(columns + 1) - 0.5 - centre
    out = np.zeros((len(turn), columns))
    for e in shapes:
        reach = np.hypot(
            e.a * np.cos(turn - np.deg2rad(e.turn_deg)), e.b * np.sin(turn - np.deg2rad(e.turn_deg))
        )
        middle = e.x * np.cos(turn) + e.y * np.sin(turn)
        area = _below(edges - middle[:, None], reach[:, None])
        out += e.mu * 2 * e.a * e.b / reach[:, None] ** 2 * np.diff(area, axis=1)
    return out


def slice_truth(shapes: list[Ellipse], width: int, fine: int = 4) -> np.ndarray:
    """(y, x) attenuation on the grid whose middle is the axis, each pixel the mean of fine x fine points."""
    g = (np.arange(width * fine) + 0.5) / fine - width / 2
    out = np.zeros((width * fine, width * fine), np.float32)
    for e in shapes:
        c, s = np.cos(np.deg2rad(e.turn_deg)), np.sin(np.deg2rad(e.turn_deg))
        r = max(e.a, e.b) + 1
        iy, ix = (slice(*np.searchsorted(g, (m - r, m + r))) for m in (e.y, e.x))
        y, x = g[iy, None] - e.y, g[None, ix] - e.x
        out[iy, ix] += e.mu * (((x * c + y * s) / e.a) ** 2 + ((y * c - x * s) / e.b) ** 2 <= 1)
    return out.reshape(width, fine, width, fine).mean((1, 3))


def counted(
    integrals: np.ndarray, rng, *, beam: float = 10_000.0, dark: float = 100.0, flats: int = 10
) -> tuple:
    """Poisson counts (images, rows, columns) uint16 of (rows, images, columns) line integrals, flats and darks.

    The beam has structure of 20 % over the detector.
    """
    rows, _, columns = integrals.shape
    y, x = np.mgrid[:rows, :columns]
    shape = beam * (1 + 0.1 * np.sin(x / 7.0 + y) + 0.1 * np.cos(x / 31.0))
    images = rng.poisson(shape[:, None] * np.exp(-integrals)).transpose(1, 0, 2) + dark
    flat = rng.poisson(np.broadcast_to(shape, (flats, rows, columns))) + dark
    noise = rng.poisson(dark, (flats, rows, columns))
    return tuple(np.clip(a, 0, 65535).astype(np.uint16) for a in (images, flat, noise))


def scan(
    rng, *, width: int = 128, rows: int = 4, angles: int = 180, centre: float | None = None, span_deg: float = 180.0,
    endpoint: bool = False, beam: float = 10_000.0, mu: float = 1.0, pixel_um: float = 2.0, **changes,
) -> tuple[Projections, np.ndarray, float]:  # fmt: skip
    """Projections of a phantom that differs from row to row, the true slices (rows, y, x) in 1/pixel, the centre."""
    centre = (width - 1) / 2 + 1.3 if centre is None else centre
    angles_deg = np.linspace(0, span_deg, angles, endpoint=endpoint)
    shapes = [cell(width, mu, seed=row) for row in range(rows)]
    integrals = np.stack([line_integrals(s, angles_deg, width, centre) for s in shapes])
    images, flats, darks = counted(integrals, rng, beam=beam)
    truth = np.stack([slice_truth(s, width) for s in shapes])
    facts = {
        "angles_deg": angles_deg,
        "flats": ArrayStack(flats),
        "darks": ArrayStack(darks),
        "pixel_um": pixel_um,
    }
    return Projections("phantom", ArrayStack(images), **{**facts, **changes}), truth, centre
