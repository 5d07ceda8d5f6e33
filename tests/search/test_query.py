"""Queries of real files: what is compared with what, spans, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.encoder import Encoder
from pipeline.errors import ClipError, DataError, ParamsError
from pipeline.network_parts.base import Modality
from pipeline.search.index import Index
from pipeline.search.printing import as_json
from pipeline.search.query import Searcher
from pipeline.search.rows import Result
from pipeline.search.writing import build_index
from tests.helpers.media import Sight, Sound, tone, write_media
from tests.helpers.search_run import SearchRun

pytestmark = pytest.mark.usefixtures("_elsewhere")


@pytest.fixture(scope="module")
def searcher(finished: SearchRun, tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    folder, encoder = tmp_path_factory.mktemp("index"), finished.encoder()
    build_index(encoder, finished.data, str(folder))
    return Searcher(Index.open(folder), encoder)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Five seconds of sound and pictures."""
    return write_media(
        tmp_path / "v.mp4", Sight(times=tuple(k / 10 for k in range(50))), Sound(waveform=tone(5, 44100))
    )


def by_hand(index: Index, vectors: "list[np.ndarray[tuple[int], np.dtype[np.float32]]]", sides: str) -> list[str]:
    """The clips by the mean of all their cosines with the vectors, by a loop."""
    scores = {}
    for clip_id in index.snapshot.texts["clip_id"].to_pylist():
        row = index.clip(clip_id)
        found = [row_side for side in sides.split() if (row_side := getattr(row, side)) is not None]
        pairs = [float(v.astype(float) @ w.astype(float)) for v in vectors for w in found]
        if pairs:
            scores[clip_id] = np.mean(pairs)
    return sorted(scores, key=lambda name: (-round(scores[name], 6), name))[:10]


def ids(results: list[Result]) -> list[str]:
    return [result.clip_id for result in results]


FINDS = [
    (None, "audio", "visual"),
    (None, "visual", "audio"),
    (None, "both", "audio visual"),
    ("video", "audio", "visual"),
    ("video", "both", "visual"),
    ("sound", "audio", "audio"),
    ("sound", None, "audio"),
    ("clip", "visual", "audio visual"),
    (None, None, "audio visual"),
]


@pytest.mark.parametrize(("find", "asked", "compared"), FINDS)
def test_a_video_is_compared_as_it_is_asked(
    searcher: Searcher, video: Path, find: str | None, asked: str | None, compared: str
) -> None:
    answer = searcher.search(video, find, query_modality=asked)  # type: ignore[arg-type]  # from a table
    embedded = searcher.encoder.embed(video)
    vectors = {"audio": [embedded.audio], "visual": [embedded.visual]}.get(asked or "", [*embedded])
    assert ids(answer.results) == by_hand(searcher.index, vectors, compared)  # type: ignore[arg-type]  # from a table
    assert (answer.model, answer.n_rows, answer.seconds > 0) == ("cca", 45, True)


def test_a_sound_finds_videos_and_a_picture_finds_sounds(searcher: Searcher, tmp_path: Path) -> None:
    sound = write_media(tmp_path / "s.wav", Sound(codec="pcm_s16le"))
    Image.fromarray(np.full((60, 80, 3), 90, np.uint8)).save(tmp_path / "p.jpg")
    by_sound, by_picture = searcher.search(sound), searcher.search(tmp_path / "p.jpg")
    assert {result.modality for result in by_sound.results} == {"visual"}
    assert {result.modality for result in by_picture.results} == {"audio"}
    assert ids(by_sound.results) == by_hand(searcher.index, [searcher.encoder.embed_audio(sound)], "visual")


def test_a_silent_video_is_asked_by_its_pictures(searcher: Searcher, tmp_path: Path) -> None:
    silent = write_media(tmp_path / "v.mp4", Sight())
    assert {result.modality for result in searcher.search(silent).results} == {"audio"}
    with pytest.raises(ClipError, match=r"v.mp4': no audio in the file; expected an audio stream"):
        searcher.search(silent, query_modality="audio")
    with pytest.raises(ClipError, match="no audio in the file"):
        searcher.search(silent, query_modality="both")


@pytest.mark.parametrize("modality", ["audio", "visual"])
def test_a_span_counts_alone(searcher: Searcher, video: Path, modality: Modality) -> None:
    encoder = searcher.encoder
    vectors, seconds = encoder.audio_vectors(video) if modality == "audio" else encoder.visual_vectors(video)
    middles = seconds + (0.48 if modality == "audio" else 0)
    part = vectors[(middles >= 1) & (middles < 3)]
    assert 0 < len(part) < len(vectors)
    answer = searcher.search(f"{video}#t=1,3", "clip", query_modality=modality)
    assert ids(answer.results) == by_hand(searcher.index, [encoder.joint(modality, part)], "audio visual")


def test_a_span_behind_the_end_is_named(searcher: Searcher, video: Path) -> None:
    with pytest.raises(ClipError, match=r"v.mp4': no sound from 60 s on; expected a span that begins within the file"):
        searcher.search(f"{video}#t=60", query_modality="audio")


def test_a_clip_of_the_index_is_asked_by_its_own_vectors(searcher: Searcher) -> None:
    row = searcher.index.clip("clip 5")
    answer = searcher.search("clip:clip 5", query_modality="audio", where="split = 'train'")
    expected = searcher.search("clip:clip 5", query_modality="audio", top=45)
    assert row.audio is not None
    assert ids(expected.results)[:10] == by_hand(searcher.index, [row.audio], "visual")
    assert ids(answer.results) == [r.clip_id for r in expected.results if r.split == "train"][:10]


def test_a_part_of_a_clip_that_is_one_row_is_asked_by_its_file(searcher: Searcher) -> None:
    row = searcher.index.clip("clip 1")
    file, part = searcher.index.file(row), f"#t=0,{row.end / 2:g}"
    found, expected = searcher.search(f"clip:clip 1{part}", "clip"), searcher.search(f"{file}{part}", "clip")
    assert found.results == expected.results != searcher.search("clip:clip 1", "clip").results
    assert searcher.search("clip:clip 1#t=0,99", "clip").results == searcher.search("clip:clip 1", "clip").results
    with pytest.raises(DataError, match=r"no such file; expected a file"):
        searcher.search("clip:clip 5#t=0,0.5")  # whose file is gone


def test_a_path_without_a_file_is_named_and_the_clip_of_that_name_too(searcher: Searcher) -> None:
    with pytest.raises(DataError, match=r"nope.wav: no such file; expected a file, or `clip:ID` of the index$"):
        searcher.search("nope.wav")
    with pytest.raises(DataError, match=r"clip 5: no such file; .* as `clip:clip 5` is$"):
        searcher.search("clip 5#t=1,2")
    with pytest.raises(DataError, match=r"a\\nb.wav: no such file"):
        searcher.search("a\nb.wav")


def test_a_clip_of_windows_is_asked_by_their_mean_or_by_a_span(finished: SearchRun, tmp_path: Path) -> None:
    encoder = finished.encoder()
    build_index(encoder, finished.data, str(tmp_path / "index"), 2.0)
    searcher = Searcher(Index.open(tmp_path / "index"), encoder)
    rows = searcher.index.rows("clip 3")
    second = searcher.search("clip:clip 3#t=2.1,3", find="sound", query_modality="audio", top=1)
    assert (second.results[0].clip_id, second.results[0].start) == ("clip 3", rows[1].start)
    assert searcher.search("clip:clip 3", find="sound", query_modality="audio", top=1).results[0].score < 1
    with pytest.raises(DataError, match=r"clip 'clip 3': no row in that span"):
        searcher.search("clip:clip 3#t=100")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.mp4", b"", "expected a"),
        ("a.wav", b"RIFF\x04\0\0\0WAVE", "expected"),
        ("a.png", b"\x89PNG\r\n\x1a\n no picture", "expected"),
        ("a\x1b[31m.mp4", b"no video", r"a\\x1b\[31m"),
    ],
)
def test_a_query_that_cannot_be_read_says_why(
    searcher: Searcher, tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ClipError, match=message) as caught:
        searcher.search(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_a_folder_and_a_missing_clip_are_named(searcher: Searcher, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        searcher.search(tmp_path / "nowhere.mp4")
    with pytest.raises(DataError, match="a folder; expected a regular file"):
        searcher.search(tmp_path)
    with pytest.raises(DataError, match="clip 'clip 99': not in"):
        searcher.search("clip:clip 99")


def test_words_that_are_no_choice_are_refused(searcher: Searcher) -> None:
    with pytest.raises(ParamsError, match="find 'all'; expected one of video, sound, clip"):
        searcher.search("clip:clip 1", "all")  # type: ignore[arg-type]  # words that are no choice
    with pytest.raises(ParamsError, match="query modality 'all'; expected one of"):
        searcher.search("clip:clip 1", query_modality="all")  # type: ignore[arg-type]  # words that are no choice


def test_another_encoder_is_refused(finished: SearchRun, searcher: Searcher) -> None:
    other: Encoder = finished.made.load(seed=None)
    other.fingerprint = "0" * 64
    with pytest.raises(DataError, match=r"made by the encoder \w{12}, and .* is 0{12}; expected one encoder"):
        Searcher(searcher.index, other)


def test_a_span_of_a_still_picture_is_refused(searcher: Searcher, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (200, 20, 20)).save(tmp_path / "a.png")
    assert searcher.search(tmp_path / "a.png").results
    with pytest.raises(ClipError, match=r"a still picture, which has no seconds; expected it without #t="):
        searcher.search(f"{tmp_path}/a.png#t=1,2")


def test_a_side_that_is_refused_is_passed_over_and_told(searcher: Searcher, tmp_path: Path) -> None:
    sight, sound = Sight(times=tuple(k / 10 for k in range(50))), Sound(waveform=tone(0.5, 44100))
    path = write_media(tmp_path / "short_sound.mp4", sight, sound)
    answer = searcher.search(path)
    assert [error.kind for error in answer.passed_over] == ["too_short"]
    assert answer.results == searcher.search(path, query_modality="visual").results
    assert json.loads(as_json(answer))["passed_over"] == [str(answer.passed_over[0])]
    assert searcher.search(path, query_modality="visual").passed_over == []
    with pytest.raises(ClipError, match=r"0\.5.* s"):
        searcher.search(path, query_modality="both")


@pytest.mark.parametrize("name", ["a" * 5000, "a/" * 3000, "nothing.wav/more"])
def test_of_a_long_path_that_is_not_there_the_ends_are_shown(searcher: Searcher, tmp_path: Path, name: str) -> None:
    (tmp_path / "nothing.wav").touch()
    with pytest.raises(DataError, match="no such file; expected a file, or `clip:ID` of the index") as caught:
        searcher.search(str(tmp_path / name))
    assert len(str(caught.value)) < 400
