"""The classifier of a run: one that is named, or trained on the labels that are named or were painted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from operando.core.errors import ExperimentError, InputError
from operando.tomography.volume import quantity

from .results import Process
from .sections.segmentation import SegmentationSection
from .segmentation_known import Scan
from .segmentation_model import Classifier, ForestSettings, NetSettings, Settings, read_classifier, train
from .segmentation_sources import training

if TYPE_CHECKING:
    from .running import Run


def classifier_of(job: Run, section: SegmentationSection, scans: list[Scan]) -> Classifier | None:
    """The model that is named, or one trained on the labels that are named, or on what was painted in the page."""
    if section.model is not None:
        found = read_classifier(Path(section.model))
        if section.phases is not None and tuple(section.phases) != found.phases:
            raise ExperimentError(
                f"the model knows {', '.join(found.phases)}; phases names {', '.join(section.phases)}",
                where="segmentation.phases", fix="Leave phases out, or train a model of these.",
            )  # fmt: skip
        return found
    known = training(job, section, scans)
    if not known:
        return None
    how = settings_of(section)
    begun = time.perf_counter()

    def tell(entry: dict[str, float]) -> None:
        job.listener.progress("segmentation, training", int(entry["epoch"]) + 1, section.epochs)

    job.listener.say("segmentation", f"training on {sum(int((k.labels > 0).sum()) for k in known):,} voxels")
    try:
        made = train(known, how, job.folder / "segmentation" / section.method, tell=tell)
    except InputError as error:
        raise type(error)(
            error.what, where=_placed("segmentation.train", error.where), fix=error.fix
        ) from error
    inputs = {f"labels of {k.scan.name}": k.digest for k in known}
    job.stages.processes.append(
        Process("segmentation_train", "1", time.perf_counter() - begun, {"how": repr(how)}, inputs, made.kind)
    )
    return made


def _placed(key: str, where: str) -> str:
    """A place that names the file where the error does, else the key of the experiment file."""
    return where if "." in where or "/" in where else key


def settings_of(section: SegmentationSection) -> Settings:
    if section.method == "forest":
        return ForestSettings(
            section.dimensions, tuple(section.sigmas), section.trees, section.depth, section.seed
        )
    return NetSettings(section.encoder, section.neighbours, section.across, (section.patch[0], section.patch[1]),
                       section.epochs, section.time_s, section.seed)  # fmt: skip


def about_model(classifier: Classifier) -> xr.Dataset:
    """What the features count (forest), or the history of the training (U-Net)."""
    model = classifier.model
    if classifier.is_net:
        names = ("loss", "held_loss", "held_dice", "held_worst_dice", "seconds")
        history = {n: quantity(np.array([h[n] for h in model.history]), "epoch", "s" if n == "seconds" else "1", n)
                   for n in names if model.history}  # fmt: skip
        return xr.Dataset(history, attrs={"kind": classifier.kind, "weights": model.weights})
    importance = model.facts["importance"]
    return xr.Dataset(
        {"importance": quantity(np.array(list(importance.values())), "feature", "1", "importance of the feature")},
        coords={"feature": list(importance)},
        attrs={"kind": classifier.kind, "out_of_bag_accuracy": model.facts["out_of_bag_accuracy"],
               "painted": [f"{n}: {c}" for n, c in model.facts["painted"].items()]},
    )  # fmt: skip
