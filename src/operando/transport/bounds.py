"""Bounds that no mixture can leave: Wiener, Voigt, Reuss, Hashin-Shtrikman."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from operando.core.errors import InputError


def conductivity_bounds(
    fractions: Sequence[float], conductivities: Sequence[float]
) -> dict[str, tuple[float, float]]:
    """Lower and upper bounds of the conductivity of a mixture: "wiener" (any), "hashin_shtrikman" (isotropic).

    Hashin-Shtrikman: 1 / sum(f / (k + 2 k0)) - 2 k0, k0 the smallest or largest conductivity.
    fractions (phase,), scaled to a sum of one; conductivities (phase,), not negative.
    Source: Hashin and Shtrikman, J. Appl. Phys. 33 (1962) 3125.
    """
    f, k = _checked(fractions, conductivities)
    series = 1 / np.sum(f / k) if (k > 0).all() else 0.0
    return {
        "wiener": (float(series), float(f @ k)),
        "hashin_shtrikman": (_shifted(f, k, 2 * k.min()), _shifted(f, k, 2 * k.max())),
    }


def modulus_bounds(
    fractions: Sequence[float], bulk: Sequence[float], shear: Sequence[float]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Lower and upper bounds of bulk, shear and Young's modulus of a mixture: "voigt_reuss", "hashin_shtrikman".

    bulk: 1 / sum(f / (K + 4/3 G0)) - 4/3 G0; shear: 1 / sum(f / (G + z)) - z, z = G0 (9 K0 + 8 G0) / (6 (K0 + 2 G0)),
    with the smallest or largest moduli as K0, G0. Those of Young's modulus follow from both (isotropic mixtures).
    Source: Hashin and Shtrikman, J. Mech. Phys. Solids 11 (1963) 127; Walpole (1966) for any number of phases.
    """
    f, k = _checked(fractions, bulk)
    _, g = _checked(fractions, shear)

    def pair(pick) -> tuple[float, float]:
        k0, g0 = pick(k), pick(g)
        z = g0 * (9 * k0 + 8 * g0) / (6 * (k0 + 2 * g0)) if g0 > 0 else 0.0
        return _shifted(f, k, 4 / 3 * g0), _shifted(f, g, z)

    (k_low, g_low), (k_high, g_high) = pair(np.min), pair(np.max)
    reuss = _shifted(f, k, 0.0), _shifted(f, g, 0.0)
    voigt = float(f @ k), float(f @ g)
    return {
        "voigt_reuss": _with_young(reuss, voigt),
        "hashin_shtrikman": _with_young((k_low, g_low), (k_high, g_high)),
    }


def _checked(fractions, values) -> tuple[np.ndarray, np.ndarray]:
    f, v = np.asarray(fractions, float), np.asarray(values, float)
    if f.shape != v.shape or f.ndim != 1 or not (f >= 0).all() or not f.sum() > 0 or not (v >= 0).all():
        raise InputError("one share and one property, not negative, for each phase", where="bounds")
    present = f > 0
    return f[present] / f.sum(), v[present]


def _shifted(f: np.ndarray, v: np.ndarray, shift: float) -> float:
    """1 / sum(f / (v + shift)) - shift."""
    return float(1 / np.sum(f / (v + shift)) - shift) if (v + shift > 0).all() else 0.0


def _with_young(low: tuple[float, float], high: tuple[float, float]) -> dict[str, tuple[float, float]]:
    def young(k: float, g: float) -> float:
        return 9 * k * g / (3 * k + g) if k > 0 else 0.0

    return {"bulk": (low[0], high[0]), "shear": (low[1], high[1]), "young": (young(*low), young(*high))}
