"""U-Nets, tiny ones: they learn, resume exactly, predict the same in tiles, and refuse what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from operando import tomography as tomo
from operando.core.errors import InputError, ReadError
from operando.tomography.learn.augmentation import Augmentation
from operando.tomography.learn.image import Scale
from operando.tomography.learn.slices import Slices

torch = pytest.importorskip("torch")

TINY = tomo.UNetSettings("light", neighbours=1, across="z", width=4)
QUICK = tomo.TrainSettings(patch=(32, 32), batch=4, steps=15, epochs=4, learning_rate=5e-3)


def volume(values: np.ndarray, **attrs) -> xr.DataArray:
    return xr.DataArray(values, dims=("z", "y", "x"), attrs={"voxel_um": 1.7, **attrs})


@pytest.fixture(scope="module")
def scene() -> tuple[xr.DataArray, xr.DataArray]:
    """Blobs of three phases, one known by its texture along x."""
    rng = np.random.default_rng(5)
    blob = gaussian_filter(rng.standard_normal((12, 48, 48)), (2, 5, 5))
    label = 1 + (blob > 0).astype(np.uint8) + (blob > 0.03)
    stripes = 0.8 * (np.arange(48) % 4 < 2) - 0.4
    grey = np.where(label == 1, 0, np.where(label == 2, 1.0, 1.0 + stripes)) + 0.3 * rng.standard_normal(
        label.shape
    )
    return volume(grey.astype(np.float32)), volume(
        label.astype(np.uint8), phases=["void", "lithium", "steel"]
    )


@pytest.fixture(scope="module")
def trained(scene) -> tomo.UNet:
    return tomo.train_unet(*scene, TINY, replace(QUICK, steps=30, epochs=7), threads=1)


def same(a: tomo.UNet, b: tomo.UNet) -> bool:
    pairs = zip(a.module.state_dict().values(), b.module.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_it_learns_what_no_threshold_sees(scene, trained):
    grey, truth = scene
    result = tomo.predict_volume(trained, grey, out=True, threads=1)
    seen = result["label"].values + 1 == truth.values
    cuts = np.quantile(grey, np.linspace(0, 1, 13))
    by_grey = max(
        (np.digitize(grey, [a, b]) + 1 == truth.values)[-2:].mean() for a in cuts for b in cuts if b > a
    )
    assert seen[-2:].mean() > by_grey + 0.03  # held-out slices
    p = result["probability"]
    np.testing.assert_allclose(p.sum("phase"), 1, atol=1e-5)
    np.testing.assert_allclose(result["share"], p.mean(("z", "y", "x")), atol=1e-5)
    assert abs(result["confidence"].values / 255 - p.max("phase").values).max() < 0.003
    assert trained.history[-1]["loss"] < trained.history[0]["loss"]
    assert list(result["label"].attrs["phases"]) == ["void", "lithium", "steel"]


def test_training_resumes_to_the_same_weights(scene, tmp_path):
    how = replace(QUICK, epochs=3, steps=4)
    whole = tomo.train_unet(*scene, TINY, how, threads=1)

    class Killed(Exception):
        pass

    def kill(entry):
        if entry["epoch"] == 1:
            raise Killed

    path = tmp_path / "unet.pt"
    with pytest.raises(Killed):
        tomo.train_unet(*scene, TINY, how, threads=1, checkpoint=path, tell=kill)
    resumed = tomo.train_unet(*scene, TINY, how, threads=1, checkpoint=path)
    assert same(whole, resumed)
    assert [h["loss"] for h in whole.history] == [h["loss"] for h in resumed.history]
    again = tomo.load_unet(path)
    assert same(again, resumed)
    assert again.temperature == resumed.temperature


def test_early_stopping_keeps_the_best(scene):
    wild = replace(QUICK, learning_rate=0.3, epochs=40, steps=2, patience=2)
    unet = tomo.train_unet(*scene, TINY, wild, threads=1)
    held = [h["held_loss"] for h in unet.history]
    assert len(held) - 1 - int(np.argmin(held)) <= 2
    assert len(held) < 40


def test_saved_and_read_the_same(scene, trained, tmp_path):
    again = tomo.load_unet(trained.save(tmp_path / "unet"))
    grey = scene[0][:2]
    a, b = (np.stack([p for _, p in tomo.predict_slices(u, grey, threads=1)]) for u in (trained, again))
    np.testing.assert_array_equal(a, b)
    assert again.about() == trained.about()


def test_slices_are_predicted_alone_as_in_the_volume(scene, trained):
    grey = scene[0]
    whole = dict(tomo.predict_slices(trained, grey, threads=1))
    part = dict(tomo.predict_slices(trained, grey[3:8], threads=1))
    np.testing.assert_allclose(part[2], whole[5], atol=1e-6)
    assert abs(part[0] - whole[3]).max() > 1e-4  # it does see its neighbours


def test_tiles_equal_the_whole_away_from_their_borders():
    """A network whose reach is smaller than the overlap: tiles change nothing."""
    from operando.tomography.learn.network import UNet

    torch.manual_seed(0)
    module = torch.nn.Conv2d(1, 2, 5, padding=2).eval()
    unet = UNet(tomo.UNetSettings("light"), ("a", "b"), Scale(1.7, 0, 1, -3, 3), module)
    grey = volume(np.random.default_rng(0).standard_normal((1, 150, 170)).astype(np.float32))
    whole = next(tomo.predict_slices(unet, grey))[1]
    tiled = next(tomo.predict_slices(unet, grey, tile=64, overlap=24))[1]
    inner = (slice(None), slice(4, -4), slice(4, -4))
    weight_of_borders = 3 / 25  # pixels next to a tile's border see its padding and count this much at most
    assert abs(tiled - whole)[inner].max() < weight_of_borders
    assert np.median(abs(tiled - whole)[inner]) < 1e-3
    with pytest.raises(InputError, match="tiles"):
        next(tomo.predict_slices(unet, grey, tile=32, overlap=24))


def test_probabilities_go_into_an_array_on_disk(scene, trained, tmp_path):
    grey = scene[0][:3]
    out = np.lib.format.open_memmap(tmp_path / "p.npy", "w+", np.float32, (3, *grey.shape))
    result = tomo.predict_volume(trained, grey, out=out, threads=1)
    assert "probability" not in result
    np.testing.assert_array_equal(out.argmax(0), result["label"])
    with pytest.raises(InputError, match="shape"):
        tomo.predict_volume(trained, grey, out=out[:2])


@pytest.mark.parametrize("across", ["z", "x"])
def test_slices_across_each_axis_come_back_in_place(scene, across):
    grey, truth = scene
    unet = tomo.train_unet(
        grey, truth, replace(TINY, across=across), replace(QUICK, epochs=1, steps=3), threads=1
    )
    result = tomo.predict_volume(unet, grey, out=True, threads=1)
    number, p = next(tomo.predict_slices(unet, grey, threads=1))
    one = result["probability"].isel({across: number}).values
    np.testing.assert_allclose(one, p, atol=1e-6)


def test_held_out_slices_are_not_seen_in_training(scene):
    grey, _ = scene
    train, held = Slices.split([scene], TINY, Scale.of([grey]), 0.25)
    used = {s for _, s in train.use}
    assert {s for _, s in held.use} == {9, 10, 11}
    assert max(used) + TINY.neighbours < 9 - TINY.neighbours
    assert (train.labels[0][9:] == -1).all()


def test_augmentation_moves_labels_with_the_image():
    rng = np.random.default_rng(0)
    label = (gaussian_filter(rng.standard_normal((64, 64)), 6) > 0).astype(np.int64)
    image = np.repeat(label[None].astype(np.float32), 3, 0)
    change = Augmentation(turns=True, rotation_deg=20, zoom=0.1, bend_vox=2.0, gain=0, offset=0)
    moved = 0
    for _ in range(20):
        a, b = change(image, label, rng)
        assert ((a[1] > 0.5) == (b == 1)).mean() > 0.99
        moved += bool((b != label).mean() > 0.02)
    assert moved > 10
    a, b = Augmentation(flips=False, rotation_deg=0, zoom=0, gain=0, offset=0)(image, label, rng)
    np.testing.assert_array_equal(a, image)
    assert Augmentation(flips=False, rotation_deg=0, zoom=0, noise=0.2)(image, label, rng)[0].std() > 0


def test_a_single_slice_and_sparse_labels_train(scene):
    grey, truth = scene
    keep = np.random.default_rng(0).random(truth.shape[1:]) < 0.2
    few = xr.DataArray(
        np.where(keep, truth[4].values, 0).astype(np.uint8), dims=("y", "x"), attrs=truth.attrs
    )
    plane = xr.DataArray(grey[4].values, dims=("y", "x"), attrs=grey.attrs)
    unet = tomo.train_unet(plane, few, replace(TINY, neighbours=0), QUICK, threads=1)
    labels = tomo.predict_volume(unet, plane, threads=1)["label"].values[0]
    rest = ~keep
    assert (labels + 1 == truth[4].values)[rest].mean() > 0.6


def test_what_does_not_fit_is_refused(scene, trained, tmp_path):
    grey, truth = scene
    path = tmp_path / "unet.pt"
    tomo.train_unet(*scene, TINY, replace(QUICK, epochs=1, steps=1), threads=1, checkpoint=path)
    with pytest.raises(InputError, match="the checkpoint is of"):
        tomo.train_unet(*scene, replace(TINY, width=8), QUICK, threads=1, checkpoint=path)
    with pytest.raises(InputError, match="neighbours=1"):
        tomo.load_unet(path, expected=replace(TINY, neighbours=2))
    with pytest.raises(InputError, match="another balance"):
        tomo.train_unet(*scene, TINY, replace(QUICK, balance=0.0), threads=1, checkpoint=path)
    other = truth.assign_attrs(phases=["a", "b", "c"])
    with pytest.raises(InputError, match="phases"):
        tomo.train_unet(grey, other, TINY, QUICK, threads=1, checkpoint=path)
    stored = torch.load(path, weights_only=True)
    stored["weights"] = {k: v for k, v in stored["weights"].items() if "head" not in k}
    torch.save(stored, path)
    with pytest.raises(ReadError, match="do not fit"):
        tomo.load_unet(path)
    about = json.loads(stored["about"])
    del about["settings"]
    torch.save(stored | {"about": json.dumps(about)}, path)
    with pytest.raises(ReadError, match="lacks settings"):
        tomo.load_unet(path)
    path.write_bytes(b"no")
    with pytest.raises(ReadError, match="not a saved U-Net"):
        tomo.load_unet(path)
    with pytest.raises(ReadError, match="no such file"):
        tomo.load_unet(tmp_path / "absent.pt")
    with pytest.raises(InputError, match="no encoder"):
        tomo.UNetSettings("resnet35")
    absent = truth.assign_attrs(phases=["void", "lithium", "steel", "pore"])
    with pytest.raises(InputError, match="pore"):
        tomo.train_unet(grey, absent, TINY, QUICK)
    one = truth.copy(data=np.ones_like(truth.values)).drop_attrs().assign_attrs(voxel_um=1.7)
    with pytest.raises(InputError, match="at least two classes"):
        tomo.train_unet(grey, one, TINY, QUICK)
    middle = truth.copy(data=np.where(truth.values == 3, 0, truth.values))
    middle[6] = truth[6]
    with pytest.raises(InputError, match="held-out slices only"):  # wherever seven of twelve slices lie
        tomo.train_unet(grey, middle, TINY, replace(QUICK, held=0.6))
    holed = grey.where(grey < grey.max())
    with pytest.raises(InputError, match="not finite"):
        tomo.train_unet(holed, truth, TINY, QUICK)
    for wrong, what in (
        (grey.assign_attrs(voxel_um=3.4), "voxels of"),
        (1000 * grey, "grey"),
        (holed, "finite"),
    ):
        with pytest.raises(InputError, match=what):
            next(tomo.predict_slices(trained, wrong.assign_attrs({**grey.attrs, **wrong.attrs})))


@pytest.mark.parametrize("encoder", ["resnet10", "resnet34"])
def test_resnet_encoders_of_monai_run(encoder):
    pytest.importorskip("monai")
    from operando.tomography.learn.network import build

    unet = tomo.UNet(
        tomo.UNetSettings(encoder, neighbours=1), ("a", "b"), Scale(1.7, 0, 1, -3, 3),
        build(tomo.UNetSettings(encoder, neighbours=1), 2).eval(),
    )  # fmt: skip
    grey = volume(np.random.default_rng(0).standard_normal((2, 40, 70)).astype(np.float32))
    for _, p in tomo.predict_slices(unet, grey, threads=1):
        assert p.shape == (2, 40, 70)
        np.testing.assert_allclose(p.sum(0), 1, atol=1e-5)
    assert unet.weights > (20e6 if encoder == "resnet34" else 4e6)


def rare_scene() -> tuple[xr.DataArray, xr.DataArray]:
    """Two phases by grey value, and a third that is rare: small discs, half way between them."""
    rng = np.random.default_rng(8)
    ground = gaussian_filter(rng.standard_normal((1, 256, 256)), (0, 9, 9))[0] > 0
    label = 1 + ground.astype(np.uint8)
    y, x = np.ogrid[:256, :256]
    for row, column in ((30, 30), (110, 60), (200, 40), (60, 150), (180, 130), (40, 235), (150, 230)):
        label[np.hypot(y - row, x - column) < 3.2] = 3
    grey = np.choose(label - 1, [0.0, 1.0, 0.5]) + 0.12 * rng.standard_normal(label.shape)
    return volume(grey[None].astype(np.float32)), volume(label[None], phases=["a", "b", "disc"])


def test_a_rare_phase_is_learned_with_honest_probabilities():
    """A phase of 0.3 % of the voxels: missed when all voxels count the same, found when phases are balanced."""
    grey, truth = rare_scene()
    assert (truth == 3).mean() < 0.004
    change = Augmentation(turns=True, rotation_deg=0, zoom=0)
    how = replace(QUICK, steps=60, epochs=10, held=0.25, augmentation=change)
    score, seen = {}, slice(194, None)  # the columns held out
    for balance in (0.0, 0.5):
        unet = tomo.train_unet(
            grey, truth, tomo.UNetSettings("light", width=6), replace(how, balance=balance), threads=1
        )
        result = tomo.predict_volume(unet, grey, out=True, threads=1)
        found, true = result["label"].values[0, :, seen] == 2, truth.values[0, :, seen] == 3
        score[balance] = 2 * (found & true).sum() / (found.sum() + true.sum())
        p = result["probability"].sel(phase="disc").values[0, :, seen]
    assert score[0.0] < 0.7
    assert score[0.5] > 0.8
    assert unet.log_weights[2] - unet.log_weights[0] > 2
    assert 0.5 < p.sum() / true.sum() < 1.5  # probabilities without the weights of the loss
    known = truth.copy(data=np.where(np.arange(256) >= 194, truth, 0).astype(np.uint8))
    assert float(tomo.reliability(result["probability"], known)["ece"]) < 0.03


def test_a_rare_phase_that_lies_together_is_not_held_out_whole():
    from operando.tomography.learn.slices import held_block

    label = np.zeros((20, 4, 4), np.int64)
    assert held_block(label, 0, 0.2, 2) == (16, 20)
    label[17:19, 0, 0] = 1
    start, stop = held_block(label, 0, 0.2, 2)
    assert stop - start == 4
    assert stop + 2 <= 17


def test_patches_that_are_drawn_by_class_weigh_what_they_would_without():
    """The weighted share of a rare class in patches is its share in the image: importance sampling is unbiased."""
    grey, truth = rare_scene()
    train, _ = Slices.split([(grey, truth)], tomo.UNetSettings("light", width=6), Scale.of([grey]), 0.25)
    plain = Augmentation(flips=False, rotation_deg=0, zoom=0, gain=0, offset=0)
    share = {}
    for balance in (0.0, 0.5):
        how = replace(QUICK, balance=balance, batch=64, augmentation=plain)
        total = np.zeros(2)
        for seed in range(30):
            _, label, weight = train.batch(how, np.random.default_rng(seed))
            total += [(weight * (label == 2).sum((1, 2))).sum(), (weight * (label >= 0).sum((1, 2))).sum()]
            assert weight.max() <= 1 / (1 - balance) + 1e-6
        share[balance] = total[0] / total[1]
    assert share[0.5] == pytest.approx(share[0.0], rel=0.1)
