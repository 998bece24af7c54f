"""What is to be found from data, and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from operando.core.errors import InputError

#: parameter values -> what each measurement should read
Model = Callable[[dict[str, float]], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Parameter:
    """A parameter to find: start and bounds in its own unit; `log` searches in its logarithm (all must be positive)."""

    name: str
    start: float
    low: float
    high: float
    units: str = "1"
    log: bool = True

    def __post_init__(self) -> None:
        if (
            not self.low < self.high
            or not self.low <= self.start <= self.high
            or (self.log and self.low <= 0)
        ):
            raise InputError(
                f"bounds {self.low:g} to {self.high:g} must rise and hold the start {self.start:g}"
                + (", and be positive for a logarithmic search" if self.log else ""),
                where=f"parameter {self.name}",
            )

    def free(self, value: float) -> float:
        """Value in the coordinate of the search."""
        return float(np.log(value)) if self.log else float(value)

    def value(self, free: float) -> float:
        """Value in its own unit."""
        return float(np.exp(free)) if self.log else float(free)


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured and its 1-sigma error, any shape; NaN is left out. A prior knowledge is a Measured too."""

    values: np.ndarray | float
    sigma: np.ndarray | float
