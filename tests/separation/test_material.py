from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.formats.clips import Clip
from pipeline.formats.shards import write_shards
from pipeline.separation.heard import Facts, HeardClips, facts_of
from pipeline.separation.material import TrainingStream
from pipeline.separation.mixtures import Mixture, MixturesParams, Segment
from pipeline.separation.sounds import SoundsParams
from pipeline.separation.views import ViewsParams

RATE, FPS, SECONDS = 800, 25, 2
FACTS = Facts(RATE, FPS, 4, 4)
PARAMS = MixturesParams(
    seed=0, n_sources=2, kinds={"any": 1.0}, n_validation=1, n_test=1, seconds=1.0, snr_db=(-5, 5), silent_fraction=0.0
)


def clips_in(
    folder: Path, n_people: int = 4, facts: Facts = FACTS, film_seconds: Mapping[str, float] | None = None
) -> HeardClips:
    """Two clips a person: a noise of its own, a film that counts its pictures, and a face that says who it is.

    ``film_seconds``: how long the films are that are not as long as the sound, by the clips' names.
    """
    clips = [
        Clip(clip_id=f"p{k}/{j}.mp4", path="", label="speech", split="train", source_id=f"p{k}")
        for k in range(n_people)
        for j in range(2)
    ]
    rng = np.random.default_rng(0)
    noises = {clip.clip_id: rng.integers(-9000, 9000, SECONDS * RATE).astype(np.int16) for clip in clips}
    frames = np.arange(SECONDS * 8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    film = np.arange(SECONDS * FPS, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    write_shards(folder / "sounds", noises, lambda name: {"sound": noises[name], "n_clipped": np.zeros(1, np.int64)})
    write_shards(
        folder / "views",
        noises,
        lambda name: {
            "mouth": film[: round((film_seconds or {}).get(name, SECONDS) * FPS)],
            "face": np.full((2, 4, 4, 3), int(name[1]), np.uint8),
            "seconds": np.zeros(1),
            "frames": frames,
            "frames_seconds": np.zeros(1),
        },
    )
    return HeardClips(clips, folder / "sounds", folder / "views", facts)


@pytest.fixture
def clips(tmp_path: Path) -> HeardClips:
    return clips_in(tmp_path)


def test_a_part_of_a_sound_is_cut_and_silence_follows_its_end(clips: HeardClips) -> None:
    whole = clips.sound("p0/0.mp4")
    assert (len(whole), np.abs(whole).max() < 0.3) == (SECONDS * RATE, True)
    np.testing.assert_array_equal(clips.sound("p0/0.mp4", 100, 50), whole[100:150])
    np.testing.assert_array_equal(clips.sound("p0/0.mp4", 1500, 200), np.pad(whole[1500:], (0, 100)))


@pytest.mark.parametrize(
    ("start", "n", "expected"), [(0.4, 3, [10, 11, 12]), (1.92, 4, [48, 49, 49, 49]), (-0.08, 4, [0, 0, 0, 1])]
)
def test_a_part_of_a_film_is_cut_by_time_and_its_ends_stay(
    start: float, n: int, expected: list[int], clips: HeardClips
) -> None:
    assert clips.mouth("p0/0.mp4", start, n)[:, 0, 0].tolist() == expected


def test_the_sources_of_a_mixture_have_their_starts_and_gains(clips: HeardClips) -> None:
    mixture = Mixture("m", "train", "any", 1.0, (Segment("p0/0.mp4", 0.5, 2.0), Segment("p1/1.mp4", 0.0, 0.5)))
    references = clips.references(mixture)
    np.testing.assert_allclose(references[0], 2 * clips.sound("p0/0.mp4")[400:1200], rtol=1e-6)
    np.testing.assert_allclose(references[1], 0.5 * clips.sound("p1/1.mp4")[:800], rtol=1e-6)


def test_a_clip_without_a_view_is_left_out_and_named_when_it_is_asked_for(tmp_path: Path) -> None:
    found = clips_in(tmp_path)
    alone = Clip(clip_id="p9/0.mp4", path="", label="speech", split="train", source_id="p9")
    clips = HeardClips([*found.clips.values(), alone], tmp_path / "sounds", tmp_path / "views", FACTS)
    assert len(clips.of_split("train")) == 8
    with pytest.raises(
        DataError, match=r"clip 'p9/0.mp4': not among 8 clips with sound and views; run the stages again"
    ):
        clips.sound("p9/0.mp4")


def test_equal_seeds_give_equal_batches_and_others_do_not(clips: HeardClips) -> None:
    stream = TrainingStream(clips, PARAMS)
    one, two, other = (stream.batch(3, RATE, np.random.default_rng(seed)) for seed in (1, 1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(one.sources, other.sources)


def test_a_batch_never_mixes_one_person_with_itself_and_shows_the_film_of_the_sound(clips: HeardClips) -> None:
    batch = TrainingStream(clips, PARAMS).batch(40, RATE, np.random.default_rng(0))
    assert batch.sources.shape == (40, 2, RATE)
    assert batch.mouths.shape == (40, 2, FPS, 4, 4)
    people = batch.faces[..., 0, 0, 0]
    assert (people[:, 0] != people[:, 1]).all()
    for sound, film, person in zip(batch.sources[:, 0], batch.mouths[:, 0], people[:, 0], strict=True):
        wholes = [clips.sound(f"p{person}/{j}.mp4") for j in range(2)]
        starts = np.arange(0, RATE + 1)
        windows = [np.lib.stride_tricks.sliding_window_view(whole, RATE) for whole in wholes]
        likeness = np.stack([window @ sound / np.linalg.norm(window, axis=1) for window in windows])
        start = starts[np.unravel_index(likeness.argmax(), likeness.shape)[1]]
        assert film[0, 0, 0] == min(round(start / RATE * FPS), SECONDS * FPS - 1)


def test_couples_share_their_second_source_and_the_first_ones_person(clips: HeardClips) -> None:
    batch = TrainingStream(clips, PARAMS).couples(20, RATE, np.random.default_rng(0))
    people = batch.faces[..., 0, 0, 0].reshape(20, 2, 2)
    np.testing.assert_array_equal(people[:, 0], people[:, 1])
    shared = batch.sources.reshape(20, 2, 2, RATE)[:, :, 1]
    for one, two in shared:
        assert np.corrcoef(one, two)[0, 1] == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(
        batch.mouths.reshape(20, 2, 2, FPS, 4, 4)[:, 0, 1], batch.mouths.reshape(20, 2, 2, FPS, 4, 4)[:, 1, 1]
    )


def test_some_mixtures_have_one_source_alone(clips: HeardClips) -> None:
    params = PARAMS.model_copy(update={"silent_fraction": 0.5})
    batch = TrainingStream(clips, params).batch(60, RATE, np.random.default_rng(0))
    n_audible = (np.abs(batch.sources).max(axis=2) > 0).sum(axis=1)
    assert set(n_audible.tolist()) == {1, 2}
    assert 15 <= (n_audible == 1).sum() <= 45


def test_frames_are_cut_by_time_as_films_are(tmp_path: Path) -> None:
    clips = clips_in(tmp_path, facts=Facts(RATE, frames_fps=8.0, frames_size=2))
    assert clips.frames("p0/0.mp4", 0.5, 3)[:, 0, 0, 0].tolist() == [4, 5, 6]
    assert clips.frames("p0/0.mp4", 1.75, 4)[:, 0, 0, 0].tolist() == [14, 15, 15, 15]


def test_a_task_without_faces_has_batches_of_frames_that_say_which_time_of_which_clip_they_are(tmp_path: Path) -> None:
    clips = clips_in(tmp_path, facts=Facts(RATE, frames_fps=8.0, frames_size=2))
    batch = TrainingStream(clips, PARAMS).batch(6, RATE, np.random.default_rng(0))
    assert (batch.mouths.size, batch.faces.size) == (0, 0)
    assert batch.frames.shape == (6, 2, 8, 2, 2, 3)
    for sources, frames, names, starts in zip(batch.sources, batch.frames, batch.clip_ids, batch.starts, strict=True):
        for sound, film, name, start in zip(sources, frames, names.tolist(), starts.tolist(), strict=True):
            np.testing.assert_array_equal(film, clips.frames(name, start, 8))
            own = clips.sound(name, round(start * RATE), RATE)
            np.testing.assert_allclose(sound / np.linalg.norm(sound), own / np.linalg.norm(own), atol=1e-5)


def test_facts_say_what_two_sections_say() -> None:
    sounds = SoundsParams(rate=8000, silence_db=-60)
    assert facts_of(sounds, ViewsParams(frames_fps=8, frames_size=24)) == (8000, 0, 0, 0, 8.0, 24)
    mouth = ViewsParams(mouth_fps=25, mouth_size=96, face_size=224, faces_per_second=1)
    assert facts_of(sounds, mouth) == (8000, 25.0, 96, 224, 0, 0)
    assert facts_of(sounds, mouth).cut() == {"mouth", "face"}
