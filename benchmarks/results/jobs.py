"""The work behind the page in pieces that end up as files: a search, a fit that is scored, a fit that is embedded.

A score's file is named by what it was made of (features, model, parameters, seed), so that nothing is computed twice,
and a run that was killed goes on where it stopped. The code is not part of the name: after a change in a model, start
with an empty working folder.
"""

import hashlib
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.clip_cache import write_atomically
from pipeline.engines import chosen_workers, processes
from pipeline.engines.base import Stopped
from pipeline.errors import DataError, PipelineError
from pipeline.features import FeatureTable
from pipeline.models.base import Model, Pairs, model_module
from pipeline.retrieval.metrics import query_metrics
from pipeline.training import one_thread
from pipeline.tune import Budget, tune

DIRECTIONS = ("audio_to_visual", "visual_to_audio")
METRICS = ("map", "recall_at_1")

Job = TypeVar("Job")


class Search(NamedTuple):
    """The search for a model's parameters on a set: arguments of ``pipeline.tune.tune``."""

    features: Path
    model: str
    section: str
    budget: Budget
    out: Path

    def __str__(self) -> str:
        """For the line of progress."""
        return f"{self.features.stem}: {self.model}, search"


class Fit(NamedTuple):
    """One model, trained on the train rows of a table; the validation rows stop it early, as in the stage ``train``.

    Attributes:
        features: file of the feature table.
        features_sha256: of its bytes.
        model: its name.
        params: all of its ``Params`` but the seeds, as JSON.
        seed: of this one.
        out: folder of the results of all fits.
    """

    features: Path
    features_sha256: str
    model: str
    params: str
    seed: int
    out: Path

    def __str__(self) -> str:
        """For the line of progress."""
        return f"{self.features.stem}: {self.model}, seed {self.seed}"

    def file(self, kind: str) -> Path:
        """Return where its results of a kind are: ``scores`` or ``embeddings``."""
        key = hashlib.sha256(json.dumps([self.features_sha256, self.params, self.seed]).encode()).hexdigest()
        return self.out / kind / self.features.stem / self.model / f"{key[:16]}.npz"


def search(job: Search) -> None:
    """Write the table of trials, in this process alone."""
    os.environ["WORKERS"] = "1"
    tune(*job)


def score(fit: Fit) -> None:
    """Write what the fitted model scores on the test rows: of each query, both ways, the ``METRICS``."""
    table = FeatureTable.load(fit.features)
    with one_thread():
        audio, visual, labels = table.rows("test")
        model = _fitted(fit, table)
        audio, visual = model.embed_audio(audio), model.embed_visual(visual)
        ways = zip(DIRECTIONS, ((audio, visual), (visual, audio)), strict=True)
        measured = {way: query_metrics(*pair, labels, labels, recall_at=[1]).scalars for way, pair in ways}
    scores = {f"{way}.{metric}": measured[way][metric] for way in DIRECTIONS for metric in METRICS}
    _write(fit.file("scores"), scores)


def embed(fit: Fit) -> None:
    """Write the fitted model's embeddings of the train and the test rows."""
    table = FeatureTable.load(fit.features)
    with one_thread():
        model = _fitted(fit, table)
        arrays: dict[str, NDArray[np.float32]] = {}
        for split in ("train", "test"):
            audio, visual, _ = table.rows(split)
            arrays |= {f"{split}_audio": model.embed_audio(audio), f"{split}_visual": model.embed_visual(visual)}
    _write(fit.file("embeddings"), arrays)


def run(function: Callable[[Job], None], jobs: Iterable[Job]) -> None:
    """Call the function with every job, $WORKERS at a time, and print what is done.

    A job that fails does not keep the others from their end.

    Raises:
        DataError: a job failed, or its process ended before it was done; the first such job is named.
    """
    todo, start, failures = list(jobs), time.monotonic(), []
    for number, (job, failure) in enumerate(_outcomes(partial(_attempt, function), todo), start=1):
        minutes = (time.monotonic() - start) / 60
        print(f"{function.__name__} {number} of {len(todo)} after {minutes:.1f} min: {job}{failure}", flush=True)
        failures += [f"{job}{failure}"] if failure else []
    if failures:
        raise DataError(f"{len(failures)} of {len(todo)} failed; expected results of all: {failures[0]}")


def _outcomes(attempt: Callable[[Job], str], jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
    """The jobs as they end, each with its failure in words."""
    n_workers = chosen_workers()
    if n_workers == 1:
        yield from ((job, attempt(job)) for job in jobs)
        return
    for job, answer in processes.run(attempt, jobs, n_workers, timeout_seconds=math.inf):
        yield job, f": {answer.problem}" if isinstance(answer, Stopped) else answer


def _attempt(function: Callable[[Job], None], job: Job) -> str:
    """What went wrong with a job, or nothing."""
    try:
        function(job)
    except PipelineError as error:
        return f": {type(error).__name__}: {error}"
    return ""


def _fitted(fit: Fit, table: FeatureTable) -> Model:
    """The model, trained."""
    module = model_module(fit.model)
    fields: dict[str, Any] = json.loads(fit.params)
    if "seeds" in module.Params.model_fields:
        fields["seeds"] = [fit.seed]
    model: Model = module.Model(module.Params.model_validate(fields), fit.seed)
    model.fit(Pairs(*table.rows("train")), Pairs(*table.rows("validation")))
    return model


def _write(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """An npz file, whole or not at all."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    write_atomically(path, file.getvalue())
