"""All models of params.yaml, trained by one stage: those that are finished are kept, the others share the cores."""

import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from threadpoolctl import threadpool_limits

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.engines import processes
from pipeline.clip_jobs.engines.base import Stopped
from pipeline.errors import DataError, ParamsError, PipelineError
from pipeline.formats.files import disk_errors, file_sha256
from pipeline.formats.stored_features import is_streamed, open_features
from pipeline.model_parts.base import model_module
from pipeline.model_parts.finished import (
    EMBEDDINGS,
    ModelTraining,
    finished_files,
    forget,
    keep,
    restore,
    trained_models,
    training_of,
)
from pipeline.model_parts.ranks import is_shared, joined_ranks, own_rank
from pipeline.settings.environment import chosen_workers, may_have_gpu, set_variable
from pipeline.settings.params import load_params, model_sections
from pipeline.settings.paths import AnyPath
from pipeline.settings.progress import progress

WATCHED = ("model", "baselines")
"""The sections of params.yaml that the stage depends on, beside the list of the models."""

_MEMORY_OF_A_FIT = 4  # times the features: 2.9 are measured of 60,000 clips
_MEMORY_OF_A_STREAMED_FIT = 2 << 30, 0.25  # bytes, and times the features: 1.6e9 are measured of 4.6e9, .9e9 of .46e9
_LIMITS_OF_A_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
Restored = Literal["all", "fits", "nothing"]
FileVersion: TypeAlias = tuple[int, int, int]
Work: TypeAlias = Callable[[ModelTraining], PipelineError | None]
_LOADED = ("torch", "pipeline.model_parts.deep", "pipeline.model_parts.seeds")


def train_models(features: AnyPath, models: AnyPath, embeddings: AnyPath) -> None:
    """Fit every model of params.yaml on the features, and embed every clip with it.

    Several models are fitted at a time, one a core ($AVR_WORKERS) and thread, in processes of their own; on a GPU, and
    under torchrun, one after the other. How many at a time changes no number. A model that is finished is taken from
    the cache, and one that fails keeps no other from being trained.

    Args:
        features: the table of all clips.
        models: the folder to write a folder of fits to for each model.
        embeddings: the folder to write an npz to for each model.

    Raises:
        DataError: the features are damaged, a model cannot learn from them, or a process that trained one ended.
        DiskError: the disk is full or fails.
        ParamsError: a section is missing, wrong or none that DVC watches.
    """
    features, sections, kept = Path(features), model_sections(), trained_models()
    _check_watched(sections.values())
    version = _version(features)
    digest = file_sha256(features)
    trainings = [training_of(name, section, digest, models, embeddings) for name, section in sections.items()]
    restored = {training.name: _restored(training, kept) for training in trainings}
    to_train = [name for name, what in restored.items() if what == "nothing"]
    left = [training for training in trainings if restored[training.name] != "all"]
    if own_rank() == 0:
        names = f": {', '.join(to_train)}" if to_train else ""
        print(f"train: {len(to_train)} of {len(trainings)} models to train{names}", flush=True)
    work = partial(_train, features, version, kept, {*to_train})
    failed = dict(_failures(features, work, left))
    if failed:
        first = next(iter(failed.values()))
        if len(failed) > 1:
            print(f"train: {len(failed)} models failed: {', '.join(failed)}; of the first:", file=sys.stderr)
        raise first


def _restored(training: ModelTraining, kept: ClipCache) -> Restored:
    """What of a training is finished and whole, as all ranks see for themselves; the first one writes its files."""
    files = finished_files(training, kept)
    if files is None:
        return "nothing"
    if own_rank() == 0:
        restore(training, files)
    return "all" if EMBEDDINGS in files else "fits"


def _failures(features: Path, work: Work, left: Sequence[ModelTraining]) -> Iterator[tuple[str, PipelineError]]:
    """Train models, and yield those that fail, with their errors."""
    n_workers = _n_workers(features, left)
    if n_workers < 2:
        answers = _one_by_one(work, left)
    else:
        processes.prepare(_LOADED)
        start = partial(set_variable, "AVR_WORKERS", "1")  # the other cores are taken
        answers = processes.run(work, left, n_workers, float("inf"), start)
    with progress("train", len(left), "model", is_silent=n_workers < 2) as advance:
        for training, answer in answers:
            advance()
            if isinstance(answer, Stopped):
                expected = "expected it to be trained, for which AVR_WORKERS=1 takes the least memory"
                yield training.name, DataError(f"model {training.name}: {answer.problem}; {expected}")
            elif answer is not None:
                yield training.name, answer


def _one_by_one(
    work: Work, left: Sequence[ModelTraining]
) -> Iterator[tuple[ModelTraining, PipelineError | Stopped | None]]:
    """Train models in this process, which may be one of torchrun's ranks: then the first error is that of all."""
    with joined_ranks():
        for training in left:
            error = work(training)
            if error is not None and is_shared():
                raise error
            yield training, error


def _train(
    features: Path, version: FileVersion, kept: ClipCache, to_train: Set[str], training: ModelTraining
) -> PipelineError | None:
    """Train a model on one thread, whatever else is trained beside it, and embed every clip; return what fails.

    The embeddings are those of the files that it wrote, each modality's from its own features alone. The features are
    read for each half: in between, those that are no train or validation rows are not held. Of streamed features the
    embeddings, which may be larger than these, are not kept in the cache: a model whose fits are kept is only embedded.
    """
    from pipeline.model_parts.seeds import embed_seeds, fit_seeds  # by torch, which only who trains is to load

    name, is_new = training.name, training.name in to_train
    try:
        params_class = model_module(name).Params  # this loads the libraries that the limit is to find
        with threadpool_limits(1), disk_errors(training.folder):
            params = load_params(training.section, params_class)
            if is_new and own_rank() == 0:
                forget(training)
            if fit_seeds(name, params, open_features(features), training.folder) if is_new else own_rank() == 0:
                embed_seeds(name, training.folder, open_features(features), training.embeddings)
                _check_unchanged(features, version)
                if is_new:
                    keep(training, kept, with_embeddings=not is_streamed(features))
    except PipelineError as error:
        return error
    except Exception as error:  # of this program or a library: the others are trained all the same
        traceback.print_exc()
        return DataError(f"model {name}: {type(error).__name__}: {error}; expected it to be trained")
    return None


def _version(features: Path) -> FileVersion:
    """What tells a file from one that was put in its place or written over."""
    facts = features.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _check_unchanged(features: Path, version: FileVersion) -> None:
    """Refuse fits whose features are not those whose hash they would be kept under."""
    if not features.exists() or _version(features) != version:
        raise DataError(f"{features}: changed while models were trained on it; expected the stage to run again")


def _n_workers(features: Path, left: Sequence[ModelTraining]) -> int:
    """How many models to train at a time: as many as there are cores, and memory for half of it; one on a GPU."""
    most = min(chosen_workers(), len(left))
    if most < 2 or is_shared():
        return 1
    n_bytes = features.stat().st_size
    least, share = _MEMORY_OF_A_STREAMED_FIT if is_streamed(features) else (0, _MEMORY_OF_A_FIT)
    of_a_fit = least + share * n_bytes
    most = min(most, int(_memory_bytes() / 2 / of_a_fit))
    return most if most > 1 and not _has_gpu() else 1


def _memory_bytes() -> int:
    """What this machine has, or what its container may use."""
    bounds = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in map(Path, _LIMITS_OF_A_CONTAINER):
        with suppress(OSError, ValueError):  # where there is no bound it says `max`
            bounds.append(int(path.read_text()))
    return min(bounds)


def _has_gpu() -> bool:
    """Whether models are trained on a GPU, which several of them would only share; torch is asked where one may be."""
    if not may_have_gpu():
        return False
    from pipeline.settings.device import chosen_device

    return chosen_device().type == "cuda"


def _check_watched(sections: Iterable[str]) -> None:
    """Refuse a section of which DVC would not see that it has changed."""
    for section in sections:
        if section.partition(".")[0] not in WATCHED:
            raise ParamsError(f"models: section {section!r}; expected {' or one below '.join(WATCHED)}")
