"""Separation, windows, calibration, absorption, sharing, multiple scattering: invariants, and input that is wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("xraylib")

from operando import compton
from operando.core import Flag
from operando.core.errors import InputError

MOMENTA = compton.Momenta(6.0, 0.1)
CAMERA = compton.Pinhole(115.0, (8, 8), distance_mm=100.0)
P = MOMENTA.middles


def shapes(scale: float = 1.0) -> dict[str, np.ndarray]:
    response = compton.response(CAMERA, MOMENTA)
    formulas = {"Li": "Li", "host": "Ni0.6Mn0.2Co0.2O2", "separator": "C2H4O"}
    return {k: scale * compton.template(f, response, 0.905) for k, f in formulas.items()}


def sheets(alpha=0.9, beta=0.6, gamma=1.3, x=0.8, scale=1e4) -> tuple[np.ndarray, np.ndarray]:
    """(region, p_z) expected counts, and the cathode's part."""
    t = shapes(scale)
    cathode, separator, anode = t["host"] + x * t["Li"], 0.5 * t["separator"], 8 * t["Li"]
    return np.stack([cathode + gamma * separator + beta * anode, separator + alpha * anode, anode]), cathode


def labelled(counts: np.ndarray, *dims: str) -> xr.DataArray:
    return xr.DataArray(counts, dims=dims, coords={"p_z": P}, attrs={"step": 0.1})


def test_separation_gives_back_what_was_mixed():
    mixed, cathode = sheets()
    pixels = np.ones((8, 8), bool)
    fractions = compton.VolumeFractions(0.9, 0.6, 1.3, pixels=pixels)
    parts = compton.separate_components(labelled(mixed, "region", "p_z"), fractions, pixels=pixels)
    assert np.allclose(parts["cathode"]["counts"], cathode, rtol=1e-9)
    assert np.allclose(parts["anode"]["counts"], mixed[2])
    rest = 1.3 * 0.9 - 0.6
    assert np.allclose(parts["cathode"]["variance"], mixed[0] + 1.3**2 * mixed[1] + rest**2 * mixed[2])


def test_paper_equations_are_the_case_of_equal_separators():
    mixed, _ = sheets(gamma=1.0)
    pixels = np.ones((8, 8), bool)
    fractions = compton.VolumeFractions(0.9, 0.6, pixels=pixels)
    parts = compton.separate_components(labelled(mixed, "region", "p_z"), fractions, pixels=pixels)
    separator = mixed[1] - 0.9 * mixed[2]
    assert np.allclose(parts["separator"]["counts"], separator)
    assert np.allclose(parts["cathode"]["counts"], mixed[0] - separator - 0.6 * mixed[2])


def test_errors_of_fractions_move_all_bins_together():
    """EMR with its error against a brute-force sample of alpha, beta (correlated) and photons."""
    rng = np.random.default_rng(4)
    mixed, _ = sheets(scale=2e5)
    pixels = np.ones((8, 8), bool)
    cov = np.array([[0.01**2, 0.6 * 0.01 * 0.012], [0.6 * 0.01 * 0.012, 0.012**2]])

    def emr(counts, alpha, beta):
        fractions = compton.VolumeFractions(alpha, beta, 1.3, 0.01, 0.012, 0.6, pixels)
        part = compton.separate_components(labelled(counts, "region", "p_z"), fractions, pixels=pixels)[
            "cathode"
        ]
        return compton.momentum_ratio(part)

    told = emr(mixed, 0.9, 0.6)
    sample = []
    for _ in range(200):
        alpha, beta = rng.multivariate_normal([0.9, 0.6], cov)
        sample.append(float(emr(rng.poisson(mixed), alpha, beta)["emr"]))
    assert np.std(sample) == pytest.approx(float(told["emr_err"]), rel=0.15)
    assert float(told["emr_err"]) > 1.3 * float(told["emr_err_stat"])


def test_fractions_of_other_pixels_are_refused():
    mixed, _ = sheets()
    plane, cathode = np.ones((8, 8), bool), np.zeros((8, 8), bool)
    cathode[2:6, 2:6] = True
    fractions = compton.VolumeFractions(0.9, 0.6, pixels=plane)
    with pytest.raises(InputError, match="belong to 64 pixels, the sum to 16"):
        compton.separate_components(labelled(mixed, "region", "p_z"), fractions, pixels=cathode)
    with pytest.raises(InputError, match="not told"):
        compton.separate_components(labelled(mixed, "region", "p_z"), compton.VolumeFractions(0.9, 0.6))


def test_fractions_of_the_whole_plane_shift_emr():
    """The cathode is smaller than the plane: the anode's share over the plane is not that over the cathode."""
    shares = np.zeros((3, 4, 8, 8))
    cathode = np.zeros((8, 8), bool)
    cathode[2:6, 2:6] = True
    shares[0, 0] = 0.26 * cathode
    shares[0, 1], shares[1, 1] = 0.12, 0.12
    shares[0, 2] = 1 - 0.12 - 0.26 * cathode
    shares[1, 2], shares[2, 2] = 0.88, 1.0
    maps = compton.fractions_from_shares(shares)
    right, wrong = maps.of_sum(cathode), maps.of_sum(np.ones((8, 8), bool))
    assert right.beta == pytest.approx(0.62)
    mixed, _ = sheets(alpha=0.88, beta=0.62, gamma=1.0)
    values = [
        float(compton.momentum_ratio(
            compton.separate_components(
                labelled(mixed, "region", "p_z"), replace(f, pixels=cathode), pixels=cathode
            )["cathode"]
        )["emr"])
        for f in (right, wrong)
    ]  # fmt: skip
    assert abs(values[1] - values[0]) > 0.05


@pytest.mark.parametrize(
    ("alpha", "beta", "message"),
    [(0.5, 0.7, "0 <= beta <= alpha"), (1.4, 0.5, "above one"), (-0.2, -0.3, "beta")],
)
def test_impossible_fractions(alpha, beta, message):
    with pytest.raises(InputError, match=message):
        compton.VolumeFractions(alpha, beta)


def test_shares_that_do_not_add_up():
    shares = np.zeros((3, 4, 4, 4))
    shares[:, 2] = 1.0
    compton.fractions_from_shares(shares)
    shares[1, 1] = 0.2
    with pytest.raises(InputError, match="region 2 add up"):
        compton.fractions_from_shares(shares)
    shares[1, 1], shares[2, 0], shares[2, 2] = 0, 0.3, 0.7
    with pytest.raises(InputError, match="anode alone"):
        compton.fractions_from_shares(shares)


def test_ratio_counts_parts_of_bins_and_says_when_it_cannot():
    counts = np.ones(120) * 100.0
    part = xr.Dataset({"counts": labelled(counts, "p_z"), "variance": labelled(counts, "p_z")})
    found = compton.momentum_ratio(part, compton.Windows(1.05, 1.25, 4.25))
    assert float(found["emr"]) == pytest.approx(1.05 / 3.0)
    with pytest.raises(InputError, match="the profile ends"):
        compton.momentum_ratio(part, compton.Windows(high=7.0))
    with pytest.raises(InputError, match="overlap"):
        compton.Windows(2.0, 1.0, 5.0)
    few = xr.Dataset({"counts": part["counts"] * 0 + 0.1, "variance": part["variance"]})
    low = compton.momentum_ratio(few)
    assert np.isnan(low["emr"])
    assert int(low["emr_flag"]) == Flag.TOO_FEW_COUNTS
    gone = compton.momentum_ratio(part.where(part["p_z"] > 0))
    assert int(gone["emr_flag"]) == Flag.NO_DATA


def test_free_atom_emr_changes_by_four_percent_and_bends():
    t = shapes()
    windows = compton.Windows()
    x = np.array([0.26, 0.635, 1.01])
    slow, fast = windows.shares(P, 0.1)
    emr = np.array([(t["host"] + v * t["Li"]) @ slow / ((t["host"] + v * t["Li"]) @ fast) for v in x])
    assert 0.04 < emr[2] / emr[0] - 1 < 0.05
    line = np.interp(emr[1], emr[[0, 2]], x[[0, 2]])
    assert 0.003 < line - x[1] < 0.008  # what a straight calibration does to the state in the middle
    bend = compton.theoretical_curvature(t["host"], t["Li"], P, windows)
    references = [compton.Reference(v, e, 1e-5) for v, e in zip(x[[0, 2]], emr[[0, 2]], strict=True)]
    found = compton.momentum_calibration(references, curvature=bend).invert(emr[1])[0]
    assert found == pytest.approx(x[1], abs=2e-4)


def test_calibration_propagates_and_inverts():
    rng = np.random.default_rng(8)
    truth = np.array([0.2, 0.5, 0.8, 1.0])
    pulls = []
    for _ in range(400):
        values = 0.9 + 0.07 * truth - 0.01 * truth**2 + 0.002 * rng.standard_normal(4)
        refs = [compton.Reference(x, v, 0.002) for x, v in zip(truth, values, strict=True)]
        calibration = compton.momentum_calibration(refs, curvature=-0.02 / (0.07 - 0.012))
        seen = 0.9 + 0.07 * 0.6 - 0.01 * 0.36 + 0.003 * rng.standard_normal()
        x, err, _ = calibration.invert(seen, 0.003)
        pulls.append((x - 0.6) / err)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.12)
    assert abs(np.mean(pulls)) < 0.2
    fitted = compton.momentum_calibration(
        [compton.Reference(x, 0.9 + 0.07 * x - 0.01 * x**2, 1e-6) for x in truth], curvature="fit"
    )
    assert fitted.invert(fitted.value(0.33))[0] == pytest.approx(0.33, abs=1e-9)
    assert fitted.value(0.7) == pytest.approx(0.9 + 0.07 * 0.7 - 0.01 * 0.49, abs=1e-6)


def test_no_lithium_without_references():
    with pytest.raises(InputError, match="usable reference states"):
        compton.momentum_calibration([compton.Reference(1.0, 0.98, 0.001)])
    with pytest.raises(InputError, match="do not differ"):
        compton.momentum_calibration(
            [compton.Reference(1.0, 0.98, 0.01), compton.Reference(0.3, 0.979, 0.01)]
        )
    with pytest.raises(InputError, match="fewer than three"):
        compton.momentum_calibration(
            [compton.Reference(1.0, 0.98, 0.001), compton.Reference(0.3, 0.94, 0.001)], curvature="fit"
        )


def test_maps_say_where_a_difference_is_noise():
    calibration = compton.momentum_calibration(
        [compton.Reference(1.0, 1.0, 1e-4), compton.Reference(0.0, 0.95, 1e-4)]
    )
    value = xr.DataArray([[0.98, 0.98, np.nan, 0.80]], dims=("y", "x"))
    error = xr.DataArray([[0.001, 0.02, np.nan, 0.001]], dims=("y", "x"))
    found = compton.lithium_content(value, error, calibration)
    marked = compton.significant_difference(found, 1.0)
    assert marked["significant"].values[0, :2].tolist() == [1.0, 0.0]
    assert np.isnan(marked["significant"].values[0, 2])
    assert found["x_li_flag"].values[0].tolist() == [0, 0, Flag.NO_DATA, Flag.OUTSIDE_CALIBRATION]


def test_two_ratios_of_two_rates():
    found = compton.compare_rates((1.01, 0.01), (0.26, 0.01), (1.01, 0.01), (0.66, 0.01))
    assert found["residual_reduction"][0] == pytest.approx(0.606, abs=1e-3)  # printed as 61 % more extraction
    assert found["extraction_ratio"][0] == pytest.approx(0.75 / 0.35)
    rng = np.random.default_rng(3)
    a, b, c, d = (v + 0.01 * rng.standard_normal(20000) for v in (1.01, 0.26, 1.01, 0.66))
    assert found["residual_reduction"][1] == pytest.approx(np.std(1 - b / d), rel=0.03)
    assert found["extraction_ratio"][1] == pytest.approx(np.std((a - b) / (c - d)), rel=0.05)


def test_better_windows_are_found_and_are_better():
    mixed, _ = sheets(x=1.01)
    low, _ = sheets(x=0.26)
    rest = 1.3 * 0.9 - 0.6
    parts = [m[0] - 1.3 * m[1] + rest * m[2] for m in (mixed, low)]
    noise = [m[0] + 1.69 * m[1] + rest**2 * m[2] for m in (mixed, low)]
    windows, best, usual = compton.optimise_windows(parts[0], parts[1], P, noise)
    assert best > 1.02 * usual
    assert compton.window_significance(parts[0], parts[1], P, windows, noise) == pytest.approx(best)


def test_fit_gives_back_amounts_and_refuses_equal_templates():
    t = shapes(50.0)
    counts = t["host"] + 0.7 * t["Li"]
    part = xr.Dataset({"counts": labelled(counts, "p_z"), "variance": labelled(counts, "p_z")})
    found = compton.fit_components(part, {"Li": t["Li"], "host": t["host"]})
    assert float(found["ratio"]) == pytest.approx(0.7, rel=1e-9)
    with pytest.raises(InputError, match="same shape"):
        compton.fit_components(part, {"Li": t["Li"], "host": 2 * t["Li"]})
    with pytest.raises(InputError, match="no template"):
        compton.fit_components(part, {"Li": t["Li"]})


def test_profile_is_the_blurred_theory_and_says_so():
    response = compton.response(CAMERA, MOMENTA, exit_paths_um={"Fe": (500.0, 7.87)})
    counts = labelled(compton.template("LiNi0.6Mn0.2Co0.2O2", response, 0.905) * 1e6, "p_z")
    theory = compton.atomic_profile("LiNi0.6Mn0.2Co0.2O2", P, 0.905)
    found = compton.compton_profile(counts, response, electrons=theory.sum() * 0.1)
    assert np.allclose(found["profile"], theory, rtol=2e-3)
    assert np.allclose(found["profile"], found["profile"][::-1], rtol=1e-6)  # the response took the tilt out
    assert abs(counts.values[20] / counts.values[-21] - 1) > 0.02
    assert np.allclose(found["profile_err"] / found["profile"], 1 / np.sqrt(counts))
    assert "not deconvolved" in found.attrs["resolution"]


def test_transmission_is_beer_lambert():
    mu = np.full((3, 10, 4), 2.0)
    beam = compton.beam_transmission(mu, 100.0)
    assert beam[0, :, 0] == pytest.approx(np.exp(-2.0 * (np.arange(10) + 0.5) * 0.01))
    out = compton.exit_transmission(mu, 50.0)
    assert out[:, 0, 0] == pytest.approx(np.exp(-2.0 * (2.5 - np.arange(3)) * 0.005))


def test_shared_charge_is_added_or_left_out():
    rng = np.random.default_rng(5)
    frames = np.zeros((4000, 12, 12), np.uint16)
    for n in range(4000):
        y, x, energy = rng.integers(1, 11), rng.integers(1, 11), rng.normal(600, 4)
        part = rng.uniform(0.15, 0.5) if n % 3 == 0 else 0.0
        frames[n, y, x] += round(energy * (1 - part))
        frames[n, y, x + 1] += round(energy * part)
    calibration = xr.Dataset(
        {"gain": (("y", "x"), np.full((12, 12), 0.1)), "lower": (("y", "x"), np.zeros((12, 12)))}
    )
    energy = np.arange(0.5, 80, 1.0)
    added = compton.share_events(frames, calibration, energy)
    alone = compton.share_events(frames, calibration, energy, mode="discrimination")
    near = np.abs(energy - 60) < 2.5
    assert added["counts"].values[..., near].sum() == 4000
    assert alone["counts"].values.sum() == np.sum(np.arange(4000) % 3 != 0)
    assert added["cluster_sizes"].values[2] == np.sum(np.arange(4000) % 3 == 0)
    parts = compton.share_events([frames[:1000], frames[1000:]], calibration, energy)
    assert np.array_equal(parts["counts"], added["counts"])
    with pytest.raises(InputError, match="mode is"):
        compton.share_events(frames, calibration, energy, mode="both")
    with pytest.raises(InputError, match="pixels, calibration"):
        compton.share_events(frames[:, :5], calibration, energy)


def test_double_scattering_in_a_thin_ball():
    """Thin ball, first turns spread evenly: the ratio is n (3 R / 4) int s(t1) s(t2) dOmega / s(90), by quadrature."""
    n = 40
    at = (np.arange(n) + 0.5) / n * 2 - 1
    ball = (at[:, None, None] ** 2 + at[:, None] ** 2 + at**2) < 1
    density, size_cm = 1e22, 0.4
    electrons = density * ball
    found = compton.double_scattering(
        electrons, 0 * electrons, (size_cm / n * 1e4,) * 3, CAMERA, np.random.default_rng(6), photons=400_000
    )
    c1, phi = np.meshgrid(
        (np.arange(400) + 0.5) / 200 - 1, (np.arange(200) + 0.5) / 100 * np.pi, indexing="ij"
    )
    c2 = np.sqrt(1 - c1**2) * np.cos(phi)

    def section(before, cos):
        after = before / (1 + before / 510.99895 * (1 - cos))
        return after, 7.9407877e-26 / 2 * (after / before) ** 2 * (
            after / before + before / after - 1 + cos**2
        )

    between, first = section(115.0, c1)
    last, second = section(between, c2)
    whole = (first * second).mean() * 4 * np.pi / section(115.0, 0.0)[1]
    expected = density * 0.75 * (size_cm / 2) * whole
    assert float(found["fraction"]) == pytest.approx(expected, rel=0.02)
    mean = float((found["spectrum"] * found["energy"]).sum() / found["spectrum"].sum())
    assert mean == pytest.approx((first * second * last).sum() / (first * second).sum(), abs=0.2)
    assert 0 < float(found["fraction_err"]) < 0.01 * float(found["fraction"])


def test_multiple_background_is_taken_off():
    single, _ = sheets(scale=1e5)
    twice = xr.Dataset(
        {"spectrum": ("energy", np.full(200, 0.05 / 30))}, {"energy": 75 + 0.25 * np.arange(200)}
    )
    energy = compton.scattered_energy(115.0, np.append(P - 0.05, P[-1] + 0.05), 90.0)
    inside = 0.95
    whole = single[0].sum() / inside
    counts = labelled(single[0] + whole * 0.05 / 30 * np.diff(energy), "p_z")
    background = compton.multiple_background(counts, twice, CAMERA, inside=inside)
    assert np.allclose(counts - background, single[0], rtol=1e-3)
    assert np.allclose(compton.flat_background(40.0, 10.0, MOMENTA, CAMERA), 4.0 * np.diff(energy))


def test_plan_scales_and_is_checked():
    plan = compton.Plan(CAMERA, 1e10)
    one, four = (compton.expected_error(plan, t) for t in (100.0, 400.0))
    assert one["x_err_fit"] == pytest.approx(2 * four["x_err_fit"])
    assert four["x_err_fit"] < four["x_err_emr"]
    assert compton.expected_error(plan, 100.0, pixels=4)["x_err_emr"] == pytest.approx(four["x_err_emr"])
    thick = compton.expected_error(compton.Plan(CAMERA, 1e10, cathode_um=130.0), 400.0)
    assert thick["x_err_fit"] < 0.7 * four["x_err_fit"]
    cathode = np.zeros((8, 8))
    cathode[2:6, 2:6] = 1
    errors = compton.error_map(plan, 400.0, cathode=cathode, transmission=np.ones((8, 8)), block=2)
    assert errors[1, 1] == pytest.approx(four["x_err_fit"] / 2, rel=0.01)
    assert np.isnan(errors[0, 0])
    with pytest.raises(InputError):
        compton.Plan(CAMERA, -1.0)
    with pytest.raises(InputError, match="distance"):
        compton.Plan(replace(CAMERA, distance_mm=None), 1e10)
    with pytest.raises(InputError):
        compton.exposure_for(plan, 0.0)


def test_a_pinhole_wider_than_the_field_of_view_is_told():
    with pytest.raises(
        InputError, match="a pinhole of 200 mm blurs over 400 mm, all that the detector sees is 2 mm"
    ):
        compton.Pinhole(115.0, (8, 8), pinhole_mm=200.0)


@pytest.mark.parametrize("z", [[0.0, np.nan, 2.0], [0.0, 1.0, 5.0], [2.0, 1.0, 0.0], [0.0]])
def test_planes_of_a_tomogram_must_be_even(z):
    part = compton.Material(1, "Li", 0.5)
    materials = dict.fromkeys(("cathode", "separator", "anode"), part)
    with pytest.raises(InputError, match="even, ascending z"):
        compton.Tomogram(np.ones((len(z), 2, 2), np.uint8), np.array(z), 1.0, materials)


def test_profiles_of_a_lid_that_nothing_passes_are_told():
    cathode = sheets()[1]
    part = xr.Dataset(dict.fromkeys(("counts", "variance"), ("p_z", cathode)), {"p_z": P})
    with pytest.raises(InputError, match="nearly no photon passes"):
        compton.fit_components(part, {n: t * np.nan for n, t in shapes().items()})
