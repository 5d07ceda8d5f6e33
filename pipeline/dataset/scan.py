"""What a source of clips holds at this moment, with a hash of every file."""

from pathlib import Path

from pipeline.dataset.base import LABELS_OF_SOURCE, DatasetParams, Found, source_module, without_missing
from pipeline.dataset.feature_files.imported import clips_of
from pipeline.dataset.file_hashes import with_hashes
from pipeline.dataset.given_labels import labelled_as, with_labels
from pipeline.dataset.names import check_names
from pipeline.dataset.preflight import check_environment
from pipeline.formats.feature_table import FeatureTable
from pipeline.settings.environment import cache_folder
from pipeline.settings.limits import load_limits


def scan(params: DatasetParams) -> tuple[Found, FeatureTable]:
    """Return the clips of the source with their hashes, and its feature table, which is empty where it has videos.

    Args:
        params: section ``dataset``.

    Raises:
        DataError: the source cannot be read, or a name in it holds a control character or is too long.
        ParamsError: the source is unknown or refuses a setting, or an environment variable says what a later stage
            would refuse.
    """
    check_environment()
    module, limits = source_module(params.source), load_limits()
    if hasattr(module, "import_table"):
        imported = module.import_table(params)
        clips = with_labels(clips_of(imported), params)
        check_names(clips, f"dataset.path={params.path}", limits)
        table = imported.table if params.labels == LABELS_OF_SOURCE else labelled_as(imported.table, clips)
        return Found(params.path or Path(), clips, imported.refused), table
    found = without_missing(module.find_clips(params))
    check_names(found.clips, f"dataset.path={params.path}", limits)
    labelled = with_labels(found.clips, params)
    clips = with_hashes(found.root, labelled, cache_folder() / "file_hashes.json", params.clip_timeout_seconds)
    return found._replace(clips=clips), FeatureTable.empty()
