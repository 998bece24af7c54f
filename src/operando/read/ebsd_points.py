"""What every reader of orientation maps gives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

#: Laue groups by the number that Oxford's files give them
LAUE = ("-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m")


@dataclass(frozen=True)
class Crystal:
    """A phase of an orientation map: its name, Laue group ("" where the file has none) and cell (angstrom, deg)."""

    name: str
    laue: str
    cell: tuple[float, float, float, float, float, float]


@dataclass
class Points:
    """What a file holds, point by point in the order of rows.

    euler  (n, 3) Bunge angles in radians, crystal frame x along a, z along c*
    phase  (n,) number of the crystal from 1 on, 0 where not indexed
    """

    euler: np.ndarray
    phase: np.ndarray
    crystals: list[Crystal]
    rows: int
    columns: int
    step_x_um: float
    step_y_um: float
    format: str
    hexagonal: bool = False
    quality: dict[str, np.ndarray] = field(default_factory=dict)
