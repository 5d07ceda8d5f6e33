"""Shares of a stage's clips as an array of jobs of a SLURM cluster, or of processes of this machine, by submitit."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, NamedTuple, TypeAlias

from pipeline.errors import DataError, ParamsError
from pipeline.settings.paths import AnyPath

Cluster: TypeAlias = Literal["slurm", "local"]
RUN = "stages/run"  # what dvc.yaml calls, from the folder of the project
PROGRAMS = ("sbatch", "srun")


class Resources(NamedTuple):
    """What each job of an array asks of the scheduler; None: whatever it gives.

    Attributes:
        minutes: after which it is ended.
        n_cores: of one machine.
        gigabytes: of memory.
        n_gpus: of that machine.
        at_a_time: how many jobs run at most.
        others: options of sbatch by their long names, such as ``partition``.
    """

    minutes: int
    n_cores: int
    gigabytes: float | None
    n_gpus: int | None
    at_a_time: int
    others: dict[str, str]


def submit(
    stage: Sequence[str], n_shares: int, resources: Resources, logs: AnyPath, cluster: Cluster = "slurm"
) -> list[Any]:
    """Submit an array of jobs, each of which computes a share of a stage's clips into the clip cache.

    Args:
        stage: its name and its paths, as dvc.yaml has them.
        n_shares: how many jobs, and shares.
        resources: what each job asks for.
        logs: folder for what the jobs print, which they see at the same path.
        cluster: ``local`` runs them on this machine, all at a time.

    Returns:
        The jobs of submitit, that of the first share first.

    Raises:
        ParamsError: submitit is not installed, this machine submits no jobs, the stage is none, or the scheduler
            refuses what the jobs ask for.
    """
    submitit = _submitit()
    if cluster == "slurm":
        _check_programs()
    folder = Path.cwd()
    if not (folder / RUN).is_file():
        raise ParamsError(f"{folder}: no {RUN}; expected the folder of the project")
    executor = submitit.AutoExecutor(folder=Path(logs).absolute() / "%j", cluster=cluster)
    executor.update_parameters(**_parameters(stage, resources))
    command = submitit.helpers.CommandFunction([str(folder / RUN), *stage], cwd=folder)
    try:
        return list(executor.map_array(command, [f"--shard={k}/{n_shares}" for k in range(1, n_shares + 1)]))
    except submitit.core.utils.FailedJobError as error:
        said = str(error).strip().splitlines() or ["it said nothing"]
        raise ParamsError(f"sbatch: {said[-1]}; expected options that this cluster takes") from error


def wait(jobs: Sequence[Any]) -> None:
    """Wait until jobs have ended, and say of each what it said last.

    Raises:
        DataError: some have failed; it names their shares, and where their words are.
    """
    failed = []
    for number, job in enumerate(jobs, start=1):
        share, error = f"share {number}/{len(jobs)}", job.exception()
        if error is None:
            print(_last_line(job.result()))
        else:
            print(f"{share}: FAILED: {_last_line(str(error))}")
            failed.append(f"{share} ({job.paths.stderr})")
    if failed:
        expected = "all to end: run the same command again, what is finished is kept"
        raise DataError(f"{len(failed)} of {len(jobs)} jobs failed: {', '.join(failed)}; expected {expected}")


def _parameters(stage: Sequence[str], resources: Resources) -> dict[str, Any]:
    """What submitit calls it."""
    return {
        "name": f"avr-{stage[0]}",
        "timeout_min": resources.minutes,
        "cpus_per_task": resources.n_cores,
        "mem_gb": resources.gigabytes,
        "gpus_per_node": resources.n_gpus,
        "slurm_array_parallelism": resources.at_a_time,
        "slurm_additional_parameters": resources.others,
    }


def _submitit() -> ModuleType:
    """The package, if it is installed."""
    try:
        import submitit
    except ImportError as error:
        problem = "submitit is not installed; expected the extra `slurm`: '.[slurm]'"
        raise ParamsError(f"avr slurm: {problem}") from error
    module: ModuleType = submitit
    return module


def _check_programs() -> None:
    """Refuse a machine that submits nothing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        where = "a login node of a SLURM cluster; --cluster local tries it on this machine"
        raise ParamsError(f"avr slurm: no {' and no '.join(missing)} here; expected {where}")


def _last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
