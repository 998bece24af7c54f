"""Phase field: kernels against numpy, boxes against dense, deposition, checkpoints, seeds, bad input."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import InputError
from operando.models.phase_field import (
    Case,
    FilmModel,
    Growth,
    Seeds,
    as_printed,
    consistent,
    empty_front_speed,
    grain_widths,
    grow,
    nearest_pole,
    orientation_shares,
    random_nuclei,
    seeds_from_map,
    step_limit,
    substeps,
    survivor_score,
    survivors,
    sweep,
    time_error,
)
from operando.models.phase_field._engines import Coefficients, Dense, Sparse

SURFACE = {"001": 0.443, "101": 0.515, "111": 0.523}
BARRIER = {"001": 0.14, "101": 0.02, "111": 0.2}


def model(**given) -> FilmModel:
    return consistent({"001": 0.0, "101": 722.0, "111": 5000.0}, **given)


def printed(**given) -> FilmModel:
    return as_printed(SURFACE, BARRIER, **({"length": "cell"} | given))


def numpy_step(eta: np.ndarray, c: Coefficients) -> np.ndarray:
    """One step of all grains, (grains, z, y, x), the plain reference of the kernels."""
    square = eta**2
    s = square.sum(axis=0)
    closed = np.pad(eta, ((0, 0), (1, 1), (0, 0), (0, 0)), mode="edge")
    lap = closed[:, 2:] + closed[:, :-2] - 2 * eta
    for axis in (2, 3) if eta.shape[2] > 1 else (3,):
        lap += np.roll(eta, 1, axis) + np.roll(eta, -1, axis) - 2 * eta
    q = (slice(None), None, None, None)
    kappa = c.kappas[q]
    if c.mean:
        kappa = np.where(s > 1e-12, (kappa * square).sum(axis=0) / np.maximum(s, 1e-12), kappa)
    force = eta**3 - eta + 2 * c.gamma * eta * (s - square) - kappa * lap + c.drives[q] * eta * (1 - eta)
    return eta - c.rates[q] * force


def state(film: FilmModel, shape: tuple[int, ...], grains: int, engine, **given):
    growth = Growth(shape, 10.0, 0.01, first_layers=shape[0], **given)
    rng = np.random.default_rng(5)
    seeds = random_nuclei(shape, grains, film.orientations, rng=rng)
    seeds = Seeds(np.repeat(seeds.labels, shape[0], axis=0), seeds.orientation)
    c = Coefficients.of(film, growth, seeds, 0.5 * step_limit(film, growth))
    return engine.start(c, growth, seeds, shape[0]), c


@pytest.mark.parametrize("shape", [(6, 40), (6, 12, 16)])
@pytest.mark.parametrize("film", [model(), printed(), printed(mixed="mean", gamma=1.0)])
@pytest.mark.parametrize("engine", [Sparse, Dense])
def test_kernels_equal_the_numpy_reference(shape, film, engine):
    film_state, c = state(film, shape, 7, engine, cutoff=1e-14)
    expected = film_state.dense().copy()
    film_state.advance(25)
    for _ in range(25):
        expected = numpy_step(expected, c)
    np.testing.assert_allclose(film_state.dense(), expected, atol=1e-11)


@pytest.mark.parametrize("shape", [(30, 96), (6, 20, 24)])
def test_boxes_equal_dense_within_the_cutoff_while_grains_vanish(shape):
    grains = 20 if len(shape) == 2 else 40
    boxes, _ = state(model(), shape, grains, Sparse)
    dense, _ = state(model(), shape, grains, Dense)
    for _ in range(5):
        boxes.advance(300 if len(shape) == 2 else 140)
        dense.advance(300 if len(shape) == 2 else 140)
        assert np.abs(boxes.dense() - dense.dense()).max() < 1e-4
    same = boxes.dense()  # the energy of the boxes, summed the other way
    dense.eta[dense.now, ..., 1:-1], dense.s[dense.now] = same, (same**2).sum(axis=0).ravel()
    dense.eta[dense.now, ..., 0], dense.eta[dense.now, ..., -1] = same[..., -1], same[..., 0]
    assert boxes.energy() == pytest.approx(dense.energy(), rel=1e-8)
    assert boxes.fields.alive.sum() < grains
    assert boxes.repacks > 0


@pytest.mark.parametrize("form", ["consistent", "3D", "printed", "printed, copy"])
def test_growth_in_boxes_equals_dense_growth(form):
    rng = np.random.default_rng(3)
    if form in ("consistent", "3D"):
        film = model()
        growth = Growth((14, 64), 7000.0, 1.0) if form == "consistent" else Growth((5, 20, 24), 2000.0, 1.0)
        seeds = random_nuclei(growth.shape, 12, film.orientations, rng=rng)
    else:
        film = printed(fill="copy" if "copy" in form else "empty")
        growth = Growth((14, 64), 40.0, 0.01, deposition_um_per_s=7 / 40, cutoff=1e-10)
        seeds = random_nuclei(growth.shape, 12, film.orientations, rng=rng, spread="points")
    one, two = (grow(film, growth, seeds, frames=6, engine=engine) for engine in ("boxes", "dense"))
    assert (one.grain.values != two.grain.values).mean() < 1e-3
    np.testing.assert_allclose(one.free_energy, two.free_energy, rtol=1e-4)
    full = (one.grain[-1] >= 0).sum().item()
    assert full == one.grain[-1].size if "copy" not in form and form != "printed" else full > 0
    assert (grain_widths(one).width[-1].dropna("z") >= 0.5).all()


def test_free_energy_never_rises_without_deposition():
    for engine in (Sparse, Dense):
        film, _ = state(model(), (20, 64), 16, engine)
        energy = [film.energy()]
        for _ in range(200):
            film.advance(5)
            energy.append(film.energy())
        assert (np.diff(energy) <= 1e-9 * energy[0]).all()
        assert energy[-1] < 0.8 * energy[0]


def test_deposited_volume_is_rate_times_time_and_fractions_sum_to_one():
    film = model()
    growth = Growth((20, 48), 9500.0, 1.0)
    found = grow(
        film,
        growth,
        random_nuclei(growth.shape, 9, film.orientations, rng=np.random.default_rng(0)),
        frames=8,
    )
    np.testing.assert_allclose(found.thickness, 0.5 * (1 + np.floor(found.time * 0.001 / 0.5)))
    solid = (found.grain >= 0).sum(("z", "x")) * 0.25
    np.testing.assert_allclose(solid, found.thickness * 48 * 0.5)
    np.testing.assert_allclose(found["size"].sum("grain_id"), solid)
    shares = orientation_shares(found)
    np.testing.assert_allclose(shares.share.sum("orientation"), 1)
    height = shares.share_at_height.sum("orientation", skipna=False).values
    assert np.isnan(height[0, 1:]).all()
    np.testing.assert_allclose(height[-1], 1)


def test_widths_and_survivors_of_a_known_map():
    row = np.repeat([0, 1, 0, 2], [4, 6, 5, 5])
    grain = np.stack([np.stack([np.repeat([0, 1, 2, 3], 5), np.full(20, -1)]), np.stack([row, row])])
    size = np.stack([np.bincount(g[g >= 0].ravel(), minlength=4) for g in grain]) * 0.25
    film = xr.Dataset(
        {
            "grain": (("time", "z", "x"), grain), "size": (("time", "grain_id"), size, {"units": "um2"}),
            "orientation": ("grain_id", ["001", "101", "111", "101"]),
        },
        coords={"time": [0.0, 1.0], "z": [0.25, 0.75], "grain_id": np.arange(4)},
        attrs={"spacing_um": 0.5, "orientations": ["001", "101", "111"]},
    )  # fmt: skip
    found = grain_widths(film)
    assert found.grains.values[1].tolist() == [3, 3]
    assert float(found.width[1, 0]) == pytest.approx(20 * 0.5 / 4)  # grain 0 is met twice
    assert np.isnan(found.width[0, 1])
    left = survivors(film)
    assert left.survived.values.tolist() == [True, True, True, False]
    np.testing.assert_allclose(left.top_share, [0.45, 0.3, 0.25, 0])
    assert left.last_seen.values.tolist() == [1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize("engine", ["boxes", "dense"])
def test_a_stopped_run_goes_on_and_ends_bit_identical(tmp_path, engine):
    film, growth = model(), Growth((16, 64), 6000.0, 1.0)
    seeds = random_nuclei(growth.shape, 20, film.orientations, rng=np.random.default_rng(1))
    path = tmp_path / "film.npz"
    options = {"frames": 7, "engine": engine}
    whole = grow(film, growth, seeds, **options, checkpoint=tmp_path / "whole.npz", checkpoint_every=1000)

    class Stop(Exception):
        pass

    def stop(share: float) -> None:
        if share > 0.55:
            raise Stop

    with pytest.raises(Stop):
        grow(film, growth, seeds, **options, checkpoint=path, checkpoint_every=1000, progress=stop)
    seen: list[float] = []
    again = grow(film, growth, seeds, **options, checkpoint=path, checkpoint_every=1000, progress=seen.append)
    assert min(seen) > 0.4  # it did not begin anew
    xr.testing.assert_identical(again.drop_attrs(), whole.drop_attrs())
    with pytest.raises(InputError, match="other settings"):
        grow(model(width_um=3.0), growth, seeds, **options, checkpoint=path)
    path.write_bytes(b"no")
    with pytest.raises(InputError, match="not a checkpoint"):
        grow(film, growth, seeds, **options, checkpoint=path)


def test_an_unstable_explicit_step_is_refused_with_the_limit():
    film = model()
    growth = Growth((10, 32), 100.0, 1.0, scheme="explicit")
    limit = step_limit(film, growth)
    assert substeps(film, replace(growth, time_step_s=0.99 * limit)) == 1
    with pytest.raises(InputError, match=f"limit is {limit:.4g} s"):
        grow(
            film,
            replace(growth, time_step_s=1.01 * limit),
            random_nuclei((10, 32), 3, ["001"], rng=np.random.default_rng(0)),
        )
    assert substeps(film, replace(growth, time_step_s=3 * limit, scheme="substeps")) == 6


def test_the_limit_is_where_an_explicit_step_blows_up():
    film, shape = printed(), (12, 32)
    growth = Growth(shape, 10.0, 0.01, first_layers=12)
    stiff = np.argmax(np.array(film.mobility_per_s) * (8 * np.array(film.gradient_um2) / 0.25 + 2))
    seeds = Seeds(np.zeros((12, 1, 32), int), (film.orientations[stiff],))
    for factor, settles in ((0.98, True), (1.1, False)):
        c = Coefficients.of(film, growth, seeds, factor * step_limit(film, growth))
        full = Dense.start(c, growth, seeds, 12)
        full.eta[0, ..., 1:-1] -= 1e-3 * np.random.default_rng(0).random((12, 1, 32))
        full.eta[0, ..., 0], full.eta[0, ..., -1] = full.eta[0, ..., -2], full.eta[0, ..., 1]
        full.s[0] = (full.eta[0, ..., 1:-1] ** 2).sum(axis=0).ravel()
        full.advance(400)
        assert bool(np.abs(full.dense() - 1).max() < 1e-3) is settles


def test_stability_of_the_paper_is_as_checked():
    """dx = 0.5 with dt = 0.01 s is unstable; with dx = 1 the liquid case is stable and the solid one is not."""
    free = {"001": 0.467, "101": 0.492, "111": 0.528}
    growth = Growth((70, 200), 400.0, 0.01, deposition_um_per_s=35 / 400)
    assert as_printed(SURFACE, BARRIER).mobility_per_s[:2] == pytest.approx((1.72, 6.08), abs=0.01)
    assert step_limit(as_printed(SURFACE, BARRIER, length="um"), growth) < 0.01
    assert step_limit(as_printed(free, BARRIER, length="cell"), growth) > 0.01
    assert step_limit(as_printed(SURFACE, BARRIER, length="cell"), growth) < 0.01


def test_half_the_step_changes_little():
    film, growth = model(), Growth((10, 64), 4500.0, 1.0)
    seeds = random_nuclei(growth.shape, 12, film.orientations, rng=np.random.default_rng(2))
    found = time_error(film, growth, seeds)
    assert abs(float(found.energy)) < 2e-3
    assert float(found.label_share) < 0.01
    assert empty_front_speed(printed(), "101") > empty_front_speed(printed(), "001")


def test_seeds_from_a_measured_map_keep_grains_and_orientations():
    measured = np.zeros((10, 20), int)
    measured[:, 5:12], measured[:3, 15:] = 7, -1
    seeds = seeds_from_map(measured, {0: "101", 7: "001"}, spacing_um=2.0, shape=(30, 80), to_spacing_um=0.5)
    assert seeds.labels.shape == (30, 1, 80)
    assert seeds.orientation == ("101", "001")
    assert (seeds.labels[:, 0, 20:48] == 1).all()
    assert (seeds.labels[:12, 0, 60:] == -1).all()
    plan = seeds_from_map(
        measured, {0: "101", 7: "001"}, spacing_um=2.0, shape=(5, 40, 80), to_spacing_um=0.5, plane="plan"
    )
    assert plan.labels.shape == (1, 40, 80)
    assert (plan.labels[0, :, 20:48] == 1).all()
    with pytest.raises(InputError, match="no orientation"):
        seeds_from_map(measured, {0: "101"}, spacing_um=2.0, shape=(30, 80), to_spacing_um=0.5)
    film = grow(
        model(), Growth((30, 80), 600.0, 1.0, first_layers=30, deposition_um_per_s=0), seeds, frames=3
    )
    assert set(np.unique(film.grain)) <= {-1, 0, 1}


def test_directions_are_classified_with_cubic_symmetry():
    names, angle = nearest_pole(np.array([[0, 0, -2], [1, -1, 0], [-1, 1, 1], [0, 1, 0.2]]), within_deg=10)
    assert names == ["001", "101", "111", "other"]
    np.testing.assert_allclose(angle, [0, 0, 0, np.degrees(np.arctan(0.2))], atol=1e-5)


def test_unknown_orientations_and_thin_interfaces_are_refused():
    growth = Growth((10, 32), 100.0, 1.0)
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="unknown orientation 'other'"):
        grow(model(), growth, random_nuclei((10, 32), 3, ["other"], rng=rng))
    with pytest.raises(InputError, match="stick to the grid"):
        grow(model(width_um=1.0), growth, random_nuclei((10, 32), 3, ["001"], rng=rng))
    with pytest.raises(InputError, match="no diffusion barrier for 111"):
        as_printed(SURFACE, {"001": 0.14, "101": 0.02})
    with pytest.raises(InputError, match="lose their wells"):
        consistent({"a": 0.0, "b": 1e6})
    for bad in (
        {"shape": (10,)},
        {"duration_s": -1.0},
        {"scheme": "magic"},
        {"first_layers": 11},
        {"cutoff": 0.5},
    ):
        with pytest.raises(InputError):
            Growth(**({"shape": (10, 32), "duration_s": 1.0, "time_step_s": 0.1} | bad))


def test_score_of_survivors_is_calibrated_and_finds_a_true_prediction():
    rng = np.random.default_rng(4)
    size = rng.lognormal(0, 0.7, 60)
    tracked = np.zeros(60, bool)
    tracked[np.argsort(-(np.log(size) + rng.gumbel(size=60)))[:20]] = True
    perfect = survivor_score(tracked, tracked, size, rng=rng, trials=999)
    assert float(perfect.score) == pytest.approx(1.0)
    assert float(perfect.p_value) == pytest.approx(1 / 1000)
    values = []
    for _ in range(300):  # predictions drawn from the null itself
        guess = np.zeros(60, bool)
        guess[np.argsort(-(np.log(size) + rng.gumbel(size=60)))[:20]] = True
        values.append(float(survivor_score(guess, tracked, size, rng=rng, trials=199).p_value))
    assert np.mean(np.array(values) <= 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)
    assert 0.4 < np.mean(values) < 0.75  # ties make p conservative
    with pytest.raises(InputError):
        survivor_score(tracked, tracked[:-1], rng=rng)


def test_a_sweep_is_the_same_in_a_process_pool():
    growth = Growth((8, 48), 3000.0, 1.0)
    cases = [Case(model(), growth, 8, seed, label=(("rate", 0.001),)) for seed in range(4)]
    here = sweep(cases)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("forkserver")) as pool:
        there = sweep(cases, map=pool.map)
    xr.testing.assert_identical(here, there)
    np.testing.assert_allclose(here.share.sum("orientation"), 1)
    assert here.seed.values.tolist() == [0, 1, 2, 3]
