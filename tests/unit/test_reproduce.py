"""operando reproduce: identical, differs and by how much, inputs changed, cannot."""

import shutil

import numpy as np
import pytest
import xarray as xr

from operando.core.errors import InputError, ReadError
from operando.flow import Results, compare_results, read_results, rerun_and_compare, run, write_results

RNG = np.random.default_rng(3)


def impedance_file(path, seed):
    """A spectrum of two arcs with noise, as a table."""
    rng = np.random.default_rng(seed)
    f = np.logspace(5, -1, 40)
    z = 20 + 100 / (1 + 2j * np.pi * f * 1e-5 * 100) + 300 / (1 + 2j * np.pi * f * 1e-3 * 300)
    z = z * (1 + 0.002 * rng.standard_normal(40))
    rows = [f"{a:.8g},{b.real:.8g},{b.imag:.8g}" for a, b in zip(f, z, strict=True)]
    path.write_text("Frequency (Hz),Z' (Ohm),Z'' (Ohm)\n" + "\n".join(rows) + "\n")


def ebsd_file(path, seed):
    """Two grains side by side, as EDAX writes a map."""
    rng = np.random.default_rng(seed)
    head = ["# Phase 1", "# MaterialName Lithium", "# Symmetry 43", "# LatticeConstants 3.51 3.51 3.51 90 90 90",
            "# GRID: SqrGrid", "# XSTEP: 0.5", "# YSTEP: 0.5", "# NCOLS_ODD: 20", "# NCOLS_EVEN: 20",
            "# NROWS: 12"]  # fmt: skip
    rows = []
    for y, x in np.ndindex(12, 20):
        angles = np.array([0.3, 0.4, 0.1] if x < 10 else [1.2, 0.7, 0.4]) + 1e-3 * rng.standard_normal(3)
        rows.append(" ".join(f"{a:.5f}" for a in angles) + f" {x / 2} {y / 2} 30.0 0.9 0")
    path.write_text("\n".join(head + rows) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cell")
    impedance_file(folder / "eis.csv", 1)
    ebsd_file(folder / "li.ang", 1)
    (folder / "experiment.toml").write_text(
        'title = "Two techniques"\n[impedance]\nfiles = "eis.csv"\ncircuit = "R0-p(R1,C1)-p(R2,C2)"\n'
        '[ebsd]\nmaps = [{ name = "one", file = "li.ang" }]\n'
    )
    run(folder / "experiment.toml", folder / "run")
    return folder


@pytest.fixture
def copy(made, tmp_path):
    """A run of its own, whose inputs may be changed."""
    for name in ("eis.csv", "li.ang", "experiment.toml"):
        shutil.copy(made / name, tmp_path / name)
    run(tmp_path / "experiment.toml", tmp_path / "run")
    return tmp_path


def test_impedance_and_ebsd_come_out_the_same(made):
    before = (made / "run" / "results.nxs").read_bytes()
    found = rerun_and_compare(made / "run")
    assert found.differences == []
    assert found.identical
    assert found.inputs == found.versions == found.not_compared == []
    groups = read_results(made / "run" / "results.nxs").groups
    assert found.compared == sum(len(group.variables) for group in groups.values()) > 30
    assert (made / "run" / "results.nxs").read_bytes() == before


def test_a_changed_number_is_found_and_told_in_units_of_its_error(made, tmp_path):
    results = read_results(made / "run" / "results.nxs")
    name = next(n for n, g in results.groups.items() if "value" in g and "value_err" in g)
    group = results.groups[name].copy(deep=True)
    error = float(group["value_err"].values.flat[0])
    group["value"].values.flat[0] += 0.5 * error
    results.groups[name] = group
    write_results(results, tmp_path / "results.nxs")
    found = rerun_and_compare(tmp_path)
    (one,) = found.differences
    assert (one.group, one.variable) == (name, "value")
    assert one.in_errors == pytest.approx(0.5, rel=1e-6)
    assert "1 of " in one.how


def test_an_input_that_changed_is_named_though_the_run_can_be_made(copy):
    impedance_file(copy / "eis.csv", 2)
    found = rerun_and_compare(copy / "run")
    assert found.inputs == [str(copy / "eis.csv")]
    assert {d.group.split("/")[0] for d in found.differences} <= {"impedance", "joint"}
    assert any(d.in_errors is not None and d.in_errors > 0 for d in found.differences)


def test_what_cannot_be_made_again_is_said(copy, tmp_path):
    with pytest.raises(InputError, match="overwritten"):
        rerun_and_compare(copy / "run", copy / "run")
    (copy / "li.ang").unlink()
    with pytest.raises(InputError, match="gone"):
        rerun_and_compare(copy / "run")
    with pytest.raises(ReadError):
        rerun_and_compare(tmp_path)


def test_exit_codes_of_the_command(copy):
    from typer.testing import CliRunner

    from operando.cli.app import app

    __import__("operando.cli.reproduce")
    same = CliRunner().invoke(app, ["reproduce", str(copy / "run")])
    assert same.exit_code == 0
    assert "identical" in same.output
    impedance_file(copy / "eis.csv", 2)
    other = CliRunner().invoke(app, ["reproduce", str(copy / "run"), "-o", str(copy / "again")])
    assert other.exit_code == 1
    assert "eis.csv" in other.output
    assert (copy / "again" / "results.nxs").is_file()
    gone = CliRunner().invoke(app, ["reproduce", str(copy / "nowhere")])
    assert isinstance(gone.exception, InputError)
    assert gone.exception.exit_code == 2


def _results(**groups):
    return Results("t", {}, groups)


def test_missing_values_groups_and_attributes_are_differences():
    c = RNG.normal(14, 0.1, (3, 4))
    old = xr.Dataset({"c": (("z", "x"), c, {"units": "angstrom"}), "flag": ("z", np.zeros(3, np.uint16))})
    new = old.copy(deep=True)
    new["c"].values[1, 1] = np.nan
    number, found, _ = compare_results(_results(a=old), _results(a=new))
    assert number == 2
    assert [d.how for d in found] == ["1 of 12 values are missing in only one"]
    other = old.copy(deep=True)
    other["c"].attrs["units"] = "nm"
    assert [d.how for d in compare_results(_results(a=old), _results(a=other))[1]] == ["attributes differ"]
    wide = old.copy(deep=True)
    wide["flag"] = wide["flag"].astype(np.int64)
    assert "int64 now" in compare_results(_results(a=old), _results(a=wide))[1][0].how
    _, found, extra = compare_results(_results(**{"a": old, "model/film": old}), _results(b=old))
    assert extra == ["model/film"]
    assert [(d.group, d.how) for d in found] == [("a", "the group is missing now"), ("b", "the group is new")]


def test_minus_zero_and_the_bits_of_nan_are_no_difference_in_value_but_signs_are():
    old = xr.Dataset({"v": ("z", np.array([1.0, np.nan, 2.0]))})
    assert compare_results(_results(a=old), _results(a=old.copy(deep=True)))[1] == []
    new = xr.Dataset({"v": ("z", np.array([1.0, np.nan, -2.0]))})
    assert "1 of 3 values differ, by at most 4" in compare_results(_results(a=old), _results(a=new))[1][0].how


def test_the_energy_spectrum_does_not_depend_on_which_thread_is_first(monkeypatch):
    from operando.compton import profile

    counts = RNG.poisson(5.0, (40, 30)).astype(float)
    scale = xr.Dataset({"gain": ("p", RNG.normal(1, 0.01, 40)), "lower": ("p", RNG.normal(20, 0.1, 40))})
    energy = np.arange(20.0, 50.0)

    def in_order(order):
        spans = [slice(i, i + 5) for i in range(0, 40, 5)]
        monkeypatch.setattr(profile, "over_pixels", lambda work, *_: [work(spans[i]) for i in order])
        return profile.energy_spectrum(counts, scale, energy).values.tobytes()

    straight = in_order(range(8))
    assert all(in_order(np.random.default_rng(seed).permutation(8)) == straight for seed in range(5))
