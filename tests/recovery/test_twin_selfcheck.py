"""The twin's frames hold its truth: measured here by means that share nothing with the analysis rooms.

Pixels are placed by pyFAI from the written PONI; positions are plain centroids.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from operando.twin import FilmCell, Truth, film_rings
from operando.twin.film import protocol
from operando.twin.film.beside import poni_text
from operando.twin.film.frames import map_model, monitor
from operando.twin.film.scene import scene, shadow

BRIGHT = FilmCell.demo(mean_counts=200.0, seed=5, maps=12, map_period_s=780.0)
TI_A, LI_A, AU_A = 2.951, 3.491, 4.0786
#: the scan of the paper on a detector of a quarter of the pixels
PAPER = FilmCell.paper(detector=None, shape=(1084, 1035), pixel_um=150.0, beam_x_px=548.0, beam_z_px=534.0)


@lru_cache
def pixels(text: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """q, azimuth and solid angle times polarisation of every pixel, by pyFAI from a PONI file."""
    import tempfile
    from pathlib import Path

    import pyFAI

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.poni"
        path.write_text(text)
        integrator = pyFAI.load(str(path))
    q = integrator.center_array(unit="q_A^-1")
    chi = integrator.center_array(unit="chi_deg") % 360
    return q, chi, integrator.solidAngleArray() * integrator.polarization(factor=BRIGHT.polarisation)


def intensity(cell: FilmCell, map_index: int, row: int, column: int = 2) -> np.ndarray:
    """A frame over solid angle and polarisation, NaN where dead."""
    frame = int(np.flatnonzero(protocol.frame_points(cell) == row * cell.columns + column)[0])
    image = map_model(cell, map_index).image(frame)
    return np.where(image == 2**32 - 1, np.nan, image / pixels(poni_text(cell))[2])


def centroid_q(image: np.ndarray, cell: FilmCell, azimuth: float, start: float, half: float) -> float:
    """Centre of a spot in q: a centroid in a window that follows it, over the level of the window's rim."""
    q, chi, _ = pixels(poni_text(cell))
    sector = (np.abs((chi - azimuth + 180) % 360 - 180) < 8) & np.isfinite(image)
    rim = sector & (np.abs(np.abs(q - start) - half) < 0.15 * half)
    level, centre = np.median(image[rim]), start
    for _ in range(30):
        near = sector & (np.abs(q - centre) < 0.7 * half)
        weight = image[near] - level
        centre = float((q[near] * weight).sum() / weight.sum())
    return centre


@pytest.fixture(scope="module")
def bright() -> Truth:
    return Truth.of(BRIGHT)


@pytest.mark.parametrize("map_index", [0, 6, 11])
@pytest.mark.parametrize("row", [4, 8, 10])
def test_lattice_parameters_measured_on_a_frame_are_the_truth(bright, map_index, row):
    image = intensity(BRIGHT, map_index, row)
    for family, azimuth in (("perp", 25), ("par", 90)):
        true = bright.maps.c.sel(family=family).isel(time=map_index, z=row, x=2).item()
        c = 6 * np.pi / centroid_q(image, BRIGHT, azimuth, 6 * np.pi / true, 0.08)
        assert c == pytest.approx(true, abs=2.5e-3)
    for family, azimuth in (("perp", 90), ("par", 30)):
        true = bright.maps.a.sel(family=family).isel(time=map_index, z=row, x=2).item()
        a = 4 * np.pi / centroid_q(image, BRIGHT, azimuth, 4 * np.pi / true, 0.08)
        assert a == pytest.approx(true, abs=3e-4)


def test_rings_of_ti_and_au_lie_where_their_cells_say():
    image = intensity(BRIGHT, 0, 14)
    assert centroid_q(image, BRIGHT, 90, 2.459, 0.07) == pytest.approx(
        4 * np.pi / np.sqrt(3) / TI_A, rel=5e-4
    )
    image = intensity(BRIGHT, 0, 15)
    assert centroid_q(image, BRIGHT, 10, 2.668, 0.09) == pytest.approx(
        2 * np.pi * np.sqrt(3) / AU_A, rel=1e-3
    )


@pytest.mark.parametrize("orientation", [1, 2, 3, 4])
def test_spots_are_at_their_azimuths_in_every_image_orientation(orientation):
    cell = replace(BRIGHT, orientation=orientation, shadow_transmission=1.0)
    q, chi, _ = pixels(poni_text(cell))
    image = intensity(cell, 0, 8)
    ring = (np.abs(q - 1.346) < 0.03) & np.isfinite(image)
    profile = np.bincount(chi[ring].astype(int), image[ring], 360) / np.bincount(
        chi[ring].astype(int), minlength=360
    )
    level = np.nanmedian(profile)
    for azimuth in (25, 160, 205, 345, 90, 275):
        near = (np.arange(azimuth - 12, azimuth + 13)) % 360
        weight = np.nan_to_num(profile[near] - level)
        measured = np.angle((weight * np.exp(1j * np.deg2rad(near + 0.5))).sum(), deg=True) % 360
        assert abs((measured - azimuth + 180) % 360 - 180) < 0.5
    far = (
        np.min([np.abs((np.arange(360) - s + 180) % 360 - 180) for s in (25, 160, 205, 345, 90, 275)], axis=0)
        > 18
    )
    assert np.nanmax(profile[far]) < level + 0.02 * (np.nanmax(profile) - level)


def test_row_zero_is_up_in_the_default_orientation():
    """The spot at 90 degrees lies above the beam: at a smaller row number, and that at 0 degrees to the right."""
    q, chi, _ = pixels(poni_text(BRIGHT))
    beam_row, beam_column = np.unravel_index(q.argmin(), q.shape)
    image = np.nan_to_num(intensity(BRIGHT, 0, 8))
    row, column = np.unravel_index(np.where((np.abs(chi - 90) < 8) & (q < 1.5), image, 0).argmax(), q.shape)
    assert row < beam_row - 100
    assert abs(column - beam_column) < 20
    assert chi[beam_row, beam_column + 50] % 359 < 2


def test_shadow_dims_the_lower_azimuths():
    q, chi, _ = pixels(poni_text(BRIGHT))
    image = intensity(BRIGHT, 0, 22)  # air above the stack: no rings
    ring = (q > 1.8) & (q < 2.2) & np.isfinite(image)
    bright, dark = (image[ring & (chi > a) & (chi < a + 40)].mean() for a in (30, 305))
    assert dark / bright == pytest.approx(BRIGHT.shadow_transmission, rel=0.01)
    assert shadow(BRIGHT, np.array([199.0 - 3, 203.0])) == pytest.approx([1.0, 0.7], abs=0.01)


def test_monitor_tells_the_transmission(bright):
    beam = bright.maps.beam.isel(time=3).values.ravel()
    counts = monitor(BRIGHT, 3)[np.argsort(protocol.frame_points(BRIGHT))]
    tau = -np.log(counts / (BRIGHT.monitor_counts * beam))
    pull = (tau - bright.maps.transmission.isel(time=3).values.ravel()) * np.sqrt(counts)
    assert pull.std() == pytest.approx(1, abs=0.2)
    lco = bright.maps.transmission.isel(time=0, z=8).mean()
    assert all(lco > bright.maps.transmission.isel(time=0, z=z).mean() for z in (0, 13, 15, 18, 23))


def test_ti_rises_by_the_plated_lithium(bright):
    """Centroid along z of the Ti(100) ring in frames, one column, against Faraday's law."""
    cell = replace(
        BRIGHT, step_z_um=1.0, beam_z_fwhm_um=1.0, rows=48, columns=1, map_period_s=2000.0, maps=5, au_um=1.0
    )
    q, chi, _ = pixels(poni_text(cell))
    near = (np.abs(chi - 90) < 20) & (np.abs(q - 2.459) < 0.03)
    beside = (np.abs(chi - 90) < 20) & (np.abs(np.abs(q - 2.459) - 0.055) < 0.012)
    truth = Truth.of(cell)

    def height(map_index: int) -> tuple[float, float]:
        rows = np.arange(26, 44)
        images = [intensity(cell, map_index, int(row), 0) for row in rows]
        ring = np.array([np.nanmean(im[near]) - np.nanmean(im[beside]) for im in images])
        ring = np.where(ring > 0.05 * ring.max(), ring, 0)
        centre = (rows * ring).sum() / ring.sum()
        return centre, np.sqrt((((rows - centre) ** 2) * ring).sum() / ring.sum())

    (low, thin), (high, wide) = height(0), height(4)
    expected = truth.columns.ti_z.values[[0, 4], 0]
    assert [low, high] == pytest.approx(expected, abs=0.1)
    rise = protocol.plated_um(cell, float(truth.columns.time[4]))
    assert high - low == pytest.approx(float(rise), abs=0.15)
    assert wide > 1.2 * thin  # it bends


def test_lithium_is_conserved_at_all_times():
    cell = replace(
        PAPER, maps=60, map_period_s=400.0, step_z_um=0.1, rows=400, row_overhead_s=0.0, columns=3, exposure_s=1e-3,
        beam_z_fwhm_um=0.02, grain_births_per_mm_map=(0.0, 0.0),
    )  # fmt: skip
    truth = Truth.of(cell)
    film = truth.maps.x_li.isel(z=(truth.maps.z > 4.05) & (truth.maps.z < 23.95))
    mean = film.mean(("z", "x"))
    expected = 1 - protocol.charge_density(cell, truth.maps.time.values) / 2.8
    np.testing.assert_allclose(mean, expected, atol=2e-3)


def test_front_moves_at_its_speed_and_has_its_width():
    cell = replace(PAPER, maps=12, map_period_s=300.0, initial_rest_s=600.0, columns=3, front_waviness_um=0.0)
    truth = Truth.of(cell)
    z, t = truth.maps.z.values, truth.maps.frame_time.values[:, :, 1]
    fraction = truth.maps.insulating.values[:, :, 1]
    inside = np.flatnonzero(np.isfinite(fraction[0]))
    positions, times, widths = [], [], []
    for number in range(cell.maps):
        profile = fraction[number, inside]
        if profile[0] > 0.97 and profile[-1] < 0.03:
            at = [np.interp(-level, -profile, z[inside]) for level in (0.9, 0.5, 0.1)]
            positions.append(at[1])
            times.append(np.interp(at[1], z[inside], t[number, inside]))
            widths.append(at[2] - at[0])
    assert len(positions) >= 2
    speed = np.diff(positions) / np.diff(times) * 1e3
    np.testing.assert_allclose(speed, -10.0, rtol=0.03)
    # the map is recorded from below while the front comes down: its image is steeper by speed x row time / step
    row_um = 1e-3 * cell.front_speed_nm_per_s * cell.row_s / cell.step_z_um
    np.testing.assert_allclose(np.array(widths) * (1 + row_um), 6.0, rtol=0.05)


def test_insulating_layer_at_the_end_of_discharge_fades_at_rest():
    start, discharge, rest = protocol.step_times(PAPER)
    cell = replace(PAPER, initial_rest_s=0.0, columns=1, maps=2, map_period_s=rest - start + 1200.0 - 300.0)
    truth = Truth.of(replace(cell, maps=3, map_period_s=(rest - start) / 2, row_overhead_s=0.1))
    top = truth.maps.insulating.isel(time=2, x=0)
    assert top.sel(z=slice(20.5, 23)).mean().item() == pytest.approx(0.5, abs=0.03)
    assert top.sel(z=slice(5, 16)).max().item() < 0.01
    assert protocol.voltage(cell, rest - start - 1) == pytest.approx(3.0, abs=0.01)
    later = Truth.of(replace(cell, maps=2, map_period_s=rest - start + 3000.0, row_overhead_s=0.1))
    assert later.maps.insulating.isel(time=1, x=0).sel(z=22).item() == pytest.approx(
        0.5 * np.exp(-2), rel=0.05
    )
    assert discharge > start


def test_a_grain_is_seen_where_and_when_the_truth_says():
    cell = replace(BRIGHT, grain_births_per_mm_map=(25.0, 15.0), shadow_transmission=1.0)
    truth = Truth.of(cell)
    q, chi, _ = pixels(poni_text(cell))
    found = 0
    for number in range(2, cell.maps):
        model = map_model(cell, number)
        counts = model.grain_counts()
        frame, here = np.unravel_index(counts.argmax(), counts.shape)
        grain = model.number[here]
        row, column = divmod(int(protocol.frame_points(cell)[frame]), cell.columns)
        image = np.nan_to_num(intensity(cell, number, row, column))
        ring = np.where(np.abs(q - 2 * np.pi * np.sqrt(2) / LI_A) < 0.012, image, 0)
        true = model.grains.azimuth_at(protocol.frame_times(cell, number)[frame])[here]
        found += abs((chi.ravel()[ring.argmax()] - true + 180) % 360 - 180) < 1.0
        assert (
            truth.grains.born_s[grain]
            < truth.maps.frame_time[number, row, column]
            < truth.grains.died_s[grain]
        )
        assert truth.grains.seen[number, grain]
    assert found >= 9  # of ten: two bright grains may lie in one frame


def test_grain_numbers_and_orientations_are_like_those_of_the_paper():
    truth = Truth.of(PAPER)
    grains, t = truth.grains, truth.maps.time
    total = grains.total
    assert 60 < total.sel(time=slice(3000, 6000)).mean() < 120
    assert 55 < total.sel(time=slice(8000, 9000)).mean() < 105
    assert 20 < total.sel(time=slice(20000, 30000)).mean() < 60
    change = grains.new.values[1:] - grains.vanished.values[1:]
    np.testing.assert_array_equal(np.diff(total.values), change)
    early = np.interp(grains.born_s, t, truth.columns.charge) < 0.8
    early &= grains.born_s.values < 9000

    def six_fold(azimuth: np.ndarray) -> float:
        return float(np.abs(np.exp(6j * np.deg2rad(azimuth)).mean()))

    assert six_fold(grains.azimuth_deg.values[early]) > 0.7
    assert six_fold(grains.azimuth_deg.values[~early]) < 0.15


@pytest.mark.parametrize("ring", ["LCO003", "LCO110", "Ti100", "Au111", "Li110"])
def test_the_short_way_agrees_with_the_frames(ring):
    """Expected counts of a map, binned from images by numpy, against film_rings; rings some pixels wide."""
    cell = replace(BRIGHT, maps=8, columns=1, ring_sigma_q=0.03, grain_sigma_deg=2.0)
    short = film_rings(cell, 5, ring, azimuth_bins=90, q_bins=12)
    view = scene(cell)
    q, chi, _ = pixels(poni_text(cell))
    step = float(short.q[1] - short.q[0])
    limits = ((0, 360), (float(short.q[0]) - step / 2, float(short.q[-1]) + step / 2))
    model = map_model(cell, 5)
    for row in (0, 8, 13, 14, 15, 16, 17):
        binned = np.histogram2d(
            chi.ravel(), q.ravel(), (90, 12), limits, weights=model.expected(row) * view.live
        )[0]
        here = short.expected.values[row, 0]
        np.testing.assert_allclose(here.sum(), binned.sum(), rtol=0.01)
        np.testing.assert_allclose(here.sum(0), binned.sum(0), atol=0.04 * binned.sum(0).max())
        np.testing.assert_allclose(here.sum(1), binned.sum(1), atol=0.05 * binned.sum(1).max())
    noise = (short.counts - short.expected) / np.sqrt(short.expected.where(short.expected > 3))
    assert float(noise.std()) == pytest.approx(1, abs=0.03)


def test_sample_drift_moves_every_layer():
    cell = replace(BRIGHT, drift_um_per_h=2.0, step_z_um=1.0, rows=48)
    still, moved = Truth.of(replace(cell, drift_um_per_h=0.0)), Truth.of(cell)
    rise = (moved.columns.ti_z - still.columns.ti_z).values
    np.testing.assert_allclose(rise, (2.0 * moved.maps.time.values / 3600)[:, None] * np.ones(6))
    lco = {k: (t.maps.share.sel(layer="LCO") * t.maps.z).sum("z") / t.maps.share.sel(layer="LCO").sum("z") for k, t in
           (("still", still), ("moved", moved))}  # fmt: skip
    gained = (lco["moved"] - lco["still"]).isel(x=0).values
    np.testing.assert_allclose(gained, 2.0 * moved.maps.time.values / 3600, atol=0.02)


def test_two_phases_are_two_peaks_with_their_fractions():
    """A pixel inside the front on the full detector: two Gaussians fitted to a cut through one spot."""
    from scipy.optimize import curve_fit

    cell = FilmCell.paper(maps=6, initial_rest_s=0.0, rows=49, columns=1, mean_counts=1000.0)
    truth, number = Truth.of(cell), 5
    row = int(np.nanargmin(np.abs(truth.maps.insulating.values[number, :, 0] - 0.5)))
    q, chi, _ = pixels(poni_text(cell))
    image = intensity(cell, number, row, 0)
    near = (np.abs(chi - 25) < 6) & (np.abs(q - 1.34) < 0.06) & np.isfinite(image)

    def peaks(at, height, part, c1, c2, width, level, slope):
        spot = [
            f * np.exp(-0.5 * ((at[0] - 6 * np.pi / c) / width) ** 2) for f, c in ((part, c1), (1 - part, c2))
        ]
        along = np.exp(-0.5 * ((at[1] - 25) / cell.spot_sigma_deg) ** 2)
        return height * sum(spot) * along + level + slope * (at[0] - 1.34)

    start = [image[near].max(), 0.5, 14.0, 14.13, 0.006, 100, 0]
    fit, _ = curve_fit(
        peaks, np.array([q[near], chi[near]]), image[near], start, sigma=np.sqrt(image[near] + 1)
    )
    here = truth.maps.isel(time=number, z=row, x=0).sel(family="perp")
    assert fit[1] == pytest.approx(here.insulating.item(), abs=0.01)
    assert fit[2] == pytest.approx(here.c_phase.sel(phase="insulating").item(), abs=2e-3)
    assert fit[3] == pytest.approx(here.c_phase.sel(phase="metallic").item(), abs=2e-3)
    assert fit[3] - fit[2] > 0.08
