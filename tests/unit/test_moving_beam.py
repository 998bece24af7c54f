"""A beam whose bands move during a scan: found in the flats, told apart from one that only fades, and taken off."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from operando.core.projections import ArrayStack, Projections
from operando.tomography.correct import Correction, sinograms
from operando.tomography.flats import plan_flats
from operando.tomography.moving_beam import beam_motion

ROWS, COLUMNS, ANGLES, FLATS = 60, 80, 90, 10
FRAMES = 2 * FLATS + ANGLES
PLAIN = Correction(stripes="none", zinger=None)


def beam(share, moved, loss=0.0):
    """(frames, rows, columns) of tilted bands 13 to 50 rows wide that move up by `moved` rows in all."""
    z, x = np.arange(ROWS)[:, None], np.arange(COLUMNS)[None]
    place = z - moved * np.asarray(share)[:, None, None] + 0.1 * x
    bands = 1 + 0.12 * np.cos(2 * np.pi * place / 13) + 0.08 * np.sin(2 * np.pi * place / 50 + 1)
    return bands * (1 - loss * np.asarray(share)[:, None, None])


def scan(rng, moved=1.0, loss=0.0, photons=40000, after=True):
    """A disc of attenuation 1 in the middle that hides most of the beam; flats before and after."""
    share = np.arange(FRAMES) / (FRAMES - 1)
    gain = 1 + 0.02 * rng.standard_normal((ROWS, COLUMNS))
    x = np.arange(COLUMNS) - (COLUMNS - 1) / 2
    path = 2 * np.sqrt(np.maximum(30**2 - x**2, 0)) / 60
    mean = photons * beam(share, moved, loss) * gain
    mean[FLATS:-FLATS] *= np.exp(-path)
    counts = rng.poisson(mean).astype(np.uint16)
    flats = np.concatenate([counts[:FLATS], counts[-FLATS:]])
    when = np.repeat([0, ANGLES], FLATS) if after else None
    return Projections(
        "scan", ArrayStack(counts[FLATS:-FLATS], "images"), np.linspace(0, 180, ANGLES, endpoint=False),
        ArrayStack(flats, "flats"), None, when,
    ), path  # fmt: skip


def row_errors(projections, path, plan=None):
    """(rows,) mean of found less true attenuation over angles and columns."""
    plan = plan or plan_flats(projections)
    return (sinograms(projections, plan, slice(None), PLAIN) - path).mean((1, 2))


@pytest.mark.parametrize("moved", [1.0, -0.9])
def test_motion_is_found_and_taken_off(rng, moved):
    projections, path = scan(rng, moved)
    plan = plan_flats(projections)
    between = (
        moved * (ANGLES + FLATS) / (FRAMES - 1)
    )  # from the middle of the first flats to that of the last
    assert plan.motion.moved_px == pytest.approx(between, rel=0.05)  # noise of the response dilutes it
    assert any("the beam moved" in n for n in plan.notes)
    line = dataclasses.replace(plan, motion=None)
    assert row_errors(projections, path, plan).std() < 0.5 * row_errors(projections, path, line).std()
    assert row_errors(projections, path, plan).std() < 2e-4  # that of the flats: 1.3e-4


def test_a_beam_that_only_fades_has_no_motion(rng):
    assert plan_flats(scan(rng, 0.0, 0.05)[0]).motion is None
    assert plan_flats(scan(rng, 0.0)[0]).motion is None


def test_a_large_motion_is_left_alone():
    first, last = 1e4 * beam([0.0, 1.0], 5.0)
    assert beam_motion(first, last) is None


def test_when_flats_were_taken_is_seen_where_the_file_does_not_say(rng):
    projections = scan(rng, 1.0, 0.03, after=False)[0]
    plan = plan_flats(projections)
    np.testing.assert_array_equal(plan.early, np.arange(2 * FLATS) < FLATS)
    assert plan.share[0] < 0.02
    assert plan.share[-1] > 0.98
    assert "does not say" in plan.notes[0]
    changes = sinograms(projections, plan, slice(None), PLAIN)[:, [0, -1]].mean(2)
    assert np.std(changes[:, 1] - changes[:, 0]) < 3e-3  # from the first to the last angle: noise alone


def test_flats_in_two_groups_that_the_scan_does_not_follow_are_not_ordered(rng):
    projections, _ = scan(rng, 1.0, after=False)
    turned = projections.flats.read()[::-1].copy()
    plan = plan_flats(dataclasses.replace(projections, flats=ArrayStack(turned, "flats")))
    assert plan.early.all()
    still = dataclasses.replace(
        projections, images=ArrayStack(projections.images.read()[:1].repeat(ANGLES, 0), "one")
    )
    assert plan_flats(still).early.all()


def test_steady_flats_stay_one_group(rng):
    plan = plan_flats(scan(rng, 0.0, after=False)[0])
    assert plan.early.all()
    assert not plan.share.any()
