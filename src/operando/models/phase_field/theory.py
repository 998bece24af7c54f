"""What the model must give exactly: front speed, boundary energy and width, the steady triple junction."""

from __future__ import annotations

import numpy as np

from .film import FilmModel


def front_speed(model: FilmModel, winner: str, loser: str) -> float:
    """Speed in um/s of a flat front between two grains: v = 3 L delta (U_2 - U_1), delta = sqrt(kappa / 2m).

    Exact for gamma = 1.5, equal L and kappa and U_1 = -U_2 (to first order in the sum of both otherwise);
    positive where the first one grows.
    """
    a, b = model.index(winner), model.index(loser)
    return float(
        3 * model.mobility_per_s[a] * np.sqrt(model.gradient_um2[a] / 2) * (model.drive[b] - model.drive[a])
    )


def boundary_mobility(model: FilmModel, orientation: str) -> float:
    """M sigma in um2/s: speed of a boundary per curvature, L kappa."""
    q = model.index(orientation)
    return float(model.mobility_per_s[q] * model.gradient_um2[q])


def empty_front_speed(model: FilmModel, orientation: str) -> float:
    """Speed in um/s at which a grain fills empty cells: v = 2 L sqrt(kappa m), a front into an unstable state."""
    q = model.index(orientation)
    return float(2 * model.mobility_per_s[q] * np.sqrt(model.gradient_um2[q]))


def drag_speed(model: FilmModel, width_um: float) -> float:
    """Speed in um/s at which a grain eats the columns of equal width W below it, no drive: pi M sigma / (3 W).

    The boundary is y = (1/a) ln sec(a x), a = pi / (3 W), which meets the column walls at 120 degrees.
    """
    return float(np.pi * boundary_mobility(model, model.orientations[0]) / (3 * width_um))
