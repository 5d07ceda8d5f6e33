"""The command ``avr slurm``."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import ParamsError


class ClusterName(StrEnum):
    """Where jobs run."""

    SLURM = "slurm"
    LOCAL = "local"


def slurm(
    stage: Annotated[
        list[str], typer.Argument(metavar="STAGE", help="A stage, and behind it its paths, as dvc.yaml has them.")
    ],
    *,
    shares: Annotated[int, typer.Option(min=1, metavar="N", help="Jobs of the array, each with one share.")],
    minutes: Annotated[int, typer.Option(min=1, metavar="M", help="After which a job is ended.")] = 24 * 60,
    cores: Annotated[int, typer.Option(min=1, metavar="N", help="Cores of each job.")] = 1,
    memory: Annotated[float | None, typer.Option(min=0.1, metavar="GB", help="Memory of each job.")] = None,
    gpus: Annotated[int | None, typer.Option(min=1, metavar="N", help="GPUs of each job, for networks.")] = None,
    at_a_time: Annotated[int, typer.Option(min=1, metavar="N", help="Jobs that run at most.")] = 256,
    partition: Annotated[str | None, typer.Option(metavar="NAME", help="Where the cluster runs them.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another option of sbatch, such as account=lab.")
    ] = None,
    logs: Annotated[Path, typer.Option(metavar="DIR", help="Folder for what jobs print.")] = Path("data/slurm"),
    cluster: Annotated[
        ClusterName, typer.Option(help="slurm, or local: processes of this machine.")
    ] = ClusterName.SLURM,
    do_wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait, and name what failed.")] = True,
) -> None:
    """Compute a stage's clips as jobs of SLURM.

    Each job of an array runs `stages/run` with STAGE and --shard I/N, which puts its share of the clips into the clip
    cache and writes nothing else. The nodes need the project, the videos and the cache ($AVR_CACHE_DIR) as this machine
    sees them. Afterwards `dvc repro` takes everything from the cache. Jobs that failed or were ended are submitted by
    the same command again, and go on where they were.
    """
    from pipeline.clip_jobs.slurm import Resources, submit, wait

    others = _options([*(option or []), *([f"partition={partition}"] if partition else [])])
    resources = Resources(minutes, cores, memory, gpus, at_a_time, others)
    jobs = submit(stage, shares, resources, logs, cluster.value)
    print(f"{stage[0]}: {len(jobs)} jobs, {jobs[0].job_id} to {jobs[-1].job_id}; they write to {jobs[0].paths.folder}")
    if do_wait:
        wait(jobs)


def _options(texts: list[str]) -> dict[str, str]:
    """Options of sbatch by name.

    Raises:
        ParamsError: one is not NAME=VALUE.
    """
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, (name, mark, _) in zip(texts, pairs, strict=True) if not (name and mark)]:
        raise ParamsError(f"--option {wrong[0]!r}; expected NAME=VALUE, such as account=lab")
    return {name: value for name, _, value in pairs}
