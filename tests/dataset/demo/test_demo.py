import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.dataset.demo.draws import Draws
from pipeline.dataset.demo.pictures import HUES, make_pictures
from pipeline.dataset.demo.shapes import SHAPES
from pipeline.dataset.demo.sounds import SOUNDS, make_sound
from pipeline.dataset.sources.demo import CLASS_NAMES, DemoClip, DemoParams, _generator, find_clips, make_demo
from pipeline.errors import ParamsError
from pipeline.settings.params import load_params
from tests.helpers.dataset_params import dataset_params

SMALL: dict[str, Any] = {
    "seed": 0,
    "n_classes": 3,
    "clips_per_class": 2,
    "min_seconds": 1.0,
    "max_seconds": 2.0,
    "picture_size": 48,
    "frames_per_second": 10,
    "sample_rate": 16000,
    "difficulty": 0.5,
    "shared_within_class": 0.0,
    "labelled_fraction": 1.0,
    "wrong_labels": 0.0,
}
EVENT = (0.2, 1.3)


def small(**changes: Any) -> DemoParams:  # noqa: ANN401  # any field of DemoParams
    return DemoParams(**SMALL | changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.mp4")}


def decoded(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """All pictures (n, H, W, 3) and all samples (n,) of a file."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return np.array(pictures, float), np.concatenate(sound).astype(float)


@pytest.fixture(scope="module")
def easy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[DemoClip]]:
    folder = tmp_path_factory.mktemp("easy")
    return folder, make_demo(folder, small(n_classes=10, clips_per_class=1, difficulty=0.0))


def test_the_same_parameters_give_the_same_bytes(tmp_path: Path) -> None:
    assert make_demo(tmp_path / "a", small()) == make_demo(tmp_path / "b", small())
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_processor_with_fewer_vector_instructions_gives_the_same_bytes(tmp_path: Path) -> None:
    make_demo(tmp_path / "a", small(n_classes=10, clips_per_class=1))
    code = (
        "import sys, pathlib, tests.dataset.demo.test_demo as demo;"
        "demo.make_demo(pathlib.Path(sys.argv[1]), demo.small(n_classes=10, clips_per_class=1))"
    )
    found: Any = np.show_config(mode="dicts")
    env = os.environ | {"NPY_DISABLE_CPU_FEATURES": " ".join(found["SIMD Extensions"]["found"])}
    subprocess.run([sys.executable, "-c", code, tmp_path / "b"], check=True, env=env)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_gives_other_clips(tmp_path: Path) -> None:
    make_demo(tmp_path / "a", small(seed=0))
    make_demo(tmp_path / "b", small(seed=1))
    first, second = contents(tmp_path / "a"), contents(tmp_path / "b")
    assert first.keys() == second.keys()
    assert all(first[name] != second[name] for name in first)


def test_a_missing_clip_comes_back_and_a_finished_one_is_left_alone(tmp_path: Path) -> None:
    listed = make_demo(tmp_path, small())
    whole = contents(tmp_path)
    (tmp_path / listed[0].path).unlink()
    (tmp_path / listed[1].path).write_bytes(b"finished")
    assert make_demo(tmp_path, small()) == listed
    assert contents(tmp_path) == whole | {listed[1].path: b"finished"}


def test_every_clip_is_listed_once_and_sorted(easy: tuple[Path, list[DemoClip]]) -> None:
    folder, clips = easy
    assert [clip.path for clip in clips] == sorted(contents(folder))
    assert [clip.path for clip in clips] == [f"{clip.label}/{clip.label}_000.mp4" for clip in clips]


def test_clips_are_h264_and_aac_of_the_lengths_asked_for(easy: tuple[Path, list[DemoClip]]) -> None:
    folder, clips = easy
    for clip in clips:
        with av.open(str(folder / clip.path)) as container:
            assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
            video, audio = (float(Fraction(s.duration or 0) * (s.time_base or 0)) for s in container.streams)
        assert 0.95 <= video <= 2.05
        assert audio == pytest.approx(video, abs=0.1)


def test_an_event_fills_half_to_nine_tenths_of_its_clip_and_touches_neither_end(
    easy: tuple[Path, list[DemoClip]],
) -> None:
    folder, clips = easy
    for clip in clips:
        n_seconds = len(decoded(folder / clip.path)[0]) / 10
        assert 0 < clip.start_seconds < clip.end_seconds < n_seconds
        assert 0.499 <= (clip.end_seconds - clip.start_seconds) / n_seconds <= 0.901


def test_an_event_is_louder_than_what_is_around_it(easy: tuple[Path, list[DemoClip]]) -> None:
    folder, clips = easy
    for clip in clips:
        sound = decoded(folder / clip.path)[1]
        seconds = np.arange(len(sound)) / 16000
        inside = (seconds > clip.start_seconds) & (seconds < clip.end_seconds)
        assert np.sqrt(np.mean(sound[inside] ** 2)) > 3 * np.sqrt(np.mean(sound[~inside] ** 2)), clip.label


def test_an_event_is_seen_and_what_is_around_it_stays_the_same(easy: tuple[Path, list[DemoClip]]) -> None:
    folder, clips = easy
    for clip in clips:
        pictures = decoded(folder / clip.path)[0]
        seconds = np.arange(len(pictures)) / 10
        change = np.abs(pictures - pictures[0]).mean(axis=(1, 2, 3))
        outside = (seconds <= clip.start_seconds) | (seconds > clip.end_seconds)
        middle = np.abs(seconds - (clip.start_seconds + clip.end_seconds) / 2).argmin()
        assert change[middle] > 5 + change[outside].max(), clip.label


@pytest.mark.parametrize("label", CLASS_NAMES)
def test_a_motif_covers_some_of_the_picture_and_never_more_than_all(label: str) -> None:
    axis, seconds = np.linspace(-1, 1, 40), np.arange(20)[:, None, None] / 10
    for seed in range(5):
        x, y = np.broadcast_arrays(axis[None, None, :], axis[None, :, None], np.empty((20, 1, 1)))[:2]
        cover = SHAPES[label](Draws.of(seed), x, y, seconds)
        assert cover.shape == (20, 40, 40)
        assert cover.dtype == np.float64
        assert 0 <= cover.min() < cover.max() <= 1
        assert 0.02 < cover.mean() < 0.9


@pytest.mark.parametrize("difficulty", [0.0, 1.0])
def test_sounds_stay_within_full_scale(difficulty: float) -> None:
    for label in CLASS_NAMES:
        sound = make_sound(label, 16000, 16000, (0.1, 0.8), difficulty, Draws.of(3))
        assert sound.dtype == np.float32
        assert sound.shape == (16000,)
        assert 0.01 < np.abs(sound).max() <= 0.95


def test_every_class_is_both_seen_and_heard() -> None:
    assert CLASS_NAMES == tuple(SHAPES) == tuple(SOUNDS) == tuple(HUES)


def spectrum_statistics(label: str, difficulty: float, rng: Draws) -> NDArray[np.float64]:
    """Mean and spread over time of the log spectrum in 16 bands."""
    sound = make_sound(label, 24000, 16000, EVENT, difficulty, rng)[: 46 * 512].reshape(46, 512)
    bands = np.abs(np.fft.rfft(sound))[:, 1:].reshape(46, 16, 16).mean(axis=2)
    levels = np.log(bands + 0.01)
    return np.concatenate([levels.mean(axis=0), levels.std(axis=0)])


def picture_statistics(label: str, difficulty: float, rng: Draws) -> NDArray[np.float64]:
    """Colour, and how much changes over several distances, across and down, in one picture of the event."""
    picture = make_pictures(label, np.array([0.0, 1.0]), 64, EVENT, difficulty, rng)[1] / 255
    grey = picture.mean(axis=2)
    steps = [np.abs(g[k:] - g[:-k]).mean() for k in (1, 2, 4, 8, 16) for g in (grey, grey.T)]
    return np.array([*picture.mean(axis=(0, 1)), *picture.std(axis=(0, 1)), *np.log(steps)])


@pytest.mark.parametrize("statistics", [spectrum_statistics, picture_statistics])
def test_difficulty_lowers_what_simple_statistics_can_tell_and_the_default_is_neither_chance_nor_perfect(
    statistics: Any,  # noqa: ANN401  # one of the two functions above
) -> None:
    labels = np.repeat(CLASS_NAMES, 12)
    accuracies = []
    for difficulty in (0.0, 0.5, 1.0):
        rows = np.array([statistics(label, difficulty, Draws.of(7, i)) for i, label in enumerate(labels)])
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
        accuracies.append(cross_val_score(probe, rows, labels, cv=5).mean())
    easy, default, hard = accuracies
    assert 0.15 < hard < default - 0.05 < easy - 0.1, accuracies
    assert 0.3 < default < 0.95, accuracies


def test_sound_and_picture_of_a_clip_are_drawn_apart() -> None:
    draws = [[_generator(small(), i, stream).random(5) for i in range(1000)] for stream in ("sound", "picture", "time")]
    sound, picture, time = np.array(draws).transpose(0, 2, 1)
    for one, other in ((sound, picture), (sound, time), (picture, time)):
        assert np.abs(np.corrcoef(one, other)[:5, 5:]).max() < 0.12  # 5 % of pairings of 1000 exceed 0.1


def test_the_demo_of_the_pipeline_lies_in_the_cache_a_folder_for_each_set_of_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    dataset = dataset_params(source="demo")
    roots = set()
    for difficulty in (0.0, 1.0):
        Path("params.yaml").write_text(yaml.safe_dump({"demo": SMALL | {"difficulty": difficulty}}))
        root, clips, _ = find_clips(dataset)
        roots.add(root)
        assert {clip.path for clip in clips} == contents(root).keys()
        assert {clip.label for clip in clips} == set(CLASS_NAMES[:3])
    assert len(roots) == 2
    assert {root.parent for root in roots} == {tmp_path / "cache" / "demo"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_seconds": 3.0}, r"min_seconds=3.0, max_seconds=2.0; expected min_seconds <= max_seconds"),
        ({"min_seconds": 0.1}, r"demo.min_seconds: .* greater than or equal to 0.5"),
        ({"n_classes": 11}, r"demo.n_classes: .* less than or equal to 10"),
        ({"picture_size": 49}, r"demo.picture_size: .* multiple of 2"),
        ({"sample_rate": 8000}, r"demo.sample_rate: .* greater than or equal to 16000"),
        ({"difficulty": 1.5}, r"demo.difficulty: .* less than or equal to 1"),
        ({"shared_within_class": -0.1}, r"demo.shared_within_class: .* greater than or equal to 0"),
        ({"labelled_fraction": 1.1}, r"demo.labelled_fraction: .* less than or equal to 1"),
        ({"wrong_labels": 2.0}, r"demo.wrong_labels: .* less than or equal to 1"),
    ],
)
def test_parameters_that_make_no_demo_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"demo": SMALL | changes}))
    with pytest.raises(ParamsError, match=message):
        load_params("demo", DemoParams, path)
