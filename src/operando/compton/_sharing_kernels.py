"""Clusters of neighbouring pixels in event frames: numba, plain arrays."""

from __future__ import annotations

import numpy as np
from numba import njit

SINGLE, SHARED = 1, 2


@njit(cache=True, nogil=True, error_model="numpy")
def frame_events(frame, threshold, add, reach, taken, stack, out):
    """Events of one frame (y, x) of energies: rows of `out` (y, x, energy, pixels). Returns their number.

    Pixels over `threshold` that touch (8 neighbours) are one event. `add`: its energy is the sum, its place the
    pixel with most; otherwise events of more than one pixel are left out. Clusters of more than `reach` pixels
    are left out.
    """
    rows, columns = frame.shape
    taken[:] = False
    found = 0
    for i in range(rows):
        for j in range(columns):
            if taken[i, j] or not frame[i, j] > threshold:
                continue
            size, top, total = 1, 0, 0.0
            stack[0, 0], stack[0, 1] = i, j
            taken[i, j] = True
            best, by, bx = -1.0, i, j
            while top < size:
                y, x = stack[top, 0], stack[top, 1]
                top += 1
                total += frame[y, x]
                if frame[y, x] > best:
                    best, by, bx = frame[y, x], y, x
                for a in range(max(y - 1, 0), min(y + 2, rows)):
                    for b in range(max(x - 1, 0), min(x + 2, columns)):
                        if not taken[a, b] and frame[a, b] > threshold:
                            taken[a, b] = True
                            stack[size, 0], stack[size, 1] = a, b
                            size += 1
            if size > reach or (size > 1 and not add):
                continue
            out[found, 0], out[found, 1], out[found, 2], out[found, 3] = by, bx, total, size
            found += 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def share_histogram(frames, gain, offset, good, threshold, add, reach, low, width, histogram, tally):
    """Add the events of frames (frame, y, x) of raw values to `histogram` (y, x, bin); count cluster sizes in
    `tally`.
    """
    number, rows, columns = frames.shape
    energy = np.empty((rows, columns))
    taken = np.empty((rows, columns), np.bool_)
    stack = np.empty((rows * columns, 2), np.int64)
    events = np.empty((rows * columns, 4))
    bins = histogram.shape[2]
    for n in range(number):
        for i in range(rows):
            for j in range(columns):
                raw = frames[n, i, j]
                energy[i, j] = offset[i, j] + gain[i, j] * raw if good[i, j] and raw > 0 else 0.0
        found = frame_events(energy, threshold, add, reach, taken, stack, events)
        for k in range(found):
            tally[min(int(events[k, 3]), tally.size - 1)] += 1
            place = int(np.floor((events[k, 2] - low) / width))
            if 0 <= place < bins:
                histogram[int(events[k, 0]), int(events[k, 1]), place] += 1
