"""New clips for an index: files are embedded by the encoder there is; nothing is trained again."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.dataset.names import check_name
from pipeline.encoder.found_files import media_files
from pipeline.errors import ClipError, DataError, printable
from pipeline.formats.clips import Clip
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import Arrays
from pipeline.network_parts.base import Modality
from pipeline.search.rows import MODALITIES, IndexFacts, IndexRow, Vector, facts_of
from pipeline.search.store import open_table
from pipeline.search.windows import Stretch, stretches_of
from pipeline.search.writing import add_rows, check_facts, known_hashes, optimise
from pipeline.settings.limits import Limits
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.encoder import Encoder

FILES_AT_A_TIME = 128  # what a kill may cost; the networks' vectors of these are in the clip cache even then


class NewFile(NamedTuple):
    """A file to add.

    Attributes:
        root: the folder that its path starts from, absolute.
        path: from there on, with forward slashes.
        label: name of its class; empty where it is not known.
        sha256: of its bytes, in hex.
    """

    root: Path
    path: str
    label: str
    sha256: str = ""

    @property
    def place(self) -> str:
        """Where it lies, as text."""
        return str(self.root / self.path)


class NewLabels(NamedTuple):
    """Where the labels of new clips are from.

    Attributes:
        label: of all; empty: not known.
        of_folders: whether a file in a folder below the one that is added has that folder's name.
    """

    label: str = ""
    of_folders: bool = False

    def of(self, path: str) -> str:
        """Return the label of a path below the folder that is added."""
        folder = Path(path).parent.name
        return folder if self.of_folders and folder else self.label


UNKNOWN = NewLabels()


class Added(NamedTuple):
    """What became of files.

    Attributes:
        n_files: that are in the index now and were not.
        n_rows: their rows.
        n_known: files whose bytes were in the index already, or came twice.
        refused: why the others could not be used, or one side of them.
        n_unlabelled: files that are in the index now without a label.
    """

    n_files: int
    n_rows: int
    n_known: int
    refused: list[str]
    n_unlabelled: int = 0


def add_files(encoder: "Encoder", folder: str, places: Sequence[AnyPath], labels: NewLabels = UNKNOWN) -> Added:
    """Add files, and all media below folders, to an index; a file that cannot be used costs itself alone.

    Files whose bytes are in the index already are passed over. A file that has changed since it was added takes the
    place of its earlier rows. Every 128 files are one version of the index.

    Args:
        encoder: the one that made the index.
        folder: of the index.
        places: files and folders.
        labels: of the new clips.

    Raises:
        DataError: there is no index, or another encoder made it; there is no such place, or no file in it.
        DiskError: the disk is full or fails.
        ParamsError: LanceDB is not installed.
    """
    table = open_table(folder)
    facts = facts_of(table.schema, folder)
    check_facts(folder, facts.model_copy(update={"encoder": encoder.fingerprint}), facts)
    check_labels(labels, encoder.config.limits)
    files, refused = list_files(places, labels, encoder.config.limits)
    n_files, n_rows, n_known, n_unlabelled = 0, 0, 0, 0
    for start in range(0, len(files), FILES_AT_A_TIME):
        hashed, unreadable = _hashed(files[start : start + FILES_AT_A_TIME])
        table.checkout_latest()
        known = known_hashes(table, [file.sha256 for file in hashed])
        new = {file.sha256: file for file in reversed(hashed) if file.sha256 not in known}  # of equal files the first
        rows, why = rows_of_files(encoder, facts, list(new.values())) if new else ([], [])
        added = add_rows(folder, facts, rows)
        refused += unreadable + why
        n_files, n_rows = n_files + len({row.sha256 for row in added}), n_rows + len(added)
        n_known += len(hashed) - len(new)
        n_unlabelled += len({row.sha256 for row in added if not row.label})
    if n_rows:
        optimise(folder)
    return Added(n_files, n_rows, n_known, list(dict.fromkeys(refused)), n_unlabelled)


def check_labels(labels: NewLabels, limits: Limits) -> None:
    """Refuse a label that cannot be printed.

    Raises:
        DataError: it holds a control character, or is too long.
    """
    check_name(labels.label, "label", limits)


def list_files(places: Sequence[AnyPath], labels: NewLabels, limits: Limits) -> tuple[list[NewFile], list[str]]:
    """Return the files to add, sorted, and why others cannot be; hidden files and those of other kinds are passed over.

    Args:
        places: files, and folders that are looked through to their end.
        labels: of the clips.
        limits: of names, and how many files there may be.

    Raises:
        DataError: a place is not there, a folder holds no media, or there are too many files.
    """
    found: list[NewFile] = []
    refused: list[str] = []
    for place in map(Path, places):
        if place.is_dir():
            paths = [Path(path).relative_to(place).as_posix() for path in media_files([place])]
            found += [NewFile(place.absolute(), path, labels.of(path)) for path in paths]
        elif place.exists():
            found.append(NewFile(place.absolute().parent, place.name, labels.label))
        else:
            raise DataError(f"{place}: no such file or folder; expected files, or folders of them")
    if len(found) > limits.table_rows:
        raise DataError(f"{len(found)} files; expected at most {limits.named('table_rows')} at a time")
    files: list[NewFile] = []
    for file in dict.fromkeys(found):
        try:
            file.path.encode()
            check_name(file.place, "path", limits)
            check_name(file.label, "label", limits)
            files.append(file)
        except UnicodeEncodeError:
            refused.append(f"{printable(file.place)}: the bytes of its name are no UTF-8")
        except DataError as error:
            refused.append(str(error))
    return files, refused


def rows_of_files(encoder: "Encoder", facts: IndexFacts, files: Sequence[NewFile]) -> tuple[list[IndexRow], list[str]]:
    """Return the rows of files, and why a file or one side of it cannot be used.

    Args:
        encoder: with networks.
        facts: of the index, among them its windows.
        files: with hashes, no hash twice.
    """
    from pipeline.encoder.batch import file_vectors
    from pipeline.settings.limits import NO_TRACK

    clips = {file.place: Clip(clip_id=file.place, path=file.place, label="", sha256=file.sha256) for file in files}
    arrays: dict[Modality, Mapping[str, Arrays]] = {}
    errors: dict[str, list[ClipError]] = {}
    for modality in MODALITIES:
        vectors, why = file_vectors(encoder, modality, clips)
        arrays[modality] = dict(vectors())
        for place, error in why.items():
            errors.setdefault(place, []).append(error)
    rows = [row for file in files for row in _rows(encoder, facts, file, arrays)]
    told = []
    for of_file in errors.values():
        counting = [error for error in of_file if error.kind not in NO_TRACK]
        told += counting or (of_file[:1] if len(of_file) == len(MODALITIES) else [])
    return rows, [str(error) for error in told]


def _rows(
    encoder: "Encoder", facts: IndexFacts, file: NewFile, arrays: Mapping[Modality, Mapping[str, Arrays]]
) -> Iterator[IndexRow]:
    """The rows of one file; none where it cannot be used."""
    sides = {modality: of[file.place] for modality, of in arrays.items() if file.place in of}
    if not sides:
        return
    times = {modality: side["seconds"] for modality, side in sides.items()}
    for stretch in stretches_of(times, facts.window_seconds):
        audio, visual = (_joint(encoder, modality, stretch, sides.get(modality)) for modality in MODALITIES)
        place = {"path": file.path, "root": str(file.root), "sha256": file.sha256, "label": file.label, "split": ""}
        yield IndexRow(clip_id=file.path, start=stretch.start, end=stretch.end, audio=audio, visual=visual, **place)


def _joint(encoder: "Encoder", modality: Modality, stretch: Stretch, side: Arrays | None) -> Vector | None:
    """The joint vector (k,) of one modality of a stretch; None where it has none."""
    if side is None or not len(vectors := stretch.of(modality, side["embeddings"])):
        return None
    return np.asarray(encoder.joint(modality, vectors))


def _hashed(files: Iterable[NewFile]) -> tuple[list[NewFile], list[str]]:
    """The files with their hashes, and why others cannot be read."""
    hashed: list[NewFile] = []
    unreadable: list[str] = []
    for file in files:
        try:
            hashed.append(file._replace(sha256=file_sha256(file.place)))
        except OSError as error:
            unreadable.append(f"{file.place}: {error.strerror}; expected a file that can be read")
        except DataError as error:
            unreadable.append(str(error))
    return hashed, unreadable
