"""Films without sound, and sounds without pictures, through the real stages: refused, or kept for what they have."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.errors import DataError
from pipeline.formats import rejects
from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.one_sided import OneSided
from pipeline.search.build import read_run, rows_of_run
from tests.helpers.media import Sight, Sound, tone, write_media
from tests.helpers.project import CLIP_STAGES, Changes, Workspace, write_videos
from tests.helpers.yaml_text import read_yaml

N_CLASSES, N_ALONE = 2, 6
CHANGES: Changes = {
    "model": {"epochs": 2, "seeds": [0, 1]},
    "evaluate": {"chance_permutations": 10, "significance_permutations": 10, "scope_sizes": [1]},
    "vggish": {"allow_random": True},
    "inception": {"allow_random": True},
    "frames": {"size": 75},
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TRAINING = ("train", "evaluate", "encoder")


def workspace(folder: Path, **dataset: object) -> Workspace:
    """A folder of films, a third of which lack a track, and one of which lacks both that can be used."""
    videos = write_videos(folder / "videos", N_CLASSES, 6)
    for number in range(N_ALONE):
        folder_of_class = videos / f"class {number % N_CLASSES}"
        write_media(folder_of_class / f"mute {number}.mp4", Sight(times=[k / 10 for k in range(20 + number)]))
        write_media(folder_of_class / f"blind {number}.mp4", Sound(waveform=tone(2 + number / 10, 44100)))
    (videos / "class 0" / "neither.mp4").write_bytes(b"no film")
    made = Workspace(folder, videos, folder / "cache", CHANGES)
    params = read_yaml((folder / "params.yaml").read_text())
    params["dataset"] |= dataset
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    return made


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = workspace(tmp_path_factory.mktemp("kept"), one_sided="keep")
    made.run("dataset", *CLIP_STAGES, "features", *TRAINING)
    return made


def named(names: list[str], word: str) -> set[str]:
    return {name for name in names if word in name}


def test_clips_of_one_side_are_no_pairs_and_those_of_the_test_split_keep_their_label(kept: Workspace) -> None:
    data = kept.folder / "data"
    table, sides = FeatureTable.load(data / "features.safetensors"), OneSided.load(data / "one_sided.safetensors")
    clips = {clip.clip_id: clip for clip in read_clips(data / "clips.csv")}
    test = [name for name, clip in clips.items() if clip.split == "test"]
    assert not named(table.clip_ids, "mute") | named(table.clip_ids, "blind")
    assert len(table.clip_ids) == N_CLASSES * 6
    for side, word, width in ((sides.audio, "blind", table.audio), (sides.visual, "mute", table.visual)):
        assert set(side.clip_ids) == named(test, word) != set()
        assert side.labels == [clips[name].label for name in side.clip_ids]
        assert side.features.shape[1] == width.shape[1]


def test_only_what_lacks_both_is_refused(kept: Workspace) -> None:
    rows = rejects.read(kept.folder / "data" / rejects.FILE)
    assert {row.clip_id for row in rows} == {"class 0/neither.mp4"}
    assert json.loads((kept.folder / "metrics.json").read_text())["rejected"] == 1


def test_metrics_json_says_what_is_found_among_them_and_changes_no_number_of_the_pairs(kept: Workspace) -> None:
    metrics: dict[str, Any] = json.loads((kept.folder / "metrics.json").read_text())
    found, sides = metrics["one_sided"], OneSided.load(kept.folder / "data/one_sided.safetensors")
    n_test = metrics["dataset"]["n_test"]
    for way, (asked, searched) in {
        "audio_to_visual": (sides.audio, sides.visual),
        "visual_to_audio": (sides.visual, sides.audio),
    }.items():
        counts = {"n_queries": n_test + len(asked), "n_one_sided_queries": len(asked)}
        assert found["directions"][way] == {**counts, "n_gallery": n_test + len(searched)}
        for model in ("dual_subspace", "cca"):
            assert 0 < found["models"][model][way]["one_sided_map"] <= 1
    before = {name: metrics[name] for name in ("models", "chance", "dataset")}
    OneSided(*(type(side).empty() for side in sides)).save(kept.folder / "data/one_sided.safetensors")
    kept.run("evaluate")
    after = json.loads((kept.folder / "metrics.json").read_text())
    assert {name: after[name] for name in before} == before
    assert "one_sided" not in after
    sides.save(kept.folder / "data/one_sided.safetensors")
    kept.run("evaluate")
    assert json.loads((kept.folder / "metrics.json").read_text()) == metrics


def test_an_index_of_the_run_has_them_with_the_vector_of_what_they_have(kept: Workspace) -> None:
    from pipeline.encoder import Encoder

    encoder = Encoder.load(kept.folder / "data/encoder")
    rows = {row.clip_id: row for of in rows_of_run(encoder, read_run(encoder, kept.folder / "data")) for row in of}
    assert len(rows) == N_CLASSES * 6 + 2 * N_ALONE
    for name, row in rows.items():
        assert (row.audio is None, row.visual is None) == ("mute" in name, "blind" in name)


def test_they_stop_the_run_where_they_are_not_asked_for(tmp_path: Path) -> None:
    refusing = workspace(tmp_path, one_sided="refuse")
    refusing.run("dataset")
    with pytest.raises(DataError, match=r"7 of 25 clips rejected \(6 no_audio, 1 not_media\)"):
        refusing.run("logmel")


def test_damaged_clips_count_as_before(tmp_path: Path) -> None:
    keeping = workspace(tmp_path, one_sided="keep", max_rejected_fraction=0.03)
    keeping.run("dataset")
    with pytest.raises(DataError, match=r"1 of 25 clips rejected \(1 not_media\)"):
        keeping.run("logmel")
