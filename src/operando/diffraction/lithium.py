"""Li content from a lattice parameter: calibrations are named objects built from stated anchor points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr

from ..core import Flag
from ..core.errors import InputError
from ..core.flags import flag_variable


@dataclass(frozen=True)
class Anchor:
    """A lattice parameter (angstrom) of known Li content x, each with its 1-sigma error."""

    parameter_A: float
    x: float
    parameter_err_A: float = 0.0
    x_err: float = 0.0


@dataclass(frozen=True)
class Calibration:
    """x as a piecewise linear function of a lattice parameter through anchors.

    Two anchors make a line; a two-phase range is one piece in the mean parameter, which is the lever rule; many anchors
    make a table. Beyond the anchors the outer pieces are continued, and flagged, never clipped.
    """

    name: str
    anchors: tuple[Anchor, ...]
    parameter: str = "c"
    source: str = ""

    def __post_init__(self) -> None:
        values = [a.parameter_A for a in self.anchors]
        contents = [a.x for a in self.anchors]
        if len(values) < 2 or sorted(values) != values or len(set(values)) < len(values):
            raise InputError(
                "a calibration needs two or more anchors of ascending lattice parameter",
                where=f"calibration {self.name}",
            )
        if len({np.sign(b - a) for a, b in pairwise(contents)}) > 1:
            raise InputError(
                "x goes up and down along the anchors, so it cannot be told from this parameter",
                where=f"calibration {self.name}", fix="Restrict the anchors to a range in which x is monotonic.",
            )  # fmt: skip

    @classmethod
    def through(
        cls, name: str, points: Sequence[tuple[float, ...]], *, parameter: str = "c", source: str = ""
    ) -> Calibration:
        """From tuples (parameter, x), with parameter_err and x_err after them where known, in any order."""
        return cls(
            name, tuple(sorted((Anchor(*p) for p in points), key=lambda a: a.parameter_A)), parameter, source
        )

    def apply(self, value: xr.DataArray, error: xr.DataArray) -> xr.Dataset:
        """x = x_i + (value - p_i) (x_i+1 - x_i) / (p_i+1 - p_i), with errors of value and anchors propagated.

        The error of the fit is half of x(value + error) - x(value - error): it knows of a bend within the error.

        value, error   lattice parameter and its 1-sigma error, angstrom, any dims

        Returns `x_li`, `x_li_err` (statistical and anchor errors in quadrature), `x_li_err_fit` (of the fit alone: what
        differences between points of one map need), `x_li_flag`: NO_DATA where the parameter is missing,
        OUTSIDE_CALIBRATION where it lies beyond the anchors by any amount (x is the continued line there).
        """
        table = np.array([(a.parameter_A, a.x, a.parameter_err_A, a.x_err) for a in self.anchors])
        p, x, p_err, x_err = table.T
        v = value.values
        e = error.transpose(*value.dims).values
        piece, slope = _piece(p, x, v)
        share = (v - p[piece]) / np.diff(p)[piece]
        of_fit = 0.5 * np.abs(continued(p, x, v + e) - continued(p, x, v - e))
        anchor = [np.hypot(x_err[i], slope * p_err[i]) for i in (piece, piece + 1)]
        whole = np.sqrt(of_fit**2 + ((1 - share) * anchor[0]) ** 2 + (share * anchor[1]) ** 2)
        missing = ~np.isfinite(v)
        outside = ~missing & ((v < p[0]) | (v > p[-1]))
        flag = np.where(missing, int(Flag.NO_DATA), np.where(outside, int(Flag.OUTSIDE_CALIBRATION), 0))
        found = xr.Dataset(coords=value.coords, attrs={"calibration": self.name, "source": self.source})
        for name, data, label in (
            ("x_li", x[piece] + slope * (v - p[piece]), "Li content x"), ("x_li_err", whole, "1-sigma error of x"),
            ("x_li_err_fit", of_fit, "1-sigma error of x from the fit alone"),
        ):  # fmt: skip
            data = np.where(missing, np.nan, data)
            found[name] = xr.DataArray(data, dims=value.dims, attrs={"units": "1", "long_name": label})
        found["x_li_flag"] = flag_variable(flag, tuple(map(str, value.dims)))
        return found


def _piece(p: np.ndarray, x: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which piece of the line through (p, x) each value is on, the outer ones continued, and its slope."""
    piece = np.clip(np.searchsorted(p, v) - 1, 0, len(p) - 2)
    return piece, np.diff(x)[piece] / np.diff(p)[piece]


def continued(p: np.ndarray, x: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The line through the points (p, x), p ascending, at values v of any shape; its outer pieces are continued."""
    piece, slope = _piece(p, x, v)
    return np.asarray(x[piece] + slope * (v - p[piece]))


#: LixCoO2 films: two-phase range from x = 1 to 0.75 (mean c), then one phase to x = 0.45; the source states no errors
LICOO2_FILM = Calibration.through(
    "LiCoO2 film",
    [(14.43, 0.45), (14.21, 0.75), (14.03, 1.0)],
    source="anchor points of the supporting information of the thin-film operando micro-XRD study",
)


def calibration_from_charge(
    name: str,
    value: np.ndarray,
    error: np.ndarray,
    charge_mAh: np.ndarray,
    *,
    charge_at_half_mAh: float,
    mAh_per_x: float,
    charge_at_half_err_mAh: float = 0.0,
    mAh_per_x_err: float = 0.0,
    nodes: int = 5,
    parameter: str = "c",
) -> Calibration:
    """Calibration from the cell's own charge: x = 1/2 - (Q - Q_half) / (charge that takes x down by one).

    Q_half is the charge at the order-disorder transition of x = 0.5, a local minimum of dQ/dV between two maxima.

    value, error       (n,) mean lattice parameter of the film during the charge and its error, angstrom
    charge_mAh         (n,) charge passed at the same times
    mAh_per_x          charge for a change of x by one: capacity of the active mass
    nodes              anchors, at even steps of x over the range seen; the parameter there is a weighted linear spline

    Raises `InputError` with fewer than two points per node, or where the parameter is not monotonic in charge within
    its errors.
    """
    good = np.isfinite(value) & np.isfinite(error) & (error > 0) & np.isfinite(charge_mAh)
    value, error, charge = value[good], error[good], np.asarray(charge_mAh)[good]
    if len(value) < 2 * nodes:
        raise InputError(
            f"{len(value)} points for {nodes} nodes", where=f"calibration {name}", fix="Use fewer nodes."
        )
    x = 0.5 - (charge - charge_at_half_mAh) / mAh_per_x
    at = np.linspace(x.min(), x.max(), nodes)
    place = (x - at[0]) / (at[1] - at[0])
    hats = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(nodes)))
    cov = np.linalg.inv((hats / error[:, None] ** 2).T @ hats)
    best = cov @ (hats.T @ (value / error**2))
    away = np.hypot(charge_at_half_err_mAh / mAh_per_x, 0.0)
    x_err = np.hypot(away, (at - 0.5) * mAh_per_x_err / mAh_per_x)
    points = [tuple(map(float, row)) for row in zip(best, at, np.sqrt(np.diag(cov)), x_err, strict=True)]
    return Calibration.through(
        name, points, parameter=parameter, source="charge, with x = 0.5 at the order-disorder transition"
    )
