import hashlib
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.dataset.sources.players import BOXES_FILE, CLASS_NAMES, PlayersParams, find_clips, make_players
from pipeline.dataset.splits import assign_splits
from pipeline.errors import ParamsError
from pipeline.formats.csv_rows import read_rows
from pipeline.video import read_waveform, sample_frames
from tests.helpers.dataset_params import dataset_params

SMALL = {
    "seed": 0,
    "players_per_class": 3,
    "clips_per_player": 1,
    "seconds": 1.0,
    "picture_size": 32,
    "frames_per_second": 8,
    "sample_rate": 22050,
    "difficulty": 0.5,
}


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.*")
    }


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"players": SMALL}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("AVR_PROGRESS", "none")
    return tmp_path


def test_clips_are_films_with_sound_of_every_class_and_a_player_is_on_one_side_of_the_split(workplace: Path) -> None:
    root, clips, refused = find_clips(dataset_params(source="players"))
    assert (len(clips), refused) == (18, [])
    assert {clip.label for clip in clips} == set(CLASS_NAMES)
    path = root / clips[0].path
    assert len(read_waveform(path, 11025)) == pytest.approx(11025, abs=300)
    assert sample_frames(path, 8.0, 0.06).shape == (8, 32, 32, 3)
    split = assign_splits(clips, dataset_params(source="players"))
    assert len({clip.source_id for clip in split}) == 18
    assert {clip.split for clip in split} == {"train", "validation", "test"}
    assert find_clips(dataset_params(source="players")).clips == clips


def test_the_table_of_boxes_names_every_clip_and_lies_within_the_pictures(workplace: Path) -> None:
    clips = make_players(workplace / "films", PlayersParams.model_validate(SMALL))
    rows = read_rows(workplace / "films" / BOXES_FILE, ("clip_id", "x", "y", "width", "height"))
    assert [row["clip_id"] for row in rows] == [clip.path for clip in clips]
    for row in rows:
        x, y, width, height = (float(row[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + width <= 1
        assert 0 <= y < y + height <= 1
        assert (x + width < 0.6) != (x > 0.4)


def test_a_second_call_makes_nothing_and_equal_params_give_equal_bytes(workplace: Path) -> None:
    params = PlayersParams.model_validate(SMALL)
    make_players(workplace / "one", params)
    times = [path.stat().st_mtime_ns for path in sorted((workplace / "one").rglob("*.*"))]
    make_players(workplace / "one", params)
    assert times == [path.stat().st_mtime_ns for path in sorted((workplace / "one").rglob("*.*"))]
    (workplace / "one" / make_players(workplace / "one", params)[3].path).unlink()
    before = hashes(workplace / "one")
    make_players(workplace / "one", params)
    assert len(hashes(workplace / "one")) == len(before) + 1 == 19
    make_players(workplace / "two", params)
    assert hashes(workplace / "one") == hashes(workplace / "two")


def test_clips_of_one_player_are_other_tunes(workplace: Path) -> None:
    params = PlayersParams.model_validate(SMALL | {"difficulty": 0.0, "clips_per_player": 2, "seconds": 1.5})
    clips = make_players(workplace / "films", params)
    sounds = [read_waveform(workplace / "films" / clip.path, 8000)[:12000] for clip in clips[:2]]
    assert (clips[0].player, clips[0].number, clips[1].number) == (clips[1].player, 0, 1)
    assert abs(np.corrcoef(*sounds)[0, 1]) < 0.5


def test_other_params_have_another_folder_and_a_protocol_is_refused(workplace: Path) -> None:
    first = find_clips(dataset_params(source="players")).root
    (workplace / "params.yaml").write_text(yaml.safe_dump({"players": SMALL | {"seed": 1}}))
    assert find_clips(dataset_params(source="players")).root != first
    with pytest.raises(ParamsError, match=r"dataset.protocol='official': source 'players' has none; expected null"):
        find_clips(dataset_params(source="players", protocol="official"))
