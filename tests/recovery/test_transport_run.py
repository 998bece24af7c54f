"""Label volumes through a whole run: exact answers in the results, the same bits after an interruption, bad input."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from same_bits import same

from operando.core.errors import OperandoError
from operando.core.flags import Flag
from operando.flow.job import run
from operando.flow.stage import Stages
from operando.flow.store import read_results
from operando.show.chapters.transport import chapter

LAYERED = """title = "layers"

[transport]
labels = "layers.h5"
phases = { pore = { label = 0 }, grain = { label = 1, conductivity_mS_per_cm = 1.0, young_GPa = 10.0, poisson = 0.2 }, boundary = { label = 2, conductivity_mS_per_cm = 0.1, young_GPa = 1.0, poisson = 0.3 } }
bulk = "grain"
domain_um = [10.0, 10.0, 20.0]
cube_um = 20.0
cubes = 2
tolerance = 1e-4
hot_spot = { diameter_um = 6.0, times = 10.0 }
"""  # noqa: E501


def written(folder, name, labels, voxel=1.0):
    with h5py.File(folder / name, "w") as file:
        file["labels"] = labels
        if voxel is not None:
            file["labels"].attrs["voxel_um"] = voxel


def layers():
    """Two cubes side by side along x, each of layers normal to z of labels 1 and 2 at equal shares."""
    return np.broadcast_to(1 + (np.arange(20) // 5 % 2)[:, None, None], (20, 20, 40)).astype(np.uint8)


@pytest.fixture
def experiment(tmp_path):
    written(tmp_path, "layers.h5", layers())
    (tmp_path / "experiment.toml").write_text(LAYERED)
    return tmp_path / "experiment.toml"


def test_laminate_in_a_run(experiment):
    """Series 2/11 and parallel 0.55 mS/cm, factors of both, Backus' Young's moduli, factors of one everywhere."""
    folder, results = run(experiment)
    whole = results.groups["transport"].sel(volume="layers")
    expected = [0.55, 0.55, 2 / 11]
    np.testing.assert_allclose(whole["conductivity"].sel(direction=list("xyz")), expected, rtol=1e-6)
    np.testing.assert_allclose(whole["share"].sel(phase=["pore", "grain", "boundary"]), [0, 0.5, 0.5])
    np.testing.assert_allclose(whole["wiener_bounds"], [2 / 11, 0.55])
    cubes = results.groups["transport/cubes/layers"]
    assert cubes.sizes["cube"] == 2
    np.testing.assert_allclose(cubes["conductivity_factor"], np.broadcast_to(expected, (2, 3)), rtol=1e-5)
    np.testing.assert_allclose(cubes["young_modulus_mean"], backus(), rtol=5e-3)
    np.testing.assert_allclose(cubes["young_factor_mean"], np.array(backus()) / 10, rtol=5e-3)
    tau = results.groups["transport/map/layers"]
    assert tau["tau_factor"].shape == (2, 4)
    np.testing.assert_allclose(tau["tau_factor"], 1, rtol=1e-6)  # both phases conduct: the way is straight
    field = results.groups["transport/field/layers"]
    assert float(field["under_spot"][0]) > 3 > float(field["under_spot"][-1])
    told = chapter(read_results(folder / "results.nxs"))
    assert told is not None
    assert any("0.1818 along z" in sentence for sentence in told.findings)
    assert len(told.figures) == 4


def test_a_map_along_x_has_its_own_domains_and_axes(experiment):
    """Layers normal to z: straight along x for phases that conduct alike, and the report names the axis."""
    text = LAYERED.replace("domain_um = [10.0, 10.0, 20.0]", 'along = "x"\ndomain_um = [40.0, 10.0, 5.0]')
    experiment.write_text(text.replace("cube_um = 20.0", "cube_um = 10.0\nstiffness = false"))
    results = run(experiment)[1]
    tau = results.groups["transport/map/layers"]
    assert tau["tau_factor"].dims == ("z", "y")
    assert tau["tau_factor"].shape == (4, 2)
    told = chapter(results)
    assert any("factor along x is 1" in sentence for sentence in told.findings)
    assert "along x" in told.figures[0].caption


def backus():
    """Young's moduli along x, y, z of layers normal to z (Backus 1962), by inverting the stiffness."""
    young, poisson = np.array([10, 1.0]), np.array([0.2, 0.3])
    g = young / (2 * (1 + poisson))
    lame = young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    m = lame + 2 * g
    c33 = 1 / np.mean(1 / m)
    mixed = np.mean(lame / m)
    c11 = np.mean(m - lame**2 / m) + mixed**2 * c33
    c12 = np.mean(lame - lame**2 / m) + mixed**2 * c33
    c = np.array([[c11, c12, mixed * c33], [c12, c11, mixed * c33], [mixed * c33, mixed * c33, c33]])
    return 1 / np.diag(np.linalg.inv(c))


def polycrystals(folder):
    """A solid with pores, and one with a crack through its first quarter and an outside, both of two phases."""
    from operando import transport

    labels = transport.polycrystal(
        (24, 24, 48), np.random.default_rng(1), grain_size=10.0, porosity=0.1, pore_size=4.0, boundary=1.0
    ).values
    written(folder, "pristine.h5", labels)
    failed = labels.copy()
    failed[10, :12, :12] = 0
    failed[:, 12:, 36:] = 9
    written(folder, "failed.h5", failed)
    (folder / "experiment.toml").write_text(
        LAYERED.replace('"layers.h5"', '["pristine.h5", "failed.h5"]\noutside = 9')
        .replace("[10.0, 10.0, 20.0]", "[12.0, 12.0, 24.0]").replace("1e-4", "0.01")
        .replace("cube_um = 20.0", "cube_um = 24.0\nsynthetic = { grain_um = 10.0, seeds = 2 }")
    )  # fmt: skip
    return folder / "experiment.toml"


class Killed(BaseException):
    pass


def test_cracks_outsides_and_an_interruption(tmp_path, monkeypatch):
    """The cracked domain is infinite, the one outside NaN; an interrupted run goes on to the same bits."""
    experiment = polycrystals(tmp_path)
    whole = run(experiment, tmp_path / "whole")[1].groups
    failed = whole["transport/map/failed"]
    assert np.isinf(failed["tau_factor"].values).tolist() == [[True, False, False, False], [False] * 4]
    assert np.isnan(failed["tau_factor"].values).tolist() == [[False] * 4, [False, False, False, True]]
    assert int(failed["flag"].values[1, 3]) == int(Flag.NO_DATA)
    summary = whole["transport"].sel(volume="failed")
    assert float(summary["blocked"]) == pytest.approx(1 / 7)
    assert np.isnan(summary["conductivity"]).all()
    assert (summary["conductivity_flag"] == int(Flag.NO_DATA)).all()
    assert summary["conductivity_flag"].dtype.kind == "u"
    assert (whole["transport"].sel(volume="pristine")["conductivity_flag"] == 0).all()
    assert whole["transport/compare"].sizes["pair"] == 1
    compared = whole["transport/synthetic/pristine"]
    assert (np.abs(compared["conductivity_factor_z"]) < 6).all()
    assert compared.attrs["porosity"] == pytest.approx(0.1, abs=0.03)

    write, count = Stages._write, [0]

    def dying(self, *args):
        if count[0] == 5:
            raise Killed
        count[0] += 1
        return write(self, *args)

    monkeypatch.setattr(Stages, "_write", dying)
    with pytest.raises(Killed):
        run(experiment, tmp_path / "killed")
    monkeypatch.setattr(Stages, "_write", write)
    same(run(experiment, tmp_path / "killed")[1].groups, whole)


@pytest.mark.parametrize(
    ("label", "told"), [(0, "holds a phase that conducts"), (None, "has a path along z")]
)
def test_empty_and_cut_domains_are_said(experiment, label, told):
    cut = np.broadcast_to((np.arange(20) < 10)[:, None, None], (20, 20, 40)).astype(np.uint8)
    written(experiment.parent, "layers.h5", cut if label is None else np.full_like(cut, label))
    experiment.write_text(LAYERED.replace("cube_um = 20.0", "cube_um = 20.0\nstiffness = false"))
    assert any("no domain of layers" in note and told in note for note in run(experiment)[1].notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("cube_um = 20.0", "cube_um = 21.0"), "smaller than 21 x 21 x 21 um"),
        (lambda t: t.replace("diameter_um = 6.0", "diameter_um = 20.0"), "covers the face of a cube of 20 um"),
        (lambda t: t.replace("young_GPa = 10.0", "young_GPa = 1e12"), "lost in rounding"),
        (lambda t: t.replace("label = 2,", "label = 3,"), r"labels \[2\] of no phase"),
        (lambda t: t.replace('bulk = "grain"', 'bulk = "pore"'), "does not conduct"),
        (lambda t: t.replace("label = 2,", "label = 1,"), "two phases have one label"),
        (lambda t: t + "rows = [20, 30]\n", "nothing is left"),
        (lambda t: t + 'names = ["a", "b"]\n', "2 names for 1 volumes"),
        (lambda t: t.replace('labels = "layers.h5"\n', ""), "neither label volumes"),
        (lambda t: t.replace("layers.h5", "grey.h5"), "not whole numbers|grey values"),
        (lambda t: t.replace("layers.h5", "bare.h5"), "voxel size"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(experiment, change, message):
    """Each names what is wrong before anything long is calculated."""
    folder = experiment.parent
    written(folder, "bare.h5", layers(), None)
    written(folder, "grey.h5", layers() * 0.3)
    text = change(LAYERED)
    experiment.write_text(text)
    with pytest.raises(OperandoError, match=message) as told:
        run(experiment)
    assert told.value.fix or told.value.where


def test_the_command_line_gives_the_same_numbers(experiment):
    from operando.flow.model_transport import phase_of, transport

    folder = experiment.parent
    found = transport(
        [folder / "layers.h5"], ["pore=0", "grain=1,1,10,0.2", "boundary=2,0.1,1,0.3"], say=lambda *_: None,
        spot_um=6.0, domain_um=(10.0, 10.0, 20.0), cube_um=20.0, cubes=2, tolerance=1e-4, bulk="grain",
    )  # fmt: skip
    same(found, run(experiment)[1].groups)
    for wrong in ("grain", "grain=", "=1", "grain=x", "grain=1,1,1,1,1"):
        with pytest.raises(OperandoError, match="is no phase"):
            phase_of(wrong)
    with pytest.raises(OperandoError, match="no such file"):
        transport([folder / "none.h5"], [], say=lambda *_: None)
    with pytest.raises(OperandoError, match="none conducts"):
        transport([folder / "layers.h5"], ["grain=1"], say=lambda *_: None)


def test_zarr_and_tiff_volumes_are_the_same_labels(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    zarr = pytest.importorskip("zarr")
    from operando.flow.transport_source import read_labels

    labels = layers()
    array = zarr.create_array(tmp_path / "a.zarr", data=labels)
    array.attrs["voxel_um"] = 0.5
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    group.create_array("labels", data=labels)
    tifffile.imwrite(tmp_path / "stack.tif", labels)
    (tmp_path / "slices").mkdir()
    for k, one in enumerate(labels):
        tifffile.imwrite(tmp_path / "slices" / f"s{k}.tif", one)
    for name, voxel in (("a.zarr", None), ("g.zarr", 0.5), ("stack.tif", 0.5), ("slices", 0.5)):
        found, step = read_labels(tmp_path / name, None, voxel)
        assert np.array_equal(found, labels), name
        assert step == (0.5, 0.5, 0.5)
    for name in ("g.zarr", "slices", "stack.tif"):
        with pytest.raises(OperandoError, match="voxel size"):
            read_labels(tmp_path / name, None, None)


def test_what_cannot_be_compared_is_a_note(tmp_path):
    """Pores of single voxels have no synthetic ones of their size: the rest of the run is there all the same."""
    labels = np.ones((20, 20, 40), np.uint8)
    labels[::5, ::5, ::5] = 0
    written(tmp_path, "layers.h5", labels)
    (tmp_path / "experiment.toml").write_text(
        LAYERED.replace(
            "cubes = 2", "cubes = 1\nsynthetic = { grain_um = 8.0, seeds = 2 }\nstiffness = false"
        )
    )
    results = run(tmp_path / "experiment.toml")[1]
    assert any("not compared with synthetic" in note for note in results.notes)
    assert "transport/cubes/layers" in results.groups
    assert "young_factor" not in results.groups["transport/cubes/layers"]


def extreme(name):
    labels = {"empty": np.zeros, "full": np.ones}.get(name, np.ones)((12, 12, 12), np.uint8)
    if name == "cut":
        labels[5] = 0
    return labels[:, :1, :1] if name == "thin" else labels


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize(
    ("name", "factors"),
    [("empty", [0, 0, 0]), ("full", [1, 1, 1]), ("cut", [11 / 12, 11 / 12, 0]), ("thin", [1, 1, 1])],
)
def test_extreme_volumes_have_their_numbers_and_figures(tmp_path, name, factors):
    from operando.flow.model_transport import transport
    from operando.flow.results import Results

    written(tmp_path, "x.h5", extreme(name))
    side = 1.0 if name == "thin" else 12.0
    groups = transport(
        [tmp_path / "x.h5"], ["pore=0", "grain=1,1,10,0.2", "boundary=2,1,10,0.2"], say=lambda *_: None,
        grain_um=6.0, spot_um=side / 4, domain_um=(side, side, 12.0), cube_um=side, cubes=1,
    )  # fmt: skip
    found = groups["transport/cubes/x"]["conductivity_factor_mean"]
    np.testing.assert_allclose(found, factors, rtol=1e-5, atol=1e-9)
    told = chapter(Results(name, {}, groups, [], [], {}))
    assert told is not None
    assert all(figure.svg().startswith("<svg") for figure in told.figures)
    assert any("infinite" in finding for finding in told.findings) == (name == "cut")
