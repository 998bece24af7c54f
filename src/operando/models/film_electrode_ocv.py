"""Open-circuit voltage and diffusion of a film electrode: the user's own curves made fit for a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import brentq

from operando.core.errors import InputError
from operando.core.units import FARADAY_C_PER_MOL, GAS_CONSTANT_J_PER_MOL_K

#: points of the tables that the solver interpolates linearly
TABLE = 3001
#: sigma in x over which log D is smoothed where phases meet: a jump stops the time stepping
D_SMOOTHING = 0.005

# Rounded from what is widely published for LixCoO2 against Li at room temperature; films differ by 10 mV.
_LCO = {
    0.30: 4.50, 0.35: 4.42, 0.40: 4.33, 0.44: 4.265, 0.48: 4.205, 0.50: 4.175, 0.52: 4.145, 0.55: 4.105, 0.60: 4.055,
    0.65: 4.005, 0.70: 3.96, 0.75: 3.9219, 0.94: 3.92, 0.96: 3.90, 0.98: 3.84, 0.99: 3.75, 0.995: 3.6, 1.0: 3.0,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class OpenCircuit:
    """Voltage against Li over the Li content x: a falling table, and the plateau between two phases.

    x, voltage   table, x rising, voltage falling
    plateau      (x of the Li-poor phase, x of the Li-rich phase) where two phases coexist, or None
    notes        what was done to the curve that came in
    """

    x: np.ndarray
    voltage: np.ndarray
    plateau: tuple[float, float] | None
    notes: tuple[str, ...] = ()

    def voltage_at(self, x: np.ndarray | float) -> np.ndarray:
        """Voltage at Li contents, linear in the table; `InputError` outside it."""
        x = np.asarray(x, float)
        if (x < self.x[0]).any() or (x > self.x[-1]).any():
            raise InputError(
                f"x from {x.min():.4g} to {x.max():.4g} is outside the open-circuit curve", where="open circuit",
                fix=f"The curve covers x = {self.x[0]:.4g} to {self.x[-1]:.4g}.",
            )  # fmt: skip
        return np.interp(x, self.x, self.voltage)

    def x_at(self, voltage: float, where: str = "open circuit") -> float:
        """Li content in equilibrium at a voltage; `InputError` where the curve does not reach it."""
        if not self.voltage[-1] <= voltage <= self.voltage[0]:
            raise InputError(
                f"{voltage:g} V is outside the open-circuit curve ({self.voltage[-1]:.4g} to {self.voltage[0]:.4g} V)",
                where=where,
                fix="Give a curve that reaches it, or another voltage.",
            )
        return float(np.interp(-voltage, -self.voltage, self.x))

    def slope(self) -> np.ndarray:
        """dU/dx of the table, V."""
        return np.gradient(self.voltage, self.x)

    def rich_share(self, x: np.ndarray) -> np.ndarray:
        """Share of the Li-rich phase by the lever rule, 0 to 1. Needs a plateau."""
        if self.plateau is None:
            raise InputError(
                "this open-circuit curve has no plateau: there is no second phase", where="open circuit"
            )
        poor, rich = self.plateau
        return np.clip((np.asarray(x) - poor) / (rich - poor), 0, 1)


def open_circuit(
    x: np.ndarray,
    voltage: np.ndarray,
    *,
    plateau: tuple[float, float] | str | None = None,
    slope: float = 0.01,
) -> OpenCircuit:
    """Open-circuit curve of an electrode from the user's own points, ready for a model.

    x         Li content, 0 to 1, in any order
    voltage   V against Li
    plateau   None: one solid solution, the curve must fall throughout. (x_poor, x_rich): two phases between these
              contents; the curve there is replaced by a straight line falling by `slope` (V per unit x) around the
              mean of the two ends. "find": the two phases of a curve that rises somewhere, by the equal-area rule
    slope     residual fall of the plateau; zero would make diffusion stop there

    Between the points the curve is a monotone cubic. Raises `InputError` for a curve that is not a function of x,
    that rises outside a plateau, or content outside 0 to 1.
    """
    x, voltage = _sorted_points(x, voltage)
    rising = np.diff(voltage) >= 0
    notes: list[str] = []
    if plateau == "find":
        plateau = _equal_area(x, voltage)
        notes.append(f"two phases by the equal-area rule: x = {plateau[0]:.4f} and {plateau[1]:.4f}")
    if plateau is not None and not isinstance(plateau, str):
        if rising.any():
            notes.append("the curve rises with x somewhere: taken as two phases")
        x, voltage = _with_plateau(x, voltage, plateau, slope)
        notes.append(
            f"plateau x = {plateau[0]:.4f} to {plateau[1]:.4f} at {np.interp(sum(plateau) / 2, x, voltage):.4f} V "
            f"replaced by a line falling {slope:g} V per unit x"
        )
        rising = np.diff(voltage) >= 0
    if rising.any():
        at = float(x[np.argmax(rising)])
        raise InputError(
            f"the open-circuit voltage does not fall with x near x = {at:.4f}", where="open circuit",
            fix='Two phases: name them, plateau = (x_poor, x_rich) or plateau = "find". Noise: smooth the curve first.',
        )  # fmt: skip
    grid = np.linspace(x[0], x[-1], TABLE)
    table = PchipInterpolator(x, voltage)(grid)
    if plateau is None:
        return OpenCircuit(grid, table, None)
    poor, rich = float(plateau[0]), float(plateau[1])
    flat = (grid >= poor) & (grid <= rich)
    table[flat] = np.interp(grid[flat], x, voltage)  # the cubic bends at the ends of the line
    return OpenCircuit(grid, table, (poor, rich), tuple(notes))


def lco_open_circuit() -> OpenCircuit:
    """LixCoO2 against Li at room temperature, 3.0 to 4.5 V, two phases between x = 0.75 and 0.94."""
    return open_circuit(np.array(list(_LCO)), np.array(list(_LCO.values())), plateau=(0.75, 0.94))


def _sorted_points(x, voltage) -> tuple[np.ndarray, np.ndarray]:
    x, voltage = np.asarray(x, float), np.asarray(voltage, float)
    if x.ndim != 1 or x.shape != voltage.shape or len(x) < 2:
        raise InputError("x and voltage must be two equally long lists of points", where="open circuit")
    good = np.isfinite(x) & np.isfinite(voltage)
    order = np.argsort(x[good])
    x, voltage = x[good][order], voltage[good][order]
    if len(x) < 2 or x[0] < 0 or x[-1] > 1 or (np.diff(x) <= 0).any():
        raise InputError(
            "x must be a Li content between 0 and 1, each value once", where="open circuit",
            fix="A capacity axis has to be turned into x; average repeated points.",
        )  # fmt: skip
    return x, voltage


def _with_plateau(x, voltage, plateau, slope) -> tuple[np.ndarray, np.ndarray]:
    poor, rich = plateau
    if not x[0] < poor < rich < x[-1] or slope <= 0:
        raise InputError(
            f"plateau {poor:g} to {rich:g} must rise within the curve ({x[0]:g} to {x[-1]:g}), its slope be positive",
            where="open circuit",
        )
    level = np.interp([poor, rich], x, voltage).mean()
    inner = np.linspace(poor, rich, 9)
    line = level - slope * (inner - (poor + rich) / 2)
    outside = (x < poor - 1e-9) | (x > rich + 1e-9)
    left, right = outside & (x < poor) & (voltage > line[0]), outside & (x > rich) & (voltage < line[-1])
    return np.concatenate([x[left], inner, x[right]]), np.concatenate([voltage[left], line, voltage[right]])


def _equal_area(x: np.ndarray, voltage: np.ndarray) -> tuple[float, float]:
    """Contents of the two phases of a curve with a loop: the level that cuts off equal areas above and below."""
    grid = np.linspace(x[0], x[-1], 20001)
    u = np.interp(grid, x, voltage)
    step = np.diff(u)
    if not (step > 0).any():
        raise InputError("the curve falls throughout: there is no loop to find two phases in", where="open circuit",
                         fix="Name the plateau: plateau = (x_poor, x_rich).")  # fmt: skip
    rise = np.nonzero(step > 0)[0]
    low, high = u[rise[0]], u[rise[-1] + 1]

    def ends(level: float) -> tuple[int, int]:
        return int(np.argmax(u <= level)), int(len(u) - 1 - np.argmax(u[::-1] >= level))

    def area(level: float) -> float:
        a, b = ends(level)
        return float(np.trapezoid(u[a : b + 1] - level, grid[a : b + 1]))

    low, high = max(low, u[-1]), min(high, u[0])
    if not low < high or area(low) * area(high) > 0:
        raise InputError("no level cuts equal areas off the loop of this curve", where="open circuit")
    a, b = ends(brentq(area, low, high, xtol=1e-9))
    return float(grid[a]), float(grid[b])


@dataclass(frozen=True, eq=False)
class Diffusion:
    """Diffusion coefficient over the Li content.

    x, m2_per_s   points, log-linear between them, constant outside
    kind          "chemical" (of Fick's law) or "self" (times the thermodynamic factor -(F/RT) x dU/dx)

    Within the plateau of a two-phase curve a chemical coefficient has no meaning: there the two phases' self
    diffusion is joined in series by the lever rule and multiplied by the (small) thermodynamic factor of the plateau.
    Self diffusion from a chemical coefficient uses the mean factor over 0.04 in x beside the plateau.
    """

    x: tuple[float, ...]
    m2_per_s: tuple[float, ...]
    kind: str = "chemical"

    def __post_init__(self) -> None:
        rising = len(self.x) < 2 or (np.diff(self.x) > 0).all()
        if (
            len(self.x) != len(self.m2_per_s)
            or not self.x
            or not rising
            or not (np.array(self.m2_per_s) > 0).all()
        ):
            raise InputError("diffusion needs positive values at rising contents", where="diffusion")
        if self.kind not in ("chemical", "self"):
            raise InputError(f"unknown kind {self.kind!r}", where="diffusion", fix="chemical or self.")

    @classmethod
    def constant(cls, m2_per_s: float) -> Diffusion:
        """One chemical coefficient for all contents (the plateau of a two-phase curve excepted)."""
        return cls((0.5,), (m2_per_s,))

    @classmethod
    def two_phase(cls, poor: float, rich: float) -> Diffusion:
        """Chemical coefficients of the Li-poor and the Li-rich phase (m2/s), on either side of x = 0.85."""
        return cls((0.849, 0.851), (poor, rich))

    def _own(self, ocv: OpenCircuit, f: float, end: float, side: int) -> float:
        """Self diffusion of the phase that ends at a plateau."""
        inner, outer = end + 0.002 * side, float(np.clip(end + 0.042 * side, ocv.x[0], ocv.x[-1]))
        given = float(np.exp(np.interp(inner, self.x, np.log(self.m2_per_s))))
        if self.kind == "self":
            return given
        drop = float(
            np.interp(min(inner, outer), ocv.x, ocv.voltage)
            - np.interp(max(inner, outer), ocv.x, ocv.voltage)
        )
        return given / (f * (inner + outer) / 2 * drop / abs(outer - inner))

    def chemical(self, ocv: OpenCircuit, temperature_K: float) -> np.ndarray:
        """Chemical coefficient (m2/s) on the table of an open-circuit curve."""
        f = FARADAY_C_PER_MOL / (GAS_CONSTANT_J_PER_MOL_K * temperature_K)
        factor = -f * ocv.x * ocv.slope()
        given = np.exp(np.interp(ocv.x, self.x, np.log(self.m2_per_s)))
        found = given * factor if self.kind == "self" else given
        if ocv.plateau is not None:
            inside = (ocv.x > ocv.plateau[0]) & (ocv.x < ocv.plateau[1])
            own = [self._own(ocv, f, end, side) for end, side in zip(ocv.plateau, (-1, 1), strict=True)]
            share = ocv.rich_share(ocv.x)
            found = np.where(inside, factor / ((1 - share) / own[0] + share / own[1]), found)
        found = np.maximum(found, found[found > 0].min())
        return np.exp(gaussian_filter1d(np.log(found), D_SMOOTHING / (ocv.x[1] - ocv.x[0]), mode="nearest"))
