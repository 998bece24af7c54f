"""Which of two grains wins: surface energy against strain energy (paper 002, S1-S11).

    dU = (E_S1 - E_S2) / h + sigma_y (eps_T - eps_c) [exp(-beta D1 / (L R)) - exp(-beta D2 / (L R))]
    D = D0 exp(-Ea / kT)

Negative: grain 1 wins. Everything is J/m3 and SI inside; the names of the inputs carry the units that people use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import xarray as xr

from operando.core.errors import InputError

from .grain_selection_materials import Metal, material

BOLTZMANN_EV_PER_K = 8.617333262e-5

#: what a value must lie between, and which unit is probably meant when it does not
LIMITS: dict[str, tuple[float, float, str]] = {
    "surface_energy_1_J_per_m2": (0.0, 10.0, "mJ/m2 is 1e-3 J/m2"),
    "surface_energy_2_J_per_m2": (0.0, 10.0, "mJ/m2 is 1e-3 J/m2"),
    "barrier_1_eV": (0.0, 3.0, "1 kJ/mol is 0.01036 eV, 1 meV is 0.001 eV"),
    "barrier_2_eV": (0.0, 3.0, "1 kJ/mol is 0.01036 eV, 1 meV is 0.001 eV"),
    "temperature_K": (50.0, 2000.0, "25 degrees C is 298.15 K"),
    "thickness_um": (1e-3, 1e4, "in um, not m"),
    "grain_size_um": (1e-3, 1e4, "in um, not m"),
    "deposition_um_per_s": (1e-9, 10.0, "in um/s, not m/s; 0.1 mA/cm2 of Li is 1.35e-4 um/s"),
    "yield_strength_MPa": (1e-4, 1e4, "in MPa, not Pa"),
    "strain_tension": (-1.0, 1.0, "as a fraction: 20 % is 0.2"),
    "strain_compression": (-1.0, 1.0, "as a fraction: -20 % is -0.2"),
    "diffusion_prefactor_m2_per_s": (1e-25, 1e-3, "1 cm2/s is 1e-4 m2/s"),
    "beta": (0.0, 1e6, "a number"),
}


@dataclass(frozen=True)
class Balance:
    """Every input of the energy balance of two grains; each a number or an array (they broadcast)."""

    surface_energy_1_J_per_m2: float | np.ndarray
    surface_energy_2_J_per_m2: float | np.ndarray
    barrier_1_eV: float | np.ndarray
    barrier_2_eV: float | np.ndarray
    temperature_K: float | np.ndarray = 298.15
    thickness_um: float | np.ndarray = 10.0
    grain_size_um: float | np.ndarray = 10.0
    deposition_um_per_s: float | np.ndarray = 0.001
    yield_strength_MPa: float | np.ndarray = 0.55
    strain_tension: float | np.ndarray = 0.2
    strain_compression: float | np.ndarray = -0.2
    diffusion_prefactor_m2_per_s: float | np.ndarray = 1e-15
    beta: float | np.ndarray = 1.0
    names: tuple[str, str] = ("001", "101")

    def __post_init__(self) -> None:
        for name, (low, high, hint) in LIMITS.items():
            value = np.asarray(getattr(self, name), float)
            if np.isnan(value).any():
                raise InputError(
                    f"{name} is missing", where=f"grains {' and '.join(self.names)}",
                    fix="It is not known here: give it; it is not guessed.",
                )  # fmt: skip
            if not ((value >= low) & (value <= high)).all():
                raise InputError(
                    f"{name} = {value.flat[0] if value.size else value:g} is outside {low:g} to {high:g}",
                    where="energy balance of grains", fix=f"Check its unit: {hint}.",
                )  # fmt: skip

    @classmethod
    def of(
        cls, metal: str | Metal, grains: tuple[str, str] = ("001", "101"), *, strain: float = 0.0, **given
    ) -> Balance:
        """Balance of two grains of a metal at a lattice strain; any input `given` goes before the metal's.

        Raises `InputError` for what is neither known nor given.
        """
        m = material(metal) if isinstance(metal, str) else metal
        values = dict(given)
        for i, name in enumerate(grains, start=1):
            if f"barrier_{i}_eV" not in values:
                values[f"barrier_{i}_eV"] = m.barrier(name)
            if f"surface_energy_{i}_J_per_m2" not in values:
                values[f"surface_energy_{i}_J_per_m2"] = m.surface_energy(name, strain)
        if "yield_strength_MPa" not in values:
            values["yield_strength_MPa"] = m.need("yield_strength_MPa")
        return cls(names=grains, **values)

    @property
    def diffusion_scale_m2_per_s(self) -> float | np.ndarray:
        """L R in m2/s: 1e-14 for 10 um and 0.001 um/s."""
        return self.grain_size_um * 1e-6 * (self.deposition_um_per_s * 1e-6)

    def set(self, **values) -> Balance:
        """The same balance with some inputs changed. Raises `InputError` for one that does not exist."""
        unknown = [name for name in values if name not in LIMITS]
        if unknown:
            raise InputError(
                f"no input {unknown[0]!r}", where="energy balance", fix=f"Inputs: {', '.join(LIMITS)}."
            )
        return replace(self, **values)


def diffusion(prefactor_m2_per_s, barrier_eV, temperature_K):
    """D = D0 exp(-Ea / kT) in m2/s."""
    return prefactor_m2_per_s * np.exp(
        -np.asarray(barrier_eV) / (BOLTZMANN_EV_PER_K * np.asarray(temperature_K))
    )


def _parts(b: Balance) -> tuple[np.ndarray, np.ndarray]:
    """Surface and strain parts of dU in J/m3 (S3, S10)."""
    scale = np.asarray(b.diffusion_scale_m2_per_s)
    one, two = (
        np.exp(-b.beta * diffusion(b.diffusion_prefactor_m2_per_s, e, b.temperature_K) / scale)
        for e in (b.barrier_1_eV, b.barrier_2_eV)
    )
    a = np.asarray(b.yield_strength_MPa) * 1e6 * (np.asarray(b.strain_tension) - b.strain_compression)
    surface = (np.asarray(b.surface_energy_1_J_per_m2) - b.surface_energy_2_J_per_m2) / (
        np.asarray(b.thickness_um) * 1e-6
    )
    return np.broadcast_arrays(surface, a * (one - two))  # type: ignore[return-value]


def energy_difference(balance: Balance, dims: Sequence[str] = ()) -> xr.Dataset:
    """`surface`, `strain` and `total` energy difference of grain 1 minus grain 2 in J/m3, and who wins.

    dims   names of the axes that the inputs broadcast to
    `wins` is 1 or 2 (0: equal). `threshold`: the anisotropy E_S2 - E_S1 (J/m2) above which grain 1 wins.
    """
    surface, strain = _parts(balance)
    total = surface + strain
    d = tuple(dims) or tuple(f"axis_{i}" for i in range(total.ndim))
    unit = {"units": "J/m3"}
    wins = np.where(total < 0, 1, np.where(total > 0, 2, 0))
    return xr.Dataset(
        {
            "surface": (d, surface, {**unit, "long_name": "surface energy density difference"}),
            "strain": (d, strain, {**unit, "long_name": "strain energy density difference"}),
            "total": (d, total, {**unit, "long_name": "energy density difference"}),
            "wins": (d, wins, {"units": "1", "long_name": f"1: {balance.names[0]}, 2: {balance.names[1]}"}),
            "threshold": (d, strain * np.asarray(balance.thickness_um) * 1e-6, {"units": "J/m2"}),
        },
        attrs={"grains": list(balance.names)},
    )


def grain_energies(
    metal: str | Metal, orientations: Sequence[str] = ("001", "101", "111"), *, strain: float = 0.0,
    barrier_eV: dict[str, float] | None = None, surface_energy_J_per_m2: dict[str, float] | None = None, **given,
) -> dict[str, float]:  # fmt: skip
    """Energy density of each orientation in J/m3, relative to the lowest: the drive of `phase_field.consistent`.

    Missing barriers (that of (111) among them) must come in `barrier_eV`: they are asked for.
    """
    m = material(metal) if isinstance(metal, str) else metal
    barriers, surfaces = barrier_eV or {}, surface_energy_J_per_m2 or {}
    out = {}
    reference = orientations[0]

    def inputs(i: int, name: str) -> dict[str, float]:
        surface = surfaces[name] if name in surfaces else float(m.surface_energy(name, strain))
        barrier = barriers[name] if name in barriers else m.barrier(name)
        return {f"barrier_{i}_eV": barrier, f"surface_energy_{i}_J_per_m2": surface}  # fmt: skip

    for name in orientations:
        pair = Balance.of(
            m, (name, reference), strain=strain, **given, **inputs(1, name), **inputs(2, reference)
        )
        surface, strained = _parts(pair)
        out[name] = float(surface + strained)
    least = min(out.values())
    return {name: value - least for name, value in out.items()}


def temperature_scan(balance: Balance, temperature_K: np.ndarray) -> xr.Dataset:
    """`energy_difference` over temperature."""
    temperature = np.asarray(temperature_K, float)
    scan = energy_difference(balance.set(temperature_K=temperature), ("temperature",))
    return scan.assign_coords(temperature=("temperature", temperature, {"units": "K"}))


def phase_map(balance: Balance, x: tuple[str, np.ndarray], y: tuple[str, np.ndarray]) -> xr.Dataset:
    """Who wins over any two inputs: `energy_difference` on the grid of (name, values) y by x.

    "anisotropy_J_per_m2" names E_S2 - E_S1 as an axis (grain 1 keeps its surface energy).
    """
    (x_name, x_values), (y_name, y_values) = x, y
    if x_name == y_name:
        raise InputError("a map needs two different inputs", where="phase_map")
    values = {y_name: np.asarray(y_values, float)[:, None], x_name: np.asarray(x_values, float)[None, :]}
    found = energy_difference(_with(balance, values), (y_name, x_name))
    return found.assign_coords({x_name: np.asarray(x_values, float), y_name: np.asarray(y_values, float)})


def _with(balance: Balance, values: dict[str, np.ndarray]) -> Balance:
    rest = dict(values)
    if "anisotropy_J_per_m2" in rest:
        rest["surface_energy_2_J_per_m2"] = balance.surface_energy_1_J_per_m2 + rest.pop(
            "anisotropy_J_per_m2"
        )
    return balance.set(**rest)


def inputs_of(balance: Balance) -> dict[str, float]:
    """The inputs by name."""
    return {f.name: getattr(balance, f.name) for f in fields(balance) if f.name in LIMITS}


def surface_at_pressure(
    metal: str | Metal, orientation: str, pressure_MPa: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lattice strain and surface energy (J/m2) under a hydrostatic pressure: strain = -P / (3 B), then linear.

    10 MPa on lithium (B = 14 GPa) is a strain of -0.024 %: an elastic strain of -3 % needs 1.26 GPa. Larger
    strains, as of an interlayer, are given directly to `Balance.of(strain=...)`.
    """
    m = material(metal) if isinstance(metal, str) else metal
    pressure = np.asarray(pressure_MPa, float)
    if not (pressure >= 0).all():
        raise InputError(
            "pressure must not be negative", where="surface_at_pressure", fix="Compression is positive."
        )
    modulus = m.need("bulk_modulus_GPa")
    if modulus <= 0:
        raise InputError("the bulk modulus must be positive", where=f"material {m.name}")
    strain = -pressure * 1e-3 / (3 * modulus)
    return strain, np.asarray(m.surface_energy(orientation, strain))
