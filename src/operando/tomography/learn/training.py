"""Training of a U-Net: patches of training slices, held-out slices, early stopping, checkpoints that resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...core.errors import InputError, require_extra
from .image import Scale, class_names, learnable
from .network import (
    PURPOSE,
    UNet,
    UNetSettings,
    build,
    check_architecture,
    device,
    half_precision,
    load_weights,
    read_checkpoint,
)
from .probability import best_temperature
from .slices import Slices
from .train_settings import TrainSettings


def train_unet(
    images: xr.DataArray | list[xr.DataArray], labels: xr.DataArray | list[xr.DataArray],
    settings: UNetSettings | None = None, how: TrainSettings | None = None, *, checkpoint: str | Path | None = None,
    tell: Callable[[dict[str, float]], None] | None = None, threads: int | None = None, scale: Scale | None = None,
) -> UNet:  # fmt: skip
    """Train a U-Net on labelled volumes; cross entropy of labelled voxels (see `TrainSettings.balance`), AdamW.

    images       (z, y, x) volumes (or one slice (y, x)) with a known voxel size
    labels       of the same shape: 0 unknown (not learned from), k for the k-th of attrs["phases"]
    checkpoint   file written after each epoch; where it exists, training goes on from it to the same end as
                 without a break (on one machine and number of threads, and without `time_s`)
    tell         called after each epoch with its entry of the history
    threads      of torch; as it is set where not given
    scale        of the whole volumes, where `images` is what was cut out around labels; else of `images`

    One volume with few slices holds out slices too: with a single slice, columns at its right. The temperature is
    fitted on the held-out slices. bfloat16 is used on a GPU and on processors with AMX.
    Raises InputError for unlabelled classes, sizes or voxels that differ, NaN, a checkpoint of another architecture.
    """
    torch = require_extra("torch", "ml", PURPOSE)
    settings, how = settings or UNetSettings(), how or TrainSettings()
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        return _Training(images, labels, settings, how, checkpoint, scale).run(tell)
    finally:
        torch.set_num_threads(before)


def log_weights(count: np.ndarray, balance: float) -> tuple[float, ...]:
    """ln of the weight of each phase in the loss, share^-balance, of mean 1 over the voxels."""
    share = count / count.sum()
    weight = share**-balance
    return tuple(float(w) for w in np.log(weight / (share * weight).sum()))


class _Training:
    def __init__(self, images, labels, settings: UNetSettings, how: TrainSettings, checkpoint, scale) -> None:
        import torch

        images = list(images) if isinstance(images, (list, tuple)) else [images]
        labels = list(labels) if isinstance(labels, (list, tuple)) else [labels]
        if len(images) != len(labels) or not images:
            raise InputError(f"{len(images)} images, {len(labels)} label images", where="train_unet")
        pairs = [
            learnable(i, p, where=f"train_unet, image {n}")
            for n, (i, p) in enumerate(zip(images, labels, strict=True))
        ]
        names = class_names([p for _, p in pairs], where="train_unet")
        self.how, self.path, self.device = how, checkpoint and Path(checkpoint), device()
        torch.manual_seed(how.seed)
        scale = scale or Scale.of([v for v, _ in pairs])
        self.unet = UNet(settings, names, scale, build(settings, len(names)).to(self.device))
        self.unet.facts = {
            "how": json.loads(json.dumps(asdict(how))),
            "torch": torch.__version__,
            "seconds": 0.0,
        }
        self.train, self.held = Slices.split(pairs, settings, scale, how.held)
        self.unet.log_weights = log_weights(self.train.count.sum(0), how.balance)
        self.optimizer = torch.optim.AdamW(
            self.unet.module.parameters(), how.learning_rate, weight_decay=how.weight_decay
        )
        self.best: dict[str, Any] = {}
        if self.path and self.path.exists():
            self._resume()

    def run(self, tell) -> UNet:
        unet, how = self.unet, self.how
        while len(unet.history) < how.epochs and not self._done():
            start = time.process_time()
            loss = self._epoch(len(unet.history))
            entry = {"epoch": len(unet.history), "loss": loss, **self._look()}
            unet.facts["seconds"] += time.process_time() - start
            entry["seconds"] = unet.facts["seconds"]
            if entry["held_loss"] <= min((h["held_loss"] for h in unet.history), default=np.inf):
                self.best = {k: v.detach().cpu().clone() for k, v in unet.module.state_dict().items()}
            unet.history.append(entry)
            self._save()
            if tell:
                tell(entry)
        unet.module.load_state_dict(self.best)
        unet.temperature = best_temperature(*self._logits())
        unet.module.eval()
        self._save()
        return unet

    def _done(self) -> bool:
        history = [h["held_loss"] for h in self.unet.history]
        late = len(history) - 1 - int(np.argmin(history)) >= self.how.patience if history else False
        return late or (self.how.time_s is not None and self.unet.facts["seconds"] >= self.how.time_s)

    def _rate(self, step: int) -> float:
        """Linear rise over the first epoch, then a cosine to zero; with a time limit by time where that is later."""
        end = self.how.epochs * self.how.steps
        share = step / end
        if self.how.time_s:
            share = max(share, min(self.unet.facts["seconds"] / self.how.time_s, 1.0))
        rise = min((step + 1) / min(self.how.steps, 100), 1.0)
        return self.how.learning_rate * rise * (0.5 + 0.5 * np.cos(np.pi * share)) + 1e-6

    def _epoch(self, epoch: int) -> float:
        import torch

        module, losses = self.unet.module, []
        module.train()
        for step in range(self.how.steps):
            for group in self.optimizer.param_groups:
                group["lr"] = float(self._rate(epoch * self.how.steps + step))
            rng = np.random.default_rng(
                [self.how.seed, epoch, step]
            )  # no state: a resumed run draws the same
            image, label, weight = self.train.batch(self.how, rng)
            x = torch.from_numpy(image).to(self.device, memory_format=torch.channels_last)
            y = torch.from_numpy(label).to(self.device)
            with half_precision(self.device, learning=True):
                logits = module(x)
            loss = self._loss(logits.float(), y, torch.from_numpy(weight).to(self.device))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(float(loss.detach()))
        return float(np.mean(losses))

    def _loss(self, logits, labels, weight):
        """Cross entropy, mean over labelled voxels; each counts by its phase and by its patch."""
        import torch

        each = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-1, reduction="none")
        of_phase = torch.exp(logits.new_tensor(self.unet.log_weights))
        count = of_phase[labels.clamp(min=0)] * weight[:, None, None] * (labels >= 0)
        return (count * each).sum() / count.sum()

    def _look(self) -> dict[str, float]:
        logits, true = self._logits()
        top = logits.max(1)
        loss = np.log(np.exp(logits - top[:, None]).sum(1)) + top - logits[np.arange(len(true)), true]
        guess, classes = logits.argmax(1), logits.shape[1]
        both = np.bincount(true[guess == true], minlength=classes)
        total = np.bincount(true, minlength=classes) + np.bincount(guess, minlength=classes)
        dice = 2 * both[total > 0] / total[total > 0]
        return {
            "held_loss": float(loss.mean()),
            "held_dice": float(dice.mean()),
            "held_worst_dice": float(dice.min()),
        }

    def _logits(self, most: int = 1 << 20) -> tuple[np.ndarray, np.ndarray]:
        """(voxel, phase) float32 and true phase of labelled voxels of held-out slices, about a million at most."""
        import torch

        self.unet.module.eval()
        found, true = [], []
        for image, label in self.held.each(most):
            with torch.inference_mode(), half_precision(self.device):
                x = torch.from_numpy(image).to(self.device, memory_format=torch.channels_last)
                logits = self.unet.unweighted(self.unet.module(x).float()).cpu().numpy()
            known = label >= 0
            found.append(logits.transpose(0, 2, 3, 1)[known])
            true.append(label[known])
        return np.concatenate(found), np.concatenate(true)

    def _save(self) -> None:
        import torch

        if not self.path:
            return
        beside = self.path.with_name(self.path.name + ".part")
        stored = {
            "about": json.dumps(self.unet.about()), "weights": self.best, "last": self.unet.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }  # fmt: skip
        torch.save(stored, beside)
        beside.replace(self.path)

    def _resume(self) -> None:
        about, stored = read_checkpoint(self.path)
        check_architecture(UNetSettings(**about["settings"]), self.unet.settings, self.path)
        if tuple(about["phases"]) != self.unet.phases or "optimizer" not in stored:
            raise InputError(
                f"the checkpoint is of phases {about['phases']} or not of training; asked for is "
                f"{list(self.unet.phases)}", where=str(self.path), fix="Train into another file.",
            )  # fmt: skip
        if not np.allclose(about.get("log_weights") or 0.0, self.unet.log_weights, atol=1e-9):
            raise InputError(
                "the checkpoint was trained on other labels or with another balance", where=str(self.path),
                fix="Train into another file, or remove this one.",
            )  # fmt: skip
        load_weights(self.unet.module, stored["last"], self.path)
        self.optimizer.load_state_dict(stored["optimizer"])
        self.best, self.unet.history = stored["weights"], about["history"]
        self.unet.facts["seconds"] = about["facts"]["seconds"]
