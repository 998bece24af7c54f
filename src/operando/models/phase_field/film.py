"""What the phase field is told: coefficients of a model, and how the film is deposited and stepped.

The equation, in time units of s and lengths of um, energies in units of the well height m:

    d(eta_q)/dt = -L_q m [eta_q^3 - eta_q + 2 gamma eta_q sum_{p != q} eta_p^2 - kappa_q/m lap(eta_q) + U_q/m h'(eta_q)]

with h(eta) = eta^2 (3 - 2 eta), for which a flat front between two grains has an exact speed (see `theory`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from operando.core.errors import InputError

FILLS = ("copy", "empty")
MIXED = ("own", "mean")
SCHEMES = ("substeps", "explicit")
MIN_CELLS = 4.0  # interface width below which a front sticks to the grid


@dataclass(frozen=True)
class FilmModel:
    """Coefficients by orientation, and the choices that the equation leaves open.

    mobility_per_s   L_q m (1/s);  gradient_um2  kappa_q / m (um2);  drive  U_q / m (lower wins)
    gamma            overlap penalty; 1.5 makes profiles symmetric, as `theory` supposes
    fill             what a new layer holds: "copy" of the layer below (epitaxial growth) or "empty" (eta = 0)
    mixed            kappa where grains overlap: each its "own" (variational) or the "mean" weighted with eta^2
    well_J_per_m3    m, NaN where the model has no physical energy scale
    choices          (what, which), the documented choices, carried into results
    """

    form: str
    orientations: tuple[str, ...]
    mobility_per_s: tuple[float, ...]
    gradient_um2: tuple[float, ...]
    drive: tuple[float, ...]
    gamma: float = 1.5
    fill: str = "copy"
    mixed: str = "own"
    well_J_per_m3: float = float("nan")
    choices: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        where = f"phase-field model {self.form!r}"
        lengths = {len(self.orientations), len(self.mobility_per_s), len(self.gradient_um2), len(self.drive)}
        if len(lengths) != 1 or 0 in lengths:
            raise InputError(
                "every orientation needs a mobility, a gradient coefficient and a drive", where=where
            )
        if not (np.array([*self.mobility_per_s, *self.gradient_um2]) > 0).all():
            raise InputError("mobilities and gradient coefficients must be positive", where=where)
        if not np.abs(self.drive).max() < 0.3:
            raise InputError(
                f"the driving force is {np.abs(self.drive).max():.2g} of the barrier; grains would lose their wells",
                where=where, fix="Take a thinner interface (width_um) or a larger boundary energy.",
            )  # fmt: skip
        if not self.gamma > 0.5:
            raise InputError("gamma must exceed 0.5, or grains mix", where=where)
        for name, known in (("fill", FILLS), ("mixed", MIXED)):
            if getattr(self, name) not in known:
                raise InputError(
                    f"{name} = {getattr(self, name)!r}", where=where, fix=f"Choose one of {known}."
                )

    def index(self, orientation: str) -> int:
        """Place of an orientation in the tables. Raises `InputError` for one the model has no energies for."""
        if orientation not in self.orientations:
            raise InputError(
                f"unknown orientation {orientation!r}", where=f"phase-field model {self.form!r}",
                fix=f"It knows {', '.join(self.orientations)}: give energies for more, or use `nearest_pole`.",
            )  # fmt: skip
        return self.orientations.index(orientation)


@dataclass(frozen=True)
class Growth:
    """Domain, deposition and time stepping of one run.

    shape                (z, x) or (z, y, x) cells; x and y are periodic, z is closed
    deposition_um_per_s  rate at which layers are added; 0 for a film that only rearranges
    first_layers         layers there at the start
    time_step_s          a step; `scheme` "substeps" divides it so that it is stable and at most half the limit
                         (first order in time: `time_error` measures it), "explicit" takes it as it is, or refuses
    cutoff               order parameters below it are not followed away from their grain
    """

    shape: tuple[int, ...]
    duration_s: float
    time_step_s: float
    spacing_um: float = 0.5
    deposition_um_per_s: float = 0.001
    first_layers: int = 1
    scheme: str = "substeps"
    cutoff: float = 1e-5

    def __post_init__(self) -> None:
        where = "growth of the phase field"
        if len(self.shape) not in (2, 3) or min(self.shape) < 1 or self.shape[-1] < 8:
            raise InputError(
                f"shape {self.shape}", where=where, fix="Give (z, x) or (z, y, x), x at least 8."
            )
        if not (self.duration_s > 0 and self.time_step_s > 0 and self.spacing_um > 0):
            raise InputError("duration, time step and spacing must be positive", where=where)
        if not self.deposition_um_per_s >= 0 or not 1 <= self.first_layers <= self.shape[0]:
            raise InputError(
                "deposition must not be negative, first_layers between 1 and the height", where=where
            )
        if self.scheme not in SCHEMES:
            raise InputError(f"scheme = {self.scheme!r}", where=where, fix=f"Choose one of {SCHEMES}.")
        if not 0 < self.cutoff < 0.01:
            raise InputError(f"cutoff {self.cutoff}: must be between 0 and 0.01", where=where)

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells along z, y, x; one along y in two dimensions."""
        nz, *rest = self.shape
        return (nz, 1, rest[0]) if len(rest) == 1 else (nz, rest[0], rest[1])

    def layers(self, time_s: float) -> int:
        """Active layers at a time."""
        added = int(np.floor(self.deposition_um_per_s * time_s / self.spacing_um + 1e-9))
        return min(self.first_layers + added, self.shape[0])


def step_limit(model: FilmModel, growth: Growth) -> float:
    """Largest stable explicit step in s: dt = 2 / max_q L_q (4 d kappa_q / dx^2 + steepest well + |drive|), d axes."""
    dimensions = 2 if growth.cells[1] == 1 else 3
    kappa = np.array(model.gradient_um2) / growth.spacing_um**2
    if model.mixed == "mean":
        kappa = np.full_like(kappa, kappa.max())
    stiff = 4 * dimensions * kappa + max(2.0, 2 * model.gamma - 1) + 6 * np.abs(model.drive)
    return float(2 / (np.array(model.mobility_per_s) * stiff).max())


def substeps(model: FilmModel, growth: Growth) -> int:
    """How many steps each time step is divided into. Raises `InputError`, with the limit, for an unstable one."""
    limit = step_limit(model, growth)
    if growth.scheme == "explicit":
        if growth.time_step_s > limit:
            raise InputError(
                f"an explicit step of {growth.time_step_s:g} s is unstable: the limit is {limit:.4g} s",
                where=f"phase-field model {model.form!r}, spacing {growth.spacing_um:g} um",
                fix=f'Take time_step_s below {limit:.4g}, or scheme = "substeps".',
            )
        return 1
    return max(1, int(np.ceil(growth.time_step_s / (0.5 * limit))))


def check_resolution(model: FilmModel, growth: Growth) -> float:
    """Thinnest interface, sqrt(8 kappa / m), in cells. Raises `InputError` where a `consistent` front would stick."""
    cells = float(np.sqrt(8 * min(model.gradient_um2)) / growth.spacing_um)
    if model.form == "consistent" and cells < MIN_CELLS:
        raise InputError(
            f"the interface is {cells:.2g} cells wide and would stick to the grid (at least {MIN_CELLS:g})",
            where="phase field", fix="Take a smaller spacing_um or a larger width_um.",
        )  # fmt: skip
    return cells


def consistent(
    energies_J_per_m3: Mapping[str, float],
    *,
    boundary_energy_J_per_m2: float = 0.2,
    mobility_m4_per_J_s: float = 2e-13,
    width_um: float = 2.5,
    mobility_ratio: Mapping[str, float] | None = None,
) -> FilmModel:
    """The default model: equal boundaries between all grains, selection by the energy density of each orientation.

    m = 6 sigma / l, kappa = 3 sigma l / 4, L = 4 M / (3 l): boundary energy sigma (J/m2), mobility M (m4/(J s):
    speed per energy density), width l. `energies_J_per_m3` from `grain_selection.grain_energies`; only differences
    count. sigma and M of lithium are not known: the defaults are choices, and the table in the documentation
    shows what they decide. Moelans, Blanpain and Wollants, Phys. Rev. B 78 (2008) 024113, for the coefficients.
    """
    if not (boundary_energy_J_per_m2 > 0 and mobility_m4_per_J_s > 0 and width_um > 0):
        raise InputError(
            "boundary energy, mobility and width must be positive", where="consistent phase field"
        )
    names = tuple(energies_J_per_m3)
    energy = np.array([energies_J_per_m3[name] for name in names], float)
    if not np.isfinite(energy).all():
        raise InputError(
            "an energy is missing", where="consistent phase field", fix="Give one for every orientation."
        )
    well = 6 * boundary_energy_J_per_m2 / (width_um * 1e-6)
    rate = 8 * mobility_m4_per_J_s * boundary_energy_J_per_m2 / (width_um * 1e-6) ** 2
    ratio = [(mobility_ratio or {}).get(name, 1.0) for name in names]
    drive = (energy - 0.5 * (energy.max() + energy.min())) / well
    return FilmModel(
        "consistent", names, tuple(rate * r for r in ratio), (width_um**2 / 8,) * len(names),
        tuple(float(u) for u in drive), well_J_per_m3=well,
        choices=(
            ("boundary energy", f"{boundary_energy_J_per_m2:g} J/m2"),
            ("boundary mobility", f"{mobility_m4_per_J_s:g} m4/(J s)"),
            ("interface width", f"{width_um:g} um"), ("new layer", "copy of the layer below"),
        ),
    )  # fmt: skip


def as_printed(
    surface_energy_J_per_m2: Mapping[str, float],
    barrier_eV: Mapping[str, float],
    *,
    temperature_K: float = 298.0,
    well: float = 1.0,
    gamma: float = 1.5,
    length: str = "um",
    spacing_um: float = 0.5,
    fill: str = "empty",
    mixed: str = "own",
    constants: tuple[float, float, float, float] = (7.5, 0.27, 4.1e-9, 20.0),
) -> FilmModel:
    """The equations S12-S15 of paper 002: L_q = L1 exp(-L2 Ea/kT), kappa_q = k1 exp(k2 E_S / mean(E_S)), no drive.

    What the paper does not state is a choice here: `well` w and `gamma` of f0, `length` unit of kappa ("um" or
    "cell"), `fill` of a new layer, kappa in `mixed` cells, and the barrier of (111), which must be given.
    """
    names = tuple(surface_energy_J_per_m2)
    missing = [name for name in names if not np.isfinite(barrier_eV.get(name, float("nan")))]
    if missing:
        raise InputError(
            f"no diffusion barrier for {', '.join(missing)}", where="phase field as printed",
            fix="It is not known: give one in barrier_eV, for example a value above that of (001).",
        )  # fmt: skip
    if length not in ("um", "cell"):
        raise InputError(f"length = {length!r}", where="phase field as printed", fix='Choose "um" or "cell".')
    l1, l2, k1, k2 = constants
    surface = np.array([surface_energy_J_per_m2[name] for name in names])
    barrier = np.array([barrier_eV[name] for name in names])
    mobility = l1 * np.exp(-l2 * barrier / (8.617333262e-5 * temperature_K))
    kappa = k1 * np.exp(k2 * surface / surface.mean()) * (1.0 if length == "um" else spacing_um**2)
    return FilmModel(
        "as_printed", names, tuple(mobility * well), tuple(kappa / well), (0.0,) * len(names),
        gamma=gamma, fill=fill, mixed=mixed,
        choices=(
            ("w", f"{well:g}"), ("gamma", f"{gamma:g}"), ("unit of length", length), ("new layer", fill),
            ("kappa in mixed cells", mixed),
            ("barriers", ", ".join(f"{n} {b:g} eV" for n, b in zip(names, barrier, strict=True))),
        ),
    )  # fmt: skip


def finer(growth: Growth, factor: int = 2) -> Growth:
    """The same growth with the time step divided."""
    return replace(growth, time_step_s=growth.time_step_s / factor)
