"""Contact, voids, thickness, roughness and the stripping fraction against the symmetric-cell twin.

Image: phase retrieved (grey value by electron density), blur 0.8 voxel, noise of a voxel a third of lithium - void.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import tomography_twin as twin

from operando import tomography as tomo

BLUR, RATIO = 0.8, 3.0
STEEL_UM = {"bottom": (0, 40), "top": (120, 163)}


def layer_model(settings, *, blur=BLUR, ratio=RATIO, contrast="phase"):
    grey = twin.greys(settings, contrast)
    return tomo.LayerModel(
        steel=grey["steel"], lithium=grey["lithium"], void=0.0, solid=grey["interphase"],
        blur_um=blur * settings.voxel_um, noise=twin.noise(ratio),
    )  # fmt: skip


@lru_cache(maxsize=32)
def electrode(settings, scan, name, seed=0, blur=BLUR, ratio=RATIO):
    volume = twin.image(settings, scan, blur=blur, contrast_to_noise=ratio, seed=seed)
    grey = twin.greys(settings)
    layer = tomo.fit_void_layer(volume, layer_model(settings, blur=blur, ratio=ratio), name)
    sides = (grey["steel"], grey["lithium"]) if name == "bottom" else (grey["lithium"], grey["steel"])
    collector = tomo.surface_heights(volume, *sides, z_um=STEEL_UM[name], noise=twin.noise(ratio))
    return layer, collector, tomo.electrode_thickness(layer, collector)


@pytest.mark.parametrize("name", ["bottom", "top"])
@pytest.mark.parametrize(("blur", "ratio"), [(0.8, 3.0), (1.2, 3.0), (0.8, 2.0)])
def test_contact_within_3_points_and_voids_within_5_percent(name, blur, ratio):
    settings = twin.cell()
    known = twin.known(settings).scans.isel(time=1).sel(electrode=name)
    layer, _, _ = electrode(settings, 1, name, 0, blur, ratio)
    area = tomo.contact_area(layer["contact"])
    assert layer.attrs["reliable"] == 1
    assert abs(float(area["share"]) - float(known["contact_area_fraction"])) < 0.03
    void = tomo.map_volume(layer["void"], layer["void_err"].fillna(0))
    assert float(void["volume"]) == pytest.approx(float(known["void_volume"]), rel=0.05)


def test_contact_map_agrees_column_by_column():
    settings = twin.cell()
    known = twin.known(settings).maps["contact"].isel(time=1).sel(electrode="bottom").values
    found = electrode(settings, 1, "bottom")[0]["contact"].values
    assert (found == (known > 0.5)).mean() > 0.97


def test_absorption_alone_is_said_to_be_unreliable():
    settings = twin.cell()
    volume = twin.image(settings, 1, contrast="absorption")
    layer = tomo.fit_void_layer(volume, layer_model(settings, contrast="absorption"), "bottom")
    assert layer.attrs["reliable"] == 0
    assert layer.attrs["contrast_ratio"] > 50


@pytest.mark.parametrize("name", ["bottom", "top"])
def test_thickness_map_within_0_3_voxel(name):
    settings = twin.cell()
    known = twin.known(settings).maps["lithium_thickness"].isel(time=1).sel(electrode=name).values
    thickness = electrode(settings, 1, name)[2]
    off = (thickness["lithium"].values - known) / settings.voxel_um
    assert np.sqrt(np.nanmean(off**2)) < 0.3


@pytest.mark.parametrize("name", ["bottom", "top"])
def test_ra_within_2_percent(name):
    settings = twin.cell()
    known = twin.known(settings).scans["R_a"].sel(surface=f"interphase_{name}").values
    for scan in range(3):
        layer = electrode(settings, scan, name)[0]
        found = tomo.height_parameters(layer["face"], height_err=layer["face_err"])
        assert float(found["Ra"]) == pytest.approx(known[scan], rel=0.02)


def test_blur_from_the_images_own_steel_edge():
    settings = twin.cell()
    collector = electrode(settings, 1, "bottom")[1]
    volume = twin.image(settings, 1, blur=BLUR)
    found = tomo.edge_blur(volume, collector)
    assert float(found["blur"]) == pytest.approx(BLUR * settings.voxel_um, abs=0.05 * settings.voxel_um)


def test_stripping_fraction_within_0_03():
    settings = twin.cell()
    known = twin.known(settings).scans
    charge = known["charge"].values[:3] * settings_area(settings)
    volumes = [
        float(tomo.map_volume(electrode(settings, scan, "top")[2]["lithium"])["volume"]) for scan in range(3)
    ]
    found = tomo.stripping_fraction(volumes, charge, molar_volume=13.02)
    assert abs(float(found["total"]) - settings.stripping_fraction) < 0.03


def settings_area(settings) -> float:
    return (settings.width * settings.voxel_um) ** 2 * 1e-8


def test_voids_as_objects_have_the_volume_of_the_twin():
    settings = twin.cell()
    known = twin.known(settings)
    rows = known.voids.where((known.voids["scan"] == 1) & (known.voids["electrode"] == "bottom"), drop=True)
    layer = electrode(settings, 1, "bottom")[0]
    volume = twin.image(settings, 1)
    share = tomo.layer_voids(layer, volume)
    voids = tomo.void_objects(share > 0, share=share)
    summary = tomo.void_summary(voids)
    assert float(summary["volume"]) == pytest.approx(float(rows["volume"].sum()), rel=0.05)
    assert abs(int(summary["number"]) - rows.sizes["void"]) <= 3
    assert float(summary["thickness"]) == pytest.approx(
        float((rows["thickness"] * rows["area"]).sum() / rows["area"].sum()), rel=0.2
    )


def test_greys_noise_and_blur_from_the_image_alone_still_give_contact_and_voids():
    settings = twin.cell()
    volume = twin.image(settings, 1)
    start = {"void": 0.0, "lithium": 0.1, "interphase": 0.33, "electrolyte": 0.45, "steel": 1.3}
    greys = tomo.phase_greys(volume, start, held=("void",))
    grey = {str(n): float(v) for n, v in zip(greys["phase"].values, greys["grey"].values, strict=True)}
    collector = tomo.surface_heights(volume, grey["steel"], grey["lithium"], z_um=STEEL_UM["bottom"])
    model = tomo.LayerModel(
        steel=grey["steel"], lithium=grey["lithium"], void=0.0, solid=grey["interphase"],
        blur_um=float(tomo.edge_blur(volume, collector)["blur"]), noise=greys.attrs["noise"],
    )  # fmt: skip
    layer = tomo.fit_void_layer(volume, model, "bottom")
    known = twin.known(settings).scans.isel(time=1).sel(electrode="bottom")
    share = float(tomo.contact_area(layer["contact"])["share"])
    assert abs(share - float(known["contact_area_fraction"])) < 0.03
    assert float(tomo.map_volume(layer["void"])["volume"]) == pytest.approx(
        float(known["void_volume"]), rel=0.05
    )
