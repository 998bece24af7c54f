"""The symmetric cell twin: volumes, projections and Truth say the same, by laws and references of their own."""

import hashlib
import subprocess
import sys
import tomllib
from dataclasses import replace

import h5py
import numpy as np
import pytest

pytest.importorskip("xraylib", reason='needs the extra "tomo"')

from operando.core.errors import InputError, ReadError
from operando.read import cycler
from operando.twin.symmetric_cell import (
    Label,
    SymmetricCell,
    Truth,
    displacement,
    line_integrals,
    materials,
    projections,
    protocol,
    simulate,
    transmission,
    truth,
    volumes,
)
from operando.twin.symmetric_cell import _kernels as kernels
from operando.twin.symmetric_cell import _ray_kernels as ray_kernels
from operando.twin.symmetric_cell.fields import random_field, section
from operando.twin.symmetric_cell.rays import flux_divergence
from operando.twin.symmetric_cell.state import harmonic, on_voxels, state

TINY = SymmetricCell.tiny()
PLAIN = {"porosity": 0.0, "grain_contrast": 0.0, "boundary_contrast": 0.0}
PERFECT = {
    "angle_jitter_deg": 0.0, "axis_jitter_px": 0.0, "ring_gain": 0.0, "zingers_per_frame": 0.0, "beam_loss": 0.0,
    "beam_drift_px": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def known():
    return truth(TINY)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("cells")
    for name, layout in (("first", "dxchange"), ("again", "dxchange"), ("nexus", "nxtomo")):
        simulate(TINY, base / name, layout)
    return base


# --- kernels against numpy


def test_layer_shares_are_the_overlaps_of_the_sub_columns():
    rng = np.random.default_rng(1)
    surfaces = np.sort(rng.uniform(0, 10, (8, 4, 4)), axis=0)
    for row in range(5):
        shares = np.zeros(8)
        kernels.layer_shares(surfaces, 1, 0, 2, row * 2.0, 2.0, shares)
        columns = surfaces[:, 2:4, 0:2].reshape(8, -1)
        ends = np.vstack([np.full(4, -1e9), columns, np.full(4, 1e9)])
        overlap = np.clip(ends[1:], row * 2.0, row * 2.0 + 2.0) - np.clip(
            ends[:-1], row * 2.0, row * 2.0 + 2.0
        )
        expected = np.bincount(kernels.STACK, overlap.mean(1) / 2.0, minlength=8)
        np.testing.assert_allclose(shares, expected, atol=1e-12)


def test_uncut_voxels_are_found():
    rng = np.random.default_rng(6)
    surfaces = np.sort(rng.uniform(0, 60, 8))[:, None, None] + rng.uniform(0, 1, (8, 2, 2))
    limits, shares, whole = np.zeros((8, 2)), np.zeros(8), []
    kernels.column_limits(surfaces, 0, 0, 2, limits)
    np.testing.assert_array_equal(limits.T, [surfaces.min((1, 2)), surfaces.max((1, 2))])
    for low in np.arange(0, 64, 1.0):
        kernels.layer_shares(surfaces, 0, 0, 2, low, 1.0, shares)
        layer = kernels.whole_layer(limits, low, low + 1.0)
        cut = ((surfaces > low) & (surfaces < low + 1.0)).any()
        whole.append(layer >= 0)
        assert whole[-1] == (not cut)
        if layer >= 0:
            assert shares[kernels.STACK[layer]] == pytest.approx(1.0)
    assert 10 < sum(whole) < 60


def test_material_height_is_the_inverse_of_the_displacement():
    own = np.linspace(10, 50, 33)
    now = own + 3 * np.sin(own / 9)
    z = np.linspace(now[0], now[-1], 200)
    found = [kernels.material_height(one, own, now, 1.3, 1.1) for one in z]
    np.testing.assert_allclose(found, np.interp(z, now, own), atol=1e-12)
    below, above = (kernels.material_height(z, own, now, 1.3, 1.1) for z in (now[0] - 2.6, now[-1] + 2.2))
    assert (below, above) == pytest.approx((own[0] - 2.0, own[-1] + 2.0))


def test_grains_follow_the_two_nearest_seeds():
    rng = np.random.default_rng(2)
    seeds = rng.random((5, 6, 7, 4))
    cells = np.stack(
        np.meshgrid(*(np.arange(-2, n + 2) for n in seeds.shape[:3]), indexing="ij"), -1
    ).reshape(-1, 3)
    wrapped = seeds[tuple((cells % seeds.shape[:3]).T)]
    places = (cells + wrapped[:, :3]) * 4.0
    for z, y, x in rng.uniform(0, 20, (50, 3)):
        distance = np.linalg.norm(places - (z, y, x), axis=1)
        first, second = np.argsort(distance)[:2]
        gap = distance[second] - distance[first]
        part = 0.5 + 0.5 * min(gap / 1.7, 1)
        value = 1 + part * wrapped[first, 3] + (1 - part) * wrapped[second, 3]
        expected = value * (1 - 0.1 * np.exp(-((gap / 3.0) ** 2)))
        assert kernels.grain_density(z, y, x, 4.0, seeds, 1.5, 0.1, 1.7) == pytest.approx(expected)


def test_pore_shares_follow_the_nearest_wall():
    rng = np.random.default_rng(3)
    pores = rng.random((4, 4, 4, 4))
    pores[..., 3] *= 3.0
    first, last = np.full((12, 12), 4.0), np.full((12, 12), 36.0)
    cells = np.stack(np.meshgrid(*(np.arange(-1, 5),) * 3, indexing="ij"), -1).reshape(-1, 3)
    pore = pores[tuple((cells % 4).T)]
    centre = (cells + pore[:, :3]) * 10.0
    radius = pore[:, 3]
    allowed = (centre[:, 0] - radius - 2 >= 4) & (centre[:, 0] + radius + 2 <= 36)
    seen = []
    for z, y, x in rng.uniform(4, 36, (400, 3)):
        d = centre - (z, y, x)
        r2 = (d**2).sum(1)
        lump = d[:, 1] * d[:, 2] * (pore[:, 0] - 0.5) + d[:, 0] * d[:, 1] * (pore[:, 1] - 0.5)
        lump += d[:, 2] * d[:, 0] * (pore[:, 2] - 0.5)
        wall = radius * (1 + 0.8 * lump / r2)
        expected = np.clip(0.5 + (wall - np.sqrt(r2)) / 1.7, 0, 1)[allowed & (r2 < (1.4 * radius + 1.7) ** 2)]
        seen.append(max(expected, default=0.0))
        found = kernels.pore_share(z, y, x, 10.0, pores, 1.7, first, last, 0.0, 0.0, 4.0, 2.0)
        assert found == pytest.approx(seen[-1], abs=1e-12)
    assert 0 < np.mean(seen) < 0.5


def test_strip_sums_are_overlaps_of_turned_voxels():
    rng = np.random.default_rng(4)
    volume = rng.random((4, 5, 2)).astype(np.float32)
    theta, first = np.array([0.0, 0.3, 0.8, 2.0, np.pi / 2]), np.array([-4.2, -4.0, -3.9, -4.1, -4.0])
    out = np.empty((5, 9, 2), np.float32)
    ray_kernels.strip_sums(volume, theta, first, out)
    fine = 400
    part = (np.arange(fine) + 0.5) / fine - 0.5
    for a, angle in enumerate(theta):
        expected = np.zeros((9, 2))
        for y in range(4):
            for x in range(5):
                t = (x - 2 + part)[None] * np.cos(angle) + (y - 1.5 + part)[:, None] * np.sin(angle)
                hits = np.floor(t - first[a] + 0.5).astype(int)
                share = np.bincount(hits[(hits >= 0) & (hits < 9)].ravel(), minlength=9) / fine**2
                expected += share[:, None] * volume[y, x]
        np.testing.assert_allclose(out[a], expected, atol=5e-3)


# --- laws of the cell


def test_lithium_balance_is_faradays(known):
    scans = known.scans
    charge = scans.charge.values
    per_charge = 13.02 * 3.6 / 96485.33212 * 1e4 * scans.section_area.values[0]
    change = scans.lithium_volume.values[1] - scans.lithium_volume.values[0]
    assert charge[0] == 0
    assert charge[1] > 0.4
    np.testing.assert_allclose(change, charge[1] * per_charge * np.array([0.50, -0.72]), rtol=1e-9)


def test_plated_lithium_is_the_stripped_one_without_interphase():
    cell = SymmetricCell.tiny(stripping_fraction=1.0, plating_fraction=1.0, scans=3, half_cycle_s=1500.0)
    volume = truth(cell).scans.lithium_volume.values
    np.testing.assert_allclose(volume.sum(1), volume[0].sum(), rtol=1e-12)
    assert volume[1, 0] > volume[0, 0] * 1.05


def test_mean_current_density_is_the_nominal_one_times_its_fraction(known):
    current = known.maps.current_density.values[0]
    inside = known.maps.inside.values
    passed = known.scans.charge.values[1] / (np.diff(known.scans.time.values)[0] / 3600)
    mean = np.nansum(current * inside, axis=(1, 2)) / inside.sum()
    np.testing.assert_allclose(mean, passed * np.array([0.50, -0.72]), rtol=1e-6)


def test_hot_spot_is_where_it_was_put():
    cell = SymmetricCell.tiny(hot_spot_gain=4.0, current_ripple=0.0, current_dome=0.0).block()
    told = truth(cell).maps.current_density_prescribed[0].sel(electrode="bottom")
    y, x = np.unravel_index(told.values.argmax(), told.shape)
    assert (float(told.x[x]), float(told.y[y])) == pytest.approx((10.0, -8.0), abs=0.9)
    assert float(told.max() / told.min()) == pytest.approx(4.0, abs=0.02)


def test_volumes_hold_the_layers_of_the_truth_exactly():
    cell = TINY.block(**PLAIN)
    _, mu = volumes(cell, 1)
    s = state(cell, 1).surfaces
    own = materials(cell)[0]
    layers = np.diff(
        np.concatenate([np.zeros((1, *s.shape[1:])), s, np.full((1, *s.shape[1:]), 64 * 1.7)]), axis=0
    )
    expected = np.tensordot(own[kernels.STACK], on_voxels(layers, cell), 1)
    np.testing.assert_allclose(mu.sum(0, dtype=float) * 1.7, expected, rtol=2e-6)


def test_labels_count_the_volumes_of_the_truth(known):
    for scan in (0, 1):
        labels, _ = volumes(TINY, scan)
        count = np.bincount(labels.ravel(), minlength=8) * 1.7**3
        now = known.scans.isel(time=scan)
        assert count[Label.LITHIUM] == pytest.approx(float(now.lithium_volume.sum()), rel=0.01)
        assert count[Label.VOID] == pytest.approx(float(now.void_volume.sum()), rel=0.04)
        assert count[Label.INTERPHASE] == pytest.approx(float(now.interphase_volume.sum()), rel=0.04)


def test_contact_from_labels_is_that_of_the_truth(known):
    for scan in (0, 1):
        labels, _ = volumes(TINY, scan)
        half = labels.shape[0] // 2
        whole = known.maps.inside.values == 1
        for electrode, part in (("bottom", labels[:half]), ("top", labels[half:])):
            seen = ~(part == Label.VOID).any(0)
            told = known.maps.contact.sel(electrode=electrode)[scan].values
            assert seen[whole].mean() == pytest.approx(told[whole].mean(), abs=0.01)
            assert (seen == (told > 0.5))[whole].mean() > 0.985
            fraction = float(known.scans.contact_area_fraction.sel(electrode=electrode)[scan])
            assert told[whole].mean() == pytest.approx(fraction, abs=0.02)


def test_contact_falls_where_lithium_is_stripped_and_grows_where_it_is_plated():
    cell = SymmetricCell.tiny(scans=3)
    contact = truth(cell).scans.contact_area_fraction.values
    np.testing.assert_allclose(contact[0], (0.75, 0.70), atol=1e-3)
    charge = truth(cell).scans.charge.values
    np.testing.assert_allclose(contact[:, 1], 0.70 - 0.12 * charge, atol=1e-3)
    np.testing.assert_allclose(contact[:, 0], 0.75 + 0.05 * charge, atol=1e-3)


def test_voids_add_up(known):
    voids, scans = known.voids, known.scans
    for scan in (0, 1):
        for electrode in ("bottom", "top"):
            mine = (voids.scan == scan) & (voids.electrode == electrode)
            here = scans.sel(electrode=electrode).isel(time=scan)
            assert float(voids.volume[mine].sum()) == pytest.approx(float(here.void_volume))
            assert int(mine.sum()) == int(here.void_count) > 0
            assert float(voids.area[mine].sum()) == pytest.approx(
                float(here.section_area - here.contact_area)
            )


def test_roughness_is_the_one_asked_for(known):
    r_a = known.scans.R_a
    assert float(r_a.sel(surface="interphase_bottom")[0]) == pytest.approx(TINY.roughness_um[0])
    assert float(r_a.sel(surface="interphase_top")[0]) == pytest.approx(TINY.roughness_um[1])
    heights = known.maps.surface_height.sel(surface="electrolyte_top")[0].values
    share = known.maps.inside.values
    y, x = np.nonzero(share)
    z, weight = heights[y, x].astype(float), share[y, x]
    plane, root = np.stack([np.ones(len(x)), x, y], 1), np.sqrt(weight)
    rest = z - plane @ np.linalg.lstsq(plane * root[:, None], z * root, rcond=None)[0]
    found = (abs(rest) * weight).sum() / weight.sum()
    assert found == pytest.approx(float(r_a.sel(surface="electrolyte_top")[0]), rel=0.002)


def test_random_fields_have_their_correlation():
    cell = SymmetricCell.tiny(width=256, diameter_um=None, casing_um=0.0, subsample=1)
    fields = np.stack([random_field(cell, f"field {k}", 12.0, section(cell)) for k in range(8)])
    assert fields.var() == pytest.approx(1.0, abs=0.05)
    for lag in (3, 6, 9):
        seen = (fields * np.roll(fields, lag, axis=2)).mean()
        assert seen == pytest.approx(np.exp(-((lag * 1.7 / 12.0) ** 2)), abs=0.05)


def test_displacement_solves_laplace_and_reaches_both_faces():
    rng = np.random.default_rng(5)
    n, depth = 32, 40.0
    x = np.arange(n) * 1.7
    bottom = np.cos(2 * np.pi * 2 * x / (n * 1.7))[None] * np.ones((n, 1)) + 2.0
    top = rng.uniform() * np.ones((n, n))
    field = harmonic(bottom, top, depth, 1.7)
    np.testing.assert_allclose(field[0], bottom, atol=1e-12)
    np.testing.assert_allclose(field[-1], top, atol=1e-12)
    k = 2 * np.pi * 2 / (n * 1.7)
    s = np.linspace(0, 1, len(field))[:, None, None]
    expected = (bottom - 2) * np.sinh(k * depth * (1 - s)) / np.sinh(k * depth) + 2 * (1 - s) + top * s
    np.testing.assert_allclose(field, expected, atol=1e-12)


def test_texture_moves_by_the_displacement_of_the_truth():
    from scipy.ndimage import map_coordinates

    cell = SymmetricCell.tiny(current_mA_cm2=4.0, lithium_um=(18.0, 22.0)).block(grain_contrast=0.1)
    before, after = (volumes(cell, scan, blur_vox=1.5)[1].astype(float) for scan in (0, 1))
    rise = displacement(cell, stride=1).rise[1].values / 1.7
    core = np.s_[28:36]
    u = rise[core]
    assert np.isfinite(u).all()
    assert u.mean() > 1.0
    z, y, x = np.meshgrid(np.arange(28, 36), np.arange(64), np.arange(64), indexing="ij")
    slope = np.gradient(before, axis=0)[core]
    for error in (0.0, 0.3):
        moved = map_coordinates(after, [z + u + error, y, x], order=3, mode="nearest")
        residual = ((moved - before[core]) * slope).sum() / (slope**2).sum()
        assert residual == pytest.approx(error, abs=0.02)


def test_upper_collector_rises_by_what_the_layers_gain(known):
    scans = known.scans
    layers = sum(scans[f"{name}_thickness"].sum("electrode") for name in ("lithium", "interphase"))
    void = (scans.void_volume.sum("electrode") / scans.section_area).values
    electrolyte = scans.stack_thickness.values - layers.values - void
    # what the interphase consumed and the pressure took
    grown = 0.5 * scans.charge.values
    swelling = 6.0 * 3.6 / 96485.33212 * 1e4
    expected = 40.0 - (9.0 - swelling) * grown - 0.2 * scans.charge.values
    np.testing.assert_allclose(electrolyte, expected, rtol=1e-6)
    np.testing.assert_allclose(
        scans.collector_rise.values, scans.stack_thickness.values - scans.stack_thickness.values[0]
    )


def test_drift_moves_everything_alike():
    still = TINY.block()
    hours = protocol.scan_middle_s(still)[1] / 3600
    step = 1.7 / hours
    moved = replace(still, drift_um_per_h=(2 * step, -step, step))
    a, b = state(still, 1).surfaces, state(moved, 1).surfaces
    np.testing.assert_allclose(np.roll(a, (-3, 6), axis=(1, 2)) + 1.7, b, atol=1e-6)
    first, second = volumes(still, 1)[1], volumes(moved, 1)[1]
    np.testing.assert_allclose(second[11:60, 4:60, 4:60], first[10:59, 5:61, 2:58], rtol=1e-4)
    np.testing.assert_allclose(truth(moved).scans.drift.values[1], (3.4, -1.7, 1.7))


def test_attenuation_comes_from_the_composition():
    mu, delta = materials(TINY)
    assert mu[Label.LITHIUM] - mu[Label.VOID] == pytest.approx(0.09, abs=0.005)
    assert mu[Label.LITHIUM] < mu[Label.INTERPHASE] < mu[Label.ELECTROLYTE] < mu[Label.STEEL]
    assert delta[Label.LITHIUM] == pytest.approx(1.22e-7, rel=0.01)
    oxide = materials(SymmetricCell.oxide())[0]
    assert oxide[Label.ELECTROLYTE] > oxide[Label.STEEL]


# --- options of the volumes


def test_noise_and_blur_of_volumes():
    cell = TINY.block()
    clean = volumes(cell, 0, blur_vox=0.8)[1]
    noisy = volumes(cell, 0, blur_vox=0.8, noise_per_cm=0.3)[1]
    noise = noisy - clean
    assert noise.std() == pytest.approx(0.3, rel=0.01)
    assert abs(noise.mean()) < 0.003
    np.testing.assert_array_equal(noisy, volumes(cell, 0, blur_vox=0.8, noise_per_cm=0.3)[1])
    assert not np.array_equal(noisy, volumes(cell, 0, blur_vox=0.8, noise_per_cm=0.3, seed=1)[1])
    part = volumes(cell, 0, blur_vox=0.8, noise_per_cm=0.3, distance_mm=2.0, rows=(20, 31))
    whole = volumes(cell, 0, blur_vox=0.8, noise_per_cm=0.3, distance_mm=2.0)
    np.testing.assert_array_equal(part[0], whole[0][20:31])
    np.testing.assert_allclose(part[1], whole[1][20:31], atol=1e-4)


def test_propagation_edges_show_voids_that_absorption_hides():
    cell = TINY.block(**PLAIN)
    labels, absorbed = volumes(cell, 0)
    _, edged = volumes(cell, 0, distance_mm=20.0)
    rim = np.zeros(labels.shape, bool)  # lithium under a void: absorption steps by 0.09 1/cm only
    rim[:-2] = (labels[:-2] == Label.LITHIUM) & (labels[1:-1] == Label.VOID) & (labels[2:] == Label.VOID)
    deep = np.zeros(labels.shape, bool)
    deep[3:-3] = np.all([labels[3 + k : 61 + k] == Label.LITHIUM for k in range(-3, 4)], 0)
    assert abs(absorbed[rim].mean() - absorbed[deep].mean()) < 0.09
    assert (
        edged[rim].mean() - edged[deep].mean() > 1.0
    )  # delta falls upwards: light is bent out of the lithium
    assert edged[:, 1:-1, 1:-1].mean() == pytest.approx(absorbed[:, 1:-1, 1:-1].mean(), rel=0.01)


# --- projections


def test_projections_of_a_cylinder_are_the_analytic_line_integral():
    n, radius, sub = 256, 110.7, 32
    axis = np.arange(n) - (n - 1) / 2
    fine = (axis[:, None] + (np.arange(sub) + 0.5) / sub - 0.5).ravel()
    disc = (np.hypot(fine[:, None], fine[None]) <= radius).reshape(n, sub, n, sub).mean((1, 3))
    theta = np.linspace(0, 180, 25)
    found = line_integrals(disc[None], theta, np.full(25, axis[0] + 0.3), n)[:, 0]
    t = axis + 0.3

    def area(u):
        u = np.clip(u, -radius, radius)
        return u * np.sqrt(radius**2 - u**2) + radius**2 * np.arcsin(u / radius)

    error = (found - (area(t + 0.5) - area(t - 0.5))) / (2 * radius)
    assert abs(error[:, abs(t) < 0.9 * radius]).max() < 0.002
    assert np.sqrt((error[:, abs(t) < 0.9 * radius] ** 2).mean()) < 0.0005
    np.testing.assert_allclose(found.sum(1), np.pi * radius**2, rtol=2e-5)


def test_transmission_is_beer_lambert_without_phase_contrast():
    cell = SymmetricCell.tiny(distance_mm=0.0, blur_px=0.0, centre_offset_px=0.0, **PERFECT)
    light = transmission(cell, 0)[0]
    _, mu = volumes(cell, 0)
    np.testing.assert_allclose(light, np.exp(-mu.sum(1) * 1.7e-4), rtol=1e-4)


def test_half_a_turn_mirrors_about_the_centre():
    cell = SymmetricCell.tiny(centre_offset_px=3.5, **PERFECT)
    light = transmission(cell, 0)
    assert cell.centre_px == 35.0
    columns = np.arange(7, 64)
    np.testing.assert_allclose(light[0][:, columns], light[-1][:, 70 - columns], rtol=2e-3)


def test_propagation_conserves_light_and_follows_the_curvature():
    z, x = np.mgrid[:40, :50] * 1.0
    path = 3.0 * np.exp(-((z - 20) ** 2 + (x - 25) ** 2) / (2 * 5.0**2))
    change = flux_divergence(np.ones_like(path), path)
    assert abs(change.sum()) < 1e-12
    r2 = (z - 20) ** 2 + (x - 25) ** 2
    expected = path * (r2 / 5.0**4 - 2 / 5.0**2)
    np.testing.assert_allclose(change[3:-3, 3:-3], expected[3:-3, 3:-3], atol=0.005)


def test_propagation_is_fresnels_for_a_weak_object():
    pixel, distance, wavelength = 1.7e-6, 0.05, 12.398e-10 / 28.0
    z, x = np.mgrid[:64, :64] - 32.0
    phase = 0.3 * np.exp(-(z**2 + x**2) / (2 * 6.0**2))
    path = phase * wavelength / (2 * np.pi * pixel)  # in pixels
    f2 = np.add.outer(np.fft.fftfreq(64, pixel) ** 2, np.fft.fftfreq(64, pixel) ** 2)
    wave = np.exp(-1j * phase)
    there = np.fft.ifft2(np.fft.fft2(wave) * np.exp(-1j * np.pi * wavelength * distance * f2))
    fresnel = abs(there) ** 2 - 1
    mine = distance / pixel * flux_divergence(np.ones_like(path), path)
    assert abs(fresnel).max() > 1e-3
    np.testing.assert_allclose(mine, fresnel, atol=0.03 * abs(fresnel).max())


def test_projections_give_the_volume_back():
    """Filtered back-projection of our own: values, centre and the sense of rotation."""
    cell = SymmetricCell.tiny(distance_mm=0.0, blur_px=0.0, **PERFECT)
    sinogram = -np.log(transmission(cell, 0, (30, 31))[:-1, 0]) / 1.7e-4
    _, mu = volumes(cell, 0, rows=(30, 31))
    lags = np.arange(-128, 128)
    kernel = np.zeros(256)
    kernel[lags % 2 == 1] = -1 / (np.pi * lags[lags % 2 == 1]) ** 2
    kernel[lags == 0] = 0.25
    filtered = np.array([np.convolve(row, kernel)[128:192] for row in sinogram])
    y, x = np.mgrid[:64, :64] - 31.5
    slice_ = np.zeros((64, 64))
    for row, angle in zip(filtered, np.deg2rad(np.linspace(0, 180, 91)[:-1]), strict=True):
        slice_ += (
            np.interp(x * np.cos(angle) + y * np.sin(angle) + cell.centre_px, np.arange(64), row) * np.pi / 90
        )
    core = np.hypot(x, y) < 22
    assert slice_[core].mean() == pytest.approx(mu[0][core].mean(), rel=0.005)
    assert np.corrcoef(slice_[core], mu[0][core])[0, 1] > 0.9
    assert np.corrcoef(slice_[::-1][core], mu[0][core])[0, 1] < 0.5


def test_flats_are_poisson_and_darks_are_read_noise():
    cell = SymmetricCell.tiny(
        flats=60, darks=60, photons=4000.0, counts_per_photon=2.0, flat_structure=0.3, **PERFECT
    )
    images = projections(cell, 0, rows=(10, 40))
    dark, flat = images.darks.astype(float), images.flats.astype(float)
    assert dark.mean() == pytest.approx(100.0, abs=0.05)
    assert dark.var(0, ddof=1).mean() == pytest.approx(4.0 + 1 / 12, rel=0.02)
    signal = flat.mean(0) - 100.0
    assert signal.std() / signal.mean() > 0.05
    noise = flat.var(0, ddof=1) - 4.0 - 1 / 12
    assert (noise / (2 * signal)).mean() == pytest.approx(1.0, abs=0.01)


def test_faults_are_where_they_were_asked_for():
    sound = SymmetricCell.tiny(**PERFECT)
    dead = projections(replace(sound, dead_columns=(5, 40)), 0, rows=(20, 24))
    for images in (dead.data, dead.flats, dead.darks):
        assert (images[..., [5, 40]] == 0).all()
        assert (images[..., 6] > 0).all()
    fewer = replace(sound, beam_loss=0.2)
    before, after = np.split(projections(fewer, 0, rows=(20, 24)).flats.astype(float), 2)
    assert (after.mean() - 100) / (before.mean() - 100) == pytest.approx(0.8, abs=0.02)
    hit = projections(replace(sound, zingers_per_frame=3.0), 0)
    assert (hit.data == 65535).sum() / len(hit.data) == pytest.approx(3.0, abs=0.6)


def test_rings_are_in_the_projections_and_not_in_the_flats():
    from operando.twin.symmetric_cell.detector import ring_gain

    cell = SymmetricCell.tiny(photons=30000.0, **{**PERFECT, "ring_gain": 0.05}, ring_share=0.2)
    plain = replace(cell, ring_gain=0.0)
    a, b = (projections(one, 0, rows=(20, 30)) for one in (cell, plain))
    np.testing.assert_array_equal(a.flats, b.flats)
    ratio = (a.data.mean(0) - 100) / (b.data.mean(0) - 100)
    np.testing.assert_allclose(ratio, ring_gain(cell, 0)[20:30], atol=0.005)
    assert abs(ratio - 1).max() > 0.05


def test_rows_do_not_depend_on_the_slab():
    whole, part = projections(TINY, 1), projections(TINY, 1, rows=(13, 29))
    np.testing.assert_array_equal(whole.flats[:, 13:29], part.flats)
    np.testing.assert_array_equal(whole.data[:, 13:29], part.data)


def test_scans_without_current_show_the_same_cell():
    cell = SymmetricCell.tiny(rest_s=2500.0)
    resting = truth(cell)
    np.testing.assert_array_equal(volumes(cell, 0)[1], volumes(cell, 1)[1])
    assert np.nanmax(abs(resting.maps.current_density.values)) == 0
    assert np.nanmax(abs(resting.displacement.rise.values)) == 0
    assert not np.array_equal(projections(cell, 0, (30, 32)).data, projections(cell, 1, (30, 32)).data)


# --- files


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_seed_same_bytes(folders, tmp_path):
    assert digests(folders / "first") == digests(folders / "again")
    simulate(replace(TINY, seed=2), tmp_path / "other")
    other = digests(tmp_path / "other")
    assert other["ct/scan_0000.h5"] != digests(folders / "first")["ct/scan_0000.h5"]


def test_both_layouts_hold_the_same_images(folders):
    images = projections(TINY, 1)
    with h5py.File(folders / "first/ct/scan_0001.h5") as file:
        np.testing.assert_array_equal(file["exchange/data"][()], images.data)
        np.testing.assert_array_equal(file["exchange/data_white"][()], images.flats)
        np.testing.assert_array_equal(file["exchange/data_dark"][()], images.darks)
        theta = file["exchange/theta"]
        assert theta.attrs["units"] == "degree"
        assert (theta[0], theta[-1]) == (0, 180)
        assert file["process/acquisition/start_date"].asstr()[()] == "2025-03-04T22:47:03.000+01:00"
    with h5py.File(folders / "nexus/ct/scan_0001.nxs") as file:
        key = file["entry/instrument/detector/image_key"][()]
        data = file["entry/data/data"][()]
        np.testing.assert_array_equal(data[key == 0], images.data)
        np.testing.assert_array_equal(data[key == 1], images.flats)
        np.testing.assert_array_equal(data[key == 2], images.darks)
        np.testing.assert_allclose(file["entry/sample/rotation_angle"][()][key == 0], images.theta_deg)


def test_top_row_first_turns_the_images_of_every_slab(tmp_path, monkeypatch):
    from operando.twin.symmetric_cell import raw

    cell = replace(TINY, row_0="top", scans=1)
    monkeypatch.setattr(raw, "MOST_BYTES", 5_000_000)
    assert len(list(raw.slabs(cell))) == 4
    simulate(cell, tmp_path / "top")
    with h5py.File(tmp_path / "top/ct/scan_0000.h5") as file:
        np.testing.assert_array_equal(file["exchange/data"][()][:, ::-1], projections(cell, 0).data)


def test_truth_comes_back_from_its_file(folders, known):
    loaded = Truth.load(folders / "first")
    assert loaded.cell == TINY
    for name in ("scans", "maps", "voids", "displacement"):
        assert getattr(loaded, name).identical(getattr(known, name)), name
    with pytest.raises(ReadError, match="no truth here"):
        Truth.load(folders)


def test_cycler_file_and_scans_are_on_one_clock(folders, known):
    table = cycler(folders / "first/echem/cell.csv")
    settings = tomllib.loads((folders / "first/experiment.toml").read_text())
    since_start = table.utc.values - TINY.started_s
    capacity = np.interp(known.scans.time.values, since_start, table.capacity.values)
    np.testing.assert_allclose(capacity, known.scans.charge.values * settings["cell"]["area_cm2"], atol=2e-7)
    near = abs(since_start - known.scans.time.values[1]) < 30
    assert table.voltage.values[near].mean() == pytest.approx(float(known.scans.voltage[1]), abs=1e-3)
    assert settings["tomography"]["voxel_um"] == 1.7


def test_bad_settings_say_what_to_do(tmp_path):
    for changes, words in (
        ({"diameter_um": 200.0}, "um wide"), ({"electrolyte_um": 200.0}, "um high"),
        ({"scan_period_s": 10.0}, "longer than scan_period_s"), ({"width": 0}, "at least 1"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            SymmetricCell.tiny(**changes)
    with pytest.raises(InputError, match="lithium is used up"):
        truth(SymmetricCell.tiny(lithium_um=(18.0, 6.0)))
    with pytest.raises(InputError, match="no scan 2"):
        volumes(TINY, 2)
    with pytest.raises(InputError, match="no rows"):
        volumes(TINY, 0, rows=(10, 100))
    for cell, layout, words in (
        (TINY.block(), "dxchange", "no projections"),
        (TINY, "tiff", "unknown layout"),
    ):
        with pytest.raises(InputError, match=words):
            simulate(cell, tmp_path / "none", layout)
    (tmp_path / "truth.h5").write_text("")
    with pytest.raises(InputError, match="experiment here already"):
        simulate(TINY, tmp_path)


def test_a_stopped_simulation_leaves_nothing(tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(TINY, tmp_path, progress=stop)
    assert not list(tmp_path.iterdir())


def test_import_is_light():
    code = "import sys, operando.twin.symmetric_cell; print({'numba', 'xraylib', 'h5py', 'scipy'} & set(sys.modules))"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
    )


def test_what_is_painted_lies_in_its_phase(tmp_path):
    """Strokes never leave their phase, labels are those of the twin, and the section names both."""

    from operando.twin.symmetric_cell.painted import PHASES, paint, write_painted

    cell = SymmetricCell.tiny(seed=4)
    labels = [volumes(cell, scan)[0] for scan in range(2)]
    strokes = paint(cell, 0, each=20)["strokes"]
    assert {s["phase"] for s in strokes} == {PHASES[k] for k in np.unique(labels[0])}
    for stroke in strokes:
        (z, y, x), *end = stroke["points"]
        last = end[0][2] if end else x
        assert (labels[0][z, y, x : last + 1] == PHASES.index(stroke["phase"])).all()
    told = tomllib.loads(write_painted(cell, tmp_path, painted=(0,), held=(1,)))["segmentation"]
    with h5py.File(tmp_path / told["held"][0]["labels"]) as file:
        np.testing.assert_array_equal(file["labels"][:], labels[1] + 1)
    assert (tmp_path / told["train"][0]["labels"]).exists()
