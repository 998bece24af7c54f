"""U-Nets over whole volumes: slice by slice, in overlapping tiles, in memory that does not grow with the volume."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from ...core.errors import InputError, require_extra
from ..volume import AXES, quantity
from .image import as_volume
from .network import PURPOSE, UNet, device, half_precision


def predict_slices(
    unet: UNet, image: xr.DataArray, *, tile: int = 1024, overlap: int = 64, threads: int | None = None,
    check: bool = True,
) -> Iterator[tuple[int, np.ndarray]]:  # fmt: skip
    """Probabilities of one slice after the other: (number along `across`, (phase, row, column) float32).

    image     (z, y, x) or (y, x), in memory or on disk: a few slices are read at a time
    tile      largest side that goes through the network at once; larger slices are cut into tiles
    overlap   of tiles; where two overlap, the one whose border is further away counts more, linearly
    check     False where `image` is a part of a volume whose grey values were checked as a whole

    Calibrated: softmax((logits - log_weights) / temperature). Raises InputError for NaN and for another
    scale than the training.
    """
    torch = require_extra("torch", "ml", PURPOSE)
    volume = as_volume(image, where="predict_slices").transpose(unet.settings.across, ...)
    if check:
        unet.scale.check(volume, where="predict_slices")
    if overlap < 0 or tile < 2 * max(overlap, unet.settings.multiple):
        raise InputError(f"tiles of {tile} with an overlap of {overlap}", where="predict_slices",
                         fix="Give tiles of at least twice the overlap.")  # fmt: skip
    where, before = device(), torch.get_num_threads()
    unet.module.to(where).eval()
    torch.set_num_threads(threads or before)
    kept: dict[int, np.ndarray] = {}
    try:
        for number in range(len(volume)):
            reach, last = unet.settings.neighbours, len(volume) - 1
            around = [min(max(number + k, 0), last) for k in range(-reach, reach + 1)]
            kept = {k: kept[k] if k in kept else unet.scale.scaled(volume[k].values) for k in around}
            yield number, _slice(unet, np.stack([kept[k] for k in around]), tile, overlap, where)
    finally:
        torch.set_num_threads(before)


def _slice(unet: UNet, stack: np.ndarray, tile: int, overlap: int, where: str) -> np.ndarray:
    rows, columns = (_tiles(n, tile, overlap) for n in stack.shape[1:])
    if len(rows) == len(columns) == 1:
        return _forward(unet, stack, where)
    total = np.zeros((len(unet.phases), *stack.shape[1:]), np.float32)
    weight = np.zeros(stack.shape[1:], np.float32)
    for a, b in product(rows, columns):
        share = np.minimum.outer(_ramp(a, stack.shape[1], overlap), _ramp(b, stack.shape[2], overlap))
        total[:, a, b] += share * _forward(unet, stack[:, a, b], where)
        weight[a, b] += share
    return total / weight


def _tiles(length: int, tile: int, overlap: int) -> list[slice]:
    if length <= tile:
        return [slice(0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    return [slice(int(s), int(s) + tile) for s in np.linspace(0, length - tile, count).astype(int)]


def _ramp(part: slice, length: int, overlap: int) -> np.ndarray:
    """Weight along one side of a tile: up to 1 over the overlap, but for the ends of the slice."""
    at = np.arange(part.start, part.stop)
    rise = np.ones(len(at)) if part.start == 0 else (at - part.start + 1) / (overlap + 1)
    fall = np.ones(len(at)) if part.stop == length else (part.stop - at) / (overlap + 1)
    return np.clip(np.minimum(rise, fall), 1e-3, 1).astype(np.float32)


def _forward(unet: UNet, stack: np.ndarray, where: str) -> np.ndarray:
    import torch

    rows, columns = stack.shape[1:]
    m = unet.settings.multiple
    more = (-rows % m, -columns % m)
    padded = np.pad(stack, ((0, 0), (0, more[0]), (0, more[1])), mode="edge") if any(more) else stack
    x = torch.from_numpy(np.ascontiguousarray(padded))[None].to(where, memory_format=torch.channels_last)
    with torch.inference_mode(), half_precision(where):
        logits = unet.module(x)
    p = torch.softmax(unet.unweighted(logits.float()) / unet.temperature, 1)[0, :, :rows, :columns]
    return p.cpu().numpy()


def predict_volume(
    unet: UNet, image: xr.DataArray, *, out: Any = None, tile: int = 1024, overlap: int = 64,
    threads: int | None = None,
) -> xr.Dataset:  # fmt: skip
    """Segment a volume: labels, how sure they are, and the expected volume of each phase.

    out   True: also return all probabilities, or an array (phase, z, y, x) they are written to (a memory map or zarr)

    Over (z, y, x): `label` (uint8, as of `label_phases`), `confidence` (uint8, probability of the likeliest phase
    x 255); over `phase`: `share` (mean probability), `label_share`
    (share of the labels). attrs `phases`, `temperature`, `encoder`. With `out=True` also `probability` (phase, z, y, x)
    float32. Memory beside the result: a slice and its neighbours. Errors of `share` are by `confusion_matrix` and
    `draw_labels`, never by counting voxels. Raises as `predict_slices`.
    """
    volume = as_volume(image, where="predict_volume")
    across = AXES.index(unet.settings.across)
    shape = (len(unet.phases), *volume.shape)
    if out is not None and out is not True and tuple(out.shape) != shape:
        raise InputError(f"`out` has shape {tuple(out.shape)}, not {shape}", where="predict_volume")
    kept = np.empty(shape, np.float32) if out is True else out
    label, sure = np.empty(volume.shape, np.uint8), np.empty(volume.shape, np.uint8)
    total, counted = np.zeros((2, len(unet.phases)))
    for number, p in predict_slices(unet, volume, tile=tile, overlap=overlap, threads=threads):
        at = (slice(None),) * across + (number,)
        label[at] = p.argmax(0)
        sure[at] = np.rint(255 * p.max(0))
        total += p.sum((1, 2), dtype=np.float64)
        counted += np.bincount(label[at].ravel(), minlength=len(unet.phases))
        if kept is not None:
            kept[(slice(None), *at)] = p
    names = list(unet.phases)
    result = xr.Dataset(
        {
            "label": quantity(label, AXES, "1", "likeliest phase", phases=names, voxel_um=unet.scale.voxel_um),
            "confidence": quantity(sure, AXES, "1/255", "probability of the likeliest phase"),
            "share": quantity(total / volume.size, "phase", "1", "mean probability of the phase"),
            "label_share": quantity(counted / volume.size, "phase", "1", "share of the labels"),
        },
        coords={"phase": names, **{k: v for k, v in volume.coords.items() if k in AXES}},
        attrs={
            "phases": names, "temperature": unet.temperature, "encoder": unet.settings.encoder,
            "neighbours": unet.settings.neighbours, "voxel_um": unet.scale.voxel_um,
        },
    )  # fmt: skip
    if out is True:
        result["probability"] = quantity(
            kept, ("phase", *AXES), "1", "probability", voxel_um=unet.scale.voxel_um
        )
    return result
