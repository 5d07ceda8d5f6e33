from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.io import wavfile

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.separation.listed import paired_mixtures, ready_mixtures
from pipeline.separation.mixtures import MixturesParams
from pipeline.separation.pairs import Pair
from pipeline.separation.sounds import as_float, read_sound
from tests.helpers.mouths import write_mixture_files, write_wav
from tests.separation.test_mixtures import RATE, clips_of, params, sound_of


def paired(**changes: object) -> MixturesParams:
    return params(**({"pairs": "pairs.csv", "n_test": None} | changes))


CLIPS = {clip.clip_id: clip for clip in clips_of(4)}
PAIRS = [Pair("test-0-0", "test-2-1"), Pair("test-1-0", "gone"), Pair("test-0-0", "test-1-1")]


def test_pairs_are_mixed_in_their_order_and_what_is_missing_is_counted() -> None:
    listed = paired_mixtures(PAIRS, CLIPS, sound_of, RATE, paired(snr_db=[3, 3]))
    assert (listed.n_missing, listed.n_quiet) == (1, 0)
    assert [(found.mixture_id, found.kind, found.split) for found in listed.mixtures] == [
        ("test-0000", "same_label", "test"),
        ("test-0002", "different_label", "test"),
    ]
    for found in listed.mixtures:
        cut = [sound_of(part.clip_id)[round(part.start_seconds * RATE) :][:RATE] for part in found.segments]
        levels = [part.gain * np.sqrt(np.square(sound).mean()) for part, sound in zip(found.segments, cut, strict=True)]
        assert 20 * np.log10(levels[0] / levels[1]) == pytest.approx(3, abs=1e-4)


def test_a_pair_is_mixed_alike_whatever_is_missing_beside_it() -> None:
    whole = paired_mixtures(PAIRS, CLIPS, sound_of, RATE, paired()).mixtures
    without = {name: clip for name, clip in CLIPS.items() if name != "test-2-1"}
    assert paired_mixtures(PAIRS, without, sound_of, RATE, paired()).mixtures == whole[1:]


def test_a_pair_with_a_silent_clip_is_counted() -> None:
    click = np.r_[np.float32(1), np.zeros(1499, np.float32)]
    sounds = {"test-2-1": click}
    listed = paired_mixtures(PAIRS, CLIPS, lambda name: sounds.get(name, sound_of(name)), RATE, paired())
    assert (len(listed.mixtures), listed.n_missing, listed.n_quiet) == (1, 1, 1)


def test_a_list_of_which_nothing_is_left_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"split 'test': none of 3 listed mixtures is left \(3 lack a clip, 0 are too quiet\); expected"
    ):
        paired_mixtures(PAIRS, {}, sound_of, RATE, paired())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pairs": "p.csv"}, "n_test=40; expected null, as a list says how many"),
        ({"source": "list"}, "n_test=40; expected null, as a list says how many"),
        ({"n_test": None}, "n_test=None; expected a number"),
        ({"pairs": "p.csv", "source": "list", "n_test": None}, "pairs=p.csv and source='list'; expected one of them"),
        ({"pairs": "p.csv", "n_test": None, "n_sources": 3}, "n_sources=3; expected 2, as listed mixtures have"),
    ],
)
def test_params_that_say_two_things_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        params(**changes)


def ready(root: Path, rate: int = 16000) -> tuple[list[Clip], Callable[[str], NDArray[np.float32]]]:
    """The test clips of a data set of mixtures, and their sounds."""
    clips = [
        Clip(clip_id=f"tt/s{k}/{path.name}", path=f"wav16k/min/tt/s{k}/{path.name}", label="speech", split="test")
        for path in sorted((root / "wav16k/min/tt/mix").iterdir())
        for k in (1, 2)
    ]
    return clips, lambda name: as_float(read_sound(root / "wav16k/min" / name, rate))


@pytest.mark.parametrize("rate", [16000, 8000, 11025])
def test_a_ready_made_mixture_is_the_sum_of_its_sources_at_any_rate(rate: int, tmp_path: Path) -> None:
    names = [name.removeprefix("tt/") for name in write_mixture_files(tmp_path) if name.startswith("tt/")]
    clips, sounds = ready(tmp_path, rate)
    listed = ready_mixtures(clips, {clip.clip_id for clip in clips}, tmp_path, sounds, rate)
    assert [found.mixture_id for found in listed.mixtures] == names
    for found in listed.mixtures:
        assert (found.kind, found.split, found.seconds) == ("ready", "test", pytest.approx(1.0, abs=1e-3))
        assert [(part.start_seconds, part.gain) for part in found.segments] == [(0.0, 1.0)] * 2
        assert [part.clip_id for part in found.segments] == [f"tt/s{k}/{found.mixture_id}.wav" for k in (1, 2)]
    (_, mixed) = wavfile.read(tmp_path / f"wav16k/min/tt/mix/{names[0]}.wav")
    whole = np.sum([sounds(part.clip_id) for part in listed.mixtures[0].segments], axis=0)
    if rate == 16000:
        np.testing.assert_array_equal(whole * 32768, mixed)


def test_a_mixture_without_one_of_its_sources_is_counted(tmp_path: Path) -> None:
    write_mixture_files(tmp_path)
    clips, sounds = ready(tmp_path)
    listed = ready_mixtures(clips, {clip.clip_id for clip in clips[1:]}, tmp_path, sounds, 16000)
    assert (len(listed.mixtures), listed.n_missing) == (1, 1)


@pytest.mark.parametrize("what", ["another sum", "another length", "no sound", "nothing"])
def test_a_mixture_that_is_not_the_sum_names_its_file(what: str, tmp_path: Path) -> None:
    write_mixture_files(tmp_path, n_mixtures=1)
    clips, sounds = ready(tmp_path)
    path = next((tmp_path / "wav16k/min/tt/mix").iterdir())
    _, mixed = wavfile.read(path)
    messages = {
        "another sum": (np.r_[mixed[:-1], mixed[-1] + 20], "0.00061 of full scale off the sum of its sources"),
        "another length": (mixed[:-5], r"\[15995, 16000\] samples, of it and its sources; expected one length"),
    }
    if what in messages:
        write_wav(path, messages[what][0], 16000)
    elif what == "no sound":
        path.write_text("no sound")
    else:
        path.unlink()
    unread = "expected a media file" if what == "no sound" else "expected a file that can"
    message = messages[what][1] if what in messages else unread
    with pytest.raises(DataError, match=f"{path.name}: .*{message}"):
        ready_mixtures(clips, {clip.clip_id for clip in clips}, tmp_path, sounds, 16000)


def test_clips_of_another_source_bring_no_mixtures(tmp_path: Path) -> None:
    clip = replace(CLIPS["test-0-0"], path="dog/1.mp4")
    with pytest.raises(
        DataError, match=r"clip 'test-0-0': of no ready-made mixture; expected dataset.source=mixture_files for"
    ):
        ready_mixtures([clip], CLIPS, tmp_path, sound_of, RATE)
