import numpy as np
import pytest
import xarray as xr

from operando.core import Sums, digest, merge


def part(frames, value, weight=None):
    signal = xr.DataArray(
        np.full((len(frames), 2), value), dims=("frame", "q"), coords={"frame": frames, "q": [1.0, 2.0]}
    )
    return Sums(signal, signal, xr.DataArray([3.0, 0.0], dims="q") if weight is None else weight)


def test_parts_merge_to_the_same_bits_in_any_order():
    a, b, c = part([0, 1], 5), part([2], 6), part([3, 4], 7)
    straight, shuffled = merge([a, b, c]), merge([c, a, b])
    assert straight.signal.identical(shuffled.signal)
    assert straight.signal.frame.values.tolist() == [0, 1, 2, 3, 4]
    assert straight.weight.dims == ("q",)


def test_weights_that_differ_by_frame_are_kept_by_frame():
    odd = part([2], 6, xr.DataArray([[1.0, 0.0]], dims=("frame", "q"), coords={"frame": [2]}))
    merged = merge([part([0, 1], 5), odd])
    assert merged.weight.sel(frame=2).values.tolist() == [1.0, 0.0]
    assert merged.weight.sel(frame=0).values.tolist() == [3.0, 0.0]


def test_division_comes_last_and_no_weight_is_nan():
    result = merge([part([0], 9)]).intensity()
    assert result.intensity.values[0, 0] == 3.0
    assert result.intensity_err.values[0, 0] == 1.0
    assert np.isnan(result.intensity.values[0, 1])


def test_a_frame_that_comes_twice_is_refused():
    with pytest.raises(ValueError, match="two parts"):
        merge([part([0, 1], 5), part([1], 5)])


def test_summed_axes_add():
    image = xr.DataArray(np.ones((2, 2), int), dims=("row", "column"))
    total = merge([Sums(image, image, image * 2.0), Sums(image * 4, image, image * 2.0)])
    assert total.signal.values.tolist() == [[5, 5], [5, 5]]
    assert total.weight.values.tolist() == [[4, 4], [4, 4]]


def test_sum_over_frames_multiplies_a_weight_that_they_share():
    total = part([0, 1, 2], 5).sum("frame")
    assert total.signal.values.tolist() == [15, 15]
    assert total.weight.values.tolist() == [9, 0]


def test_digest_sees_type_shape_and_value():
    ones = np.ones(6, np.int32)
    assert digest(ones) == digest(ones.copy())
    assert (
        len(
            {
                digest(a)
                for a in (ones, ones.reshape(2, 3), ones.astype(np.int64), ones * 2, 1, "1", 1.0, True)
            }
        )
        == 8
    )
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    with pytest.raises(TypeError):
        digest(object())
