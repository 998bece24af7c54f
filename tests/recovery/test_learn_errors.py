"""Calibration, confusion and draws give back what images were made with, and errors that hold."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from operando import tomography as tomo
from operando.core.errors import InputError

NAMES = ["void", "lithium", "electrolyte"]
RATE = np.array([[0.80, 0.15, 0.05], [0.04, 0.94, 0.02], [0.01, 0.04, 0.95]])


def volume(values: np.ndarray, **attrs) -> xr.DataArray:
    return xr.DataArray(values, dims=("z", "y", "x"), attrs={"voxel_um": 2.0, **attrs})


def probabilities(p: np.ndarray, names=NAMES) -> xr.DataArray:
    return xr.DataArray(
        p, dims=("phase", "z", "y", "x"), coords={"phase": names[: len(p)]}, attrs={"voxel_um": 2.0}
    )


def segmented(seed: int, share, *, blocks: int = 4, size: int = 16, unlike: float = 0.3):
    """Labels and truth whose rates differ between blocks of size^2 columns: log-normally, about RATE."""
    rng = np.random.default_rng(seed)
    shape = (4, blocks * size, blocks * size)
    true = rng.choice(3, shape, p=share)
    label = np.empty_like(true)
    for i in range(blocks):
        for j in range(blocks):
            at = (slice(None), slice(i * size, (i + 1) * size), slice(j * size, (j + 1) * size))
            rate = RATE * np.where(np.eye(3, dtype=bool), 1, np.exp(unlike * rng.standard_normal((3, 3))))
            rate /= rate.sum(1, keepdims=True)
            draw = rng.random((*true[at].shape, 1))
            label[at] = (draw > np.cumsum(rate, 1)[true[at]]).sum(-1).clip(max=2)
    return volume(label.astype(np.uint8), phases=NAMES), volume((true + 1).astype(np.uint8), phases=NAMES)


def test_confusion_matrix_equals_a_count_and_its_rates_are_recovered():
    labels, truth = segmented(1, [0.2, 0.5, 0.3])
    found = tomo.confusion_matrix(labels, truth)
    by_hand = np.zeros((3, 3), int)
    np.add.at(by_hand, (truth.values.ravel() - 1, labels.values.ravel()), 1)
    np.testing.assert_array_equal(found["count"].sum("block"), by_hand)
    off = (found["rate"].values - RATE) / found["rate_err"].values
    assert np.sqrt((off**2).mean()) < 2
    both, either = by_hand[0, 0], by_hand[0].sum() + by_hand[:, 0].sum()
    assert float(found["dice"][0]) == pytest.approx(2 * both / either)
    two = tomo.confusion_matrix([labels, labels], [truth, truth])
    np.testing.assert_allclose(two["rate"], found["rate"])


def test_corrected_volumes_are_within_their_errors_where_counts_are_not():
    """Held out with 20 % void, applied to 5 %: 40 pairs of volumes, pulls of every phase and of the porosity."""
    pulls, bare, porosity = [], [], []
    for seed in range(40):
        confusion = tomo.confusion_matrix(*segmented(2 * seed, [0.2, 0.5, 0.3]))
        labels, truth = segmented(2 * seed + 1, [0.05, 0.75, 0.2])
        found = tomo.corrected_volumes(labels, confusion, rng=np.random.default_rng(seed), draws=100)
        true = np.bincount(truth.values.ravel(), minlength=4)[1:] / truth.size
        pulls.append((found["share_corrected"].values - true) / found["share_err"].values)
        bare.append((found["share"].values - true) / found["share_err"].values)
        assert float(found["volume_corrected"].sum()) == pytest.approx(truth.size * 8.0, rel=1e-6)
        ratio = tomo.corrected_share(found, "void", ["void", "lithium"])
        porosity.append(
            (float(ratio["share_corrected"]) - true[0] / true[:2].sum()) / float(ratio["share_err"])
        )
    rms = np.sqrt((np.array(pulls) ** 2).mean(0))
    assert (rms > 0.6).all()
    assert (rms < 1.5).all()
    assert abs(np.mean(pulls, 0)).max() < 0.5
    assert np.sqrt((np.array(bare)[:, 0] ** 2).mean()) > 3
    assert 0.6 < np.sqrt(np.mean(np.square(porosity))) < 1.5


def test_phases_that_cannot_be_told_apart_and_bad_input():
    labels, truth = segmented(3, [0.2, 0.5, 0.3])
    rng = np.random.default_rng(0)
    blind = labels.copy(data=rng.choice(3, labels.shape).astype(np.uint8))
    found = tomo.corrected_volumes(blind, tomo.confusion_matrix(blind, truth), rng=rng, draws=20)
    assert (found["flag"] == 64).all()  # POOR_FIT
    never = truth.where(truth != 1, 0).astype(np.uint8).assign_attrs(truth.attrs)
    some = tomo.corrected_volumes(labels, tomo.confusion_matrix(labels, never), rng=rng, draws=20)
    assert some["flag"].values.tolist() == [1, 0, 0]  # NO_DATA
    assert np.isnan(some["volume_corrected"].values[0])
    matrix = tomo.confusion_matrix(labels, truth)
    with pytest.raises(InputError, match="the confusion matrix"):
        tomo.corrected_volumes(labels.assign_attrs(phases=["a", "b", "c"]), matrix, rng=rng)
    with pytest.raises(InputError, match="truth of"):
        tomo.confusion_matrix(labels, truth[:, :9])
    with pytest.raises(InputError, match="fewer than two blocks"):
        tomo.confusion_matrix(labels, truth * 0)
    with pytest.raises(InputError, match="steel"):
        tomo.corrected_share(found, "steel", ["steel", "void"])


def test_any_measure_is_corrected_by_its_bias_on_held_out_blocks():
    """The share of columns free of void: false voids make it too small, by much more than its error."""

    def free(labels: xr.DataArray) -> float:
        return float((labels.values != 0).all(0).mean())

    pulls, bare = [], []
    for seed in range(60):
        pairs = []
        for k in range(3):
            labels, truth = segmented(100 * seed + k, [0.03, 0.67, 0.3], unlike=0.1)
            pairs.append((labels, truth.copy(data=truth.values - 1)))
        applied, truth = pairs.pop()
        found = tomo.corrected_measure(free, applied, pairs)
        pulls.append((float(found["value_corrected"]) - free(truth)) / float(found["value_err"]))
        bare.append((float(found["value"]) - free(truth)) / float(found["value_err"]))
    assert 0.7 < np.sqrt(np.mean(np.square(pulls))) < 1.4
    assert np.sqrt(np.mean(np.square(bare))) > np.sqrt(np.mean(np.square(pulls))) + 1
    with pytest.raises(InputError, match="four"):
        tomo.corrected_measure(free, applied, [], parts=(1, 1))


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(0))
    return e / e.sum(0)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_temperature_is_recovered_and_mends_the_calibration(temperature):
    rng = np.random.default_rng(7)
    logits = 3 * rng.standard_normal((3, 4, 60, 60))
    true = (rng.random((4, 60, 60)) > np.cumsum(softmax(logits / temperature), 0)).sum(0).clip(max=2)
    said = probabilities(softmax(logits))
    truth = volume((true + 1).astype(np.uint8), phases=NAMES)
    found = tomo.fit_temperature(said, truth)
    assert found == pytest.approx(temperature, rel=0.05)
    before, after = (
        tomo.reliability(said, truth),
        tomo.reliability(tomo.apply_temperature(said, found), truth),
    )
    assert float(after["ece"]) < 0.012
    if temperature != 1:
        assert float(before["ece"]) > 0.05
        assert float(after["nll"]) < float(before["nll"])
        assert float(after["brier"]) < float(before["brier"])
    same = tomo.most_likely(tomo.apply_temperature(said, found))
    np.testing.assert_array_equal(same, tomo.most_likely(said))


def test_reliability_by_hand():
    p = probabilities(np.array([[0.9, 0.9, 0.6, 0.6], [0.1, 0.1, 0.4, 0.4]]).reshape(2, 1, 1, 4))
    truth = volume(np.array([1, 2, 1, 1], np.uint8).reshape(1, 1, 4), phases=NAMES[:2])
    found = tomo.reliability(p, truth, bins=10)
    assert float(found["ece"]) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)  # half right at 0.9, all right at 0.6
    assert found["count"].values.tolist() == [0] * 6 + [2, 0, 0, 2]
    assert float(found["brier"]) == pytest.approx((2 * 0.01 + 2 * 0.81 + 2 * 2 * 0.16) / 4)
    assert (found["flag"].values[:6] == 1).all()


def latent(seed: int, sigma: tuple[float, float, float], shape: tuple[int, int, int] = (8, 56, 56)):
    """Calibrated probabilities of two phases and a truth whose errors go together over `sigma` voxels."""
    rng = np.random.default_rng(seed)

    def field(widths):
        big = gaussian_filter(rng.standard_normal([n + 40 for n in shape]), widths)
        return (big / big.std())[20:-20, 20:-20, 20:-20]

    mean = 2.0 * field((3, 6, 6)) - 1.0
    p = ndtr(mean)
    truth = mean + field(sigma) > 0
    return probabilities(np.stack([p, 1 - p])), volume(
        np.where(truth, 1, 2).astype(np.uint8), phases=NAMES[:2]
    )


def test_draws_scatter_as_the_truth_does():
    sigma = (1.5, 3.0, 3.0)
    rng = np.random.default_rng(3)
    several = [tomo.residual_correlation(*latent(k, sigma), rng=rng, rounds=0) for k in range(8)]
    at_0 = [float(one["correlation"][0, 0]) for one in several]
    assert np.mean(at_0) == pytest.approx(1, abs=3 * np.std(at_0, ddof=1) / np.sqrt(8))  # calibrated
    found = tomo.residual_correlation(*latent(0, sigma, (12, 96, 96)), rng=rng)
    assert found["sigma_vox"].values == pytest.approx(sigma, rel=0.35)

    def share(labels: xr.DataArray) -> dict[str, float]:
        return {"void": float((labels.values == 0).mean())}

    pulls, alone = [], []
    rng = np.random.default_rng(1)
    for seed in range(1, 17):
        p, truth = latent(seed, sigma)
        true = float((truth.values == 1).mean())
        for widths, kept in ((found["sigma_vox"], pulls), ((0, 0, 0), alone)):
            drawn = np.array([share(v)["void"] for v in tomo.draw_labels(p, widths, rng=rng, draws=16)])
            kept.append((drawn.mean() - true) / drawn.std(ddof=1))
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.6
    assert np.sqrt(np.mean(np.square(alone))) > 4  # voxels taken as independent promise far too much


def test_draws_keep_probabilities_and_refuse_bad_ones():
    rng = np.random.default_rng(2)
    p = probabilities(softmax(rng.standard_normal((3, 1, 6, 6))))
    drawn = np.stack([d.values for d in tomo.draw_labels(p, (0, 2, 2), rng=rng, draws=3000)])
    shares = np.stack([(drawn == k).mean(0) for k in range(3)])
    assert abs(shares - p.values).max() < 5 * 0.5 / np.sqrt(3000)
    with pytest.raises(InputError, match="NaN"):
        next(tomo.draw_labels(p.where(p > 0.1), (0, 1, 1), rng=rng))
    with pytest.raises(InputError, match="widths"):
        next(tomo.draw_labels(p, (1, 1), rng=rng))


def test_held_out_truth_takes_the_bias_out_of_draws():
    """Columns free of void, too few in every draw: the held-out volumes tell by how much."""

    def free(labels: xr.DataArray) -> float:
        return float((labels.values != 0).all(0).mean())

    rng = np.random.default_rng(5)
    rough = (0.0, 0.0, 0.0)  # draws without correlation are rougher than the truth on purpose
    held = [latent(seed, (1.5, 3.0, 3.0)) for seed in range(51, 55)]
    pulls, bare = [], []
    for seed in range(60, 72):
        p, truth = latent(seed, (1.5, 3.0, 3.0))
        true = free(truth.copy(data=truth.values - 1))
        one = tomo.measure_by_draws(p, free, rough, held, rng=rng, draws=3)
        value, bias, error = (float(one[f"measure_{end}"]) for end in ("corrected", "bias", "err"))
        pulls.append((value - true) / error)
        bare.append((value + bias - true) / error)
    assert np.mean(bare) < -1.5
    assert abs(np.mean(pulls)) < 0.7
    assert 0.5 < np.sqrt(np.mean(np.square(pulls))) < 1.5
    for wrong, told in (
        ([(held[0][0], held[0][1] * 0), held[1]], "not every voxel"),
        (held[:1], "1 held-out"),
    ):
        with pytest.raises(InputError, match=told):
            tomo.measure_by_draws(p, free, rough, wrong, rng=rng, draws=2)


def test_a_prior_that_changes_between_volumes_is_in_the_error_of_draws():
    """Probabilities right for one share of void, in volumes of other shares: off in each, within the error stated."""

    def share(labels: xr.DataArray) -> float:
        return float((labels.values == 0).mean())

    def moved(seed: int) -> tuple[xr.DataArray, xr.DataArray]:
        p, truth = latent(seed, (1.5, 3.0, 3.0), (8, 40, 40))
        odds = np.exp(0.2 + 0.5 * np.random.default_rng(seed).standard_normal())
        void = p.values[0] / (p.values[0] + odds * p.values[1])
        return probabilities(np.stack([void, 1 - void])), truth

    rng = np.random.default_rng(6)
    sigma = (1.5, 3.0, 3.0)
    held, pulls, alone = [moved(seed) for seed in range(80, 86)], [], []
    for seed in range(90, 102):
        p, truth = moved(seed)
        true = float((truth.values == 1).mean())
        one = tomo.measure_by_draws(p, share, sigma, held, rng=rng, draws=5)
        pulls.append((float(one["measure_corrected"]) - true) / float(one["measure_err"]))
        drawn = np.array([share(v) for v in tomo.draw_labels(p, sigma, rng=rng, draws=5)])
        alone.append((drawn.mean() - true) / drawn.std(ddof=1))
    assert 0.6 < np.sqrt(np.mean(np.square(pulls))) < 1.4
    assert np.sqrt(np.mean(np.square(alone))) > 1.8
