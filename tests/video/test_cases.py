"""Clips that this project cannot write itself, each with the right outcome; they lie beside the checkout, if at all."""

from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.errors import ClipError
from pipeline.video import iter_frames, read_waveform

CASES = Path(__file__).parents[3] / "shared" / "cases"
SOUND = {"slow_trim.mp4": 3.5, "elst_tail.mp4": 2.0, "mdat_8_too_long.mp4": 4.0, "radl_cut.mkv": 4.523}
PICTURES = {
    "radl_cut.mkv": [0.707, 1.707, 2.707, 3.707],
    "slow_trim.mp4": [0.5, 1.5, 2.5, 3.5, 4.5],
    "elst_tail.mp4": [0.5, 1.5],
    "mdat_8_too_long.mp4": [0.5, 1.5, 2.5, 3.5],
    "scrambled_sound.mp4": [0.523, 1.523, 2.523, 3.523],
}
REFUSED = {
    "joined_webm.webm": ("undecodable", "undecodable"),
    "subs_only.mp4": ("no_audio", "no_video"),
    "scrambled_sound.mp4": ("undecodable", None),
}


def case(name: str) -> Path:
    """The file of a case."""
    found = sorted(CASES.glob(f"*/{name}"))
    if not found:
        pytest.skip(f"no {CASES}/*/{name}")
    return found[0]


@pytest.mark.parametrize("name", SOUND)
def test_the_sound_has_its_length(name: str) -> None:
    assert len(read_waveform(case(name))) / 16000 == pytest.approx(SOUND[name], abs=0.06)


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_are_those_on_display_at_their_times(name: str) -> None:
    path = case(name)
    pictures = list(iter_frames(path, 1.0, lambda _: 0.5))
    assert [seconds for seconds, _ in pictures] == pytest.approx(PICTURES[name], abs=0.002)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    starts = [float(frame.time - frames[0].time) for frame in frames]
    places = np.searchsorted(starts, 0.5 + np.arange(len(pictures)) + 1e-6, side="right") - 1
    for (_, picture), place in zip(pictures, places, strict=True):
        np.testing.assert_array_equal(picture, frames[place].to_ndarray(format="rgb24"))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_had_is_refused_with_its_kind(name: str) -> None:
    path = case(name)
    for kind, read in zip(
        REFUSED[name], (read_waveform, lambda path: next(iter_frames(path, 1.0, float))), strict=True
    ):
        if kind:
            with pytest.raises(ClipError) as refusal:
                read(path)
            assert refusal.value.kind == kind
