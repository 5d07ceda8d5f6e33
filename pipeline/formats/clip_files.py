"""The files that a clip lies in: the one of its row, and what a published data set keeps in files beside it.

Two layouts do so: face tracks (VoxCeleb2, VisualVoice) have the same tree of names for films, sounds and mouths, and
ready-made mixtures (LRS2-2Mix and its kin) have a sound of each source and one film of a mouth an utterance.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from pipeline.formats.files import file_sha256
from pipeline.settings.paths import AnyPath

FILMS, MOUTHS = "mp4", "mouth_roi"
SOUNDS = (("audio", ".wav"), ("aac", ".m4a"))  # folder beside FILMS, and ending
MIXTURE = re.compile(r"(?P<first>.+)_(?P<level>\d[\d.]*(?:e-\d+)?)_(?P<second>.+)_-(?P=level)")
SOURCE = re.compile(r"(?:audio/)?wav\d+k/(?:min|max)/(?:tr|cv|tt)/s(?P<number>[12])/(?P<mixture>[^/]+)\.wav")


class ClipFiles(NamedTuple):
    """Where the parts of a clip are.

    Attributes:
        sound: what its sound is read from.
        pictures: what its pictures are read from; None where there are none but of the mouth.
        mouth: pictures of the mouth that somebody has cut, an array in a file; None where there is none.
    """

    sound: Path
    pictures: Path | None
    mouth: Path | None

    def all(self) -> list[Path]:
        """Return every file once."""
        return list(dict.fromkeys(filter(None, (self.pictures, self.sound, self.mouth))))


def files_of(root: AnyPath, path: str) -> ClipFiles:
    """Return the files of a clip; those beside its own only where they are there.

    Args:
        root: of the data set.
        path: of the clip, from there.
    """
    root = Path(root)
    if source := SOURCE.fullmatch(path):
        utterances = utterances_of(source["mixture"])
        mouth = utterances and root / "mouths" / f"{utterances[int(source['number']) - 1]}.npz"
        return ClipFiles(root / path, None, mouth or None)
    if not path.startswith(f"{FILMS}/"):
        return ClipFiles(root / path, root / path, None)
    sounds = (root / beside(path, folder, ending) for folder, ending in SOUNDS)
    sound = next((file for file in sounds if file.exists()), root / path)
    mouth = root / beside(path, MOUTHS, ".h5")
    return ClipFiles(sound, root / path, mouth if mouth.exists() else None)


def files_at(path: AnyPath, name: str) -> ClipFiles:
    """Return the files of a clip that lies at a path; of one by itself, which ends in no such name, that file alone.

    Args:
        path: where it is.
        name: its path from the root of its data set.
    """
    path, parts = Path(path), PurePosixPath(name).parts
    if path.parts[-len(parts) :] != parts:
        return ClipFiles(path, path, None)
    return files_of(Path(*path.parts[: -len(parts)]), name)


def beside(path: str, folder: str, ending: str) -> str:
    """Return the name of a file in another tree than that of films.

    Example:
        >>> beside("mp4/train/id00012/video/1.mp4", "mouth_roi", ".h5")
        'mouth_roi/train/id00012/video/1.h5'
    """
    return PurePosixPath(folder, *PurePosixPath(path).parts[1:]).with_suffix(ending).as_posix()


def mixture_path(source: str) -> str:
    """Return the path of the mixture that a source is part of.

    Example:
        >>> mixture_path("wav16k/min/tt/s1/a_1.2_b_-1.2.wav")
        'wav16k/min/tt/mix/a_1.2_b_-1.2.wav'
    """
    path = PurePosixPath(source)
    return (path.parents[1] / "mix" / path.name).as_posix()


def utterances_of(mixture: str) -> tuple[str, str] | None:
    """Return the utterances of a mixture by its name, UTTERANCE_LEVEL_UTTERANCE_-LEVEL; None: it has no such name.

    Example:
        >>> utterances_of("633_00011_0.53_k_T-d_00010_-0.53")
        ('633_00011', 'k_T-d_00010')
    """
    found = MIXTURE.fullmatch(mixture)
    return (found["first"], found["second"]) if found else None


def files_sha256(files: Sequence[AnyPath]) -> str:
    """Return the hash of the bytes of a clip: of its only file, or of the hashes of all.

    Raises:
        DataError: one is no regular file.
        OSError: one is missing or cannot be read.
    """
    return joined_sha256([file_sha256(file) for file in files])


def joined_sha256(hashes: Sequence[str]) -> str:
    """Return the only one of some hashes, or the hash of all of them; empty where one is."""
    if len(hashes) == 1 or not all(hashes):
        return hashes[0] if len(hashes) == 1 else ""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
