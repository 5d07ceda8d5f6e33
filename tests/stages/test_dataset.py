import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.dataset import summary
from pipeline.dataset.base import Found, without_missing
from pipeline.errors import DataError, ParamsError
from pipeline.formats.clips import Clip, read_clips
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.rejects import Reject
from pipeline.network_parts.base import network_lines
from stages import dataset as stage
from tests.helpers.dataset_params import dataset_params
from tests.helpers.yaml_text import read_yaml

ROOT = Path(__file__).parents[2]


def make_clip(name: str, label: str = "x", split: str = "train", sha256: str = "") -> Clip:
    return Clip(clip_id=name, path=name, label=label, split=split, sha256=sha256)


def run(folder: Path, videos: Path | None, monkeypatch: pytest.MonkeyPatch, **changed: dict[str, Any]) -> None:
    """The stage on a user's folder, sections of params.yaml changed."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("AVR_CACHE_DIR", str(folder / "cache"))
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["dataset"] |= {"source": "folder", "path": str(videos)}
    for network in network_lines(ROOT / "params.yaml"):
        params[network]["allow_random"] = True
    for section, values in changed.items():
        params[section] |= values
    Path("params.yaml").write_text(yaml.safe_dump(params))
    stage.main(Path("data/clips.csv"), Path("data/imported.safetensors"), Path("data/dataset"))


def make_videos(folder: Path, labels: tuple[str, ...] = ("cat", "dog")) -> Path:
    for label in labels:
        (folder / label).mkdir(parents=True)
        for i in range(8):
            (folder / label / f"{i}.mp4").write_bytes(f"{label} {i}".encode())
    return folder


def test_a_clip_whose_file_is_not_there_is_refused_as_missing(tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    before = Reject("other", "dataset", "bad_label", "why")
    found = without_missing(Found(tmp_path, [make_clip("here"), make_clip("gone")], [before]))
    assert [clip.clip_id for clip in found.clips] == ["here"]
    reason = "clip 'gone': gone: no such file; expected a file for every clip"
    assert found.refused == [before, Reject("gone", "dataset", "missing", reason)]


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    names = ["folder", "pipe", "loop", "n" * 300, "file/inner", "file"]
    found = without_missing(Found(tmp_path, [make_clip(name) for name in names], []))
    kinds = ["unreadable", "unreadable", "unreadable", "unreadable", "missing"]
    assert [(row.clip_id, row.kind) for row in found.refused] == list(zip(names, kinds, strict=False))
    assert found.refused[0].reason == "clip 'folder': folder: a folder; expected a file for every clip"
    assert found.refused[1].reason == "clip 'pipe': pipe: neither file nor folder; expected a file for every clip"
    assert [clip.clip_id for clip in found.clips] == ["file"]


def test_a_source_of_videos_imports_no_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, make_videos(tmp_path / "videos"), monkeypatch)
    assert FeatureTable.load(Path("data/imported.safetensors")).clip_ids == []
    assert len(read_clips(Path("data/clips.csv"))) == 16


def test_missing_files_are_written_down_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = make_videos(tmp_path / "videos")
    (videos / "cat" / "gone.mp4").symlink_to("nowhere")
    run(tmp_path, videos, monkeypatch)
    with Path("data/dataset/rejected.csv").open() as file:
        assert [(row["clip_id"], row["kind"]) for row in csv.DictReader(file)] == [("cat/gone.mp4", "missing")]
    assert "cat/gone.mp4" not in {clip.clip_id for clip in read_clips(Path("data/clips.csv"))}


def test_too_many_missing_files_stop_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = make_videos(tmp_path / "videos")
    for i in range(5):
        (videos / "cat" / f"gone{i}.mp4").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"5 of 21 clips rejected \(5 missing\), such as missing: .*gone\d.mp4"):
        run(tmp_path, videos, monkeypatch)
    assert not Path("data/clips.csv").exists()
    assert len(Path("data/dataset/rejected.csv").read_text().splitlines()) == 1 + 5


def write_table(folder: Path, paths: list[str], labels: tuple[str, str] = ("cat", "dog")) -> dict[str, Any]:
    """A table of eight clips, and the section ``dataset`` that names it."""
    rows = [f"{path},{labels[i % 2]}" for i, path in enumerate(paths)]
    (folder / "clips.csv").write_text("\n".join(["path,label", *rows]))
    return {"source": "table", "path": str(folder / "clips.csv")}


def test_a_table_of_refused_rows_says_why_and_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = write_table(tmp_path, [f"/data/set/v/{i}.mp4" for i in range(4)])
    message = (
        r"4 of 4 clips rejected \(4 outside_root\), such as outside_root: clip '/data/set/v/0.mp4': path .* leads out"
    )
    with pytest.raises(DataError, match=message):
        run(tmp_path, None, monkeypatch, dataset=section)
    assert len(Path("data/dataset/rejected.csv").read_text().splitlines()) == 1 + 4


def test_a_single_class_that_is_left_says_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = make_videos(tmp_path / "videos", ("cat",))
    (videos / "dog").symlink_to("nowhere")
    with pytest.raises(
        DataError, match=r"8 clips of classes \['cat'\] are left, and 1 were refused \(1 missing\), such as"
    ):
        run(tmp_path, videos, monkeypatch)
    assert "dog,dataset,missing" in Path("data/dataset/rejected.csv").read_text()


def test_a_backslash_in_a_path_that_is_not_there_gets_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        DataError, match=r"v\\0\.mp4: no such file; expected .*; folders are parted by /, and this name"
    ):
        run(tmp_path, None, monkeypatch, dataset=write_table(tmp_path, [rf"v\{i}.mp4" for i in range(4)]))


@pytest.mark.parametrize("path", ["~", "~/videos"])
def test_a_tilde_is_the_home_folder(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert dataset_params(path=path).path == (tmp_path if path == "~" else tmp_path / "videos")
    assert dataset_params(path="~no such user/x").path == Path("~no such user/x")


def test_copies_of_a_file_are_counted_and_stay_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    videos = make_videos(tmp_path / "videos")
    for i in range(4):
        (videos / "dog" / f"copy{i}.mp4").write_bytes((videos / "dog" / "0.mp4").read_bytes())
    run(tmp_path, videos, monkeypatch)
    leakage = json.loads(Path("data/dataset/report.json").read_text())["leakage"]
    assert (leakage["duplicate_groups"], leakage["test_same_sha256"]) == (1, 0)
    copies = [clip for clip in read_clips(Path("data/clips.csv")) if "copy" in clip.path or clip.path == "dog/0.mp4"]
    assert len({clip.split for clip in copies}) == 1


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"logmel": {"n_mels": 128}}, r"logmel\.n_mels: 128; expected 64: VGGish takes"),
        ({"logmel": {"frames_per_example": 48}}, r"logmel\.frames_per_example: 48; expected 96: VGGish takes"),
        ({"frames": {"size": 74}}, r"frames\.size: 74; expected at least 75 pixels: Inception-v3 takes no smaller"),
        ({"frames": {"size": "large"}}, r"frames\.size: 'large'; expected at least 75 pixels"),
        ({"features": {"audio": "vgg"}}, r"features\.audio: 'vgg' is no audio network; expected one of .*vggish"),
        ({"features": {"visual": "vggish"}}, r"features\.visual: 'vggish' is no visual network; .* one of .*inception"),
        (
            {"networks": {"vggish": {"inputs": "frames", "modality": "audio"}}},
            r"networks\.vggish: {'inputs': 'frames', .*; expected {'inputs': 'logmel', 'modality': 'audio'}",
        ),
        (
            {"networks": {"no": {"inputs": "logmel", "modality": "audio"}}},
            r"network 'no': no such network; expected one of .*inception.*vggish",
        ),
        ({"networks": {"vggish": {"inputs": "sound", "modality": "audio"}}}, r"networks\.vggish\.inputs: .*'logmel'"),
        ({"vggish": {"postprocess": "half"}}, r"vggish\.postprocess: Input should be 'none', 'pca' or 'pca_uint8'"),
        ({"features": {"audio_scaling": "vegas"}}, r"'vegas' with vggish\.postprocess='none'; expected pca_uint8"),
        ({"models": {"ccx": "baselines.cca"}}, r"params\.yaml: models: no model 'ccx'; expected one of .*cca"),
        (
            {"models": {"cca": "baselines.nope"}},
            r"baselines\.nope: section is missing; expected a section of that name",
        ),
        (
            {"models": {"cca": "dataset.seed"}},
            r"dataset\.seed: no section of key: value; expected the parameters of cca",
        ),
    ],
)
def test_what_a_network_cannot_do_stops_before_the_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        run(tmp_path, make_videos(tmp_path / "videos"), monkeypatch, **changed)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("AVR_DEVICE", "warp"),
        ("AVR_DEVICE", "cuda:99"),
        ("AVR_RETRY_REJECTED", "yes"),
        ("AVR_OFFLINE", "2"),
        ("AVR_WORKERS", "0"),
        ("AVR_ENGINE", "steam"),
        ("AVR_PROGRESS", "loud"),
    ],
)
def test_a_variable_that_a_later_stage_would_refuse_stops_the_run_at_its_start(
    name: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ParamsError, match=f"{name}='{text}'"):
        run(tmp_path, make_videos(tmp_path / "videos"), monkeypatch)
    assert not Path("data").exists()


def test_a_missing_pca_of_audioset_stops_before_the_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    with pytest.raises(DataError, match=r"weights/vggish_pca_params.npz: missing, and vggish.postprocess needs it"):
        run(tmp_path, make_videos(tmp_path / "videos"), monkeypatch, vggish={"postprocess": "pca"})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"path": "videos"}, r"dataset.path=videos: source 'demo' reads no files; expected null, or another source"),
        ({"path": None, "protocol": "cml"}, r"dataset.protocol='cml': source 'demo' has none; expected null"),
    ],
)
def test_the_demo_does_not_pass_for_videos_that_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: dict[str, Any], message: str
) -> None:
    with pytest.raises(ParamsError, match=message):
        run(tmp_path, None, monkeypatch, dataset={"source": "demo", **setting})


def test_labels_that_look_alike_are_named_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    clips = [make_clip("a", "Dog"), make_clip("b", "dog "), make_clip("c", "cat")]
    assert summary.report(clips)["similar_labels"] == 1
    assert "SIMILAR LABELS: 'Dog' and 'dog ' count as different classes" in capsys.readouterr().err


def test_a_split_without_leaks_is_reported_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    clips = [make_clip("a", sha256="1"), make_clip("b", split="test", sha256="2")]
    counts = summary.report(clips)["leakage"]
    assert [counts[f"test_same_{name}"] for name in ("clip_id", "sha256", "source_id")] == [0, 0, 0]
    assert capsys.readouterr().err == ""


def test_the_last_line_says_what_was_found() -> None:
    clips = [make_clip("a"), make_clip("b", "y", "validation"), make_clip("c", split="test"), make_clip("d")]
    refused = [Reject("e", "dataset", "missing", "why")]
    found = "4 clips of 2 classes: 2 train, 1 validation, 1 test; 1 more refused (1 missing)"
    assert summary.summary(clips, refused) == f"dataset: {found}"
