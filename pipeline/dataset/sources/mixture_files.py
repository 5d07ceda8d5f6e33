"""Source ``mixture_files``: ready-made mixtures, DIR/wav16k/min/{tr,cv,tt}/{mix,s1,s2}/*.wav and DIR/mouths/*.npz.

So are LRS2-2Mix, LRS3-2Mix and VoxCeleb2-2Mix published. The clips are the sources, one file each.

References:
    Li, Xie, Chen, Yuan & Hu (2022), An Audio-Visual Speech Separation Model Inspired by Cortico-Thalamo-Cortical
    Circuits, arXiv 2212.10744.
"""

import re
from pathlib import Path, PurePosixPath

from pipeline.dataset.base import DatasetParams, Found, refusal
from pipeline.dataset.layouts.locations import given_folder, part_of, refuse_fold, refuse_protocol
from pipeline.errors import DataError, in_words
from pipeline.formats.clip_files import files_of, utterances_of
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject
from pipeline.settings.regular_files import read_regular

LABEL = "speech"
LAYOUT = (
    "DIR/wav16k/min/{tr,cv,tt}/{mix,s1,s2}/UTTERANCE_LEVEL_UTTERANCE_-LEVEL.wav and DIR/mouths/UTTERANCE.npz, and "
    "DIR/mix_2_spk_{tr,cv,tt}.scp where there are lists"
)
SPLITS = {"tr": "train", "cv": "validation", "tt": "test"}
SOURCES = (1, 2)
PERSON = re.compile(r"id\d{5}(?=_)", re.ASCII)  # of VoxCeleb; elsewhere a video stands for who speaks in it


def find_clips(params: DatasetParams) -> Found:
    """Return DIR and two clips for each mixture, its sources, with the published split.

    source_id is the person where the utterance names one (id00012), else the video of which it is a part. Where there
    is a list of a split, it says which mixtures the split has; else the files of its folder do.

    Args:
        params: ``path`` is DIR.

    Raises:
        ParamsError: no path is given, or a protocol or a fold.
        DataError: a part of DIR is missing, or a list is damaged.
    """
    refuse_protocol(params)
    refuse_fold(params)
    root = given_folder(params, LAYOUT)
    sounds = _folder_of_sounds(root)
    part_of(root, "mouths/", LAYOUT)
    clips, refused = list[Clip](), list[Reject]()
    for folder, split in SPLITS.items():
        for mixture in _mixtures(root, sounds, folder):
            for number in SOURCES:
                name = f"{folder}/s{number}/{mixture}.wav"
                found = _clip(root, sounds, name, split, mixture, number)
                if isinstance(found, Clip):
                    clips.append(found)
                else:
                    refused.append(found)
    return Found(root, clips, refused)


def _folder_of_sounds(root: Path) -> str:
    """The folder of the three splits, from DIR."""
    found = sorted(path for pattern in ("wav*k/*", "audio/wav*k/*") for path in root.glob(pattern) if path.is_dir())
    if len(found) != 1:
        names = [path.relative_to(root).as_posix() for path in found]
        raise DataError(f"dataset.path={root}: {len(found)} folders of sounds {names}; expected one: {LAYOUT}")
    return found[0].relative_to(root).as_posix()


def _mixtures(root: Path, sounds: str, split: str) -> list[str]:
    """The names of the mixtures of a split, sorted."""
    names = root / f"mix_2_spk_{split}.scp"
    if names.exists():
        return sorted(_listed(names))
    folder = part_of(root, f"{sounds}/{split}/mix/", LAYOUT)
    return sorted(path.stem for path in folder.glob("[!.]*.wav"))


def _listed(path: Path) -> list[str]:
    """The names of the mixtures of a list: lines of FILE LEVEL FILE -LEVEL, the files on somebody else's disk."""
    try:
        lines = read_regular(path).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {in_words(error)}; expected lines of FILE LEVEL FILE -LEVEL") from error
    names = []
    for number, line in enumerate(lines, start=1):
        parts = line.split()
        if not parts:
            continue
        name = "_".join(PurePosixPath(part).stem if i % 2 == 0 else part for i, part in enumerate(parts))
        if len(parts) != 4 or not utterances_of(name):
            raise DataError(f"{path}: line {number}: {line!r}; expected FILE LEVEL FILE -LEVEL")
        names.append(name)
    return names


def _clip(root: Path, sounds: str, name: str, split: str, mixture: str, number: int) -> Clip | Reject:
    """One source of a mixture, or why it is none."""
    utterances = utterances_of(mixture)
    if not utterances:
        return refusal(name, "bad_name", "a name that tells of no two utterances", "UTTERANCE_LEVEL_UTTERANCE_-LEVEL")
    path = f"{sounds}/{name}"
    mouth = files_of(root, path).mouth
    if mouth is None or not mouth.is_file():
        return refusal(name, "missing", f"{utterances[number - 1]}.npz: no such file in mouths", "a film of each mouth")
    return Clip(clip_id=name, path=path, label=LABEL, split=split, source_id=_source_of(utterances[number - 1]))


def _source_of(utterance: str) -> str:
    """Who speaks, as far as the name tells: the person, or the video."""
    person = PERSON.match(utterance)
    return person[0] if person else utterance.rpartition("_")[0] or utterance
