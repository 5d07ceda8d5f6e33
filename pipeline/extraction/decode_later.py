"""A decoding stage may leave its work to the networks: it then writes the list of clips, and how they are decoded.

What decides the arrays stands in the note, code included: DVC sees the folder change, and runs the networks behind it.
Versions of packages do not: they are those of the machine that decodes, and it alone knows them.
"""

import os
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, ValidationError

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.handed_over import Decoding
from pipeline.clip_jobs.share import Share
from pipeline.clip_jobs.worker import VideoFunction
from pipeline.errors import DataError, in_words
from pipeline.extraction.decoding import clip_function, decode_clips, modules_behind
from pipeline.formats import rejects
from pipeline.formats.clips import Clip, read_clips, read_root, whole_files, write_clips
from pipeline.formats.shards import Arrays, write_shards
from pipeline.settings.environment import finished_clips
from pipeline.settings.fingerprint import code_fingerprint, fingerprint
from pipeline.settings.limits import Limits, clip_limits, load_limits, uncounted_kinds
from pipeline.settings.params import StageParams, load_params
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

CLIPS, NOTE = "decode_later.csv", "decode_later.json"
DecodingStage = Literal["logmel", "frames"]


class DecodeLaterParams(StageParams):
    """Section ``decode_later`` of params.yaml.

    Attributes:
        logmel, frames: whether the stage leaves its work to the networks.
    """

    logmel: bool
    frames: bool


class DecodingNote(StageParams):
    """How clips are decoded that wait for it.

    Attributes:
        stage: that left them.
        params: its section.
        limits: what a video may ask for.
        clip_timeout_seconds: a clip that takes longer is refused.
        max_rejected_fraction: share of the clips, in [0, 1], that may be refused.
        uncounted: kinds of refusals that do not count against it.
        code: hash of the params and the code that decide the arrays of a clip, whatever packages are installed.
        clips_csv: from the folder of the note to the list of all clips, beside which stands where the videos are.
    """

    stage: DecodingStage
    params: Mapping[str, JsonValue]
    limits: Limits
    clip_timeout_seconds: float
    max_rejected_fraction: float
    uncounted: tuple[str, ...]
    code: str
    clips_csv: str


def decode_now_or_later(stage: DecodingStage, clips_csv: AnyPath, out: AnyPath, share: Share) -> None:
    """Write shards as `decode_clips` does; or, where ``decode_later`` says so, the list of clips and a note.

    Args:
        stage: the name of its section too.
        clips_csv: the clips.
        out: the folder to write.
        share: the clips to compute; of those that are decoded later there is nothing to compute.

    Raises:
        DataError: too many clips are refused.
        ParamsError: a section of params.yaml or an environment variable is wrong.
    """
    out = Path(out)
    for name in (CLIPS, NOTE) if share.n_shares == 1 else ():
        (out / name).unlink(missing_ok=True)
    leave = partial(_leave_to_networks, stage, clips_csv, out, share)
    decode_clips(stage, clips_csv, out, share, uncounted=uncounted_kinds, is_left=leave)


def read_note(folder: AnyPath) -> DecodingNote | None:
    """Return how the clips of a folder are decoded that wait for it; None: it has shards.

    Raises:
        DataError: the note is damaged, or the code that decodes is not what it was made by.
    """
    path = Path(folder) / NOTE
    try:
        note = DecodingNote.model_validate_json(read_regular(path))
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise DataError(f"{path}: damaged ({in_words(error)}); expected what a decoding stage writes") from error
    if note.code != code_fingerprint(note.params, modules_behind(note.stage)):
        expected = f"`dvc repro {note.stage}` to have run since it changed"
        raise DataError(f"{path}: the code that decodes was another when it was written; expected {expected}")
    return note


def decoding_fingerprint(note: DecodingNote) -> str:
    """Return the hash of all that decides, on this machine, the arrays of a clip besides its video: sha256, hex."""
    return fingerprint(note.params, modules_behind(note.stage))


def decoding_of(note: DecodingNote, folder: AnyPath, beside: AnyPath) -> Decoding:
    """Return what it takes to decode the clips of a folder.

    Args:
        note: of the folder.
        folder: where the list of clips is.
        beside: a folder for long clips on their way.

    Raises:
        DataError: the list is damaged, or it is not known where the videos are.
    """
    folder = Path(folder)
    return Decoding(
        clips={clip.clip_id: clip for clip in read_clips(folder / CLIPS)},
        root=read_root(os.path.normpath(folder.absolute() / note.clips_csv)),
        make_function=partial(_function, note),
        cache=ClipCache(finished_clips(note.stage), decoding_fingerprint(note)),
        clip_timeout_seconds=note.clip_timeout_seconds,
        limits=note.limits,
        beside=Path(beside),
    )


def _leave_to_networks(stage: DecodingStage, clips_csv: AnyPath, out: Path, share: Share) -> bool:
    """Whether the stage leaves its work to the networks; it has written how, then."""
    if not getattr(load_params("decode_later", DecodeLaterParams), stage):
        return False
    if share.n_shares > 1:
        print(f"{stage}: nothing to do, decode_later.{stage} leaves all clips to the networks")
        return True
    clips = [_undecoded(clip) for clip in whole_files(read_clips(clips_csv)) if clip.path]
    write_shards(out, (), dict[str, Arrays]().__getitem__)  # none: those of an earlier run are removed
    write_clips(out / CLIPS, clips)
    (out / NOTE).write_text(f"{_note(stage, clips_csv, out).model_dump_json(indent=2)}\n", encoding="utf-8")
    rejects.write(out / rejects.FILE, [])
    print(f"{stage}: {len(clips)} clips left to the networks, as decode_later.{stage} says")
    return True


def _note(stage: DecodingStage, clips_csv: AnyPath, out: Path) -> DecodingNote:
    """How the clips of a stage are decoded, by what params.yaml says now."""
    params = load_params(stage, import_module(f"pipeline.{stage}").PARAMS).model_dump(mode="json")
    of_run = clip_limits()
    return DecodingNote(
        stage=stage,
        params=params,
        limits=load_limits(),
        clip_timeout_seconds=of_run.clip_timeout_seconds,
        max_rejected_fraction=of_run.max_rejected_fraction,
        uncounted=uncounted_kinds(),
        code=code_fingerprint(params, modules_behind(stage)),
        clips_csv=Path(os.path.relpath(Path(clips_csv).absolute(), out.absolute())).as_posix(),
    )


def _undecoded(clip: Clip) -> Clip:
    """What decides the arrays of a clip: labels and splits may change, and no network runs again."""
    return Clip(clip_id=clip.clip_id, path=clip.path, label="", sha256=clip.sha256)


def _function(note: DecodingNote) -> VideoFunction:
    """What makes the arrays of a clip."""
    params = import_module(f"pipeline.{note.stage}").PARAMS.model_validate(note.params)
    return clip_function(note.stage, params, note.limits)
