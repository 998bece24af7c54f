"""Learned segmentation: twin with low contrast of lithium and void, speed of prediction, a measured slice.

Run: python benchmarks/learn.py [twin] [speed] [cell] [--seconds 120] [--threads 2]. Seconds are of processor time for
each training; wall time is printed beside it and is longer where other work runs on the machine.
twin   networks and forest trained on cells 11 to 14, rates and temperature from cell 15, scored on cells 21 and 22
cell   the slice of a 21700 cell (../shared/data): trained on the left half, scored on the right
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "recovery"))
PHASES = {"steel": 1, "lithium": 2, "void": 3, "interphase": 4, "electrolyte": 5, "pore": 6}
NOISE = 2.0  # (lithium - void) over the noise of a voxel


def scan(seed: int, number: int) -> tuple[xr.DataArray, xr.DataArray]:
    """Image and training labels of a scan of the twin: phase retrieved, blurred by 0.8 voxel, with noise."""
    from tomography_twin import cell, image

    from operando.tomography import training_labels
    from operando.twin.symmetric_cell.voxels import sharp

    settings = cell(seed=seed)
    grey = image(settings, number, contrast_to_noise=NOISE, seed=seed)
    labels = sharp(settings, number, (0, settings.height))[0]
    return grey, training_labels(grey.copy(data=labels), PHASES)


def thinned(truth: xr.DataArray, rng: np.random.Generator, share: float = 0.01) -> xr.DataArray:
    """Training labels of which only some voxels are kept."""
    return truth.copy(data=np.where(rng.random(truth.shape) < share, truth.values, 0).astype(np.uint8))


def dice(guess: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (guess & truth).sum() / max(guess.sum() + truth.sum(), 1))


def contact(labels: xr.DataArray) -> float:
    """Share of the columns of the lower half without a voxel of void."""
    void = labels.values[: labels.sizes["z"] // 2] == list(labels.attrs["phases"]).index("void")
    return float(1 - void.any(0).mean())


def both(labels: xr.DataArray) -> dict[str, float]:
    return {"contact": contact(labels), "void": float((labels.values == 2).mean())}


def twin(seconds: float, threads: int) -> None:
    from scipy.ndimage import gaussian_filter

    from operando import tomography as tomo

    train = [scan(seed, number) for seed in (11, 12, 13, 14) for number in (0, 2)]
    held = [scan(15, 0), scan(15, 3), scan(16, 1)]
    tests = {f"cell {s} scan {n}": scan(s, n) for s, n in ((21, 0), (22, 3))}
    print(f"contrast to noise {NOISE}, 96 x 128 x 128 voxels, Dice of void:\n")
    for name, (grey, truth) in tests.items():
        void = truth.values == 3
        soft = gaussian_filter(grey.values, 1.0)
        steps = np.linspace(-0.05, 0.15, 81)
        best = [max(dice(v < t, void) for t in steps) for v in (grey.values, soft)]
        middle = dice(grey.values < 0.0446, void)
        print(
            f"{name}: midpoint {middle:.3f}, best threshold {best[0]:.3f}, best after smoothing {best[1]:.3f}"
        )
    rng = np.random.default_rng(0)
    few = [(grey, thinned(truth, rng)) for grey, truth in train[:2]]
    start = time.process_time()
    settings = tomo.FeatureSettings(dimensions=3)
    forest = tomo.train_forest(*zip(*few, strict=True), features=settings, balanced=False, depth=16)
    print(f"\nforest of 50 trees on 1 % of two scans, {time.process_time() - start:.0f} s")
    report(lambda grey: forest.probabilities(grey), held, tests)
    began, start = time.time(), time.process_time()
    unet = tomo.train_unet(
        [g for g, _ in train], [p for _, p in train], tomo.UNetSettings("light", 2, "y", 16),
        tomo.TrainSettings(patch=(96, 128), time_s=seconds, epochs=1000, steps=40, patience=1000,
                           augmentation=tomo.Augmentation(rotation_deg=0, zoom=0)),
        threads=threads, tell=lambda e: print(e, file=sys.stderr, flush=True),
    )  # fmt: skip
    print(
        f"\nU-Net {unet.settings.encoder}, {unet.weights / 1e6:.2f} M weights, {len(unet.history)} epochs: "
        f"{time.process_time() - start:.0f} s of processor time, {time.time() - began:.0f} s, T {unet.temperature:.3f}"
    )

    def predict(grey: xr.DataArray) -> xr.DataArray:
        return tomo.predict_volume(unet, grey, out=True, threads=threads)["probability"]

    report(predict, held, tests)


def report(predict, held, tests) -> None:
    """Scores, calibration and measures with their errors of one model."""
    from operando import tomography as tomo

    rng = np.random.default_rng(1)
    p_held = [predict(grey) for grey, _ in held]
    whole_p, whole_t = xr.concat(p_held, "z"), xr.concat([t for _, t in held], "z", combine_attrs="override")
    temperature = tomo.fit_temperature(whole_p, whole_t)
    p_held = [tomo.apply_temperature(p, temperature) for p in p_held]
    labels = [tomo.most_likely(p) for p in p_held]
    matrix = tomo.confusion_matrix(labels, [t for _, t in held])
    pairs = [
        (a, a.copy(data=(t.values - 1).astype(np.uint8))) for a, (_, t) in zip(labels, held, strict=True)
    ]
    sigma = tomo.residual_correlation(p_held[0], held[0][1], rng=rng)["sigma_vox"].values
    print(f"temperature {temperature:.3f}, residuals alike over {sigma.round(2)} voxels (z, y, x)")
    for name, (grey, truth) in tests.items():
        raw = predict(grey)
        p = tomo.apply_temperature(raw, temperature)
        guess, true = tomo.most_likely(p), truth.values - 1
        score = " ".join(f"{n} {dice(guess.values == k, true == k):.3f}" for k, n in enumerate(PHASES))
        ece = [float(tomo.reliability(v, truth)["ece"]) for v in (raw, p)]
        print(f"{name}: Dice {score}; ECE {ece[0]:.4f}, {ece[1]:.4f} with the temperature")
        volumes = tomo.corrected_volumes(guess, matrix, rng=rng)
        for k, phase in enumerate(PHASES):
            row(f"share of {phase}", (true == k).mean(), volumes.isel(phase=k), "share")
        ratio = tomo.corrected_share(volumes, "pore", ["pore", "electrolyte"])
        row("porosity", (true == 5).sum() / (true >= 4).sum(), ratio, "share")
        known = contact(guess.copy(data=true.astype(np.uint8)))
        one = tomo.corrected_measure(contact, guess, pairs)
        row("contact, by blocks", known, one, "value")
        known_ones = [(a, t) for a, (_, t) in zip(p_held, held, strict=True)]
        drawn = tomo.measure_by_draws(p, both, sigma, known_ones, rng=rng, draws=10)
        row("contact, by draws", known, drawn, "contact")
        row("void, by draws", (true == 2).mean(), drawn, "void")


def row(name: str, truth: float, found: xr.Dataset, key: str) -> None:
    value, best, error = (float(found[f"{key}{end}"]) for end in ("", "_corrected", "_err"))
    off = (best - truth) / max(error, 1e-12)
    print(
        f"  {name:22} true {truth:.5f} counted {value:.5f} corrected {best:.5f} +- {error:.5f} ({off:+.1f} sigma)"
    )


def speed(threads: int) -> None:
    """A slice of 512 x 512: forest and networks with random weights, the least of several."""
    from operando import tomography as tomo
    from operando.tomography.learn.image import Scale
    from operando.tomography.learn.network import build

    rng = np.random.default_rng(0)
    noise = rng.standard_normal((1, 512, 512), dtype=np.float32)
    grey = xr.DataArray(noise, dims=("z", "y", "x"), attrs={"voxel_um": 1.7})
    scale = Scale.of([grey])
    names = tuple(PHASES)
    painted = grey.copy(
        data=rng.integers(0, 7, grey.shape).astype("u1") * (rng.random(grey.shape) < 0.02)
    ).astype("u1")
    forest = tomo.train_forest(grey, painted.assign_attrs(phases=list(names)), trees=50, depth=10)
    ways = {"forest, 50 trees, depth 10": lambda: forest.probabilities(grey)}
    for encoder, neighbours in (
        ("light", 0),
        ("light", 2),
        ("resnet18", 0),
        ("resnet34", 0),
        ("resnet34", 1),
    ):
        settings = tomo.UNetSettings(encoder, neighbours)
        unet = tomo.UNet(settings, names, scale, build(settings, len(names)).eval())
        ways[f"{encoder}, {2 * neighbours + 1} slices"] = lambda u=unet: list(
            tomo.predict_slices(u, grey, threads=threads)
        )
    least: dict[str, tuple[float, float]] = {}
    for _ in range(4):
        for name, way in ways.items():
            wall, cpu = time.perf_counter(), time.process_time()
            way()
            took = time.perf_counter() - wall, time.process_time() - cpu
            least[name] = min(least.get(name, took), took)
    for name, (wall, cpu) in least.items():
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s of processor time |")


def cell(seconds: float, threads: int) -> None:
    from operando import tomography as tomo

    folder = ROOT.parent / "shared" / "data" / "tomo_cell_labels"
    if not folder.exists():
        print("no ../shared/data/tomo_cell_labels: skipped")
        return
    import tifffile

    grey, paint, dense = (
        tifffile.imread(folder / f"Battery_21700{n}.tif") for n in ("", "_labels", "_segmented")
    )
    half = grey.shape[1] // 2
    names = [str(k) for k in range(7)]
    left, right = slice(None, half), slice(half, None)

    def plane(values: np.ndarray, **attrs) -> xr.DataArray:
        attrs["voxel_um"] = 1.0  # its true size is not told
        return xr.DataArray(values, dims=("y", "x"), attrs=attrs)

    def score(name: str, guess: np.ndarray) -> None:
        true, spots = dense[:, right], paint[:, right]
        each = [dice(guess == k, true == k) for k in range(7)]
        hit = (guess == spots)[spots > 0].mean()
        mean, all_ = np.mean([each[k] for k in range(7) if k != 2]), " ".join(f"{e:.3f}" for e in each)
        print(f"| {name} | {mean:.3f} | {all_} | {hit:.3f} |", flush=True)

    image = plane(grey.astype(np.float32))
    print("\n| way | mean Dice without class 2 | Dice of classes 0 to 6 | right on painted pixels |")
    print("| --- | --- | --- | --- |")
    began, start = time.time(), time.process_time()
    unet = tomo.train_unet(
        image[:, left], plane((dense[:, left] + 1).astype(np.uint8), phases=names), tomo.UNetSettings("light"),
        tomo.TrainSettings(patch=(128, 128), batch=4, time_s=seconds, epochs=1000, steps=80, patience=1000, held=0.1,
                           augmentation=tomo.Augmentation(turns=True, rotation_deg=0, zoom=0)),
        threads=threads, tell=lambda e: print(e, file=sys.stderr, flush=True),
    )  # fmt: skip
    result = tomo.predict_volume(unet, image[:, right], out=True, threads=threads)
    took = f"{time.process_time() - start:.0f} s of processor time, {time.time() - began:.0f} s"
    score(f"U-Net light, left half ({took})", result["label"].values[0])
    known = plane((dense[:, right] + 1).astype(np.uint8), phases=names)
    ece = float(tomo.reliability(result["probability"], known)["ece"])
    table = np.array(
        [np.bincount(dense[:, left][grey[:, left] == g], minlength=7).argmax() for g in range(256)]
    )
    score("best class by grey value (thresholds)", table[grey[:, right]])
    few = paint.astype(np.uint8).copy()
    rng = np.random.default_rng(0)
    outside = np.argwhere(dense[:, left] == 0)  # nothing is painted as class 0: 200 of its pixels
    few[tuple(outside[rng.integers(len(outside), size=200)].T)] = 7
    forest = tomo.train_forest(image[:, left], plane(few[:, left], phases=[*names[1:], "0"]), balanced=False)
    guess = tomo.most_likely(forest.probabilities(image[:, right])).values[0]
    score("forest, painted pixels of the left half", (guess + 1) % 7)
    some = np.where(rng.random(dense.shape) < 0.02, dense + 1, 0).astype(np.uint8)
    forest = tomo.train_forest(image[:, left], plane(some[:, left], phases=names), balanced=False, depth=16)
    score("forest, 2 % of the left half", tomo.most_likely(forest.probabilities(image[:, right])).values[0])
    print(f"\nexpected calibration error of the U-Net {ece:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", choices=["twin", "speed", "cell", []])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    parts = options.parts or ["speed", "twin", "cell"]
    if "speed" in parts:
        speed(options.threads)
    if "twin" in parts:
        twin(options.seconds, options.threads)
    if "cell" in parts:
        cell(options.seconds, options.threads)


if __name__ == "__main__":
    main()
