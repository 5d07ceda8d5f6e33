"""A published feature file through every stage, as `dvc repro` calls them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pipeline.dataset.feature_files.__main__ import export
from pipeline.dataset.sources.features import import_table
from pipeline.errors import DataError
from pipeline.features.pca import load_pca
from pipeline.formats import rejects
from pipeline.formats.clips import read_clips
from pipeline.formats.feature_table import FeatureTable
from stages import dataset, evaluate, features, frames, logmel, network, train
from tests.helpers.dataset_params import dataset_params
from tests.helpers.feature_files import arrays_b, make_d, make_pairs, write_d, write_h5
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[3]
DATA = Path("data")
CLIPS, IMPORTED, DATASET, TABLE = (
    DATA / name for name in ("clips.csv", "imported.safetensors", "dataset", "features.safetensors")
)
VIDEO_FOLDERS = [DATA / name for name in ("logmel", "frames", "vggish", "inception")]


def write_params(path: Path, **changes: Any) -> None:  # noqa: ANN401 - whatever a user may write
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["dataset"] |= {"source": "features", "path": str(path), **changes}
    params["models"] = {"c_cca": "baselines.c_cca"}
    Path("params.yaml").write_text(yaml.safe_dump(params))


def run_up_to_the_features() -> FeatureTable:
    dataset.main(CLIPS, IMPORTED, DATASET)
    logmel_out, frames_out, vggish_out, inception_out = VIDEO_FOLDERS
    logmel.main(CLIPS, logmel_out)
    frames.main(CLIPS, frames_out)
    network.main("vggish", logmel_out, vggish_out)
    network.main("inception", frames_out, inception_out)
    features.main(CLIPS, IMPORTED, DATASET, *VIDEO_FOLDERS, TABLE)
    return FeatureTable.load(TABLE)


def run_to_the_metrics() -> dict[str, Any]:
    run_up_to_the_features()
    models, embeddings = DATA / "models", DATA / "embeddings"
    train.main(TABLE, models, embeddings)
    tables = (TABLE, CLIPS, DATA / "one_sided.safetensors", DATA / rejects.FILE, DATASET / "report.json")
    outs = map(Path, ("metrics.json", "summary.json", "plots"))
    evaluate.main(*tables, models, embeddings, *outs)
    metrics: dict[str, Any] = json.loads(Path("metrics.json").read_text())
    return metrics


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))


def test_a_feature_file_becomes_metrics_above_chance_and_no_video_stage_makes_an_array() -> None:
    write_params(write_h5(Path("vegas.h5"), arrays_b(make_pairs(120))))
    metrics = run_to_the_metrics()
    chance = metrics["chance"]
    assert metrics["models"]["c_cca"]["average"]["map"] > chance["map"] + 5 * chance["map_std"]
    assert metrics["provenance"]["imported"]["schema"] == "B"
    assert "vggish" not in metrics["provenance"]
    assert (metrics["dataset"]["source"], metrics["dataset"]["name"]) == ("features", "vegas.h5")
    assert metrics["dataset"]["leakage"]["test_same_sha256"] == 0
    assert [path for folder in VIDEO_FOLDERS for path in folder.glob("*.safetensors")] == []
    assert {path.parts[:3] for path in Path("cache").rglob("*.safetensors")} == {("cache", "clips", "train")}


def test_the_table_is_that_of_the_file_without_pca_or_scaling() -> None:
    pairs = make_pairs(120)
    write_params(write_h5(Path("x.h5"), arrays_b(pairs)))
    table = run_up_to_the_features()
    rows = [int(clip_id) for clip_id in table.clip_ids]
    np.testing.assert_array_equal(table.audio, pairs.audio[rows])
    np.testing.assert_array_equal(table.visual, pairs.visual[rows])
    assert load_pca(DATA / "pca.safetensors").components.size == 0
    assert [clip.split for clip in read_clips(CLIPS)] == table.splits
    assert [split == "test" for split in table.splits] == (~pairs.is_train[rows]).tolist()


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_the_same_file_gives_the_same_bytes() -> None:
    write_params(write_h5(Path("x.h5"), arrays_b(make_pairs())))
    outs = []
    for _ in range(2):
        dataset.main(CLIPS, IMPORTED, DATASET)
        outs.append([path.read_bytes() for path in (CLIPS, IMPORTED, *files_of(DATASET))])
    assert outs[0] == outs[1]


def test_rows_of_train_that_come_again_in_test_are_a_loud_leak(capsys: pytest.CaptureFixture[str]) -> None:
    arrays = arrays_b(make_pairs())
    for key in ("audio_feat", "visual_feat"):
        arrays[key][4] = arrays[key][1]  # row 4 is test, row 1 train
    write_params(write_h5(Path("x.h5"), arrays))
    dataset.main(CLIPS, IMPORTED, DATASET)
    assert "LEAKAGE: 1 test clips share their sha256 with clips of train" in capsys.readouterr().err
    leakage = json.loads((DATASET / "report.json").read_text())["leakage"]
    assert (leakage["test_same_sha256"], leakage["duplicate_groups"]) == (1, 1)


def test_refused_clips_of_the_data_set_are_counted_with_all_others() -> None:
    clips = make_d(30)
    folds = [sorted(clips)[i::3] for i in range(3)]
    root = write_d(Path("vegas"), clips, folds)
    (root / "vgg" / "v05.npy").unlink()
    write_params(root, fold=1)
    metrics = run_to_the_metrics()
    assert metrics["rejected"] == 1
    assert metrics["dataset"]["n_clips"] == 29


@pytest.mark.parametrize("fraction", [0.2, 1.0])
def test_a_data_set_of_unsound_clips_says_why_and_lists_them(fraction: float) -> None:
    root = write_d(Path("vegas"), make_d(2), [["a", "b"], ["c"]])
    write_params(root, max_rejected_fraction=fraction)
    expected = "two classes or more" if fraction == 1.0 else "at most dataset.max_rejected_fraction=0.2 of them"
    with pytest.raises(
        DataError, match=rf"such as missing: clip 'a': vgg/a\.npy: no such file; .*; expected {expected}"
    ):
        dataset.main(CLIPS, IMPORTED, DATASET)
    assert [row.clip_id for row in rejects.read(DATASET / "rejected.csv")] == ["a", "b", "c"]


def test_the_export_of_a_run_is_imported_as_the_same_table(capsys: pytest.CaptureFixture[str]) -> None:
    write_params(write_h5(Path("x.h5"), arrays_b(make_pairs())))
    table = run_up_to_the_features()
    models, embeddings = DATA / "models", DATA / "embeddings"
    train.main(TABLE, models, embeddings)
    export(Path("exported"))
    assert "exported: 36 clips, embeddings of c_cca, vectors of no network\n" in capsys.readouterr().out
    write_params(Path("exported/features.h5"))
    back = run_up_to_the_features()
    for name in ("clip_ids", "splits", "labels", "classes", "audio", "visual"):
        np.testing.assert_array_equal(getattr(back, name), getattr(table, name))
    assert sorted(path.name for path in Path("exported").iterdir()) == [
        "README.md",
        "c_cca.parquet",
        "features.h5",
        "features.npz",
        "features.parquet",
    ]


SHARED = ROOT.parent / "shared" / "data"


@pytest.mark.skipif(not SHARED.exists(), reason="the shared data are no part of the project")
@pytest.mark.parametrize("name", ["fewshot", "newvoice"])
def test_real_features_are_retrieved_above_chance(name: str) -> None:
    write_params(SHARED / f"avdigits_{name}.h5")
    metrics = run_to_the_metrics()
    assert metrics["chance"]["map"] == pytest.approx(0.109, abs=0.01)
    assert metrics["models"]["c_cca"]["average"]["map"] > 0.2
    assert import_table(dataset_params(path=SHARED / f"avdigits_{name}.h5")).refused == []
