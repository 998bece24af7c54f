"""Boundary problem of a contact map: Fourier multiplier of a stack of slabs, conjugate gradients on the contacts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import fft


@dataclass(frozen=True)
class Transform:
    """Forward and inverse transform of a map; `s` and `edge` of each mode: see `spreading_multiplier`."""

    forward: Callable[[np.ndarray], np.ndarray]
    inverse: Callable[[np.ndarray], np.ndarray]
    s: np.ndarray
    edge: np.ndarray


def transform_of(shape: tuple[int, int], sides: str, workers: int) -> Transform:
    """Cosine transform for mirror sides (mirrors at the outer pixel edges), Fourier transform for periodic ones."""
    rows, columns = shape
    if sides == "mirror":
        ty, tx = np.pi * np.arange(rows) / rows, np.pi * np.arange(columns) / columns
        return Transform(
            lambda a: fft.dctn(a, norm="ortho", workers=workers),
            lambda a: fft.idctn(a, norm="ortho", workers=workers, overwrite_x=True),
            *_lattice(ty, tx),
        )
    ty, tx = 2 * np.pi * fft.fftfreq(rows), 2 * np.pi * fft.rfftfreq(columns)
    return Transform(
        lambda a: fft.rfft2(a, workers=workers),
        lambda a: fft.irfft2(a, s=shape, workers=workers, overwrite_x=True),
        *_lattice(ty, tx),
    )


def _lattice(ty: np.ndarray, tx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Root of the lattice Laplacian, s^2 = 4 (a + b) with a, b = sin^2(t/2), and the edge factor exp(2 a b - s^2/4)."""
    a, b = np.sin(ty / 2)[:, None] ** 2, np.sin(tx / 2)[None] ** 2
    return 2 * np.sqrt(a + b), np.exp(2 * a * b - a - b)


def spreading_multiplier(transform: Transform, layers: list[tuple[float, float]], pixel: float) -> np.ndarray:
    """Potential at the surface for a unit current of each mode, mode (0, 0) set to zero.

    Layers (thickness, conductivity) from the surface down. A layer in front of an impedance Z turns it into
    (t/p + Z) / (1 + Z p t), p = k q, t = tanh(q thickness). q is that of the lattice, s / pixel.

    The edge factor takes away the first-order error of the pixels. With the lattice kernel 1/s alone a straight edge
    acts a quarter pixel inside the pixels' border: 1/s = 1/|1 - z| has the Wiener-Hopf factor (1 - z)^(-1/2), and
    a factor r of the kernel moves the edge by the sum of n c_n over log r = c_0 + 2 sum c_n cos(n t). exp(-s^2/4)
    puts edges along the pixels right, and 2 a b does so for edges at 45 degrees, whose stairs reach too far out.
    """
    s = transform.s
    q = np.where(s > 0, s / pixel, 1.0)
    z = np.zeros_like(s)
    for thickness, conductivity in reversed(layers):
        p = conductivity * q
        if np.isinf(thickness):
            z = 1 / p
            continue
        t = np.tanh(q * thickness)
        z = (t / p + z) / (1 + z * p * t)
    z *= transform.edge
    z[0, 0] = 0.0
    return z


def solve_contact(
    mask: np.ndarray, spreading: np.ndarray, film: np.ndarray, transform: Transform, tolerance: float,
    most: int = 1000,
) -> tuple[np.ndarray, float, int, float]:  # fmt: skip
    """Current of the contact pixels at one potential: (film + M S M) j = 1, scaled to a mean of one over the map.

    Conjugate gradients, preconditioned by the inverse multiplier (film included) cut to the contacts.
    Mode (0, 0), which a uniform current fixes, is given the size of its neighbours and taken off again.
    Returns the current, the potential of the contacts without the uniform part, steps, relative residual.
    """
    # a constant added to the potential of all contacts changes neither j nor what is taken off at the end
    anchor = float(np.sort(spreading.ravel())[-1]) or 1.0
    multiplier = spreading.copy()
    multiplier[0, 0] = anchor
    on_film = np.where(mask, film, 0.0)
    inverse = 1 / (multiplier + on_film[mask].mean())

    def apply(j: np.ndarray) -> np.ndarray:
        return (transform.inverse(transform.forward(j) * multiplier) + on_film * j) * mask

    def precondition(r: np.ndarray) -> np.ndarray:
        return transform.inverse(transform.forward(r) * inverse) * mask

    current, steps, residual = _conjugate_gradients(apply, precondition, mask.astype(float), tolerance, most)
    mean = current.sum() / mask.size
    return current / mean, 1 / mean - anchor, steps, residual


def _conjugate_gradients(apply, precondition, b, tolerance, most):
    """Preconditioned conjugate gradients for a symmetric positive operator; starts at zero.

    Sums by einsum: the threads of BLAS wait for each other when the machine is busy.
    """

    def dot(a, b) -> float:
        return float(np.einsum("ij,ij->", a, b))

    x, r = np.zeros_like(b), b.copy()
    z = precondition(r)
    p, rz, size = z.copy(), dot(r, z), np.sqrt(dot(b, b))
    residual, step = 1.0, 0
    while residual > tolerance and step < most:
        ap = apply(p)
        alpha = rz / dot(p, ap)
        x += alpha * p
        r -= alpha * ap
        residual = np.sqrt(dot(r, r)) / size
        z = precondition(r)
        rz, before = dot(r, z), rz
        p *= rz / before
        p += z
        step += 1
    return x, step, residual
