"""How a U-Net is trained."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...core.errors import InputError
from .augmentation import Augmentation


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    patch, batch    rows and columns of a patch (cut to the slice), patches a step
    steps, epochs   steps an epoch and epochs at most; held-out slices are looked at after each epoch
    patience        stop after so many epochs without a lower held-out loss; the best weights are kept
    held            share of the slices of each volume that is held out, in one block at its end (elsewhere
                    where a phase would lose most of its voxels), with a gap of `neighbours` slices
    learning_rate   highest; it rises over the first epoch and falls as a cosine until the last
    time_s          stop after so many seconds of processor time (None: no limit), keeping the best weights
    balance         0: all voxels count the same, and a rare phase may never be learned. Over 0: this share of
                    the patches lies around a voxel of a phase drawn evenly, and phases count in the loss by
                    share^-balance. Both are undone: patches by their weights, phases in the probabilities
                    (`UNet.log_weights`)
    """

    patch: tuple[int, int] = (128, 128)
    batch: int = 8
    steps: int = 50
    epochs: int = 40
    patience: int = 12
    held: float = 0.2
    learning_rate: float = 2e-3
    weight_decay: float = 1e-3
    augmentation: Augmentation = field(default_factory=Augmentation)
    time_s: float | None = None
    seed: int = 0
    balance: float = 0.5

    def __post_init__(self) -> None:
        if min(self.batch, self.steps, self.epochs, self.patience, *self.patch) < 1 or not 0 < self.held < 1:
            raise InputError(
                "batch, steps, epochs, patience, patch or held make no sense", where="TrainSettings"
            )
        if not 0 <= self.balance < 1:
            raise InputError(f"a balance of {self.balance}", where="TrainSettings", fix="Give 0 to below 1.")
