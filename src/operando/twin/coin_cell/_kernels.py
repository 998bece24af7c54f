"""Expected counts of every pixel and channel from cumulative spectra: numba, plain arrays."""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def expected_counts(amounts, node, share, peak, gain, offset, table, u0, step, still, still_amount, e0, out):
    """Fill `out` (pixel, channel) with the expected counts.

    amounts  (scatterer, pixel) what multiplies each cumulative spectrum of `table` (scatterer, angle, u)
    node     (pixel,) lower angle of the table, and `share` of the next one; peak (pixel,) keV
    gain     (pixel,) keV a channel; offset (pixel,) energy of the lower edge of channel 0
    still    (e,) cumulative spectrum on energies from e0, in steps of `step` as u; still_amount (pixel,)
    """
    pixels, channels = out.shape
    scatterers, _, size = table.shape
    for i in range(pixels):
        a, s = node[i], share[i]
        before = 0.0
        for k in range(channels + 1):
            energy = offset[i] + gain[i] * k
            place = (energy - peak[i] - u0) / step
            value = 0.0
            if place > 0:
                j = min(int(place), size - 2)
                f = min(place - j, 1.0)
                for c in range(scatterers):
                    low = table[c, a, j] * (1 - f) + table[c, a, j + 1] * f
                    high = table[c, a + 1, j] * (1 - f) + table[c, a + 1, j + 1] * f
                    value += amounts[c, i] * (low * (1 - s) + high * s)
            else:  # below the table the cumulative spectrum is taken as a straight line to zero energy
                for c in range(scatterers):
                    bottom = table[c, a, 0] * (1 - s) + table[c, a + 1, 0] * s
                    value += amounts[c, i] * bottom * max(energy, 0.0) / (peak[i] + u0)
            place = (energy - e0) / step
            if place > 0:
                j = min(int(place), still.size - 2)
                f = min(place - j, 1.0)
                value += still_amount[i] * (still[j] * (1 - f) + still[j + 1] * f)
            if k > 0:
                out[i, k - 1] = max(value - before, 0.0)
            before = value
