"""What a decoding stage writes that leaves its work to the networks, and when they refuse it."""

import json
from pathlib import Path

import pytest

from pipeline.clip_jobs.share import Share
from pipeline.errors import DataError, ParamsError
from pipeline.extraction import decode_later, embedding
from pipeline.extraction.decode_later import decode_now_or_later, decoding_fingerprint, decoding_of, read_note
from pipeline.formats.clips import Clip, read_clips, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.settings import fingerprint
from tests.helpers.project import write_params, write_video

WHOLE = Share(1, 1)
FILES = ["decode_later.csv", "decode_later.json", "rejected.csv"]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("AVR_ENGINE", raising=False)
    write_params(tmp_path, {"decode_later": {"frames": True}})
    write_video(Path("videos/film.mp4"), seed=0)
    film = Clip(clip_id="film", path="film.mp4", label="sea", sha256=file_sha256("videos/film.mp4"), split="train")
    write_clips("data.csv", [film.part(0, 1), film.part(1, 2)])
    write_root("data.csv", "videos")


def test_the_list_has_a_row_a_file_and_labels_do_not_change_it() -> None:
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    assert sorted(path.name for path in Path("out").iterdir()) == FILES
    (clip,) = read_clips("out/decode_later.csv")
    assert (clip.clip_id, clip.path, clip.label, clip.split, clip.window) == ("film", "film.mp4", "", "", None)
    note = read_note("out")
    assert note is not None
    decoding = decoding_of(note, "out", ".")
    assert (decoding.root, decoding.clips) == (Path("videos").absolute(), {"film": clip})
    before = {name: Path("out", name).read_bytes() for name in FILES}
    write_clips("data.csv", [Clip(clip_id="film", path="film.mp4", label="land", sha256=clip.sha256, split="test")])
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    assert {name: Path("out", name).read_bytes() for name in FILES} == before


def test_shards_and_the_list_take_turns_and_a_share_writes_neither(tmp_path: Path) -> None:
    decode_now_or_later("frames", "data.csv", "share", Share(1, 2))
    assert not Path("share").exists()
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    decode_now_or_later("frames", "data.csv", "out", Share(1, 2))
    assert sorted(path.name for path in Path("out").iterdir()) == FILES
    write_params(tmp_path, {})
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    (shard,) = Path("out").glob("shard-*")
    assert sorted(path.name for path in Path("out").iterdir()) == ["rejected.csv", shard.name]
    assert read_note("out") is None
    write_params(tmp_path, {"decode_later": {"frames": True}})
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    assert sorted(path.name for path in Path("out").iterdir()) == FILES


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("code", "0" * 64, r"the code that decodes was another .*; expected `dvc repro frames` to have run"),
        ("clip_timeout_seconds", None, r"decode_later\.json: damaged \(.*clip_timeout_seconds"),
    ],
)
def test_a_note_of_other_code_and_a_damaged_one_are_refused(key: str, value: object, message: str) -> None:
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    path = Path("out", decode_later.NOTE)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DataError, match=message):
        read_note("out")


def test_a_machine_with_other_packages_takes_the_note_and_keeps_its_results_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    note = read_note("out")
    assert note is not None
    made_here = decoding_fingerprint(note)
    monkeypatch.setattr(fingerprint, "version", lambda package: f"{package} of another build")
    assert read_note("out") == note
    assert decoding_fingerprint(note) != made_here
    before = Path("out", decode_later.NOTE).read_bytes()
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    assert Path("out", decode_later.NOTE).read_bytes() == before


def test_a_network_of_other_inputs_refuses_the_folder() -> None:
    decode_now_or_later("frames", "data.csv", "out", WHOLE)
    with pytest.raises(DataError, match="out: clips for what the stage frames makes; expected those of logmel"):
        embedding.embed_folder("vggish", "out", "vggish", WHOLE)


def test_several_networks_on_ray_are_refused_with_the_ways_that_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {"yamnet": {"inputs": "logmel", "modality": "audio"}}
    write_params(tmp_path, {"decode_later": {"logmel": True}, "networks": lines, "yamnet": {"allow_random": True}})
    monkeypatch.setenv("AVR_ENGINE", "ray")
    monkeypatch.setenv("AVR_NETWORK_WORKERS", "2")
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    decode_now_or_later("logmel", "data.csv", "out", WHOLE)
    with pytest.raises(ParamsError, match=r"decode_later\.logmel: AVR_ENGINE='ray' .*=2; expected .*=1 or not set, or"):
        embedding.embed_folder("yamnet", "out", "yamnet", WHOLE)


def test_the_section_takes_nothing_but_true_and_false(tmp_path: Path) -> None:
    write_params(tmp_path, {"decode_later": {"frames": "perhaps"}})
    with pytest.raises(ParamsError, match=r"decode_later\.frames: Input should be a valid boolean"):
        decode_now_or_later("frames", "data.csv", "out", WHOLE)
    assert not Path("out").exists()


@pytest.mark.slow
def test_actors_of_ray_decode_for_a_network_as_processes_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_raylet_start_wait_time_s", "200")  # a busy machine takes longer than Ray expects
    monkeypatch.setenv("AVR_WEIGHTS_DIR", str(tmp_path / "weights"))
    lines = {"yamnet": {"inputs": "logmel", "modality": "audio"}}
    changes = {"decode_later": {"logmel": True}, "networks": lines, "dataset": {"max_rejected_fraction": 0.5}}
    write_params(tmp_path, changes)
    write_video(Path("videos/other.mp4"), seed=1)
    Path("videos/none.mp4").write_bytes(b"no film")
    videos = [f"{name}.mp4" for name in ("film", "none", "other")]
    hashes = {name: file_sha256(f"videos/{name}") for name in videos}
    write_clips("data.csv", [Clip(clip_id=name, path=name, label="", sha256=digest) for name, digest in hashes.items()])
    decode_now_or_later("logmel", "data.csv", "out", WHOLE)
    made = []
    for engine in ("processes", "ray"):
        monkeypatch.setenv("AVR_ENGINE", engine)
        monkeypatch.setenv("AVR_CACHE_DIR", str(tmp_path / f"cache of {engine}"))
        embedding.embed_folder("yamnet", "out", f"data/{engine}", WHOLE)
        made.append({path.name: path.read_bytes() for path in Path("data", engine).iterdir()})
    assert made[0] == made[1]
    assert b"none.mp4,logmel,not_media," in made[0]["rejected.csv"]
    assert sorted(path.name for path in Path("data").iterdir()) == ["processes", "ray"]
