"""The film cell as a PyBaMM model."""

from __future__ import annotations

import numpy as np

from operando.core.units import FARADAY_C_PER_MOL, GAS_CONSTANT_J_PER_MOL_K

from .film_electrode_cell import SURFACE_UM, Drive, FilmCell, Hold, Rest
from .film_electrode_ocv import OpenCircuit

#: exchange current never falls below this share of its largest value: keeps the logarithm finite at x = 0 and 1
FLOOR = 0.02
ELECTROLYTE_CELLS = 80
_NEVER = 1e9
INTERPOLATOR = "linear"


class FilmModel:
    """Equations and discretisation; built once, each step only changes its inputs and where it begins."""

    def __init__(self, cell: FilmCell, cells: int, pybamm) -> None:
        self.cell, self.cells, self.pb = cell, cells, pybamm
        self.names: list[str] = []
        self.model = pybamm.BaseModel("film cell")
        self.f = FARADAY_C_PER_MOL / (GAS_CONSTANT_J_PER_MOL_K * cell.temperature_K)
        self.mesh = self._mesh()
        deviates = cell.columns.deviates() if cell.columns else np.zeros(1)
        self.voltage = pybamm.Variable("V")
        self.charge = pybamm.Variable("Q", scale=1e4)
        self.currents = [self._column(k, float(d)) for k, d in enumerate(deviates)]
        self.last_voltage = float(cell.ocv.voltage_at(cell.start_x))
        self._close()
        self._discretise()

    def _column(self, k: int, deviate: float):
        """One column: diffusion in it, kinetics at its surface, its piece of electrolyte. Returns its current."""
        pb, cell, model = self.pb, self.cell, self.model
        spread = cell.columns.spread * deviate if cell.columns else 0.0
        kinetic = bool(cell.columns) and cell.columns.kind == "kinetics"  # type: ignore[union-attr]
        faster, shift = (float(np.exp(spread)), 0.0) if kinetic else (1.0, spread)
        x = pb.Variable(f"x{k}", domain="film")
        surface, current = pb.Variable(f"xs{k}"), pb.Variable(f"i{k}")
        potential, scale = _diffusion_potential(cell)
        flux = current / (FARADAY_C_PER_MOL * cell.sites_mol_per_m3 * scale * faster)

        def phi(symbol, name):
            return pb.Interpolant(cell.ocv.x, potential, symbol, name=name, interpolator=INTERPOLATOR)

        inside, last = phi(x, f"phi{k}"), phi(pb.boundary_value(x, "right"), f"last{k}")
        half = (cell.film_um - SURFACE_UM) * 1e-6 / self.cells / 2
        inflow = (last - phi(surface, f"surface{k}")) / half
        model.rhs[x] = scale * faster * pb.div(pb.grad(inside))
        model.boundary_conditions[inside] = {"left": (pb.Scalar(0), "Neumann"), "right": (-inflow, "Neumann")}
        model.rhs[surface] = scale * faster * (inflow - flux) / (SURFACE_UM * 1e-6)
        open_circuit = pb.Interpolant(
            cell.ocv.x, cell.ocv.voltage, surface, name=f"U{k}", interpolator=INTERPOLATOR
        )
        drop = self._kinetics(surface, current, faster, k)
        model.algebraic[current] = self.voltage - open_circuit - shift - drop
        start = pb.Scalar(cell.start_x)
        model.initial_conditions |= {x: start, surface: start, current: pb.Scalar(0.0)}
        model.variables |= {f"x{k}": x, f"xs{k}": surface, f"i{k}": current}
        return current

    def _kinetics(self, surface, current, faster: float, k: int):
        """Voltage between film and anode beyond the open-circuit voltage, for one column."""
        pb, cell = self.pb, self.cell
        shape = pb.maximum(surface * (1 - surface), (FLOOR / 2) ** 2)
        exchange = cell.exchange_A_per_m2 * faster * 2 * pb.sqrt(shape)
        anode = pb.Scalar(cell.anode_exchange_A_per_m2)
        ohmic = current * cell.series_ohm_cm2 * 1e-4
        if cell.drift_diffusion is None:
            drop = ohmic + current * cell.electrolyte_um * 1e-6 / (cell.conductivity_S_per_cm * 100)
        else:
            near, far, bulk = self._ions(current, k)
            exchange, anode, drop = exchange * pb.sqrt(near), anode * pb.sqrt(far), ohmic + bulk
        return 2 / self.f * (pb.arcsinh(current / (2 * exchange)) + pb.arcsinh(current / (2 * anode))) + drop

    def _ions(self, current, k: int):
        """Mobile ions of the electrolyte, relative to rest: at film and anode, and the voltage they cost.

        Electroneutral drift and diffusion: dc/dt = d/dy (D dc/dy) + release, flux (1 - t) i / F D at both ends,
        D = 2 D+ D- / (D+ + D-); voltage: integral of i / kappa(c) + (2RT/F) (1 - t) ln(c_film / c_anode).
        """
        pb, cell, facts = self.pb, self.cell, self.cell.drift_diffusion
        assert facts is not None
        t, rest = facts.transference, facts.mobile_mol_per_m3
        both = cell.conductivity_S_per_cm * 100 / (FARADAY_C_PER_MOL * self.f * rest)
        ambipolar = 2 * t * (1 - t) * both
        c = pb.Variable(f"c{k}", domain="electrolyte")
        slope = (1 - t) * current / (FARADAY_C_PER_MOL * ambipolar * rest)
        half = float(np.diff(self.mesh["electrolyte"].edges)[0]) / 2
        free = facts.dissociated
        release = facts.recombination_m3_per_mol_s * rest * ((1 - free * c) / (1 - free + 1e-12) - c**2)
        self.model.rhs[c] = ambipolar * pb.div(pb.grad(c)) + (release if free < 1 else 0)
        self.model.boundary_conditions[c] = {"left": (-slope, "Neumann"), "right": (-slope, "Neumann")}
        self.model.initial_conditions[c] = pb.Scalar(1.0)
        near, far = pb.boundary_value(c, "left") + half * slope, pb.boundary_value(c, "right") - half * slope
        self.model.variables |= {f"c{k}": c, f"c_film{k}": near, f"c_anode{k}": far}
        self.model.events.append(pb.Event("electrolyte depleted", pb.minimum(near, far) - 1e-3))
        near, far = pb.maximum(near, 1e-4), pb.maximum(far, 1e-4)
        bulk = current / (cell.conductivity_S_per_cm * 100) * pb.Integral(1 / c, self._depth("electrolyte"))
        return near, far, bulk + 2 / self.f * (1 - t) * pb.log(near / far)

    def _depth(self, domain: str):
        return self.pb.SpatialVariable(f"z_{domain}", domain=domain, coord_sys="cartesian")

    def _close(self) -> None:
        """Total current and charge, the control (voltage or current), and what ends a step."""
        pb, model = self.pb, self.model
        total = sum(self.currents[1:], self.currents[0]) / len(self.currents)
        given = {name: pb.InputParameter(name) for name in
                 ("hold", "volt", "ampere", "sign", "limit", "least", "direction")}  # fmt: skip
        model.rhs[self.charge] = total
        off = given["hold"] * (self.voltage - given["volt"])
        model.algebraic[self.voltage] = off + (1 - given["hold"]) * (total - given["ampere"]) / 10
        start = float(self.cell.ocv.voltage_at(self.cell.start_x))
        model.initial_conditions |= {self.charge: pb.Scalar(0.0), self.voltage: pb.Scalar(start)}
        model.variables |= {"V": self.voltage, "Q": self.charge, "i": total}
        low, high = float(self.cell.ocv.x[0]), float(self.cell.ocv.x[-1])
        surfaces = [model.variables[f"xs{k}"] for k in range(len(self.currents))]
        leeway = 1e-6
        model.events += [
            pb.Event("voltage", given["sign"] * (given["limit"] - self.voltage)),
            pb.Event("current", given["direction"] * total - given["least"]),
            pb.Event("plated lithium used up", self.charge + 1e-3),
            *(pb.Event("OCV low", s - low + leeway) for s in surfaces),
            *(pb.Event("OCV high", high + leeway - s) for s in surfaces),
        ]

    def _mesh(self):
        """Even volumes in the film; in the electrolyte thin ones at both ends, where the ions pile up."""
        pb, domains = self.pb, {"film": (self.cell.film_um - SURFACE_UM, self.cells)}
        kinds = {"film": pb.Uniform1DSubMesh, "electrolyte": pb.Chebyshev1DSubMesh}
        if self.cell.drift_diffusion:
            domains["electrolyte"] = (self.cell.electrolyte_um, ELECTROLYTE_CELLS)
        depth = {name: self._depth(name) for name in domains}
        geometry = {n: {depth[n]: {"min": 0, "max": um * 1e-6}} for n, (um, _) in domains.items()}
        volumes = {depth[n]: count for n, (_, count) in domains.items()}
        return pb.Mesh(geometry, {n: kinds[n] for n in domains}, volumes)

    def _discretise(self) -> None:
        pb = self.pb
        constant = {"extrapolation": {"order": {"gradient": "linear", "value": "constant"}, "use bcs": False}}
        names = ("film", "electrolyte") if self.cell.drift_diffusion else ("film",)
        methods = {name: pb.FiniteVolume(constant) for name in names}
        pb.Discretisation(self.mesh, methods).process_model(self.model)

    def begin_from(self, state) -> None:
        """The next step begins where `state` ended."""
        self.last_voltage = float(state["V"].entries[-1])
        self.model.set_initial_conditions_from(state, inplace=True)

    def inputs(self, step: Hold | Drive | Rest) -> dict[str, float]:
        """Values of the control and of the limits for a step."""
        given = {"hold": 0.0, "volt": 0.0, "ampere": 0.0, "sign": 1.0, "limit": _NEVER, "least": -_NEVER,
                 "direction": 1.0}  # fmt: skip
        if isinstance(step, Hold):
            given |= {"hold": 1.0, "volt": step.voltage}
            if step.until_mA_per_cm2 is not None:
                given |= {
                    "least": 10 * step.until_mA_per_cm2,
                    "direction": 1.0 if step.voltage > self.last_voltage else -1.0,
                }
        elif isinstance(step, Drive):
            up = step.mA_per_cm2 > 0
            given |= {"ampere": 10 * step.mA_per_cm2, "limit": step.until_V, "sign": 1.0 if up else -1.0}
        else:
            assert isinstance(step, Rest)
        return given

    def arrays(self, state, number: int) -> dict[str, np.ndarray]:
        """Plain arrays of a solved step, last axis time."""
        columns = range(len(self.currents))
        time = np.asarray(state.t)
        ions = {
            end: np.stack([state[f"c_{end}{k}"].entries for k in columns])
            for end in (("film", "anode") if self.cell.drift_diffusion else ())
        }
        return {
            **{f"ions_{end}": values for end, values in ions.items()},
            "time": time,
            "x": np.stack([state[f"x{k}"].entries for k in columns]),
            "surface": np.stack([state[f"xs{k}"].entries for k in columns]),
            "column_current": np.stack([state[f"i{k}"].entries for k in columns]),
            "voltage": state["V"].entries, "current": state["i"].entries, "charge": state["Q"].entries,
            "step": np.full(len(time), number),
        }  # fmt: skip


def _diffusion_potential(cell: FilmCell) -> tuple[np.ndarray, float]:
    """Integral of D over x on the table of the open-circuit curve, in units of the largest D, and that D."""
    ocv: OpenCircuit = cell.ocv
    d = cell.diffusion.chemical(ocv, cell.temperature_K)
    scale = float(d.max())
    steps = (d[1:] + d[:-1]) / 2 * np.diff(ocv.x) / scale
    return np.concatenate([[0.0], np.cumsum(steps)]), scale
