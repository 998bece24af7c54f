"""Numbers that no measurement has: refused when the experiment file is read, before they overflow anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from operando.core.errors import ExperimentError
from operando.flow import load_experiment

TRANSPORT = """title = "labels"
[transport]
labels = "experiment.toml"
phases = { pore = { label = 0 }, a = { label = 1, conductivity_mS_per_cm = 1.0 }, b = { label = 2, conductivity_mS_per_cm = POOR } }
SIZE = VALUE
"""  # noqa: E501


def written(tmp_path, key="depth_um", value="2.0", poor="0.1"):
    path = tmp_path / "experiment.toml"
    path.write_text(TRANSPORT.replace("SIZE", key).replace("VALUE", value).replace("POOR", poor))
    return path


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        (
            "depth_um",
            "1e300",
            "line 5: transport.depth_um: no number of a measurement is that large, found 1e",
        ),
        ("depth_um", "1e-300", "no number of a measurement is that small"),
        ("depth_um", "0", "greater than 0"),
        ("voxel_um", "1e-9", "greater than or equal to 0.0001"),
        ("voxel_um", "1e9", "less than or equal to 100000"),
        ("voxel_um", "nan", "finite number"),
        ("voxel_um", "1" + 40 * "0", "that large"),
    ],
)
def test_a_number_that_nothing_has_is_told_with_its_line(tmp_path, key, value, told):
    with pytest.raises(ExperimentError) as error:
        load_experiment(written(tmp_path, key, value))
    assert told in str(error.value)


def test_numbers_as_they_are_measured_pass(tmp_path):
    assert load_experiment(written(tmp_path, value="1e15")).transport.depth_um == 1e15
    assert load_experiment(written(tmp_path, value="1e-25")).transport.depth_um == 1e-25
    assert load_experiment(written(tmp_path, poor="0.0")).transport.conducting == [1]


def test_conductivities_that_rounding_would_lose_are_refused(tmp_path):
    assert load_experiment(written(tmp_path, poor="1e-10"))
    for poor in ("1e-11", "1e12"):
        with pytest.raises(ExperimentError, match="the poorer one is lost in rounding"):
            load_experiment(written(tmp_path, poor=poor))


def test_sizes_under_a_voxel_and_parts_without_number_are_refused():
    """Where the voxels are known: a domain of less than one, and more cubes than anybody solves."""
    from operando.flow.transport_source import LabelVolume

    volume = LabelVolume("v", np.broadcast_to(np.uint8(1), (300, 200, 100)), (2.0, 1.0, 1.0))
    assert volume.voxels((1.0, 10.0, 20.0), "domain_um") == (1, 10, 10)
    assert len(volume.cubes(50.0, 3)) == 3
    with pytest.raises(ExperimentError, match=r"1e-24 .*of 1 x 1 x 2 um: that is less than one"):
        volume.voxels((1e-24, 10.0, 20.0), "domain_um")
    with pytest.raises(ExperimentError, match="6,000,000 fit into v"):
        volume.cubes(1.1, 3)


@pytest.mark.parametrize("section", ["segmentation", "transport", "ebsd"])
def test_seeds_are_those_that_generators_take(section):
    from pydantic import TypeAdapter, ValidationError

    from operando.flow import sections

    kind = getattr(sections, f"{section.capitalize()}Section").model_fields["seed"]
    taken = TypeAdapter(kind.rebuild_annotation())
    assert taken.validate_python(2**32 - 1) == 2**32 - 1
    for seed in (2**32, -1):
        with pytest.raises(ValidationError):
            taken.validate_python(seed)


def test_phase_retrieval_that_reaches_beyond_any_image_is_refused():
    from operando.core.errors import InputError
    from operando.tomography.phase import PhaseRetrieval, retrieve_phase

    assert (
        PhaseRetrieval(200.0, 28.0, 40.0).reach_px(1.7) == 13
    )  # 4 sqrt(pi lambda z delta/beta) / (2 pi pixel)
    with pytest.raises(InputError, match="further than the image"):
        PhaseRetrieval(1e14, 28.0, 40.0).reach_px(1.7)
    image = np.ones((40, 30), np.float32)
    np.testing.assert_allclose(
        retrieve_phase(image, (2 * np.pi * 9) ** 2), 0, atol=1e-6
    )  # reaches over 36 pixels
    with pytest.raises(InputError, match=r"over 44 pixels, further than the image \(40\)"):
        retrieve_phase(image, (2 * np.pi * 11) ** 2)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e300", "-1e16", "1e-300"])
@pytest.mark.parametrize("words", [("model", "film", "--voltage"), ("recon", "none.h5", "--pixel")])
def test_options_that_no_measurement_has_are_refused_before_the_work(words, value):
    from typer.testing import CliRunner

    from operando.cli import app
    from operando.core.errors import InputError

    done = CliRunner().invoke(app, [*words, value])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        assert isinstance(done.exception, InputError)
        assert f"{words[-1]} {float(value):g}: no number of a measurement" in str(done.exception)
    else:  # refused by the range of the option already
        assert done.exit_code == 2
        assert words[-1] in done.output


def test_indices_of_planes_that_no_diffraction_has_are_refused():
    from operando.flow.sections.xrd import RingSection

    assert RingSection(name="a", phase="Li", hkl=(1, 1, -2)).hkl == (1, 1, -2)
    with pytest.raises(ValueError, match="less than or equal to 100"):
        RingSection(name="a", phase="Li", hkl=(10**12, 0, 0))
