"""From grey volumes of a cell: the solid under an interface, its pores and their tortuosity, against the truth."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from operando import transport
from operando.flow.job import run
from operando.show.chapters.transport import chapter

GREYS = {"void": 0.0, "lithium": 1.0, "electrolyte": 7.0, "steel": 60.0}
HEIGHT, BOTTOM, TOP = 100, 30, 70  # the solid lies between these voxels
SKIN = 2  # voxels at a face that are left out: two sigmas of the blur


def true_pores():
    """Pores of the solid (z, y, x), some 12 voxels wide: the blur does not fill them. None is open to a face."""
    grey = gaussian_filter(np.random.default_rng(2).standard_normal((TOP - BOTTOM, 60, 60)), 4, mode="wrap")
    pores = grey < np.quantile(grey, 0.2)
    pores[:4] = pores[-4:] = False
    return pores


def write_cell(folder, interface):
    volume = np.full((HEIGHT, 60, 60), GREYS["steel"])
    volume[10:90] = GREYS["lithium"]
    volume[BOTTOM:TOP] = np.where(true_pores(), GREYS["void"], GREYS["electrolyte"])
    noise = 0.1 * np.random.default_rng(0).standard_normal(volume.shape)
    with h5py.File(folder / "cell.h5", "w") as file:
        file["volume"] = (gaussian_filter(volume, 0.8, mode="nearest") + noise).astype(np.float32)
    (folder / "experiment.toml").write_text(
        'title = "cell"\n[tomography]\nvolumes = "cell.h5"\nvoxel_um = 1.0\nblur_um = 0.8\n'
        "greys = { lithium = 1.0, electrolyte = 7.0, steel = 60.0 }\n"
        f'[transport]\ninterface = "{interface}"\ndepth_um = 30.0\ndomain_um = [13.0, 13.0, 30.0]\n'
        "cube_um = 26.0\ncubes = 1\nstiffness = false\n"
    )


@pytest.mark.parametrize("interface", ["bottom", "top"])
def test_tortuosity_under_an_interface_as_in_the_truth(tmp_path, interface):
    """Shares within 0.02 and factors within 5 % of the true pores', domain by domain."""
    write_cell(tmp_path, interface)
    results = run(tmp_path / "experiment.toml")[1]
    groups = results.groups
    found = groups["transport/map/cell"]
    solid = ~true_pores()[:: 1 if interface == "bottom" else -1]
    truth = transport.tortuosity_map(solid[SKIN : SKIN + 30], (13, 13, 30))
    known = np.isfinite(found["tau_factor"].values)
    assert known.sum() >= 12
    for name, absolute, relative in (("volume_fraction", 0.02, 0), ("tau_factor", 0, 0.05)):
        np.testing.assert_allclose(
            found[name].values[known], truth[name].values[known], atol=absolute, rtol=relative
        )
    told = chapter(results)
    assert told is not None
    assert any("the blur closes pores" in doubt for doubt in told.doubts)
