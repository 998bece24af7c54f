"""Facts of a film cell (LiCoO2 film, LiPON, Li on a collector) and the steps of an experiment on it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from operando.core.errors import InputError
from operando.core.units import FARADAY_C_PER_MOL

from .film_electrode_ocv import Diffusion, OpenCircuit, lco_open_circuit

#: thickness of the outermost layer, two unit cells: without any content of its own the surface jumps where the exchange
#: current rises faster with delithiation than the voltage, and the equations have no solution that is continuous
SURFACE_UM = 1e-3


@dataclass(frozen=True)
class DriftDiffusion:
    """Electrolyte with mobile ions: Li+ and a negative charge, by drift and diffusion; else it is a plain resistor.

    mobile_mol_per_m3   concentration of mobile ions at rest (LiPON: 0.18 of 6.0e4, after Danilov et al. 2011)
    transference        share of the current that Li+ carries; the rest is a negative charge that the electrodes block.
                        Without release the current is limited to 4 t kappa RT / (F thickness) in the long run,
                        0.5 mA/cm2 for 4 um of LiPON: only a nearly immobile negative charge agrees with 1 mA/cm2
    dissociated         share of the Li that is mobile at rest (sets what can be released)
    recombination_m3_per_mol_s   rate of recombination; zero keeps the number of mobile ions
    """

    mobile_mol_per_m3: float = 1.08e4
    transference: float = 0.99
    dissociated: float = 0.18
    recombination_m3_per_mol_s: float = 0.9e-8

    def __post_init__(self) -> None:
        if not (0 < self.transference < 1 and 0 < self.dissociated <= 1 and self.mobile_mol_per_m3 > 0):
            raise InputError("transference and dissociated share lie between 0 and 1", where="electrolyte")


@dataclass(frozen=True)
class Columns:
    """A film of parallel columns (grains) that differ: what broadens the front of the image, not of the model.

    spread   kind "kinetics": sigma of ln(i0) and ln(D) of the columns; kind "potential": sigma of the
             open-circuit voltage, V. The columns share current collector and voltage and exchange no Li
    columns  how many stand for the distribution (equal shares of a normal distribution)
    """

    spread: float
    kind: str = "kinetics"
    columns: int = 11

    def __post_init__(self) -> None:
        if self.kind not in ("kinetics", "potential") or self.columns < 2 or self.spread < 0:
            raise InputError(
                "Columns needs kind kinetics or potential, 2 columns or more, spread >= 0", where="columns"
            )

    def deviates(self) -> np.ndarray:
        """Standard normal value of each column: the middle of its share of the distribution."""
        from scipy.special import ndtri

        return ndtri((np.arange(self.columns) + 0.5) / self.columns)


@dataclass(frozen=True, eq=False)
class FilmCell:
    """Facts of the cell. Defaults: LiCoO2, 20 um; LiPON, 4 um; the figures in docs/models_electrode.md.

    start_x              Li content at the start
    sites_mol_per_m3     host sites (dense LiCoO2)
    exchange_A_per_m2    exchange current of LiCoO2 | LiPON at x = 0.5; varies as 2 sqrt(x (1 - x))
    anode_exchange_A_per_m2   of Li | LiPON
    series_ohm_cm2       any other resistance in series
    """

    film_um: float = 20.0
    sites_mol_per_m3: float = 52277.0
    start_x: float = 0.95
    ocv: OpenCircuit = field(default_factory=lco_open_circuit)
    diffusion: Diffusion = field(default_factory=lambda: Diffusion.two_phase(1e-12, 7e-14))
    exchange_A_per_m2: float = 1.2
    anode_exchange_A_per_m2: float = 10.0
    electrolyte_um: float = 4.0
    conductivity_S_per_cm: float = 2e-6
    series_ohm_cm2: float = 0.0
    drift_diffusion: DriftDiffusion | None = None
    columns: Columns | None = None
    temperature_K: float = 298.15

    def __post_init__(self) -> None:
        for name in ("film_um", "sites_mol_per_m3", "exchange_A_per_m2", "anode_exchange_A_per_m2", "electrolyte_um",
                     "conductivity_S_per_cm", "temperature_K"):  # fmt: skip
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)} must be positive", where="FilmCell")
        if self.series_ohm_cm2 < 0:
            raise InputError("series_ohm_cm2 must not be negative", where="FilmCell")
        self.ocv.voltage_at(self.start_x)

    def capacity_mAh_per_cm2(self) -> float:
        """Charge of the whole film from x = 1 to 0: F sites thickness (2.80 mAh/cm2 for 20 um of dense LiCoO2)."""
        return FARADAY_C_PER_MOL * self.sites_mol_per_m3 * self.film_um * 1e-6 / 3.6e4

    def changed(self, **values) -> FilmCell:
        """The same cell with other values."""
        return replace(self, **values)


@dataclass(frozen=True)
class Hold:
    """Constant voltage (V) for `hours`, or until the current density falls to `until_mA_per_cm2`."""

    voltage: float
    hours: float
    until_mA_per_cm2: float | None = None


@dataclass(frozen=True)
class Drive:
    """Constant current density (mA/cm2, positive on charge) until a voltage (V), for `hours` at most."""

    mA_per_cm2: float
    until_V: float
    hours: float = 24.0


@dataclass(frozen=True)
class Rest:
    """Open circuit for `hours`."""

    hours: float


@dataclass(frozen=True, eq=False)
class Follow:
    """The current that a cycler recorded, from its first record to its last.

    time_s        (n,) rising, s
    mA_per_cm2    (n,) current density, positive on charge
    tolerance     the charge of the model stays within this share of the largest charge of the record

    The experiment ends where the model cannot take or give the current any more; attrs["ended"] says so.
    """

    time_s: np.ndarray
    mA_per_cm2: np.ndarray
    tolerance: float = 5e-4

    @property
    def hours(self) -> float:
        """Length of the record."""
        return float(self.time_s[-1] - self.time_s[0]) / 3600 if len(self.time_s) else 0.0


Step = Hold | Drive | Rest | Follow

#: charge at 4.3 V, discharge at 0.4 mA/cm2 to 3.0 V, rest
FIRST_CYCLE: tuple[Step, ...] = (Hold(4.3, 2.3), Drive(-0.4, 3.0), Rest(1.0))
