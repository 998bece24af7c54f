import numpy as np
import pytest
import xarray as xr

from operando.core import ScanGrid, Sums
from operando.core.errors import GridError


def per_frame(values, frames=None):
    frames = np.arange(len(values)) if frames is None else frames
    return xr.DataArray(np.asarray(values), dims="frame", coords={"frame": frames})


def test_snake_rows_run_back_and_forth():
    grid = ScanGrid.regular(3, 4, step_z_um=1.0, step_x_um=33.0, order="snake")
    laid = grid.to_map(per_frame(np.arange(12.0))).values
    assert laid.tolist() == [[0, 1, 2, 3], [7, 6, 5, 4], [8, 9, 10, 11]]


def test_negative_steps_turn_the_map_so_that_coordinates_ascend():
    grid = ScanGrid.regular(2, 3, step_z_um=-1.0, step_x_um=-2.0)
    laid = grid.to_map(per_frame(np.arange(6.0)))
    assert laid.values.tolist() == [[5, 4, 3], [2, 1, 0]]
    assert (np.diff(laid.z) > 0).all()
    assert (np.diff(laid.x) > 0).all()


@pytest.mark.parametrize("order", ["same", "snake"])
def test_positions_give_the_same_grid_as_the_plan(order, rng):
    rows, columns, step_z, step_x = 7, 5, 1.0, 33.0
    plan = ScanGrid.regular(rows, columns, step_z_um=step_z, step_x_um=step_x, order=order)
    x = plan.x_um[plan.point % columns] + rng.normal(0, 0.5, 35) - 1200.0
    z = plan.z_um[plan.point // columns] + rng.normal(0, 0.02, 35) + 4.0
    found = ScanGrid.from_positions(x, z)
    assert (found.point == plan.point).all()
    assert np.diff(found.x_um) == pytest.approx(step_x, rel=0.02)
    assert np.diff(found.z_um) == pytest.approx(step_z, rel=0.02)


def test_missing_and_repeated_frames_from_positions():
    x = np.array([0, 1, 2, 0, 2, 2, 0, 1, 2.0])
    z = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2.0])
    grid = ScanGrid.from_positions(x, z)
    assert grid.missing.tolist() == [4]
    assert grid.repeated == 1
    laid = grid.to_map(per_frame(np.arange(9.0))).values
    assert np.isnan(laid[1, 1])
    assert laid[1, 2] == pytest.approx(4.5)  # frames 4 and 5 averaged


def test_repeated_frames_add_their_counts_and_missing_ones_have_no_weight():
    grid = ScanGrid.from_positions(np.array([0, 1, 0, 0.0]), np.array([0, 0, 1, 1.0]))
    counts = per_frame(np.array([5, 6, 7, 8]))
    sums = grid.sums_to_map(Sums(counts, counts, xr.DataArray(2.0)))
    assert sums.signal.values.tolist() == [[5, 6], [15, 0]]
    assert sums.weight.values.tolist() == [[2, 2], [4, 0]]
    assert np.isnan(sums.intensity().intensity.values[1, 1])


def test_wrong_frame_count_says_what_can_be_mapped_and_maps_it_when_asked():
    with pytest.raises(GridError, match="11 frames do not fill a grid of 3 rows x 4 columns = 12") as caught:
        ScanGrid.regular(3, 4, step_z_um=1, step_x_um=1, frames=11)
    assert "2 complete rows" in caught.value.fix
    grid = ScanGrid.regular(3, 4, step_z_um=1, step_x_um=1, frames=11, incomplete=True)
    laid = grid.to_map(per_frame(np.arange(11.0))).values
    assert np.isnan(laid[2, 3])
    assert laid[2, 2] == 10
    too_many = ScanGrid.regular(1, 2, step_z_um=1, step_x_um=1, frames=3, incomplete=True)
    assert too_many.to_map(per_frame([1.0, 2.0, 99.0])).values.tolist() == [[1, 2]]


def test_positions_off_the_grid_are_refused_with_the_worst_frame():
    x = np.array([0, 1, 2, 3.5, 4, 5, 6.0])
    with pytest.raises(GridError, match="frame 3"):
        ScanGrid.from_positions(x, np.zeros(7))


def test_a_part_of_the_frames_lands_where_it_belongs():
    grid = ScanGrid.regular(2, 3, step_z_um=1, step_x_um=1)
    laid = grid.to_map(per_frame([40.0, 30.0], frames=[4, 3])).values
    assert laid[1, :2].tolist() == [30, 40]
    assert np.isnan(laid[0]).all()
