"""Geometry from the rings of a reference: where the detector stands, with errors."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ..core import Flag, Geometry
from ..core.errors import InputError

#: parameters of a PONI that a frame of rings can tell; rot3 turns the rings into themselves
FREE = ("distance_m", "poni1_m", "poni2_m", "rot1", "rot2")
#: fewest points: of fewer, five parameters and a scatter cannot be told
FEWEST = 24
#: points farther off than so many robust standard deviations are left out (grains, dust)
OUTLIER = 5.0
#: rounds of leaving out, and of Newton's steps to a pixel
ROUNDS, STEPS = 4, 6
#: a coarser grid of pixels to start those steps from
COARSE = 16
#: flags under which a position is known
KNOWN = (0, int(Flag.POOR_FIT))


@dataclass(frozen=True)
class Refined:
    """A refined geometry and what speaks for it.

    parameters  over `parameter`: `value`, `start`, `value_err` (m or rad), in the order of `FREE`; covariance over
                (parameter, parameter_2); attrs `goodness` (reduced chi-squared; the errors hold it where above 1)
    points      over `point`: `ring` (number), `azimuth` (deg), `row`, `column` (of the image of the PONI),
                `residual`, `residual_start` (2 theta seen less known), `residual_err` (deg), `used`
    """

    geometry: Geometry
    parameters: xr.Dataset
    points: xr.Dataset


def refine_geometry(
    rings: xr.Dataset, known_q: np.ndarray, geometry: Geometry, *, compared: Geometry | None = None
) -> Refined:
    """Distance, point of normal incidence and tilts at which rings of known spacing lie where they were seen.

    Weighted least squares of 2 theta(row, column; parameters) - 2 theta_known over all (ring, azimuth), with pyFAI's
    trigonometry; wavelength and rot3 are held. Points beyond `OUTLIER` robust deviations are left out.

    rings     Dataset over (ring, azimuth) as `fit_peaks` gives it: `q`, `q_err` (1/angstrom), `flag`, `goodness`, with
              azimuth in degrees, as reduced with `geometry`
    known_q   (ring,) 1/angstrom, 2 pi / d of the reference
    geometry  the one that the rings were reduced with, of known shape
    compared  whose parameters and residuals stand beside those found; the same, if left out

    Raises `InputError` for fewer than `FEWEST` points, or where they do not tell the parameters apart (one ring alone
    does not tell distance from spacing and tilt). Errors leave out that of wavelength and reference.
    """
    from scipy.optimize import least_squares

    seen = _points(rings, np.asarray(known_q, float), geometry)
    start = np.array([getattr(geometry, name) for name in FREE])
    scale = np.array([start[0], start[0], start[0], 1.0, 1.0])
    used, best = np.ones(len(seen.row), bool), None
    for _ in range(ROUNDS):
        if used.sum() < FEWEST:
            raise InputError(
                f"{used.sum()} places on the rings of the reference, {FEWEST} are needed", where="refine_geometry",
                fix="Give a frame with more counts or rings, or a geometry that is nearer.",
            )  # fmt: skip

        def off(p: np.ndarray, used: np.ndarray = used) -> np.ndarray:
            return seen.off(p * scale)[used] / seen.error[used]

        best = least_squares(off, start / scale, method="lm", xtol=1e-12, ftol=1e-12, x_scale=1e-3)
        pull = seen.off(best.x * scale) / seen.error
        spread = 1.4826 * np.median(abs(pull[used]))
        near = abs(pull) < OUTLIER * max(spread, 1.0)
        if (near == used).all():
            break
        used = near
    assert best is not None
    before = np.array([getattr(compared or geometry, name) for name in FREE])
    jacobian = best.jac
    if np.linalg.cond(jacobian / np.linalg.norm(jacobian, axis=0)) > 1e6:
        raise InputError(
            "these rings do not tell distance and tilt apart", where="refine_geometry",
            fix="Give a frame that shows more rings, over more of the azimuth.",
        )  # fmt: skip
    free = max(len(best.fun) - len(start), 1)
    goodness = float((best.fun**2).sum() / free)
    covariance = np.linalg.inv(jacobian.T @ jacobian) * max(goodness, 1.0) * np.outer(scale, scale)
    value = best.x * scale
    refined = replace(geometry, **dict(zip(FREE, value.tolist(), strict=True)))
    parameters = xr.Dataset(
        {
            "value": ("parameter", value, {"long_name": "m, or rad for rotations"}),
            "start": ("parameter", before), "value_err": ("parameter", np.sqrt(np.diag(covariance))),
            "covariance": (("parameter", "parameter_2"), covariance),
        },
        coords={"parameter": list(FREE), "parameter_2": list(FREE)}, attrs={"goodness": goodness},
    )  # fmt: skip
    return Refined(refined, parameters, seen.table(before, value, used))


@dataclass(frozen=True)
class _Points:
    """Places on the image of the PONI (pixels) where a ring was seen, and how sure that is."""

    geometry: Geometry
    ring: np.ndarray
    azimuth: np.ndarray
    row: np.ndarray
    column: np.ndarray
    known: np.ndarray  # 2 theta, rad
    error: np.ndarray  # rad

    def off(self, parameters: np.ndarray) -> np.ndarray:
        """2 theta seen less known, rad."""
        poni = [*parameters, self.geometry.rot3]
        return self.geometry.integrator.tth(self.row, self.column, param=poni) - self.known

    def table(self, start: np.ndarray, value: np.ndarray, used: np.ndarray) -> xr.Dataset:
        degree = {"units": "deg"}
        return xr.Dataset({
            "ring": ("point", self.ring), "azimuth": ("point", self.azimuth, degree),
            "row": ("point", self.row, {"units": "pixel"}), "column": ("point", self.column, {"units": "pixel"}),
            "residual": ("point", np.rad2deg(self.off(value)), degree | {"long_name": "2 theta, seen less known"}),
            "residual_start": ("point", np.rad2deg(self.off(start)), degree),
            "residual_err": ("point", np.rad2deg(self.error), degree), "used": ("point", used),
        })  # fmt: skip


def _points(rings: xr.Dataset, known_q: np.ndarray, geometry: Geometry) -> _Points:
    """The fitted peaks as places on the detector."""
    rings = rings.transpose("ring", "azimuth")
    q, error = rings["q"].values, rings["q_err"].values
    good = np.isfinite(q) & (error > 0) & np.isin(rings["flag"].values, KNOWN)
    ring, sector = np.nonzero(good)
    azimuth = rings["azimuth"].values[sector]
    row, column = places(q[good], azimuth, geometry)
    known, widened = known_q[ring], error[good] * np.sqrt(np.maximum(rings["goodness"].values[good], 1.0))
    two_theta = 2 * np.arcsin(np.minimum(known * geometry.wavelength_A / (4 * np.pi), 1.0))
    slope = geometry.wavelength_A / (2 * np.pi * np.cos(two_theta / 2))
    return _Points(geometry, ring, azimuth, row, column, two_theta, slope * widened)


def places(q: np.ndarray, azimuth: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Row and column (fractions of pixels, centres at whole numbers) of the PONI's image that look along q and azimuth.

    q (n,) 1/angstrom, azimuth (n,) degrees. Newton's method in the plane (q cos, q sin), from the nearest of a grid.
    """
    from scipy.spatial import cKDTree

    assert geometry.shape is not None
    grid = np.meshgrid(*(np.arange(0, n, COARSE, dtype=float) for n in geometry.shape), indexing="ij")
    row, column = (axis.ravel() for axis in grid)
    goal = _plane(q, np.deg2rad(azimuth))
    first = cKDTree(_looked_at(row, column, geometry)).query(goal)[1]
    row, column = row[first].copy(), column[first].copy()
    for _ in range(STEPS):
        here = _looked_at(row, column, geometry)
        along = np.stack(
            [_looked_at(row + 1, column, geometry) - here, _looked_at(row, column + 1, geometry) - here], 2
        )
        step = np.linalg.solve(along, (goal - here)[:, :, None])[:, :, 0]
        row, column = row + step[:, 0], column + step[:, 1]
    return row, column


def _looked_at(row: np.ndarray, column: np.ndarray, geometry: Geometry) -> np.ndarray:
    ai = geometry.integrator
    sine = np.sin(ai.tth(row, column) / 2)
    return _plane(4 * np.pi / geometry.wavelength_A * sine, ai.chi(row, column))


def _plane(q: np.ndarray, angle: np.ndarray) -> np.ndarray:
    return np.stack([q * np.cos(angle), q * np.sin(angle)], 1)
