"""Phantom to projections to volume: what was put in comes out, and what cannot be done is said first."""

import dataclasses
import json
import shutil
import tracemalloc

import numpy as np
import pytest
import recon_phantom as phantom

from operando.core.errors import InputError, OperandoError
from operando.core.projections import ArrayStack
from operando.flow import recon
from operando.tomography.centre import CentreError, centre_by_pairs, opposite_pairs
from operando.tomography.centre_scan import find_centre
from operando.tomography.correct import Correction, sinograms
from operando.tomography.flats import plan_flats
from operando.tomography.fourier_backproject import backproject, outside_circle
from operando.tomography.fourier_lines import angle_weights
from operando.tomography.phase import PhaseRetrieval
from operando.tomography.slabs import ReconSettings, plan_slabs

PLAIN = Correction(stripes="none")
PER_CM = 1e4 / 2.0  # 1/pixel of 2 um to 1/cm

zarr = pytest.importorskip("zarr", reason="needs the extra tomo")
pytest.importorskip("finufft", reason="needs the extra tomo")


def inner(width: int, share: float = 0.47) -> np.ndarray:
    return ~outside_circle(width, (0, width, 0, width), share * width)


def rms(a, b, mask) -> float:
    return float(np.sqrt(((a - b)[..., mask] ** 2).mean()))


# --- back-projection ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "centre"), [(128, 63.5), (127, 63.0), (128, 66.3)])
def test_values_are_the_phantoms(width, centre):
    """Error of a sampled image of sharp edges: 3 % of the range over the disc, and no bias."""
    shapes, angles = phantom.cell(width), np.linspace(0, 180, 200, endpoint=False)
    found = backproject(phantom.line_integrals(shapes, angles, width, centre), angles, centre)
    truth, mask = phantom.slice_truth(shapes, width), inner(width)
    assert rms(found, truth, mask) < 0.03 * np.ptp(truth)
    assert (found - truth)[mask].mean() == pytest.approx(0, abs=2e-3 * float(truth[mask].mean()))


def test_flat_disc_reads_its_attenuation():
    disc = [phantom.Ellipse(8, -5, 30, 30, 0, 0.02)]
    angles = np.linspace(0, 180, 180, endpoint=False)
    found = backproject(phantom.line_integrals(disc, angles, 128, 63.5), angles, 63.5, pixel_um=2.0)
    y, x = np.indices((128, 128)) - 63.5
    inside, air = np.hypot(x - 8, y + 5) < 26, (np.hypot(x - 8, y + 5) > 34) & inner(128)
    assert found[inside].mean() == pytest.approx(0.02 * PER_CM, rel=1e-3)
    assert found[air].mean() == pytest.approx(0, abs=1e-3 * 0.02 * PER_CM)


def test_region_is_a_part_of_the_whole():
    angles = np.linspace(0, 180, 150, endpoint=False)
    sino = phantom.line_integrals(phantom.cell(96), angles, 96, 48.2)
    whole = backproject(sino, angles, 48.2, tolerance=1e-6)
    part = backproject(sino, angles, 48.2, tolerance=1e-6, region=(11, 60, 30, 83))
    np.testing.assert_allclose(part, whole[11:60, 30:83], rtol=0, atol=2e-4 * whole.max())  # float32


def test_slices_do_not_mix_and_threads_do_not_matter(rng):
    angles = np.linspace(0, 180, 90, endpoint=False)
    sino = rng.random((5, 90, 64)).astype(np.float32)
    alone = np.stack([backproject(s, angles, 31.0, edge="zero") for s in sino])
    np.testing.assert_allclose(
        backproject(sino, angles, 31.0, edge="zero"), alone, atol=3e-3 * np.abs(alone).max()
    )
    two = backproject(sino, angles, 31.0, threads=2)
    np.testing.assert_array_equal(two, backproject(sino, angles, 31.0))


def test_whole_turns_ends_counted_twice_and_uneven_steps_change_nothing():
    shapes = phantom.cell(96)
    scans = {
        "half": np.linspace(0, 180, 160, endpoint=False), "both ends": np.linspace(0, 180, 161),
        "whole": np.linspace(0, 360, 320, endpoint=False), "from 37": 37 + np.linspace(0, 180, 160, endpoint=False),
        "golden": np.arange(160) * 111.246 % 180,
    }  # fmt: skip
    truth, mask = phantom.slice_truth(shapes, 96), inner(96)
    for name, angles in scans.items():
        assert angle_weights(angles).sum() == pytest.approx(np.pi, rel=1e-6), name
        found = backproject(phantom.line_integrals(shapes, angles, 96, 47.5), angles, 47.5)
        assert rms(found, truth, mask) < 0.035 * np.ptp(truth), name


def test_centre_may_drift_with_the_angle():
    shapes, angles = phantom.cell(96), np.linspace(0, 180, 160, endpoint=False)
    drift = 47.5 + np.linspace(-1.5, 1.5, 160)
    sino = np.concatenate(
        [phantom.line_integrals(shapes, [a], 96, c) for a, c in zip(angles, drift, strict=True)]
    )
    truth, mask = phantom.slice_truth(shapes, 96), inner(96)
    assert rms(backproject(sino, angles, drift), truth, mask) < 0.035 * np.ptp(truth)
    assert rms(backproject(sino, angles, 47.5), truth, mask) > 0.05 * np.ptp(truth)


def test_extended_edges_take_the_rim_of_a_larger_sample_away():
    angles = np.linspace(0, 180, 200, endpoint=False)
    disc = [phantom.Ellipse(0, 0, 90, 90, 0, 0.01), phantom.Ellipse(10, 5, 12, 20, 30, 0.01)]
    sino = phantom.line_integrals(disc, angles, 128, 63.5)
    y, x = np.indices((128, 128)) - 63.5
    ring = (np.hypot(x, y) > 50) & (np.hypot(x, y) < 63)
    rough = {edge: np.std(backproject(sino, angles, 63.5, edge=edge)[ring]) for edge in ("zero", "extend")}
    assert rough["extend"] < 0.2 * rough["zero"]


# --- centre ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beam", "mu", "seed"), [(10_000, 1.0, 1), (10_000, 1.0, 2), (1000, 1.0, 3), (1000, 1.0, 4)]
)
def test_centre_within_a_fifth_of_a_pixel(beam, mu, seed):
    rng = np.random.default_rng(seed)
    centre = rng.uniform(59, 68)  # the phantom stays in the field of view
    scan, _, _ = phantom.scan(rng, width=128, rows=16, angles=180, beam=beam, mu=mu, centre=centre)
    found = find_centre(scan, plan_flats(scan), threads=2)
    assert found.value == pytest.approx(centre, abs=0.2)
    assert [e.way for e in found.estimates] == ["pairs", "focus"]
    for estimate in found.estimates:
        assert abs(estimate.centre - centre) < 4 * estimate.err + 0.05
    assert found.disagreement == pytest.approx(abs(np.subtract(*[e.centre for e in found.estimates])))


def test_pairs_of_a_whole_turn_and_of_a_half_with_both_ends(rng):
    for span, ends, images in ((360.0, False, 120), (180.0, True, 91)):
        scan, _, centre = phantom.scan(rng, width=128, rows=6, angles=images, span_deg=span, endpoint=ends)
        i, j, off = opposite_pairs(scan.angles_deg)
        assert off[0] == pytest.approx(0, abs=1e-9)
        sino = sinograms(scan, plan_flats(scan), slice(None), PLAIN)
        pairs = np.stack([sino[:, i], sino[:, j]]).transpose(2, 0, 1, 3)
        assert centre_by_pairs(pairs, off).centre == pytest.approx(centre, abs=0.2)


def test_sample_that_moved_between_the_ends_makes_the_centre_ambiguous(rng):
    scan, _, _ = phantom.scan(rng, width=128, rows=16, angles=180)
    images = scan.images.images.copy()
    images[-4:] = np.roll(images[-4:], 9, axis=2)
    moved = dataclasses.replace(scan, images=ArrayStack(images))
    with pytest.raises(CentreError, match="ambiguous") as told:
        find_centre(moved, plan_flats(moved), threads=2)
    assert "pairs" in str(told.value)


def test_empty_field_has_no_centre(rng):
    integrals = np.zeros((16, 90, 96))
    images, flats, darks = phantom.counted(integrals, rng)
    scan, _, _ = phantom.scan(rng, width=96, rows=16, angles=90)
    empty = dataclasses.replace(
        scan, images=ArrayStack(images), flats=ArrayStack(flats), darks=ArrayStack(darks)
    )
    with pytest.raises(CentreError):
        find_centre(empty, plan_flats(empty), threads=2)


# --- whole volumes -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scan():
    return phantom.scan(np.random.default_rng(5), width=96, rows=40, angles=150, beam=20_000)


SETTINGS = ReconSettings(correction=PLAIN, threads=2)


def test_volume_recovers_the_phantom(scan, tmp_path):
    projections, truth, centre = scan
    angles, seen = projections.angles_deg, []
    done = recon.reconstruct(projections, tmp_path / "v.zarr", SETTINGS, progress=lambda *a: seen.append(a))
    group = zarr.open_group(done.path, mode="r")
    volume = group["attenuation"]
    assert volume.attrs["units"] == "1/cm"
    assert volume.metadata.zarr_format == 3
    assert volume.attrs["voxel_um"] == 2.0
    assert done.centre.value == pytest.approx(centre, abs=0.2)
    assert volume.attrs["centre_px"] == done.centre.value
    mask = inner(96, 0.46)
    noise_free = backproject(
        np.stack([phantom.line_integrals(phantom.cell(96, seed=r), angles, 96, centre) for r in (0, 39)]),
        angles, centre, pixel_um=2.0,
    )  # fmt: skip
    found = volume[:]
    assert rms(found[[0, 39]], noise_free, mask) < 0.15 * PER_CM * np.ptp(truth)  # the noise of 20 000 counts
    assert np.nanmean(found[:, mask]) == pytest.approx(PER_CM * truth[:, mask].mean(), rel=0.01)
    assert np.isnan(found[:, 0, 0]).all()
    np.testing.assert_allclose(group["z"][:], 2.0 * np.arange(40))
    np.testing.assert_allclose(group["x"][:], 2.0 * (np.arange(96) - 47.5))
    assert seen[-1] == (40, 40)
    assert done.preview.stat().st_size > 10_000
    assert json.loads(group.attrs["settings"])["window"] == "ramp"


def test_opens_in_xarray(scan, tmp_path):
    xr = pytest.importorskip("xarray")
    done = recon.reconstruct(
        scan[0], tmp_path / "v.zarr", dataclasses.replace(SETTINGS, centre=scan[2], rows=(3, 5))
    )
    volume = xr.open_zarr(done.path, consolidated=False)["attenuation"]
    assert volume.dims == ("z", "y", "x")
    np.testing.assert_allclose(volume.z, [6.0, 8.0])


def test_a_killed_run_continues_and_the_volume_is_the_same(scan, tmp_path):
    settings = dataclasses.replace(SETTINGS, centre=scan[2])
    settings = dataclasses.replace(settings, memory_gb=0.8e-9 * plan_slabs(scan[0], settings).bytes)
    assert len(plan_slabs(scan[0], settings).slabs) > 1
    whole = recon.reconstruct(scan[0], tmp_path / "whole.zarr", settings)

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recon.reconstruct(scan[0], tmp_path / "v.zarr", settings, progress=stop)
    assert not (tmp_path / "v.zarr").exists()
    made = []
    again = recon.reconstruct(scan[0], tmp_path / "v.zarr", settings, progress=lambda d, t: made.append(d))
    assert made[0] == 32  # sixteen were there before
    a, b = (zarr.open_group(v.path, mode="r")["attenuation"][:] for v in (whole, again))
    np.testing.assert_array_equal(a, b)
    found = recon.reconstruct(
        scan[0], tmp_path / "v.zarr", settings, progress=lambda d, t: pytest.fail("made twice")
    )
    assert found.centre == again.centre


def test_another_volume_is_never_overwritten_unasked(scan, tmp_path):
    one = dataclasses.replace(SETTINGS, centre=scan[2], rows=(0, 2))
    recon.reconstruct(scan[0], tmp_path / "v.zarr", one)
    other = dataclasses.replace(one, window="hann")
    with pytest.raises(InputError, match="there already"):
        recon.reconstruct(scan[0], tmp_path / "v.zarr", other)
    recon.reconstruct(scan[0], tmp_path / "v.zarr", other, overwrite=True)
    assert json.loads(zarr.open_group(tmp_path / "v.zarr", mode="r").attrs["settings"])["window"] == "hann"
    (tmp_path / "mine").mkdir()
    with pytest.raises(InputError, match="no volume of ours"):
        recon.reconstruct(scan[0], tmp_path / "mine", other, overwrite=True)


def test_memory_stays_under_its_limit_whatever_the_width(tmp_path, rng):
    """Arrays held at once, counted by tracemalloc, against the plan; the FFT library's own are in the plan only."""
    for width, rows in ((192, 96), (384, 160)):
        images = rng.poisson(3000, (120, rows, width)).astype(np.uint16)
        flats, darks = np.full((3, rows, width), 5000, np.uint16), np.full((3, rows, width), 10, np.uint16)
        scan, _, _ = phantom.scan(rng, width=64, rows=1, angles=120)
        wide = dataclasses.replace(
            scan, images=ArrayStack(images), flats=ArrayStack(flats), darks=ArrayStack(darks)
        )
        settings = dataclasses.replace(SETTINGS, centre=width / 2)
        limit = 0.85 * plan_slabs(wide, settings).bytes
        settings = dataclasses.replace(settings, memory_gb=limit / 1e9)
        recon.reconstruct(wide, tmp_path / f"{width}-before.zarr", dataclasses.replace(settings, rows=(0, 2)))
        tracemalloc.start()
        done = recon.reconstruct(wide, tmp_path / f"{width}.zarr", settings)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(plan_slabs(wide, settings).slabs) > 1
        assert done.memory_bytes <= limit
        assert peak <= limit


def test_phase_retrieval_brings_the_attenuation_back(rng):
    """Projections blurred by the transport-of-intensity filter's inverse come back; plain reading is far off."""
    scan, _, _ = phantom.scan(rng, width=96, rows=40, angles=4, flats=None, darks=None)
    y = np.arange(40)[:, None, None]
    mu_t = 0.6 * np.exp(-(((np.arange(96) - 50) / 14.0) ** 2) - ((y - 20) / 5.0) ** 2) + np.zeros((40, 4, 96))
    phase = PhaseRetrieval(delta_beta=50.0, energy_keV=28.0, distance_mm=200.0)
    ratio = phase.ratio(2.0)
    u2 = np.add.outer(np.fft.fftfreq(40) ** 2, np.fft.fftfreq(96) ** 2)
    seen = np.fft.ifft2(np.fft.fft2(np.exp(-mu_t), axes=(0, 2)) * (1 + ratio * u2)[:, None], axes=(0, 2)).real
    blurred = dataclasses.replace(scan, images=ArrayStack(seen.transpose(1, 0, 2)))
    plan = plan_flats(blurred)
    correction = Correction(stripes="none", zinger=None, phase=phase)
    found = sinograms(blurred, plan, slice(12, 28), correction)
    np.testing.assert_allclose(found, mu_t[12:28], atol=2e-3)
    plain = sinograms(blurred, plan, slice(12, 28), Correction(stripes="none", zinger=None))
    assert np.abs(plain - mu_t[12:28]).max() > 0.02


# --- what cannot be done is said -----------------------------------------------------------------------------------


def test_disk_too_small_is_said_before_the_work(scan, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(recon.shutil, "disk_usage", lambda path: usage)
    monkeypatch.setattr(recon, "plan_flats", lambda p: pytest.fail("work had begun"))
    with pytest.raises(OperandoError, match="GB free"):
        recon.reconstruct(scan[0], tmp_path / "v.zarr", SETTINGS)
    assert not list(tmp_path.iterdir())


def test_memory_too_small_is_said_with_what_is_needed(scan, tmp_path):
    with pytest.raises(InputError, match="GB of memory are needed"):
        recon.reconstruct(scan[0], tmp_path / "v.zarr", dataclasses.replace(SETTINGS, memory_gb=0.001))


def test_unknown_pixel_size_stops(scan, tmp_path):
    with pytest.raises(InputError, match="pixel size is unknown"):
        recon.reconstruct(dataclasses.replace(scan[0], pixel_um=None), tmp_path / "v.zarr", SETTINGS)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes", [{"rows": (5, 99)}, {"region": (0, 10, 50, 200)}, {"centre": 3.0}, {"window": "x"}]
)
def test_settings_that_do_not_fit_stop(scan, tmp_path, changes):
    with pytest.raises(InputError):
        recon.reconstruct(
            scan[0], tmp_path / "v.zarr", dataclasses.replace(SETTINGS, **{"centre": 48.0, **changes})
        )


def test_scan_cut_short(scan, tmp_path):
    """Images that were never written (zeros), and angles that end too early."""
    projections, _, centre = scan
    images = projections.images.images.copy()
    images[100:] = 0
    cut = dataclasses.replace(projections, images=ArrayStack(images))
    settings = dataclasses.replace(SETTINGS, centre=centre, rows=(0, 2))
    with pytest.raises(InputError, match="last 50 of 150 projections are empty"):
        recon.reconstruct(cut, tmp_path / "v.zarr", settings)
    early = dataclasses.replace(
        projections, images=ArrayStack(images[:100]), angles_deg=projections.angles_deg[:100]
    )
    with pytest.raises(InputError, match="gap of 6"):
        recon.reconstruct(early, tmp_path / "v.zarr", settings)
    done = recon.reconstruct(cut, tmp_path / "v.zarr", dataclasses.replace(settings, partial=True))
    assert any("cut short" in note for note in done.notes)
    assert any("gap of 6" in note for note in done.notes)


def test_single_lost_projections_are_left_out_and_said(scan, tmp_path):
    projections, truth, centre = scan
    images = projections.images.images.copy()
    images[[20, 77]] = 0
    lost = dataclasses.replace(projections, images=ArrayStack(images))
    done = recon.reconstruct(
        lost, tmp_path / "v.zarr", dataclasses.replace(SETTINGS, centre=centre, rows=(0, 2))
    )
    assert any("2 projections without beam" in note for note in done.notes)
    found = zarr.open_group(done.path, mode="r")["attenuation"][:]
    mask = inner(96, 0.46)
    assert np.nanmean(found[:, mask]) == pytest.approx(PER_CM * truth[:2, mask].mean(), rel=0.01)


def test_images_in_any_order_give_the_same_volume(scan, tmp_path, rng):
    projections, _, centre = scan
    shuffled = rng.permutation(150)
    other = dataclasses.replace(
        projections,
        images=ArrayStack(projections.images.images[shuffled]),
        angles_deg=projections.angles_deg[shuffled],
    )
    settings = dataclasses.replace(SETTINGS, centre=centre, rows=(0, 2))
    a, b = (
        zarr.open_group(recon.reconstruct(p, tmp_path / f"{i}.zarr", settings).path, mode="r")["attenuation"][
            :
        ]
        for i, p in enumerate((projections, other))
    )
    np.testing.assert_array_equal(a, b)
