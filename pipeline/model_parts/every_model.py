"""All models of params.yaml, trained by one stage: those that are finished are kept, the others share the cores."""

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from pipeline.clip_jobs.engines import processes
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.errors import DataError, ParamsError, PipelineError
from pipeline.formats.feature_table import FeatureTable
from pipeline.model_parts.base import model_module
from pipeline.model_parts.finished import Training, forget, is_finished, note_finished, remove_others, training_of
from pipeline.model_parts.ranks import is_shared, joined_ranks, own_rank
from pipeline.model_parts.seeds import embed_seeds, fit_seeds
from pipeline.settings.environment import chosen_workers, variable
from pipeline.settings.params import load_params, model_sections
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import progress

WATCHED = ("model", "baselines")
"""The sections of params.yaml that the stage depends on, beside the list of the models."""

_MEMORY_OF_A_FIT = 4  # times the features: 2.9 are measured of 60,000 clips
_NODES_OF_GPUS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # NVIDIA's, Windows's for Linux, AMD's
_LOADED = ("torch", "pipeline.model_parts.deep", "pipeline.model_parts.seeds")


def train_models(features: AnyPath, models: AnyPath, embeddings: AnyPath) -> None:
    """Fit every model of params.yaml on the features, and embed every clip with it.

    Several models are fitted at a time, one a core ($AVR_WORKERS) and thread, in processes of their own; on a GPU, and
    under torchrun, one after the other. How many at a time changes no number. A model that is finished is kept, one
    that fails keeps no other from being trained, and what belongs to no model of params.yaml is removed.

    Args:
        features: the table of all clips.
        models: the folder to write a folder of fits to for each model.
        embeddings: the folder to write an npz to for each model.

    Raises:
        DataError: the features are damaged, a model cannot learn from them, or a process that trained one ended.
        ParamsError: a section is missing, wrong or none that DVC watches.
    """
    features, sections = Path(features), model_sections()
    _check_watched(sections.values())
    digest = _sha256(features)
    trainings = [training_of(name, section, digest, models, embeddings) for name, section in sections.items()]
    left = [training for training in trainings if not is_finished(training)]
    is_writer = own_rank() == 0
    if is_writer:
        remove_others(models, embeddings, trainings)
        print(f"train: {len(left)} of {len(trainings)} models to train" + _names(left), flush=True)
    failed = dict(_failures(features, left))
    if failed:
        first = next(iter(failed.values()))
        if len(failed) > 1 and is_writer:
            print(f"train: {len(failed)} models failed: {', '.join(failed)}; of the first:", file=sys.stderr)
        raise first


def _failures(features: Path, left: Sequence[Training]) -> Iterator[tuple[str, PipelineError]]:
    """Train models, and yield those that fail, with their errors."""
    n_workers = _n_workers(features, left)
    if n_workers < 2:
        answers = _one_by_one(features, left)
    else:
        processes.prepare(_LOADED)
        answers = processes.run(partial(_train, features), left, n_workers, float("inf"))
    with progress("train", len(left), "model", is_silent=n_workers < 2) as advance:
        for training, answer in answers:
            advance()
            if isinstance(answer, Stopped):
                yield training.name, DataError(f"model {training.name}: {answer.problem}; expected it to be trained")
            elif answer is not None:
                yield training.name, answer


def _one_by_one(features: Path, left: Sequence[Training]) -> Iterator[tuple[Training, PipelineError | Stopped | None]]:
    """Train models in this process, which may be one of torchrun's ranks."""
    with joined_ranks():
        for training in left:
            yield training, _train(features, training)


def _train(features: Path, training: Training) -> PipelineError | None:
    """Train a model, on one thread whatever else is trained at the same time, and embed every clip; its error, if any.

    The embeddings are those of the files that it wrote, each modality's from its own features alone. The features are
    read for each half: in between, those that are no train or validation rows are not held.
    """
    name = training.name
    try:
        params_class = model_module(name).Params  # this loads the libraries that the limit is to find
        with threadpool_limits(1):
            params = load_params(training.section, params_class)
            if own_rank() == 0:
                forget(training)
            if fit_seeds(name, params, FeatureTable.load(features), training.folder):
                embed_seeds(name, training.folder, FeatureTable.load(features), training.embeddings)
                note_finished(training)
    except PipelineError as error:
        return error
    return None


def _n_workers(features: Path, left: Sequence[Training]) -> int:
    """How many models to train at a time: as many as there are cores, and memory for half of it; one on a GPU."""
    most = min(chosen_workers(), len(left))
    if most < 2 or is_shared():
        return 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    most = min(most, int(memory / (_MEMORY_OF_A_FIT * features.stat().st_size)))
    return most if most > 1 and not _has_gpu() else 1


def _has_gpu() -> bool:
    """Whether models are trained on a GPU, which several of them would only share; torch is asked where one may be."""
    asked = variable("AVR_DEVICE")
    if asked == "cpu" or not (asked or any(Path(node).exists() for node in _NODES_OF_GPUS)):
        return False
    from pipeline.settings.device import chosen_device

    return chosen_device().type == "cuda"


def _check_watched(sections: Iterable[str]) -> None:
    """Refuse a section of which DVC would not see that it has changed."""
    for section in sections:
        if section.partition(".")[0] not in WATCHED:
            raise ParamsError(f"models: section {section!r}; expected {' or one below '.join(WATCHED)}")


def _names(left: Sequence[Training]) -> str:
    """The models by name, behind a colon."""
    return f": {', '.join(training.name for training in left)}" if left else ""


def _sha256(path: Path) -> str:
    """Hash of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
