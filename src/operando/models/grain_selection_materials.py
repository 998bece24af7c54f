"""Facts of lithium, sodium and potassium with their sources; what is not known is NaN and is asked for.

Orientations are named as in the battery literature: in a bcc metal (101) is (110) and (001) is (100).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from operando.core.errors import InputError

NAN = float("nan")
ORIENTATIONS = ("001", "101", "111")


@dataclass(frozen=True)
class Metal:
    """One metal. `barrier_eV` and `surface_energy_J_per_m2` are over orientation, the latter also over `strain`.

    strain                    isotropic lattice strains (-0.03: compressed by 3 %) at which surface energies are known
    bulk_modulus_GPa, yield_strength_MPa, molar_volume_cm3_per_mol, melting_K: scalars, NaN where not known
    sources                   of each fact
    """

    name: str
    barrier_eV: dict[str, float]
    strain: tuple[float, ...]
    surface_energy_J_per_m2: dict[str, tuple[float, ...]]
    bulk_modulus_GPa: float
    yield_strength_MPa: float
    molar_volume_cm3_per_mol: float
    melting_K: float
    sources: dict[str, str] = field(default_factory=dict)

    def need(self, fact: str) -> float:
        """A scalar fact. Raises `InputError` where it is not known."""
        value = float(getattr(self, fact))
        if not np.isfinite(value):
            raise InputError(
                f"{fact} of {self.name} is not known", where="material", fix=f"Give {fact} yourself."
            )
        return value

    def barrier(self, orientation: str) -> float:
        """Self-diffusion barrier in eV. Raises `InputError` for an unknown orientation, or a barrier not known."""
        value = self._of(self.barrier_eV, orientation)
        if not np.isfinite(value):
            raise InputError(
                f"the self-diffusion barrier of {self.name} ({orientation}) is not known", where="material",
                fix="Give it in eV; it is not guessed.",
            )  # fmt: skip
        return value

    def surface_energy(self, orientation: str, strain: float | np.ndarray = 0.0) -> float | np.ndarray:
        """Surface energy in J/m2 at an isotropic lattice strain, linear between the known strains.

        Raises `InputError` where it is not known, and outside the known strains by more than 1e-9.
        """
        values = np.array(self._of(self.surface_energy_J_per_m2, orientation))
        if not np.isfinite(values).all():
            raise InputError(
                f"the surface energy of {self.name} ({orientation}) is not known", where="material",
                fix="Give it in J/m2.",
            )  # fmt: skip
        low, high = min(self.strain), max(self.strain)
        at = np.asarray(strain, float)
        if not ((at >= low - 1e-9) & (at <= high + 1e-9)).all():
            raise InputError(
                f"surface energies of {self.name} are known for strains of {low:g} to {high:g}", where="material",
                fix="Give the surface energies at your strain instead.",
            )  # fmt: skip
        order = np.argsort(self.strain)
        found = np.interp(at, np.array(self.strain)[order], values[order])
        return float(found) if found.ndim == 0 else found

    def _of(self, table: dict, orientation: str):
        if orientation not in table:
            raise InputError(
                f"unknown orientation {orientation!r}", where=f"material {self.name}",
                fix=f"Known: {', '.join(table)} (bcc: 101 is 110, 001 is 100).",
            )  # fmt: skip
        return table[orientation]


_UNKNOWN = dict.fromkeys(ORIENTATIONS, (NAN,))
_BARRIERS = "as used by paper 002 (its refs 16 and 17: Jaeckle et al., Energy Environ. Sci. 11 (2018) 3400)"
_MOLAR = "from the density at room temperature"

METALS = {
    "Li": Metal(
        "Li", {"001": 0.14, "101": 0.02, "111": NAN}, (0.0, -0.03),
        {"001": (0.467, 0.443), "101": (0.492, 0.515), "111": (0.528, 0.523)}, 14.0, 0.55, 13.0, 453.65,
        {
            "barrier_eV": f"{_BARRIERS}; (111): not known",
            "surface_energy_J_per_m2": "PBE slabs, unstrained and at -3 % isotropic strain; for (101) paper 002 reads "
            "a change of about 0.08 J/m2 from Stottmeister and Gross, ChemSusChem 13 (2020) 3147, here it is 0.023",
            "bulk_modulus_GPa": "Materials Project value used by paper 002",
            "yield_strength_MPa": "paper 002, within 0.41-0.89 MPa measured",
            "molar_volume_cm3_per_mol": _MOLAR,
        },
    ),
    "Na": Metal(
        "Na", {"001": NAN, "101": 0.04, "111": NAN}, (0.0,), dict(_UNKNOWN), 8.0, NAN, 23.78, 370.94,
        {
            "barrier_eV": f"{_BARRIERS}; (001), (111): not known", "surface_energy_J_per_m2": "not known",
            "bulk_modulus_GPa": "paper 002", "yield_strength_MPa": "not known", "molar_volume_cm3_per_mol": _MOLAR,
        },
    ),
    "K": Metal(
        "K", {"001": NAN, "101": 0.02, "111": NAN}, (0.0,), dict(_UNKNOWN), 3.2, NAN, 45.94, 336.7,
        {
            "barrier_eV": f"{_BARRIERS}; (001), (111): not known", "surface_energy_J_per_m2": "not known",
            "bulk_modulus_GPa": "Kittel, Introduction to Solid State Physics", "yield_strength_MPa": "not known",
            "molar_volume_cm3_per_mol": _MOLAR,
        },
    ),
}  # fmt: skip


def material(name: str) -> Metal:
    """Facts of a metal by its symbol. Raises `InputError` for one that is not in the table."""
    if name not in METALS:
        raise InputError(
            f"no material {name!r}", where="material", fix=f"Known: {', '.join(METALS)}; or make a `Metal`."
        )
    return METALS[name]
