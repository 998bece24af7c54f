"""Volumes of the twin through a run with [segmentation]: labels, calibration, shares, contact within their errors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("xraylib")
pytest.importorskip("zarr")
pytest.importorskip("sklearn")
from tomography_twin import image

from operando import show
from operando import tomography as tomo
from operando.core.errors import InputError
from operando.flow import run
from operando.flow import segmentation_store as store
from operando.twin.symmetric_cell import SymmetricCell, volumes
from operando.twin.symmetric_cell.painted import PHASES, paint

USED = PHASES[1:-1]  # a block has neither air nor casing
SCANS = (
    (51, 0),
    (56, 1),
    (52, 1),
    (53, 0),
    (54, 1),
)  # seed and scan: two are painted, two held out, the last is new


@dataclass
class Made:
    folder: Path
    truth: list[np.ndarray]  # 0 for the first phase of USED


def block(seed: int) -> SymmetricCell:
    return SymmetricCell.tiny(seed=seed).block()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    folder, truth = tmp_path_factory.mktemp("segmentation"), []
    for number, (seed, scan) in enumerate(SCANS):
        grey = image(block(seed), scan, contrast_to_noise=2.0, seed=seed)
        truth.append(volumes(block(seed), scan)[0].astype(np.uint8) - 1)
        for name, values in (
            (f"v_{number}.h5", grey.values),
            (f"labels_{number}.h5", truth[-1] + np.uint8(1)),
        ):
            with h5py.File(folder / name, "w") as file:
                file["data"] = values
    for number, (seed, scan) in enumerate(SCANS[:2]):
        strokes = paint(block(seed), scan, each=250) | {"phases": list(USED), "volume": f"v_{number}"}
        (folder / f"strokes_{number}.json").write_text(json.dumps(strokes))
    (folder / "experiment.toml").write_text(
        'title = "Segmentation"\n[segmentation]\n'
        f'volumes = "v_*.h5"\nvoxel_um = 1.7\ntimes_s = {[900.0 * k for k in range(len(SCANS))]}\n'
        f'phases = {json.dumps(list(USED))}\ntrain = [{{ scan = 1, labels = "strokes_0.json" }}, '
        '{ scan = 2, labels = "strokes_1.json" }]\n'
        'held = [{ scan = 3, labels = "labels_2.h5" }, { scan = 4, labels = "labels_3.h5" }]\n'
        'ratios = [{ name = "porosity", part = ["pore"], whole = ["pore", "electrolyte"] }]\n'
        'contact = { of = "lithium", void = ["void"] }\ntrees = 30\nsigmas = [0.7, 1.4, 2.8, 5.6]\n'
    )
    return Made(folder, truth)


@pytest.fixture(scope="module")
def results(made):
    return run(made.folder / "experiment.toml")[1]


def labels_of(made, number: int) -> np.ndarray:
    import zarr

    return zarr.open_group(made.folder / "run" / "segmentation" / f"v_{number}.zarr", mode="r")["label"][:]


def test_voids_are_found_where_a_threshold_fails(made, results):
    """Dice of void on a cell that was neither painted nor held out."""
    found, true = labels_of(made, 4) == USED.index("void"), made.truth[4] == USED.index("void")
    with h5py.File(made.folder / "v_4.h5") as file:
        grey = file["data"][:]
    best = max(
        2 * ((grey < t) & true).sum() / ((grey < t).sum() + true.sum()) for t in np.linspace(-0.1, 0.2, 61)
    )
    assert best < 0.75
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.83


def test_probabilities_are_calibrated(results):
    rel = results.groups["segmentation/reliability"]
    assert float(rel["ece"]) < 0.03
    assert float(rel["nll"]) <= float(rel["nll_raw"]) + 1e-3


def test_measures_of_an_unseen_cell_within_their_errors(made, results):
    number = 4
    one = results.groups["segmentation"].isel(time=number)
    true = np.bincount(made.truth[number].ravel(), minlength=len(USED)) / made.truth[number].size
    pull = (one["share_corrected"].values - true) / one["share_err"].values
    assert abs(pull).max() < 4
    assert np.sqrt((pull**2).mean()) < 2
    np.testing.assert_allclose(
        one["volume_corrected"], one["share_corrected"] * made.truth[number].size * 1.7**3
    )
    ratio = results.groups["segmentation/ratios"].isel(time=number, ratio=0)
    counts = np.bincount(made.truth[number].ravel(), minlength=len(USED))
    porosity = counts[USED.index("pore")] / (counts[USED.index("pore")] + counts[USED.index("electrolyte")])
    assert abs(float(ratio["share_corrected"]) - porosity) < 4 * float(ratio["share_err"])
    contact = results.groups["segmentation/contact"].isel(time=number)
    known = tomo.label_contact(as_labels(made.truth[number]), "lithium", ["void"])
    for name in ("bottom", "top"):
        share = float(known.sel(electrode=name).mean())
        best, error = (float(contact[n].sel(electrode=name)) for n in ("share_corrected", "share_err"))
        assert 0 < error < 0.1
        assert abs(best - share) < 3.5 * error + 0.01


def as_labels(values: np.ndarray):
    import xarray as xr

    return xr.DataArray(values, dims=("z", "y", "x"), attrs={"phases": list(USED), "voxel_um": 1.7})


def test_contact_by_labels_is_that_of_the_twin(made):
    """Columns of the true labels against the exact contact of the truth, which knows of voids thinner than a voxel."""
    from operando.twin.symmetric_cell import truth

    exact = truth(block(SCANS[4][0])).maps["contact"].isel(time=SCANS[4][1])
    found = tomo.label_contact(as_labels(made.truth[4]), "lithium", ["void"])
    for name in ("bottom", "top"):
        agree = (found.sel(electrode=name).values > 0.5) == (exact.sel(electrode=name).values > 0.5)
        assert agree.mean() > 0.97


def test_it_has_its_chapter_and_figures(results, tmp_path):
    text = show.write_report(results, tmp_path / "report.html").read_text()
    assert "held-out voxels are labelled right" in text
    names = {path.stem for path in show.write_figures(results, tmp_path / "figures")}
    wanted = ("sections", "volumes", "contact", "reliability", "confusion", "features")
    assert {f"segmentation-{n}" for n in wanted} <= names


def test_a_killed_segmentation_goes_on_with_the_next_box_to_the_same_labels(
    made, results, monkeypatch, tmp_path
):
    from operando.flow.segmentation_files import predict_file

    model = next((made.folder / "run" / "segmentation").glob("forest-*.npz"))
    calibration = tomo.Calibration(float(results.groups["segmentation/reliability"]["temperature"]))
    monkeypatch.setattr(store.Classifier, "_sides", lambda self, shape, memory: (64, 64, 32))
    real, asked = store._one, []

    def dies(*args):
        asked.append(args[3])
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(store, "_one", dies)
    with pytest.raises(KeyboardInterrupt):
        predict_file(model, made.folder / "v_4.h5", tmp_path, voxel_um=1.7, calibration=calibration)
    asked.append(None)
    done = predict_file(model, made.folder / "v_4.h5", tmp_path, voxel_um=1.7, calibration=calibration)
    assert len(asked) == 4  # one box before, one lost, and the lost one again
    whole = tuple(slice(0, n) for n in done.scan.file.shape)
    np.testing.assert_array_equal(done.labels(whole).values, labels_of(made, 4))
    assert int(done.count.sum()) == done.labels(whole).size


def test_the_same_run_again_finds_everything(made, results):
    again = run(made.folder / "experiment.toml")[1]
    for name in ("segmentation", "segmentation/contact", "segmentation/confusion"):
        assert again.groups[name].identical(results.groups[name])


def small(**other: str) -> str:
    """An experiment of two scans; `other` beats single lines."""
    lines = {
        "volumes": '["v_0.h5", "v_2.h5"]', "voxel_um": "1.7", "times_s": "[0.0, 900.0]",
        "phases": json.dumps(list(USED)),
        "train": '[{ scan = 1, labels = "strokes_0.json" }]', "held": '[{ scan = 2, labels = "labels_2.h5" }]',
        "contact": '{ of = "lithium", void = ["void"] }', "trees": "5", "sigmas": "[0.7, 1.4]", "dimensions": "2",
    } | other  # fmt: skip
    told = "".join(f"{key} = {value}\n" for key, value in lines.items() if value)
    return f'title = "small"\n[segmentation]\n{told}'


def written(made, tmp_path, **other: str) -> Path:
    for name in ("v_0.h5", "v_2.h5", "labels_2.h5", "strokes_0.json"):
        if not (tmp_path / name).exists():
            (tmp_path / name).symlink_to(made.folder / name)
    (tmp_path / "experiment.toml").write_text(small(**other))
    return tmp_path / "experiment.toml"


@pytest.mark.parametrize(("key", "value", "told"), [
    ("train", '[{ scan = 1, labels = "none.json" }]', "no such file"),
    ("train", '[{ scan = 9, labels = "strokes_0.json" }]', "no scan 9"),
    ("train", '[{ scan = 2, volume = "v_2.h5", labels = "labels_2.h5" }]', "either scan"),
    ("train", '[{ volume = "labels_2.h5", labels = "v_2.h5" }]', "not whole numbers"),
    ("phases", json.dumps([*USED, "hole"]), "no voxel is painted as hole"),
    ("contact", '{ of = "lithium", void = ["hole"] }', "hole"),
    ("voxel_um", "", "voxel size of v_0"),
    ("times_s", "[0.0]", "1 times for 2 volumes"),
    ("times_s", "", "times of the volumes are not known"),
    ("model", '"strokes_0.json"', "model .* or train"),
    ("ratios", '[{ name = "p", part = ["void"], whole = ["pore"] }]', "not within"),
])  # fmt: skip
def test_what_is_wrong_is_said(made, tmp_path, key, value, told):
    with pytest.raises(InputError, match=told):
        run(written(made, tmp_path, **{key: value}), tmp_path / "run")


def test_strokes_of_one_phase_or_of_another_volume_are_refused(made, tmp_path):
    strokes = json.loads((made.folder / "strokes_0.json").read_text())
    path = written(made, tmp_path, train='[{ scan = 1, labels = "other.json" }]')
    for part, told in (
        (
            {"strokes": [s for s in strokes["strokes"] if s["phase"] == "void"]},
            "no voxel is painted as steel",
        ),
        ({"shape": [9, 9, 9]}, "painted on"),
        ({"strokes": []}, "nothing is painted"),
        ({"format": "other"}, "no strokes of the dashboard"),
    ):
        (tmp_path / "other.json").write_text(json.dumps(strokes | part))
        with pytest.raises(InputError, match=told):
            run(path, tmp_path / "run")


def test_another_scale_and_voxels_that_are_no_number(made, results, tmp_path):
    model = next((made.folder / "run" / "segmentation").glob("forest-*.npz"))
    grey = np.array(h5py.File(made.folder / "v_2.h5")["data"])

    def of(values, **other: str) -> Path:
        (tmp_path / "v_2.h5").unlink(missing_ok=True)
        with h5py.File(tmp_path / "v_2.h5", "w") as file:
            file["data"] = values
        return written(made, tmp_path, train="", model=f'"{model}"', **other)

    with pytest.raises(InputError, match="grey values of"):
        run(of(1000 * grey), tmp_path / "run")
    with pytest.raises(InputError, match=r"voxels of 3\.4 um, the model was trained on 1\.7"):
        run(of(grey, voxel_um="3.4"), tmp_path / "run_wide")
    grey[20] = np.nan  # a dead detector row
    found = run(of(grey), tmp_path / "run")[1]
    assert any("no number" in note for note in found.notes)
    assert int(found.groups["segmentation"]["unknown"][1]) == grey[20].size
    other = of(grey, method='"unet"')
    other.write_text(other.read_text().replace(str(model), str(tmp_path / "labels_2.h5")))
    with pytest.raises(InputError, match="neither a forest"):
        run(other, tmp_path / "run_other")


def test_files_without_an_experiment_that_do_not_serve(made, tmp_path):
    from operando.flow.segmentation_files import predict_file, train_files

    model = next((made.folder / "run" / "segmentation").glob("forest-*.npz"))
    with h5py.File(tmp_path / "nothing.h5", "w") as file:
        file["data"] = np.full((8, 8, 8), np.nan, np.float32)
    with pytest.raises(InputError, match="nothing: no voxel is a number"):
        predict_file(model, tmp_path / "nothing.h5", tmp_path / "out", voxel_um=1.7)
    pair = [made.folder / "v_0.h5"], [made.folder / "labels_0.h5"]
    with pytest.raises(InputError, match="twice"):
        train_files(*pair, ["a", "b", "a"], "forest", tmp_path / "model", how={})


def test_without_held_out_labels_there_is_no_error_and_it_is_said(made, tmp_path):
    found = run(written(made, tmp_path, held=""), tmp_path / "run")[1]
    assert np.isnan(found.groups["segmentation"]["share_err"]).all()
    assert np.isfinite(found.groups["segmentation"]["share"]).all()
    assert any("no labels were held out" in note for note in found.notes)
    text = show.write_report(found, tmp_path / "report.html").read_text()
    assert "No labels were held out" in text


def test_what_was_painted_in_the_page_is_learned_from(made, tmp_path):
    """Without `train` and `model`: first nothing is painted, then RUN/painting holds strokes."""
    path = written(made, tmp_path, train="", held="", contact="")
    found = run(path, tmp_path / "run")[1]
    assert any("nothing is painted yet" in note for note in found.notes)
    assert "segmentation" not in found.groups
    (tmp_path / "run" / "painting").mkdir()
    (tmp_path / "run" / "painting" / "v_0.json").write_bytes((made.folder / "strokes_0.json").read_bytes())
    assert "segmentation" in run(path, tmp_path / "run")[1].groups


def test_a_unet_is_trained_in_the_run_and_goes_on_after_a_kill(made, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from operando.tomography.learn import training

    (tmp_path / "labels_0.h5").symlink_to(made.folder / "labels_0.h5")
    path = written(
        made, tmp_path, method='"unet"', train='[{ scan = 1, labels = "labels_0.h5" }]', epochs="3", neighbours="1",
        patch="[32, 32]", trees="", sigmas="", dimensions="",
    )  # fmt: skip
    real, epochs = training._Training._epoch, []

    def epoch(self, number):
        epochs.append(number)
        if len(epochs) == 2:
            raise KeyboardInterrupt
        return real(self, number)

    monkeypatch.setattr(training._Training, "_epoch", epoch)
    with pytest.raises(KeyboardInterrupt):
        run(path, tmp_path / "run")
    folder, found = run(path, tmp_path / "run")
    assert epochs == [0, 1, 1, 2]  # the first epoch was kept
    assert found.groups["segmentation/model"].sizes["epoch"] == 3
    assert not list((folder / "segmentation").glob("*.training.pt"))
    assert float(found.groups["segmentation/reliability"]["ece"]) < 0.05
    assert float(found.groups["segmentation/confusion"]["accuracy"]) > 0.8
    text = show.write_report(found, tmp_path / "report.html").read_text()
    assert "U-Net light, 3 slices across y" in text
