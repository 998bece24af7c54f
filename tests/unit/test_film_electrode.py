"""Film electrode: limits with exact answers, conservation, convergence, the figures it must reach, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from operando.core.errors import InputError
from operando.core.flags import Flag
from operando.models import (
    Columns,
    Diffusion,
    DriftDiffusion,
    Drive,
    FilmCell,
    Hold,
    Rest,
    film_on_grid,
    lco_open_circuit,
    open_circuit,
    simulate_film,
)  # fmt: skip

pytest.importorskip("pybamm", reason="the film model needs the extra models")

F, R, T = 96485.33212, 8.31446261815324, 298.15
LINE = open_circuit(np.array([0.0, 1.0]), np.array([4.5, 3.5]))
FAST = {"exchange_A_per_m2": 1e7, "anode_exchange_A_per_m2": 1e7, "conductivity_S_per_cm": 1e3}


def plain(d=1e-13, **changes):
    """One phase, constant D, no resistance at all."""
    return FilmCell(ocv=LINE, diffusion=Diffusion.constant(d), start_x=0.9, **(FAST | changes))


@pytest.fixture(scope="module")
def cycle():
    return simulate_film()


def at_end(film, step):
    return film.isel(time=np.nonzero(film.step.values == step)[0][-1])


# ---------------------------------------------------------------- the figures, with the default inputs
def test_charge_meets_the_figures(cycle):
    charged = at_end(cycle, 0)
    assert 0.70 <= float(cycle.areal_capacity.interp(time=2700)) <= 0.80
    assert 1.25 <= float(charged.areal_capacity) <= 1.40
    moving = cycle.where((cycle.step == 0) & (cycle.front < 18.5) & (cycle.front > 1.5), drop=True)
    assert float(moving.front_speed.max()) == pytest.approx(10.8, abs=0.3)
    assert float(moving.front_speed.min()) == pytest.approx(8.7, abs=0.4)


def test_discharge_leaves_an_insulating_layer(cycle):
    charged, cut = at_end(cycle, 0), at_end(cycle, 1)
    assert 3.0 <= float(cut.insulating) <= 7.0
    assert 0.70 <= 1 - float(cut.areal_capacity / charged.areal_capacity) <= 0.77
    assert float(cut.voltage) == pytest.approx(3.0, abs=1e-3)
    assert cycle.attrs["ended"] == ["time", "voltage", "time"]


def test_rest_ends_at_the_lever_rule(cycle):
    """The mean content lies within the plateau, so the model keeps two phases: it does not explain their vanishing."""
    rested = at_end(cycle, 2)
    lever = (float(rested.x_li.mean()) - 0.75) / (0.94 - 0.75) * 20
    assert float(rested.insulating) == pytest.approx(lever, rel=0.01)
    assert float(rested.surface_x) < float(at_end(cycle, 1).surface_x) - 0.03


def test_the_model_front_is_a_few_volumes_wide(cycle):
    """Plainly: 6 um in the images is not explained by this model."""
    moving = cycle.where((cycle.step == 0) & (cycle.front < 18) & (cycle.front > 2), drop=True)
    assert float(moving.front_width.max()) <= 4 * 20 / 200


def test_slow_diffusion_slows_the_front():
    slow = simulate_film(FilmCell(diffusion=Diffusion.two_phase(1e-13, 6e-14)), [Hold(4.3, 2.3)], cells=100)
    speed = slow.front_speed.where((slow.front < 18) & (slow.front > 8), drop=True)
    assert 3.0 < float(speed.min()) < 7.0
    assert float(speed.max()) > 1.2 * float(speed.min())


# ---------------------------------------------------------------- conservation and convergence
@pytest.mark.parametrize(
    "cell",
    [
        FilmCell(),
        FilmCell(drift_diffusion=DriftDiffusion()),
        plain(),
        FilmCell(columns=Columns(0.2, columns=3)),
    ],
)
def test_lithium_is_conserved(cell):
    film = simulate_film(cell, [Hold(4.3, 0.5), Drive(-0.4, 3.6, hours=0.3), Rest(0.1)], cells=40)
    assert film.attrs["mass_balance"] < 1e-6
    lost = (cell.start_x - film.x_li.mean("z")) * cell.capacity_mAh_per_cm2()
    np.testing.assert_allclose(lost, film.areal_capacity, atol=3e-4)  # the outermost nanometre is not in z


def test_charge_is_the_integral_of_the_current(cycle):
    charging = cycle.where(cycle.step == 0, drop=True)
    by_hand = np.trapezoid(charging.current_density, charging.time) / 3600
    assert float(charging.areal_capacity[-1]) == pytest.approx(by_hand, rel=2e-3)


def test_mesh_convergence():
    steps = [Hold(4.3, 2.3), Drive(-0.4, 3.0)]
    found = {n: simulate_film(cells=n, steps=steps) for n in (25, 100, 200)}
    layer = {n: float(film.insulating[-1]) for n, film in found.items()}
    charge = {n: float(film.areal_capacity.interp(time=2700)) for n, film in found.items()}
    assert abs(layer[100] - layer[200]) < 0.2 * abs(layer[25] - layer[200])
    assert layer[100] == pytest.approx(layer[200], abs=0.01)  # um
    assert charge[25] == pytest.approx(charge[200], rel=1e-4)


def test_tolerance_convergence():
    step = [Hold(4.3, 2.3)]
    best = simulate_film(steps=step, cells=60, rtol=1e-9, atol=1e-11).areal_capacity.values
    off = [
        np.abs(simulate_film(steps=step, cells=60, rtol=r, atol=r / 100).areal_capacity.values - best).max()
        for r in (1e-4, 1e-6)
    ]
    assert off[1] < 1e-4
    assert off[1] < 0.2 * off[0]


# ---------------------------------------------------------------- exact answers
def test_constant_diffusion_at_constant_current():
    """Slab with one closed face: parabola plus cosines."""
    cell, i = plain(1e-13), 2.0
    film = simulate_film(cell, [Drive(i / 10, 4.45, hours=0.25)], cells=200, rtol=1e-8, atol=1e-10, points=7)
    length, d, n = 20e-6, 1e-13, np.arange(1, 400)[:, None]
    zeta = film.z.values * 1e-6 / length
    for time, x in zip(film.time.values[1:], film.x_li.values[1:], strict=True):
        sum_ = (
            (-1.0) ** n / n**2 * np.exp(-(n**2) * np.pi**2 * d * time / length**2) * np.cos(n * np.pi * zeta)
        ).sum(0)
        shape = d * time / length**2 + (3 * zeta**2 - 1) / 6 - 2 / np.pi**2 * sum_
        exact = 0.9 - i / (F * cell.sites_mol_per_m3) * length / d * shape
        np.testing.assert_allclose(x, exact, atol=2e-5)


def test_sand_surface_content():
    """Constant current into a half space: x_s = x_0 - 2 i / (F c) sqrt(t / pi D)."""
    cell, i = plain(1e-14), 2.0
    film = simulate_film(cell, [Drive(i / 10, 4.45, hours=0.2)], cells=800, rtol=1e-8, atol=1e-10)
    t = film.time.values
    late = t > 60
    exact = 0.9 - 2 * i / (F * cell.sites_mol_per_m3) * np.sqrt(t / (np.pi * 1e-14))
    np.testing.assert_allclose((film.surface_x.values - 0.9)[late], (exact - 0.9)[late], rtol=5e-3)


def test_cottrell_current():
    """Voltage step: i = F c dx sqrt(D / pi t) while the far face is not felt."""
    cell, d = plain(1e-14), 1e-14
    film = simulate_film(cell, [Hold(3.9, 0.2)], cells=800, rtol=1e-8, atol=1e-10)
    t = film.time.values
    late = t > 60
    exact = F * cell.sites_mol_per_m3 * (0.9 - 0.6) * np.sqrt(d / (np.pi * t[late])) / 10
    np.testing.assert_allclose(film.current_density.values[late], exact, rtol=5e-3)


def test_sand_time_of_the_electrolyte():
    """Mobile ions at the anode run out at t = pi D (F c / 2 (1 - t+) i)^2; no release, thick electrolyte."""
    facts = DriftDiffusion(1000.0, 0.4, 0.5, recombination_m3_per_mol_s=0.0)
    cell = FilmCell(
        drift_diffusion=facts, electrolyte_um=10.0, conductivity_S_per_cm=2e-6, exchange_A_per_m2=50.0
    )
    both = 2e-4 * R * T / (F**2 * 1000.0)
    diffusion, i = 2 * 0.4 * 0.6 * both, 20.0
    sand = np.pi * diffusion * (F * 1000.0 / (2 * 0.6 * i)) ** 2
    film = simulate_film(cell, [Drive(i / 10, 60.0, hours=sand / 1800)], points=400)
    t = film.time.values
    early = (t > 0.3 * sand) & (t < 0.95 * sand)
    np.testing.assert_allclose(film.ions_anode[early], 1 - np.sqrt(t[early] / sand), atol=0.01)
    assert film.attrs["ended"] == ["electrolyte depleted"]
    assert t[-1] == pytest.approx(sand, rel=0.02)


def test_drift_diffusion_without_mobile_anions_is_the_resistor():
    ohmic = simulate_film(cells=50)
    single = simulate_film(FilmCell(drift_diffusion=DriftDiffusion(transference=1 - 1e-6)), cells=50)
    a, b = (float(f.areal_capacity.interp(time=2700)) for f in (ohmic, single))
    assert a == pytest.approx(b, rel=1e-3)


def test_rest_voltage_is_open_circuit():
    film = simulate_film(plain(1e-12), [Drive(0.3, 4.4, hours=0.5), Rest(5.0)], cells=40)
    assert float(film.voltage[-1]) == pytest.approx(
        float(LINE.voltage_at(float(film.x_li[-1].mean()))), abs=1e-4
    )


def test_discharge_ends_when_the_plated_lithium_is_used_up():
    film = simulate_film(plain(1e-11), [Drive(0.5, 4.4, hours=0.2), Drive(-0.5, 3.5)], cells=20)
    assert film.attrs["ended"] == ["time", "plated lithium used up"]
    assert float(film.areal_capacity[-1]) == pytest.approx(0.0, abs=1e-5)


# ---------------------------------------------------------------- columns, grid
def test_columns_broaden_the_front_and_keep_the_charge():
    one = simulate_film(steps=[Hold(4.3, 1.0)], cells=40)
    same = simulate_film(FilmCell(columns=Columns(0.0, columns=3)), [Hold(4.3, 1.0)], cells=40)
    spread = simulate_film(
        FilmCell(columns=Columns(0.04, "potential", columns=5)), [Hold(4.3, 1.0)], cells=40
    )
    np.testing.assert_allclose(one.areal_capacity, same.areal_capacity, atol=1e-4)
    now = int(np.searchsorted(one.time, 1500))
    assert float(spread.front_width[now]) > 3 * float(one.front_width[now])
    assert spread.x_li_columns.sizes["column"] == 5


def test_grid_means_conserve_lithium(cycle):
    z = np.arange(-3.0, 26.0, 1.0) + 0.2
    image = film_on_grid(cycle, z, np.array([600.0, 2700.0, 9000.0]), substrate_um=1.3)
    content = (image.x_li.fillna(0) * image.film_share).sum("z")
    np.testing.assert_allclose(content, cycle.x_li.mean("z").interp(time=image.time) * 20.0, rtol=1e-3)
    assert (image.x_li_flag.values[:, 0] == Flag.NO_DATA).all()
    blurred = film_on_grid(cycle, z, np.array([600.0]), substrate_um=1.3, blur_um=1.0)
    amount = float((blurred.x_li.fillna(0) * blurred.film_share).sum())
    assert amount == pytest.approx(float(content[0]), rel=5e-3)


def test_grid_takes_the_time_of_each_row_and_flags_what_was_not_simulated(cycle):
    z = np.arange(0.5, 20, 1.0)
    rows = np.array([1000.0, 1e6])[:, None] + np.linspace(0, 300, len(z))
    image = film_on_grid(cycle, z, rows)
    late = film_on_grid(cycle, z, np.array([1300.0]))
    assert float(image.x_li[0, -1]) == pytest.approx(float(late.x_li[0, -1]))
    assert (image.x_li_flag.values[1] & Flag.AFTER_RECORD).all()
    assert np.isnan(image.x_li.values[1]).all()


# ---------------------------------------------------------------- open-circuit curves
def regular_solution(omega, x):
    """Voltage of a regular solution, V: two phases at x and 1 - x with ln(x / (1 - x)) = omega (2 x - 1)."""
    return 3.9 - R * T / F * (np.log(x / (1 - x)) + omega * (1 - 2 * x))


def test_loop_is_refused_unless_two_phases_are_named():
    x = np.linspace(0.001, 0.999, 2000)
    u = regular_solution(3.0, x)
    with pytest.raises(InputError, match="does not fall"):
        open_circuit(x, u)
    curve = open_circuit(x, u, plateau="find")
    poor, rich = curve.plateau
    assert poor == pytest.approx(0.0707, abs=1e-3)  # root of the binodal at omega = 3
    assert rich == pytest.approx(1 - poor, abs=1e-3)
    assert any("two phases" in note for note in curve.notes)
    assert (np.diff(curve.voltage) < 0).all()
    assert float(curve.voltage_at(0.5)) == pytest.approx(3.9, abs=1e-4)


def test_plateau_has_the_stated_slope():
    curve = lco_open_circuit()
    inside = (curve.x > 0.78) & (curve.x < 0.92)
    np.testing.assert_allclose(curve.slope()[inside], -0.01, rtol=1e-3)


def test_self_and_chemical_diffusion_agree_by_the_thermodynamic_factor():
    x = np.linspace(0.05, 0.95, 200)
    curve = open_circuit(x, regular_solution(0.0, x))
    found = Diffusion((0.5,), (1e-14,), "self").chemical(curve, T)
    expected = 1e-14 / (1 - curve.x)  # ideal solution: -(F/RT) x dU/dx = 1 / (1 - x)
    np.testing.assert_allclose(found[200:-200], expected[200:-200], rtol=0.01)


# ---------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([Hold(5.0, 1.0)], "outside the open-circuit curve"),
        ([Hold(2.0, 1.0)], "outside the open-circuit curve"),
        ([Drive(0.4, 3.0)], "already passed when it starts"),
        ([Drive(-0.1, 3.0)], "no plated lithium to strip"),
        ([Drive(0.0, 3.0)], "use Rest"),
        ([Hold(4.3, 0.0)], "must be positive"),
        ([], "at least one step"),
        (["charge"], "a step is"),
    ],
)
def test_bad_steps_are_refused(steps, said):
    with pytest.raises(InputError, match=said):
        simulate_film(steps=steps, cells=20)


def test_leaving_the_open_circuit_curve_is_said():
    short = open_circuit(np.array([0.6, 0.9]), np.array([4.2, 3.9]))
    cell = FilmCell(ocv=short, diffusion=Diffusion.constant(1e-12), start_x=0.85, **FAST)
    with pytest.raises(InputError, match="left the open-circuit curve"):
        simulate_film(cell, [Drive(1.0, 5.0, hours=3)], cells=30)


@pytest.mark.parametrize(
    ("x", "u", "said"),
    [
        ([0, 50, 100], [4.5, 4.0, 3.5], "between 0 and 1"),
        ([0.1, 0.1, 0.9], [4.5, 4.4, 3.5], "each value once"),
        ([0.1, 0.9], [3.5, 4.5], "does not fall"),
        ([0.1, 0.5, 0.9], [4.5, 4.0], "equally long"),
    ],
)
def test_bad_curves_are_refused(x, u, said):
    with pytest.raises(InputError, match=said):
        open_circuit(np.array(x, float), np.array(u, float))


def test_bad_cells_are_refused():
    with pytest.raises(InputError, match="must be positive"):
        FilmCell(film_um=0.0)
    with pytest.raises(InputError, match="outside the open-circuit curve"):
        FilmCell(start_x=0.1)
    with pytest.raises(InputError, match="positive values at rising"):
        Diffusion((0.9, 0.1), (1e-12, 1e-13))
