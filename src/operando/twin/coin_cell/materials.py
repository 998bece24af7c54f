"""What the coin cell is made of: Compton profiles shell by shell, and attenuation, from the tables of xraylib."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from operando.core.errors import require_extra

from .cell import CoinCell

MC2_KEV = 510.99895
AU_PER_MC = 137.035999
AVOGADRO = 6.02214076e23
CLASSICAL_RADIUS2_CM2 = 7.940787e-26
#: atoms a formula unit, by atomic number; the Li of the cathode is counted apart
HOST = ((28, 0.6), (25, 0.2), (27, 0.2), (8, 2.0))
LI = ((3, 1.0),)
SEPARATOR = (
    (6, 32.0),
    (1, 60.0),
    (8, 19.0),
    (3, 1.0),
    (9, 6.0),
    (7, 1.0),
    (16, 2.0),
)  # (C2H4O)15 LiN(SO2CF3)2
STEEL = ((26, 0.70), (24, 0.19), (28, 0.11))
SENSOR = ((48, 0.45), (30, 0.05), (52, 0.5))
STEEL_G_CM3, SENSOR_G_CM3 = 7.9, 5.78
MASS = {1: 1.008, 3: 6.94, 6: 12.011, 7: 14.007, 8: 15.999, 9: 18.998, 16: 32.06, 24: 51.996, 25: 54.938,
        26: 55.845, 27: 58.933, 28: 58.693, 30: 65.38, 48: 112.414, 52: 127.60}  # fmt: skip
#: momenta (a.u.) at which the tables are taken; xraylib interpolates them by splines
MOMENTA = np.concatenate([np.arange(0, 6, 0.05), np.arange(6, 20, 0.25), np.arange(20, 99.9, 1.0)])


def xraylib():
    return require_extra("xraylib", "compton", "the coin cell twin")


@lru_cache(maxsize=64)
def shells(number: int) -> tuple[tuple[float, float, np.ndarray], ...]:
    """(electrons, binding energy keV, J of one electron at MOMENTA) of every occupied shell of an atom."""
    tables = xraylib()
    found: list[tuple[float, float, np.ndarray]] = []
    for shell in range(30):
        try:
            electrons = tables.ElectronConfig(number, shell)
        except ValueError:
            break
        if electrons > 0:
            found.append((electrons, _binding(tables, number, shell), _profile(tables, number, shell)))
    return tuple(found)


def _profile(tables, number: int, shell: int) -> np.ndarray:
    """J of one electron; where the table has no 2p3/2 (carbon) it is that of 2p1/2."""
    try:
        return np.array([tables.ComptonProfile_Partial(number, shell, float(p)) for p in MOMENTA])
    except ValueError:
        return _profile(tables, number, shell - 1)


def _binding(tables, number: int, shell: int) -> float:
    try:
        return tables.EdgeEnergy(number, shell)
    except ValueError:
        return 0.0


Shells = list[tuple[float, float, np.ndarray]]


def formula_shells(formula: tuple[tuple[int, float], ...]) -> Shells:
    """The shells of a formula unit."""
    return [(n * count, edge, profile) for z, n in formula for count, edge, profile in shells(z)]


def li_shells(cell: CoinCell) -> Shells:
    """What one intercalated Li brings: its 1s electrons, and one more where `li_electron` says."""
    core, valence = shells(3)
    if cell.li_electron == "Li 2s":
        return [core, valence]
    return [core, (1.0, 0.0, shells(8)[2][2])]


def electrons_per_gram(formula: tuple[tuple[int, float], ...]) -> float:
    """Formula units per gram (its electrons are in the shells)."""
    return AVOGADRO / sum(MASS[z] * n for z, n in formula)


def attenuation(formula: tuple[tuple[int, float], ...], energy_keV, density: float) -> np.ndarray:
    """Linear attenuation coefficient, 1/cm, of a formula (atoms) at energies."""
    tables = xraylib()
    whole = sum(MASS[z] * n for z, n in formula)
    energies = np.atleast_1d(np.asarray(energy_keV, float))
    return np.array([
        density * sum(MASS[z] * n / whole * tables.CS_Total(z, float(e)) for z, n in formula) for e in energies
    ])  # fmt: skip


def line_table(element: str) -> list[tuple[float, float]]:
    """(energy keV, relative rate) of the K lines of Cd, Te, W or Pb."""
    tables = xraylib()
    number = tables.SymbolToAtomicNumber(element)
    names = ("KL3", "KL2", "KM3", "KM2", "KN2", "KN3")
    rows = [(n, getattr(tables, f"{n}_LINE")) for n in names]
    return [(tables.LineEnergy(number, code), tables.RadRate(number, code)) for _, code in rows]
