"""Source ``features``: clip vectors that others have published, in place of videos; their keys tell the schema."""

from collections import Counter
from pathlib import Path

from pipeline.dataset.base import DatasetParams
from pipeline.dataset.feature_files import ave as feature_ave
from pipeline.dataset.feature_files import schemas as feature_schemas
from pipeline.dataset.feature_files import vegas as feature_vegas
from pipeline.dataset.feature_files.imported import Imported
from pipeline.dataset.layouts.ave_protocols import PROTOCOLS
from pipeline.dataset.layouts.locations import chosen_protocol
from pipeline.errors import DataError, ParamsError


def import_table(params: DatasetParams) -> Imported:
    """Return the rows of a published feature file or folder, each with its split.

    Args:
        params: ``path`` is the file (schemas A, B, C) or the folder (C, D, F); ``fold`` is the test fold of schema D,
            ``protocol`` the split of schema F, as of source ``ave``.

    Raises:
        ParamsError: no path is given, or a protocol or fold that the files do not have.
        DataError: nothing is there, the schema is unknown or a key missing, or an array cannot be right.
    """
    path = params.path
    if path is None:
        raise ParamsError("dataset.path is null; expected published features: -S dataset.path=FILE.h5, or a folder")
    if not path.exists():
        raise DataError(f"dataset.path={path}: not there (seen from {Path.cwd()}); expected a feature file or folder")
    imported = _folder(path, params) if path.is_dir() else _file(path, params)
    clip_id, count = max(Counter(imported.table.clip_ids).items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise DataError(f"{path}: clip {clip_id!r} stands in {count} rows; expected one row a clip")
    return imported


def _folder(path: Path, params: DatasetParams) -> Imported:
    """Schema D, F or C."""
    if (path / feature_vegas.AUDIO).is_dir() or (path / feature_vegas.VISUAL).is_dir():
        _check_no_protocol(params)
        return feature_vegas.read_d(path, params.fold or 0)
    _check_no_fold(params)
    if any((path / name).is_file() for name in (feature_ave.AUDIO, feature_ave.VISUAL)):
        return feature_ave.read_f(path, chosen_protocol(params, PROTOCOLS))
    _check_no_protocol(params)
    visible = [file for file in path.iterdir() if not file.name.startswith(".")]
    files = sorted(file for file in visible if file.suffix in feature_schemas.SUFFIXES)
    if not files:
        raise DataError(
            f"{path}: no features; expected {' '.join(feature_vegas.FOLDERS)} (schema D), "
            f"{' '.join(feature_ave.NEEDED)} (F), or one HDF5 file a split (C)"
        )
    return feature_schemas.read_c(files)


def _file(path: Path, params: DatasetParams) -> Imported:
    """Schema A, B or C."""
    _check_no_fold(params)
    _check_no_protocol(params)
    schema = feature_schemas.schema_of(path)
    if schema == "C":
        return feature_schemas.read_c(feature_schemas.siblings(path))
    return feature_schemas.read_a(path) if schema == "A" else feature_schemas.read_b(path)


def _check_no_fold(params: DatasetParams) -> None:
    """Refuse a fold that would change nothing."""
    if params.fold is not None:
        raise ParamsError(f"dataset.fold={params.fold}; expected null: only schema D has folds, other files one split")


def _check_no_protocol(params: DatasetParams) -> None:
    """Refuse a protocol that would change nothing."""
    if params.protocol is not None:
        raise ParamsError(f"dataset.protocol={params.protocol!r}; expected null: only schema F has protocols")
