"""U-Nets as settings, weights, and the scale they belong to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ...core.errors import InputError, ReadError, require_extra
from .image import Scale

FORMAT, VERSION = "operando U-Net", 2  # 1: without log_weights
RESNETS = ("resnet10", "resnet18", "resnet34", "resnet50")
PURPOSE = "segmentation with a U-Net"


@dataclass(frozen=True)
class UNetSettings:
    """Architecture, and how slices are cut.

    encoder      resnet34 (paper 003), resnet10, resnet18 or resnet50 of monai, with random start weights; or light:
                 four levels from full resolution, 0.3 M weights at width 16, which trains in minutes on a CPU
    neighbours   slices on each side that enter as channels: 0 is 2D, 1 and more 2.5D; at the ends the last repeats
    across       axis along which slices are taken: "y" gives slices (z, x)
    width        channels of the first level of light
    """

    encoder: str = "resnet34"
    neighbours: int = 0
    across: Literal["z", "y", "x"] = "z"
    width: int = 16

    def __post_init__(self) -> None:
        if self.encoder not in (*RESNETS, "light"):
            raise InputError(
                f"no encoder {self.encoder!r}",
                where="UNetSettings",
                fix=f"There are {', '.join(RESNETS)}, light.",
            )
        if self.neighbours < 0 or self.across not in ("z", "y", "x") or self.width < 2:
            raise InputError("neighbours, across or width make no sense", where="UNetSettings")

    @property
    def multiple(self) -> int:
        """Sides of what enters the network are multiples of this."""
        return 8 if self.encoder == "light" else 32


@dataclass
class UNet:
    """A trained network with everything that prediction needs.

    settings, phases, scale   as in training; temperature: fitted on held-out slices (1 before)
    module                    the torch module; history: one entry an epoch (loss, held_loss, held_dice)
    facts                     how it was trained
    log_weights               of each phase in the training loss; none where all counted the same

    Probabilities are softmax((logits - log_weights) / temperature): weighted cross entropy is least where the
    softmax of the logits is w_k p_k / sum_j w_j p_j, so that leaving the weights out again gives p_k.
    """

    settings: UNetSettings
    phases: tuple[str, ...]
    scale: Scale
    module: Any
    temperature: float = 1.0
    history: list[dict[str, float]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    log_weights: tuple[float, ...] = ()

    @property
    def weights(self) -> int:
        """Number of trained weights."""
        return sum(p.numel() for p in self.module.parameters())

    def about(self) -> dict[str, Any]:
        """Everything but the weights, as JSON can hold it."""
        return {
            "format": FORMAT, "version": VERSION, "settings": asdict(self.settings), "phases": list(self.phases),
            "scale": asdict(self.scale), "temperature": self.temperature, "history": self.history,
            "facts": self.facts, "log_weights": list(self.log_weights),
        }  # fmt: skip

    def unweighted(self, logits: Any) -> Any:
        """Logits (phase along axis 1) without the weights of the loss."""
        if not any(self.log_weights):
            return logits
        shape = (1, -1, *(1 for _ in logits.shape[2:]))
        return logits - logits.new_tensor(self.log_weights).reshape(shape)

    def save(self, path: str | Path) -> Path:
        """Write weights (tensors only) and settings to one `.pt`. Returns the path."""
        torch = require_extra("torch", "ml", PURPOSE)
        path = Path(path).with_suffix(".pt")
        beside = path.with_suffix(".part")
        torch.save({"about": json.dumps(self.about()), "weights": self.module.state_dict()}, beside)
        beside.replace(path)
        return path


def build(settings: UNetSettings, classes: int) -> Any:
    """The torch module, with random weights. Raises ExtraMissing without torch (and monai, but for light)."""
    torch = require_extra("torch", "ml", PURPOSE)
    channels = 2 * settings.neighbours + 1
    module: Any
    if settings.encoder == "light":
        from ._light import LightUNet

        module = LightUNet(channels, classes, settings.width)
    else:
        nets = require_extra("monai.networks.nets", "ml", PURPOSE)
        module = nets.FlexibleUNet(channels, classes, settings.encoder, pretrained=False)
    return module.to(memory_format=torch.channels_last)


def device() -> str:
    """Where networks run: the first GPU where there is one, else the CPU."""
    torch = require_extra("torch", "ml", PURPOSE)
    return "cuda" if torch.cuda.is_available() else "cpu"


def half_precision(where: str, *, learning: bool = False) -> Any:
    """A context in which convolutions run in bfloat16, where the machine is faster with it.

    AVX-512 with BF16 halves the time of a prediction; learning there stays in float32, as on other processors.
    """
    torch = require_extra("torch", "ml", PURPOSE)
    fast = where == "cuda" or _has("amx_tile") or (not learning and _has("avx512_bf16"))
    return torch.autocast(where, torch.bfloat16, enabled=fast)


def _has(units: str) -> bool:
    import torch

    check = getattr(torch.cpu, f"_is_{units}_supported", None)
    return bool(check and check())


def read_checkpoint(path: str | Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and tensors of a file; only tensors and plain values are unpickled. Raises ReadError."""
    torch = require_extra("torch", "ml", PURPOSE)
    if not Path(path).exists():
        raise ReadError("no such file", where=str(path))
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        about = json.loads(stored["about"])
    except Exception as error:  # a damaged file shows itself in many ways
        raise ReadError("not a saved U-Net", where=str(path), fix="Save one with unet.save(path).") from error
    if about.get("format") != FORMAT or about.get("version", 99) > VERSION:
        raise ReadError(
            f"{about.get('format')!r} of version {about.get('version')}, this program reads {FORMAT!r} {VERSION}",
            where=str(path), fix="Train it again, or use a newer operando.",
        )  # fmt: skip
    missing = [
        k for k in ("settings", "phases", "scale", "temperature", "history", "facts") if k not in about
    ]
    if missing or "weights" not in stored:
        raise ReadError(f"it lacks {', '.join(missing or ['weights'])}", where=str(path),
                        fix="The file is damaged or was changed: train again.")  # fmt: skip
    return about, stored


def load_unet(path: str | Path, *, expected: UNetSettings | None = None) -> UNet:
    """Read a network that `UNet.save` or `train_unet` wrote.

    expected   raise InputError unless the file has these settings

    Raises ReadError for another file, a later version, and weights that do not fit their settings.
    """
    about, stored = read_checkpoint(path)
    settings = UNetSettings(**about["settings"])
    check_architecture(settings, expected, path)
    module = build(settings, len(about["phases"]))
    load_weights(module, stored["weights"], path)
    module.eval()
    return UNet(
        settings, tuple(about["phases"]), Scale(**about["scale"]), module, about["temperature"], about["history"],
        about["facts"], tuple(about.get("log_weights", ())),
    )  # fmt: skip


def check_architecture(found: UNetSettings, expected: UNetSettings | None, path: str | Path) -> None:
    """Raise InputError where a checkpoint is of other settings than asked for."""
    if expected is None:
        return
    own = replace(found, width=expected.width) if found.encoder != "light" else found
    if own != expected:
        raise InputError(
            f"the checkpoint is of {found}, asked for is {expected}", where=str(path),
            fix="Train into another file, or use the settings of the checkpoint.",
        )  # fmt: skip


def load_weights(module: Any, weights: dict[str, Any], path: str | Path) -> None:
    """Put weights into a module. Raises ReadError where names or shapes differ."""
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ReadError(
            "the weights do not fit the architecture that the file names", where=str(path),
            fix="The file is damaged or was changed: train again.",
        ) from error  # fmt: skip
