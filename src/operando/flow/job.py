"""run: an experiment file to a run folder with results, resumable at any point."""

from __future__ import annotations

import logging
import shlex
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import xarray as xr

from .experiment import load_experiment
from .input_files import file_digests
from .joint import joint
from .notes import grouped
from .own_record import as_seen_by
from .results import Process, Results, describe_machine
from .run_folder import keep_experiment, logged, own_folder, placed, spare_the_experiment
from .run_lock import locked
from .running import Listener, Run
from .stage import Stages
from .store import write_results
from .timeline import electrochemistry, impedance
from .workers import team

log = logging.getLogger("operando.flow")

#: techniques: section of the experiment file, and the recipe `(job, groups, table)` that adds its groups, in this order
RECIPES = {
    "xrd": "microxrd:micro_xrd",
    "tomography": "tomography:tomography",
    "segmentation": "segmentation:segmentation",
    "transport": "transport:transport_of_volumes",
    "compton": "compton_imaging:compton_imaging",
    "ebsd": "ebsd:ebsd",
    "film_model": "film_model:film_model",
    "symmetric_model": "symmetric_model:symmetric_model",
}


def run(
    path: str | Path, output: str | Path | None = None, *, overrides: dict[str, Any] | None = None,
    listener: Listener | None = None, command: str | None = None, workers: int | None = None, scheduler: Any = None,
) -> tuple[Path, Results]:  # fmt: skip
    """Analyse what an experiment file names; returns the run folder and the results written there.

    Finished stages of an earlier run in the same folder are found again, so a killed run continues. `workers`
    processes, or those of a Dask `scheduler` (address or Client), reduce and fit maps, to the same bits. Raises
    `ExperimentError` and other `OperandoError`s for what the user can mend, `Busy` when another process has the folder.
    """
    path = Path(path)
    experiment = load_experiment(path, overrides)
    folder = Path(output) if output is not None else path.resolve().parent / "run"
    spare_the_experiment(path, folder)
    with placed(path), locked(folder), logged(folder / "run.log"), team(workers, scheduler) as others:
        own_folder(path, folder, experiment)
        begun = time.time()
        stages = Stages(folder / "stages")
        stages.sweep()
        keep_experiment(path, folder, experiment)
        job = Run(folder, experiment, stages, listener or Listener(), team=others)
        groups: dict[str, xr.Dataset] = {}
        table = electrochemistry(job, groups)
        impedance(job, groups)
        for section, recipe in RECIPES.items():
            asked = getattr(experiment, section)
            if asked is not None:
                module, _, function = recipe.partition(":")
                seen, record = as_seen_by(job, groups, section, table)
                getattr(import_module(f"operando.flow.{module}"), function)(seen, groups, record)
        joint(job, groups)
        for note in job.notes:
            log.info("to look at: %s", note)
        results = Results(
            experiment.title, experiment.model_dump(mode="json", exclude_none=True), groups, stages.processes,
            grouped(job.notes), describe_machine(), command or _command(),
        )  # fmt: skip
        took = time.time() - begun
        inputs = file_digests(experiment)
        results.processes.append(Process("run", "1", took, inputs=inputs, detail=f"{len(groups)} groups"))
        write_results(results, folder / "results.nxs")
        return folder, results


def _command() -> str:
    """The command line that started this, its paths absolute: it can be given again from any folder."""
    words = [
        str(Path(w).resolve()) if not w.startswith("-") and Path(w).exists() else w for w in sys.argv[2:]
    ]
    return shlex.join(["operando", *sys.argv[1:2], *words])
