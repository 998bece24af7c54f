"""What lies under the metal: bulk modulus of alloys, strain of the metal by mismatch, the texture that follows.

Alloys are A_x M_(1-x), x the share of alkali atoms. Crystalline alloys follow the line between their ends, as the
databases show for Li-Ag and Li-Au; amorphous LixSi lies below it (Kim et al., J. Phys. Chem. C 115 (2011) 2514).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from operando.core.errors import InputError
from operando.core.units import FARADAY_C_PER_MOL

from .grain_selection import Balance, energy_difference
from .grain_selection_materials import Metal, material

#: bulk moduli in GPa: Li, Cu, Na as paper 002 (Materials Project), the rest Kittel, Introduction to Solid State Physics
BULK_MODULUS_GPA = {"Li": 14.0, "Na": 8.0, "K": 3.2, "Cu": 151.0, "Ag": 100.7, "Au": 173.2, "Si": 98.8}
SI_MOLAR_MASS_G_PER_MOL = 28.0855
CRYSTALLISES_X = 0.79  # Li3.75Si: full lithiation, beyond which Li15Si4 crystallises


@dataclass(frozen=True)
class Amorphous:
    """Bulk modulus of an amorphous alloy, B(x) = (1 - x) B_M + x B_A - bowing x (1 - x), GPa.

    Defaults for LixSi: amorphous Si of 80 GPa (a choice, a fifth below the crystal) and a bowing that makes
    B(0.5) = 30 GPa, the statement of paper 002 that it is below 30 GPa for x > 0.5.
    """

    host_GPa: float = 80.0
    alkali_GPa: float = BULK_MODULUS_GPA["Li"]
    half_GPa: float = 30.0

    @property
    def bowing_GPa(self) -> float:
        """Bowing of the modulus, such that it is `half_GPa` half way."""
        return 4 * ((self.host_GPa + self.alkali_GPa) / 2 - self.half_GPa)


def _positive(value, what: str) -> np.ndarray:
    array = np.asarray(value, float)
    if not (array > 0).all():
        raise InputError(
            f"{what} must be positive", where="interlayer", fix="Bulk moduli are in GPa and above zero."
        )
    return array


def _share(x) -> np.ndarray:
    array = np.asarray(x, float)
    if not ((array >= 0) & (array <= 1)).all():
        raise InputError(
            "x must be between 0 and 1",
            where="interlayer",
            fix="x is the share of alkali atoms: Li2.43Si is x = 0.708.",
        )
    return array


def bulk_modulus(
    x: float | np.ndarray, host: str | float, *, alkali: str | float = "Li", amorphous: Amorphous | bool = False,
    host_err_GPa: float = 0.0, alkali_err_GPa: float = 0.0,
) -> xr.Dataset:  # fmt: skip
    """Bulk modulus of A_x M_(1-x) in GPa against the share x of alkali atoms.

    host, alkali   a symbol, or its modulus in GPa;  amorphous  True for LixSi, or your own `Amorphous`
    Returns `bulk_modulus` over `x` with its error from those of the ends. Raises `InputError` for moduli not positive.
    """
    share = np.atleast_1d(_share(x))
    b_alkali = float(_positive(_modulus(alkali), "bulk modulus of the alkali metal"))
    if amorphous:
        curve = amorphous if isinstance(amorphous, Amorphous) else Amorphous(alkali_GPa=b_alkali)
        b_host = float(_positive(curve.host_GPa, "bulk modulus of the host"))
        _positive(curve.half_GPa, "bulk modulus at x = 0.5")
        bend = curve.bowing_GPa
        b_alkali = float(_positive(curve.alkali_GPa, "bulk modulus of the alkali metal"))
    else:
        b_host, bend = float(_positive(_modulus(host), "bulk modulus of the host")), 0.0
    value = (1 - share) * b_host + share * b_alkali - bend * share * (1 - share)
    _positive(value, "the bulk modulus of the alloy")
    error = np.hypot((1 - share) * host_err_GPa, share * alkali_err_GPa)
    kind = "amorphous" if amorphous else "crystalline"
    return xr.Dataset(
        {
            "bulk_modulus": ("x", value, {"units": "GPa", "long_name": f"bulk modulus, {kind}"}),
            "bulk_modulus_err": ("x", error, {"units": "GPa"}),
        },
        coords={"x": ("x", share, {"units": "1", "long_name": "share of alkali atoms"})},
    )


def _modulus(of: str | float) -> float:
    if isinstance(of, str):
        if of not in BULK_MODULUS_GPA:
            raise InputError(f"no bulk modulus of {of!r}", where="interlayer", fix="Give it in GPa.")
        return BULK_MODULUS_GPA[of]
    return float(of)


def mismatch_strain(
    substrate_GPa: float | np.ndarray, *, metal_GPa: float = BULK_MODULUS_GPA["Li"],
    reference: tuple[float, float] = (BULK_MODULUS_GPA["Cu"], -0.03), pressure_MPa: float | None = None,
) -> np.ndarray:  # fmt: skip
    """Lattice strain of the metal from the mismatch of bulk moduli with what lies under it.

    With `pressure_MPa`: the elastic one, -(P / 3) (1 / B_metal - 1 / B_substrate), zero for equal moduli.
    Without: in proportion to the difference of moduli, through `reference` (substrate GPa, strain): the -3 % that
    paper 002 supposes on copper. That scale is a supposition, not a result: no elastic load of a cell reaches it.
    """
    substrate = _positive(substrate_GPa, "bulk modulus of the substrate")
    metal = float(_positive(metal_GPa, "bulk modulus of the metal"))
    if pressure_MPa is not None:
        if pressure_MPa < 0:
            raise InputError("pressure must not be negative", where="mismatch_strain")
        return -pressure_MPa * 1e-3 / 3 * (1 / metal - 1 / substrate)
    at, strain = reference
    if float(_positive(at, "reference modulus")) == metal:
        raise InputError("the reference must differ from the metal", where="mismatch_strain")
    return strain * (substrate - metal) / (at - metal)


def texture(
    substrate_GPa: float | np.ndarray, *, metal: str | Metal = "Li", grains: tuple[str, str] = ("001", "101"),
    pressure_MPa: float | None = None, **given,
) -> xr.Dataset:  # fmt: skip
    """Strain, surface-energy anisotropy and the winning grain over the bulk modulus of what lies under the metal.

    `given`: inputs of `grain_selection.Balance`, and `reference` of `mismatch_strain`. Strains above the known ones
    (substrates softer than the metal) use the nearest known one, `strain_used`; below them `InputError`.
    """
    m = material(metal) if isinstance(metal, str) else metal
    options = {"reference": given.pop("reference")} if "reference" in given else {}
    substrate = np.atleast_1d(np.asarray(substrate_GPa, float))
    modulus = m.need("bulk_modulus_GPa")
    strain = np.atleast_1d(
        mismatch_strain(substrate, metal_GPa=modulus, pressure_MPa=pressure_MPa, **options)
    )
    used = np.minimum(strain, max(m.strain))
    one, two = (np.asarray(m.surface_energy(name, used)) for name in grains)
    balance = Balance.of(m, grains, surface_energy_1_J_per_m2=one, surface_energy_2_J_per_m2=two, **given)
    found = energy_difference(balance, ("substrate",))
    return found.assign(
        strain_lattice=("substrate", strain, {"units": "1", "long_name": "lattice strain of the metal"}),
        strain_used=("substrate", used, {"units": "1"}),
        anisotropy=(
            "substrate",
            two - one,
            {"units": "J/m2", "long_name": f"E({grains[1]}) - E({grains[0]})"},
        ),
    ).assign_coords(substrate=("substrate", substrate, {"units": "GPa"}))


def design_window(
    *, limit_GPa: float = 30.0, curve: Amorphous | None = None, crystallises_x: float = CRYSTALLISES_X
) -> tuple[float, float]:
    """Shares x of LixSi1-x that are softer than the limit and still amorphous: (0.5, 0.79) by default.

    Raises `InputError` where nothing is soft enough.
    """
    x = np.linspace(0, crystallises_x, 100001)
    soft = bulk_modulus(x, "Si", amorphous=curve or Amorphous()).bulk_modulus.values <= limit_GPa + 1e-9
    if not soft.any():
        raise InputError(
            f"no composition below {limit_GPa:g} GPa", where="design_window", fix="Raise limit_GPa."
        )
    return float(x[soft.argmax()]), crystallises_x


def lithiated_seed(
    thickness_nm: float, areal_capacity_mAh_per_cm2: float, *, density_g_per_cm3: float = 2.155,
    lithium_volume_cm3_per_mol: float = 7.5,
) -> xr.Dataset:  # fmt: skip
    """Composition and thickness of a silicon seed layer that took up an areal charge.

    `capacity` (mAh/g of Si), `lithium_per_silicon`, `x`, `thickness` (um): t = t0 (V_Si + n V_Li) / V_Si.
    density 2.155 g/cm3 is what 500 nm, 0.25 mAh/cm2 and 2320 mAh/g of paper 002 mean together; 7.5 cm3/mol of lithium
    is what its 1.2 um means (8.9 cm3/mol, usual for crystalline silicides, gives 1.33 um).
    """
    _positive([thickness_nm, density_g_per_cm3, lithium_volume_cm3_per_mol], "thickness, density and volume")
    if areal_capacity_mAh_per_cm2 < 0:
        raise InputError("the areal capacity must not be negative", where="lithiated_seed")
    mass = thickness_nm * 1e-7 * density_g_per_cm3
    capacity = areal_capacity_mAh_per_cm2 / mass
    n = float(lithium_in_silicon(capacity))
    volume = SI_MOLAR_MASS_G_PER_MOL / density_g_per_cm3
    thickness = thickness_nm * 1e-3 * (volume + n * lithium_volume_cm3_per_mol) / volume
    return xr.Dataset(
        {
            "capacity": ((), capacity, {"units": "mAh/g"}), "lithium_per_silicon": ((), n, {"units": "1"}),
            "x": ((), n / (1 + n), {"units": "1"}), "thickness": ((), thickness, {"units": "um"}),
        }
    )  # fmt: skip


def lithium_in_silicon(capacity_mAh_per_g: float | np.ndarray) -> float | np.ndarray:
    """n of LinSi for a specific charge per mass of silicon: n = q M_Si / F. 2320 mAh/g is Li2.43Si."""
    return np.asarray(capacity_mAh_per_g) * 3.6 * SI_MOLAR_MASS_G_PER_MOL / FARADAY_C_PER_MOL
