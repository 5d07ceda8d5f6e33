"""Source ``face_tracks``: films of one face each, DIR/mp4/SPLIT/PERSON/VIDEO/N.mp4, as of VoxCeleb2 and VisualVoice.

References:
    Chung, Nagrani & Zisserman (2018), VoxCeleb2: Deep Speaker Recognition, Interspeech.
    Gao & Grauman (2021), VisualVoice: Audio-Visual Speech Separation with Cross-Modal Consistency, CVPR.
"""

import re
from pathlib import Path

from pipeline.dataset.base import DatasetParams, Found, refusal
from pipeline.dataset.layouts.class_folders import SUFFIXES, reject_of
from pipeline.dataset.layouts.locations import chosen_protocol, given_folder, part_of, refuse_fold
from pipeline.errors import DataError
from pipeline.formats.clip_files import FILMS, MOUTHS, beside
from pipeline.formats.clips import Clip
from pipeline.formats.rejects import Reject

LABEL = "speech"
LAYOUT = (
    "DIR/mp4/SPLIT/PERSON/VIDEO/N.mp4 with SPLIT dev, test (VoxCeleb2) or train, val, seen_heard_test, "
    "unseen_unheard_test (VisualVoice), or DIR/mp4/PERSON/VIDEO/N.mp4, PERSON as id00012"
)
PERSON = re.compile(r"id\d+", re.ASCII)
SPLITS = {"dev": "train", "train": "train", "val": "validation", "test": "test"}
TESTS = {"unseen_unheard": "unseen_unheard_test", "seen_heard": "seen_heard_test"}


def find_clips(params: DatasetParams) -> Found:
    """Return DIR and a clip for each film, labelled ``speech``; source_id is the person.

    Sounds are those of DIR/audio/.../N.wav or DIR/aac/.../N.m4a where they are there, else of the films. Where DIR has
    a folder ``mouth_roi`` the mouth is that of its N.h5, and a film without one is refused.

    Args:
        params: ``path`` is DIR; ``protocol`` says which of VisualVoice's tests is meant: ``unseen_unheard`` (or null)
            or ``seen_heard``, other clips of people of train.

    Raises:
        ParamsError: no path is given, an unknown protocol, or a fold where the folders name splits.
        DataError: a part of DIR is missing, or a folder below mp4 is neither a split nor a person.
    """
    test = TESTS[chosen_protocol(params, list(TESTS))]
    root = given_folder(params, LAYOUT)
    films = part_of(root, f"{FILMS}/", LAYOUT)
    if params.protocol:
        part_of(films, f"{test}/", LAYOUT)
    folders = _split_folders(films, test)
    if any(folders.values()):
        refuse_fold(params)
    has_mouths = (root / MOUTHS).is_dir()
    clips, refused = list[Clip](), list[Reject]()
    for folder, split in folders.items():
        for path in _films(folder):
            name = path.relative_to(root).as_posix()
            reject = reject_of(name, path) or (_without_mouth(root, name) if has_mouths else None)
            if reject:
                refused.append(reject)
            else:
                person = path.parts[-3]
                clips.append(Clip(clip_id=name, path=name, label=LABEL, split=split, source_id=person))
    if not clips and not refused:
        raise DataError(f"dataset.path={root}: no film; expected {LAYOUT}")
    return Found(root, clips, refused)


def _split_folders(films: Path, test: str) -> dict[Path, str]:
    """The folders that hold persons, each with its split; without splits where none of them is a test."""
    folders = sorted(path for path in films.iterdir() if path.is_dir() and not path.name.startswith("."))
    if folders and all(PERSON.fullmatch(folder.name) for folder in folders):
        return {films: ""}
    splits = {**SPLITS, test: "test"}
    for folder in folders:
        if folder.name not in {*splits, *TESTS.values()}:
            raise DataError(f"{folder}: neither a split nor a person; expected {LAYOUT}")
    found = {folder: splits[folder.name] for folder in folders if folder.name in splits}
    return found if "test" in found.values() else dict.fromkeys(found, "")


def _films(folder: Path) -> list[Path]:
    """What is called as a film, below the persons' folders; hidden names are passed over."""
    paths = (path for path in folder.glob("[!.]*/[!.]*/[!.]*") if path.suffix.lower() in SUFFIXES)
    return sorted(paths)


def _without_mouth(root: Path, name: str) -> Reject | None:
    """Why a film cannot be used beside a folder of mouths, or None where its mouth is there."""
    mouth = beside(name, MOUTHS, ".h5")
    if (root / mouth).is_file():
        return None
    return refusal(name, "missing", f"{mouth}: no such file", f"a mouth for every film, or no folder {MOUTHS}")
