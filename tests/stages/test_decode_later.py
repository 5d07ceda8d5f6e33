"""Networks that decode by themselves, through the real stages: the bytes of the way through shards, without shards."""

import contextlib
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import yaml
from safetensors.torch import save_file

from pipeline.clip_jobs.share import parse_share
from pipeline.extraction.embedding import embed_folder
from pipeline.formats import rejects
from pipeline.formats.shards import read_shards
from pipeline.settings.device import one_thread
from tests.helpers.media import Sight, Sound, tone, write_media
from tests.helpers.project import CLIP_STAGES, Changes, Workspace, write_videos
from tests.helpers.random_networks import random_state
from tests.helpers.yaml_text import read_yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
N_GOOD = 6
N_SEEN = N_GOOD + 1  # with pictures, one of them without sound
NAMES = ("vggish", "inception")
DECODING = ("logmel", "frames")
ALL = ("dataset", *CLIP_STAGES, "features")
BEHIND = ("features.safetensors", "one_sided.safetensors", "pca.safetensors", "rejected.csv", "clips.csv")
DATASET = {"one_sided": "keep", "max_rejected_fraction": 0.3}


@pytest.fixture(scope="module", autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for temporary files, of this process and of those that it starts; sockets in it need a short name."""
    folder = tmp_path_factory.mktemp("t")
    with mock.patch.dict(os.environ, TMPDIR=str(folder)), mock.patch.object(tempfile, "tempdir", str(folder)):
        yield folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Changes:
    """Random weights as files, which are faster to read than to make."""
    folder = tmp_path_factory.mktemp("weights")
    for name in NAMES:
        save_file(
            {key: tensor.contiguous() for key, tensor in random_state(name).items()}, folder / f"{name}.safetensors"
        )
    return {name: {"weights": str(folder / f"{name}.safetensors")} for name in NAMES}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of films; one is there twice, one has no sound, one no pictures, one is damaged and one is none."""
    folder = write_videos(tmp_path_factory.mktemp("videos"), 2, N_GOOD // 2)
    shutil.copy(folder / "class 0/0.mp4", folder / "class 0/twice.mp4")
    write_media(folder / "class 0/mute.mp4", Sight(times=[k / 10 for k in range(20)]))
    write_media(folder / "class 1/blind.mp4", Sound(waveform=tone(2, 44100)))
    data = (folder / "class 1/1.mp4").read_bytes()
    (folder / "class 1/cut.mp4").write_bytes(data[: len(data) // 2])
    (folder / "class 1/none.mp4").write_bytes(b"no film")
    return folder


def workspace(folder: Path, videos: Path, weights: Changes, **later: bool) -> Workspace:
    made = Workspace(folder, videos, folder / "cache", {**weights, "decode_later": later})
    change(made, "dataset", **DATASET)
    return made


def change(made: Workspace, section: str, **values: object) -> None:
    params = read_yaml((made.folder / "params.yaml").read_text())
    params[section] |= values
    (made.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def behind(made: Workspace) -> dict[str, bytes]:
    return {name: (made.folder / "data" / name).read_bytes() for name in BEHIND}


@pytest.fixture(scope="module")
def through_shards(tmp_path_factory: pytest.TempPathFactory, videos: Path, weights: Changes) -> Workspace:
    made = workspace(tmp_path_factory.mktemp("shards"), videos, weights)
    made.run(*ALL)
    return made


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory, videos: Path, weights: Changes) -> Workspace:
    made = workspace(tmp_path_factory.mktemp("later"), videos, weights, logmel=True, frames=True)
    assert made.run(*ALL) == dict.fromkeys(NAMES, N_GOOD + 4)  # of equal bytes one is computed
    return made


@pytest.fixture
def copy(at_once: Workspace, videos: Path, weights: Changes, tmp_path: Path) -> Workspace:
    """Another workspace after the same run, with videos and a cache of its own."""
    shutil.copytree(videos, tmp_path / "videos")
    for name in ("cache", "data"):
        shutil.copytree(at_once.folder / name, tmp_path / name)
    made = workspace(tmp_path, tmp_path / "videos", weights, logmel=True, frames=True)
    made.run("dataset")  # which notes where the videos are
    return made


def test_the_vectors_and_all_behind_them_are_those_of_the_way_through_shards(
    through_shards: Workspace, at_once: Workspace
) -> None:
    named = {row.clip_id for row in rejects.read(through_shards.folder / "data/rejected.csv")}
    assert named == {"class 1/cut.mp4", "class 1/none.mp4"}
    assert behind(at_once) == behind(through_shards)
    for name in NAMES:
        ours, theirs = at_once.outs([name]), through_shards.outs([name])
        refused = f"data/{name}/rejected.csv"
        assert len(theirs) > 4
        assert {path: digest for path, digest in ours.items() if path != refused} == {
            path: digest for path, digest in theirs.items() if path != refused
        }
    for name, stage in zip(NAMES, DECODING, strict=True):
        written = (at_once.folder / f"data/{name}/rejected.csv").read_bytes()
        assert written == (through_shards.folder / f"data/{stage}/rejected.csv").read_bytes()


def test_decoding_leaves_neither_shards_nor_finished_clips(at_once: Workspace, temporary: Path) -> None:
    for stage in DECODING:
        assert {path.name for path in (at_once.folder / "data" / stage).iterdir()} == {
            "decode_later.csv",
            "decode_later.json",
            "rejected.csv",
        }
        assert (
            sum(path.stat().st_size for path in at_once.entries(stage)) < 4000
        )  # words, of the clips that are refused
        assert 0 < len(at_once.entries(stage)) < 5
    assert not list(temporary.glob(".decoded-*"))


def test_a_second_run_needs_no_video(copy: Workspace) -> None:
    before = copy.outs(NAMES)
    shutil.rmtree(copy.folder / "videos")
    assert copy.run(*NAMES, "features") == dict.fromkeys(NAMES, 0)
    assert copy.outs(NAMES) == before


def test_other_pictures_change_the_folder_and_are_embedded_anew(copy: Workspace) -> None:
    before, vectors = copy.outs(["frames"]), copy.outs(["inception"])
    assert copy.run("dataset", "frames") == {}
    assert copy.outs(["frames"]) == before
    change(copy, "frames", jpeg_quality=60)
    copy.run("frames")
    changed = {path for path, digest in copy.outs(["frames"]).items() if digest != before[path]}
    assert changed == {"data/frames/decode_later.json"}
    assert copy.run("inception") == {"inception": N_GOOD + 4}  # those that are refused too
    assert copy.outs(["inception"]) != vectors
    change(copy, "frames", jpeg_quality=95)
    assert copy.run("frames", "inception") == {"inception": 0}
    assert (copy.outs(["frames"]), copy.outs(["inception"])) == (before, vectors)


def test_going_back_to_shards_decodes_all_and_from_there_nothing_is_decoded_again(
    copy: Workspace, through_shards: Workspace
) -> None:
    change(copy, "decode_later", frames=False)
    assert copy.run("frames", "inception") == {"frames": N_SEEN, "inception": N_SEEN}
    assert copy.outs(["frames", "inception"]) == through_shards.outs(["frames", "inception"])
    change(copy, "decode_later", frames=True)
    for path in copy.entries("inception"):
        path.unlink()
    copy.run("frames")
    shutil.rmtree(copy.folder / "videos")
    assert copy.run("inception") == {"inception": N_SEEN}


def test_a_killed_network_leaves_nothing_and_goes_on_where_it_stopped(
    at_once: Workspace, copy: Workspace, temporary: Path
) -> None:
    shutil.rmtree(copy.cache / "clips/inception")
    process = copy.start("inception")
    on_their_way = list[Path]()
    while not (on_their_way and copy.entries("inception")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.001)
        on_their_way = on_their_way or list(temporary.glob(".decoded-*"))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    while any(path.exists() for path in on_their_way):  # another process removes it
        time.sleep(0.01)
    n_kept = len(copy.entries("inception"))
    assert copy.run("inception") == {"inception": N_SEEN - n_kept}
    assert copy.outs(["inception"]) == at_once.outs(["inception"])


@contextlib.contextmanager
def inside(made: Workspace, **variables: str) -> Iterator[None]:
    with contextlib.chdir(made.folder), mock.patch.dict(os.environ, {**made.env, **variables}):
        yield


def test_shares_and_several_processes_write_the_same_bytes(
    at_once: Workspace, copy: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(copy.cache / "clips/vggish")
    shutil.rmtree(copy.folder / "data/vggish")
    with inside(copy):
        for share in ("1/2", "2/2"):
            embed_folder("vggish", "data/logmel", "data/vggish", parse_share(share))
            assert not Path("data/vggish").exists()
    assert copy.run("vggish") == {"vggish": 0}
    assert copy.outs(["vggish"]) == at_once.outs(["vggish"])
    outs = []
    for n_workers in ("1", "2"):
        shutil.rmtree(copy.cache / "clips/vggish")
        with one_thread(), inside(copy, AVR_NETWORK_WORKERS=n_workers):
            embed_folder("vggish", "data/logmel", f"by {n_workers}", parse_share("1/1"))
        outs.append({path.name: path.read_bytes() for path in (copy.folder / f"by {n_workers}").iterdir()})
    assert outs[0] == outs[1]
    assert set(outs[0]) == {Path(path).name for path in at_once.outs(["vggish"])}


def test_a_file_that_changed_is_refused_for_this_run_and_tried_by_the_next(copy: Workspace) -> None:
    video = copy.folder / "videos/class 0/2.mp4"
    data = video.read_bytes()
    video.write_bytes(data + b"more")
    shutil.rmtree(copy.cache / "clips/inception")
    mark = copy.folder / "data/dataset/retries/inception"
    first = mark.read_text()
    copy.run("inception")
    rows = {row.clip_id: row for row in rejects.read(copy.folder / "data/inception/rejected.csv")}
    assert (rows["class 0/2.mp4"].stage, rows["class 0/2.mp4"].kind) == ("frames", "changed")
    assert "class 0/2.mp4" not in dict(read_shards(copy.folder / "data/inception"))
    video.write_bytes(data)
    copy.run("dataset")
    assert mark.read_text() != first
    assert copy.run("inception") == {"inception": 1}


def test_a_raised_limit_has_what_it_refused_decoded(copy: Workspace) -> None:
    change(copy, "limits", clip_seconds=1.5)
    change(copy, "dataset", max_rejected_fraction=1.0)
    shutil.rmtree(copy.cache / "clips")
    copy.run("frames", "inception")
    assert {row.kind for row in rejects.read(copy.folder / "data/inception/rejected.csv")} >= {"limit"}
    change(copy, "limits", clip_seconds=100)
    assert copy.run("frames", "inception") == {"inception": N_SEEN}
    note = json.loads((copy.folder / "data/frames/decode_later.json").read_text())
    assert note["limits"]["clip_seconds"] == 100
