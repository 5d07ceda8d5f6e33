"""The feature tables that the results are measured on, each as a file of the working folder."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pipeline.dataset.feature_files.imported import clips_of, with_splits_of
from pipeline.dataset.sources.features import import_table
from pipeline.dataset.splits import assign_splits
from pipeline.dataset.windows import WindowedParams
from pipeline.errors import ParamsError
from pipeline.formats.clips import Clip, read_clips, write_clips
from pipeline.formats.feature_table import FeatureTable, label_names
from pipeline.settings.params import load_params
from pipeline.tune.trials import Budget


class FeatureSet(NamedTuple):
    """A word NAME=FILE of the command line."""

    name: str
    file: Path


def parse(words: Sequence[str]) -> list[FeatureSet]:
    """Return the sources that words name.

    Raises:
        ParamsError: a word has another form, or a name cannot be a file's or stands twice.
    """
    sources: list[FeatureSet] = []
    for word in words:
        name, _, file = word.partition("=")
        if not file or not name.isidentifier() or name in [source.name for source in sources]:
            raise ParamsError(f"{word!r}; expected NAME=FILE, NAME of letters, digits and _, each once")
        sources.append(FeatureSet(name, Path(file)))
    return sources


def check_names(sources: Sequence[FeatureSet], chosen: Iterable[str], option: str) -> None:
    """Refuse an option that names a set that is not there.

    Raises:
        ParamsError: a name is that of no source.
    """
    names = [source.name for source in sources]
    for name in chosen:
        if name not in names:
            raise ParamsError(f"{option} {name}: no such set; expected some of {', '.join(names)}")


def prepare(source: FeatureSet, folder: Path) -> Path:
    """Return the file of the source's feature table, after writing it: the same source gives the same bytes.

    Args:
        source: its file is ``data/features.safetensors`` of a finished run, or published features, whose split the
            section ``dataset`` of params.yaml completes with a validation part of train.
        folder: where the table is written, as NAME.safetensors, and its clips beside it.

    Raises:
        DataError: the file cannot be read as either.
    """
    table, clips = _of_run(source.file) if _is_table(source) else _imported(source.file)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{source.name}.safetensors"
    write_clips(clips_file(path), clips)
    temporary = path.with_suffix(".tmp")
    table.save(temporary)
    return temporary.replace(path)


def clips_file(features: Path) -> Path:
    """Return where the clips of a set's table stand, whose recordings and bytes its folds keep together."""
    return features.with_suffix(".clips.csv")


def budget_of(source: FeatureSet, budget: Budget, clusters: Mapping[str, int]) -> Budget:
    """Return the budget of a search on the source's table.

    The features of a finished run hold a PCA that was fitted on its train rows, which makes other rows look different:
    there the run's own validation rows are held out in place of folds. They are one fold, by which no trial can be
    clearly ahead, so that trial 0 alone is run, for its validation MAP.

    Args:
        source: of the table.
        budget: as it is for published features whose test rows are like the others.
        clusters: how many clusters of sounds a set has, by its name, if its test rows are of other ones.
    """
    if source.name in clusters:
        return budget._replace(n_folds=clusters[source.name], by_cluster=True)
    return budget._replace(n_trials=1, n_folds=1) if _is_table(source) else budget


def _is_table(source: FeatureSet) -> bool:
    """Whether the file is of a finished run."""
    return source.file.suffix == ".safetensors"


def _of_run(file: Path) -> tuple[FeatureTable, list[Clip]]:
    """The features of a finished run, and its clips; of a table alone, clips whose files and sources are unknown."""
    table = FeatureTable.load(file)
    if (beside := file.with_name("clips.csv")).is_file():
        return table, read_clips(beside)
    labels = label_names(table.labels, table.classes)
    rows = zip(table.clip_ids, labels, table.splits, strict=True)
    return table, [Clip(clip_id=clip_id, path="", label=label, split=split) for clip_id, label, split in rows]


def _imported(file: Path) -> tuple[FeatureTable, list[Clip]]:
    """Published features, split as the stage ``dataset`` does it, and the clips that stand for the rows."""
    section = load_params("dataset", WindowedParams)
    params = section.model_copy(update={"source": "features", "path": file, "protocol": None, "fold": None})
    imported = import_table(params)
    clips = assign_splits(clips_of(imported), params)
    return with_splits_of(imported.table, clips), clips
