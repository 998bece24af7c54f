"""Phases, reflections and the distances between lattice planes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import InputError


@dataclass(frozen=True)
class Reflection:
    """A set of lattice planes of a phase: its indices, spacing and momentum transfer."""

    phase: str
    hkl: tuple[int, int, int]
    d_A: float
    multiplicity: int = 1

    @property
    def q(self) -> float:
        """Momentum transfer 2 pi / d in 1/angstrom."""
        return 2 * np.pi / self.d_A

    @property
    def label(self) -> str:
        """Phase and indices, as one writes them."""
        gap = " " if max(map(abs, self.hkl)) > 9 else ""
        return f"{self.phase}({gap.join(map(str, self.hkl))})"


@dataclass(frozen=True)
class Phase:
    """A crystal phase by its cell (angstrom, degrees) and space group (Hermann-Mauguin).

    Trigonal space groups are in the hexagonal setting unless alpha says otherwise.
    """

    name: str
    a: float
    b: float
    c: float
    alpha: float = 90.0
    beta: float = 90.0
    gamma: float = 90.0
    spacegroup: str = "P1"

    def __post_init__(self) -> None:
        _known(self.spacegroup, self.name)
        if min(self.a, self.b, self.c) <= 0:
            raise InputError("cell lengths must be positive, in angstrom", where=f"phase {self.name}")

    @classmethod
    def from_parameters(
        cls, name: str, *, a: float, b: float | None = None, c: float | None = None, alpha: float = 90.0,
        beta: float = 90.0, gamma: float | None = None, spacegroup: str = "P1",
    ) -> Phase:  # fmt: skip
        """Complete a cell from its independent parameters, by the crystal system of the space group.

        Raises `InputError` when a parameter that the system leaves free is missing.
        """
        system = _known(spacegroup, name).crystal_system_str()
        hexagonal = system in ("hexagonal", "trigonal") and alpha == 90.0
        if gamma is None:
            gamma = 120.0 if hexagonal else 90.0
        if system == "cubic" or (system == "trigonal" and not hexagonal):
            b, c = a, a
        elif system in ("tetragonal", "hexagonal", "trigonal"):
            b = a
        if b is None or c is None:
            raise InputError(
                f"a {system} cell needs {'b and c' if b is None else 'c'}", where=f"phase {name}",
                fix="Give the missing length in angstrom, or a CIF file.",
            )  # fmt: skip
        return cls(name, a, b, c, alpha, beta, gamma, spacegroup)

    @classmethod
    def from_cif(cls, path: str | Path, name: str | None = None) -> Phase:
        """Read cell and space group of the first block of a CIF file.

        Raises `InputError` when the file has no cell.
        """
        import gemmi

        try:
            structure = gemmi.read_small_structure(str(path))
        except (OSError, RuntimeError, ValueError) as error:
            raise InputError(
                f"not a readable CIF file ({error})",
                where=str(path),
                fix="Give a CIF file, or cell and space group.",
            ) from error
        cell = structure.cell
        if cell.a <= 1.0:
            raise InputError(
                "no unit cell in this CIF file", where=str(path), fix="Give another, or cell and space group."
            )
        group = structure.spacegroup
        symbol = group.hm if group is not None else structure.spacegroup_hm or "P1"
        return cls(name or Path(path).stem, cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma, symbol)

    def cell(self):
        """The unit cell. Raises `InputError` for parameters that do not fit the space group."""
        import gemmi

        return gemmi.UnitCell(self.a, self.b, self.c, self.alpha, self.beta, self.gamma)

    def d_spacing(self, hkl: Sequence[int]) -> float:
        """Distance d of the planes `hkl` in angstrom, 1/d^2 = h G* h."""
        return float(self.cell().calculate_d(tuple(int(i) for i in hkl)))

    def reflection(self, hkl: Sequence[int]) -> Reflection:
        """The reflection `hkl`. Raises `InputError` when the space group's centring or glides forbid it."""
        h, k, l = (int(i) for i in hkl)  # noqa: E741
        operations = _spacegroup(self.spacegroup).operations()
        if (h, k, l) == (0, 0, 0) or operations.is_systematically_absent((h, k, l)):
            raise InputError(
                f"reflection ({h} {k} {l}) is systematically absent in {self.spacegroup}",
                where=f"phase {self.name}", fix="Check the indices and the setting of the space group.",
            )  # fmt: skip
        return Reflection(
            self.name, (h, k, l), self.d_spacing((h, k, l)), _multiplicity(operations, (h, k, l))
        )

    def reflections(self, q_max: float, q_min: float = 0.0) -> list[Reflection]:
        """Every allowed family of planes with q_min <= q <= q_max (1/angstrom), in order of q."""
        import gemmi

        group = _spacegroup(self.spacegroup)
        indices = gemmi.make_miller_array(self.cell(), group, 2 * np.pi / q_max)
        found = [self.reflection(hkl) for hkl in indices.tolist()]
        return sorted((r for r in found if q_min <= r.q <= q_max), key=lambda r: r.q)


def _spacegroup(symbol: str):
    import gemmi

    group = gemmi.find_spacegroup_by_name(symbol)
    if group is not None and group.ext == "R":  # we use hexagonal axes for rhombohedral groups
        group = gemmi.find_spacegroup_by_name(f"{group.hm}:H") or group
    return group


def _known(symbol: str, phase: str):
    group = _spacegroup(symbol)
    if group is None:
        raise InputError(
            f"unknown space group {symbol!r}", where=f"phase {phase}",
            fix="Write it as in the International Tables, for example R-3m or P63/mmc.",
        )  # fmt: skip
    return group


def _multiplicity(operations, hkl: tuple[int, int, int]) -> int:
    images = {tuple(op.apply_to_hkl(hkl)) for op in operations}
    return len(images | {tuple(-i for i in image) for image in images})
