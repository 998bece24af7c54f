"""Sentences and figures: numbers equal to those of the Datasets, axes with units, means that recover truth."""

from __future__ import annotations

import re

import numpy as np
import pytest
import synthetic_results

from operando.show import sentences
from operando.show.figures import quality
from operando.show.gallery import draw_all, ring_groups
from operando.show.settings import as_toml
from operando.show.style import DARK, VARIABLES, chosen, edges
from operando.show.summary import by_depth, mean, one_family
from operando.show.text import duration, number, scaled, with_error


@pytest.fixture(scope="module")
def results():
    return synthetic_results.build()


@pytest.fixture(scope="module")
def gallery(results):
    return draw_all(results)


def test_mean_recovers_truth_with_an_honest_error():
    rng = np.random.default_rng(3)
    pulls = []
    for _ in range(2000):
        error = rng.uniform(0.5, 3.0, 40)
        m = mean(5.0 + error * rng.standard_normal(40), error)
        pulls.append((m.value - 5.0) / m.error)
    # widened by sqrt(chi2) only when above one, so slightly conservative: E[1 / max(1, chi2)] ~ 0.92 for 39 degrees
    assert abs(np.mean(pulls)) < 4 / np.sqrt(2000)
    assert 0.90 < np.std(pulls) < 1.0


def test_mean_widens_when_points_scatter_beyond_their_errors():
    m = mean([1.0, 2.0, 3.0], [0.01, 0.01, 0.01])
    assert m.value == pytest.approx(2.0)
    assert m.error == pytest.approx(np.std([1, 2, 3], ddof=1) / np.sqrt(3))


def test_mean_ignores_what_is_not_a_number():
    assert mean([1.0, np.nan, 3.0, 9.0], [1.0, 1.0, 1.0, np.nan]).value == pytest.approx(2.0)
    assert not mean([np.nan], [1.0]).valid


def test_depth_means_equal_those_by_hand(results):
    ring = one_family(results.groups["xrd/LCO003"], "perp")
    depth = by_depth(ring, "c")
    here = ring.isel(time=4, z=6)
    ok = (here["flag"].values == 0) & np.isfinite(here["c"].values)
    w = here["c_err"].values[ok] ** -2.0
    assert depth["value"].values[4, 6] == pytest.approx((w * here["c"].values[ok]).sum() / w.sum(), rel=1e-12)
    assert depth["points"].values[4, 6] == ok.sum()
    assert np.isnan(depth["value"].values[4, 20])  # outside the film


def test_sentence_says_the_means_of_the_dataset(results):
    ring = results.groups["xrd/LCO003"].sel(family="perp")
    expected = []
    for i in (0, -1):
        part = ring.isel(time=i)
        ok = (part["flag"].values == 0) & np.isfinite(part["c"].values)
        w = part["c_err"].values[ok] ** -2.0
        expected.append((part["c"].values[ok] * w).sum() / w.sum())
    text = sentences.lattice_changes("LCO003", results.groups["xrd/LCO003"])[0]
    found = [float(v) for v in re.findall(r"(\d+\.\d+) ± [\d.]+ Å in map", text)]
    assert found == pytest.approx(expected, abs=1e-4)
    change = float(re.search(r"change of \+([\d.]+) ±", text)[1])
    assert change == pytest.approx(expected[1] - expected[0], abs=1e-4)
    assert "grew" in text


def test_an_inert_phase_is_said_not_to_change(results):
    assert (
        "did not change beyond three times its error"
        in sentences.lattice_changes("Au111", results.groups["xrd/Au111"])[0]
    )
    lines = sentences.headlines(ring_groups(results.groups))
    assert sum("did not change" in line for line in lines) == 2
    assert any(line.startswith("a of LCO110 shrank by 0.0048") for line in lines)


def test_what_was_measured_counts_frames_and_charge(results):
    text = " ".join(sentences.what_was_measured(results.groups, []))
    frames = int(results.groups["xrd"]["frames"].sum())
    assert f"{frames:,} frames".replace(",", "\u202f") in text
    assert "2 points have no frame" in text
    v = results.groups["clock"]["voltage"].values
    assert f"from {v[0]:.3f} to {v[-1]:.3f} V" in text
    q = results.groups["clock"]["capacity"].values
    assert f"{1e3 * (q[-1] - q[0]):.2f} µAh" in text


def test_flag_parts_add_up_and_reasons_are_all_counted(gallery, results):
    parts = quality.first_reasons(gallery.rings, results.groups["xrd"])
    assert (parts.drop(columns=["series", "points"]).sum(axis=1) == parts["points"]).all()
    counts = quality.flag_counts(gallery.rings)
    flag = results.groups["xrd/LCO003"]["flag"].sel(family="par").values
    row = counts[counts["series"] == "LCO003 par"].iloc[0]
    assert row["cut_by_gap"] == ((flag & 8) != 0).sum() > 0
    assert row["valid"] == (flag == 0).sum()


def test_position_table_compares_with_the_reference(gallery, results):
    row = gallery.positions.set_index("series").loc["Ti100"]
    q = results.groups["xrd/Ti100"]
    values = q["q"].where(q["flag"] == 0).isel(time=0, family=0).values
    assert row["measured"] == pytest.approx(np.nanmedian(values))
    assert row["deviation"] == pytest.approx(1e4 * (np.nanmedian(values) / 2.4586 - 1))


def test_every_figure_has_title_caption_table_and_labelled_axes(gallery):
    exhibits = gallery.everything()
    assert len({e.name for e in exhibits}) == len(exhibits) >= 12
    for exhibit in exhibits:
        assert exhibit.title
        assert exhibit.caption.endswith(".")
        assert exhibit.alt.endswith(".")
        assert len(exhibit.table)
        labels = [axes.get_xlabel() for axes in exhibit.figure.axes] + [
            axes.get_ylabel() for axes in exhibit.figure.axes
        ]
        assert any(" / " in label for label in labels), exhibit.name


def test_maps_state_their_stretch(gallery):
    exhibit = next(e for e in gallery.changed if e.name == "maps")
    stated = float(re.search(r"drawn ([\d.]+) times larger", exhibit.caption)[1])
    axes = exhibit.figure.axes[0]
    box = axes.get_position()
    w, h = exhibit.figure.get_size_inches()
    (x0, x1), (z0, z1) = axes.get_xlim(), axes.get_ylim()
    assert (box.height * h / (z1 - z0)) / (box.width * w / (x1 - x0)) == pytest.approx(stated, rel=1e-6)


def test_maps_share_one_scale_over_time(gallery):
    exhibit = next(e for e in gallery.lattice["LCO003"] if e.name == "LCO003-maps")
    scales = {image.get_clim() for axes in exhibit.figure.axes for image in axes.images}
    assert len(scales) == 1


def test_changes_are_centred_on_zero(gallery):
    exhibit = next(e for e in gallery.changed if e.name == "maps")
    changes = [
        image for axes in exhibit.figure.axes for image in axes.images if image.get_cmap().name == "RdBu_r"
    ]
    assert changes
    for image in changes:
        low, high = image.get_clim()
        assert low == -high < 0


def test_missing_points_are_not_drawn(gallery, results):
    exhibit = next(e for e in gallery.changed if e.name == "maps")
    drawn = exhibit.figure.axes[3].images[0].get_array()
    absent = ~np.isfinite(results.groups["xrd"]["transmission"].isel(time=3).values)
    assert absent.sum() == 2
    assert (np.ma.getmaskarray(drawn) == absent).all()


def test_svg_colours_follow_the_page(gallery):
    svg = gallery.measured[1].svg()
    for light in DARK:
        assert not re.search(rf"(?<!,){light}", svg)
    assert f"var({VARIABLES[next(iter(DARK))]}," in svg


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [(14.13213, 0.0042, "14.132 ± 0.004 Å"), (14.13213, 0.0013, "14.1321 ± 0.0013 Å"),
     (1234.5, 23.0, "1\u202f230 ± 20 Å"),
     (-0.00002, 0.00004, "−0.00002 ± 0.00004 Å"), (np.nan, 1.0, "no valid value"), (9.96, 0.0996, "9.96 ± 0.10 Å")],
)  # fmt: skip
def test_numbers_with_errors(value, error, text):
    assert with_error(value, error, "angstrom") == text


def test_numbers_times_and_prefixes():
    assert number(33.0) == "33"
    assert number(0.1234) == "0.123"
    assert number(np.nan) == "no value"
    assert duration(3600) == "60 min"
    values, unit = scaled([0.00183], "mAh")
    assert (values[0], unit) == (pytest.approx(1.83), "µAh")


def test_toml_of_the_settings_reads_back(results):
    import tomllib

    assert tomllib.loads(as_toml(results.experiment)) == _without_none(results.experiment)


def _without_none(value):
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value] if isinstance(value, list) else value


def test_edges_and_chosen_times():
    assert edges([0.0, 1.0, 3.0]).tolist() == [-0.5, 0.5, 2.0, 4.0]
    for count in (1, 2, 12, 13, 100):
        which = chosen(count, 12)
        assert which[0] == 0
        assert which[-1] == count - 1
        assert len(which) <= 12
    assert len(set(np.diff(chosen(100, 12)))) == 1
