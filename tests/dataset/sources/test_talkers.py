import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.dataset.sources.talkers import TalkersParams, find_clips, make_talkers
from pipeline.dataset.splits import assign_splits
from pipeline.errors import ParamsError
from pipeline.video import read_waveform, sample_frames
from tests.helpers.dataset_params import dataset_params

SMALL = {
    "seed": 0,
    "n_people": 6,
    "clips_per_person": 2,
    "seconds": 0.6,
    "picture_size": 48,
    "sample_rate": 16000,
    "difficulty": 0.5,
}


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.mp4")
    }


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"talkers": SMALL}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_PROGRESS", "none")
    return tmp_path


def test_clips_are_films_with_sound_that_ordinary_readers_read(workplace: Path) -> None:
    root, clips, refused = find_clips(dataset_params(source="talkers"))
    assert (len(clips), refused) == (12, [])
    path = root / clips[0].path
    assert len(read_waveform(path, 8000)) == pytest.approx(0.6 * 8000, abs=200)
    assert sample_frames(path, 25.0, 0.02).shape == (15, 48, 48, 3)


def test_a_person_is_on_one_side_of_the_split(workplace: Path) -> None:
    clips = assign_splits(find_clips(dataset_params(source="talkers")).clips, dataset_params(source="talkers"))
    sides = {(clip.source_id, clip.split) for clip in clips}
    assert len(sides) == len({clip.source_id for clip in clips}) == 6
    assert {split for _, split in sides} == {"train", "validation", "test"}


def test_a_second_call_makes_nothing_and_equal_params_give_equal_bytes(workplace: Path) -> None:
    params = TalkersParams.model_validate(SMALL | {"n_people": 3})
    make_talkers(workplace / "one", params)
    times = [path.stat().st_mtime_ns for path in sorted((workplace / "one").rglob("*.mp4"))]
    make_talkers(workplace / "one", params)
    assert times == [path.stat().st_mtime_ns for path in sorted((workplace / "one").rglob("*.mp4"))]
    make_talkers(workplace / "two", params)
    assert hashes(workplace / "one") == hashes(workplace / "two")
    assert len(set(hashes(workplace / "one").values())) == 6


def test_other_params_have_another_folder(workplace: Path) -> None:
    first = find_clips(dataset_params(source="talkers")).root
    (workplace / "params.yaml").write_text(yaml.safe_dump({"talkers": SMALL | {"seed": 1}}))
    assert find_clips(dataset_params(source="talkers")).root != first


def test_clips_of_one_person_look_alike_and_say_other_things(workplace: Path) -> None:
    params = TalkersParams.model_validate(SMALL | {"difficulty": 0.0})
    clips = make_talkers(workplace / "films", params)
    sounds = [read_waveform(workplace / "films" / clip.path, 8000)[:4000] for clip in clips[:2]]
    assert abs(np.corrcoef(*sounds)[0, 1]) < 0.5


def test_a_protocol_is_refused(workplace: Path) -> None:
    with pytest.raises(ParamsError, match=r"dataset.protocol='official': source 'talkers' has none; expected null"):
        find_clips(dataset_params(source="talkers", protocol="official"))
