"""The marks that have DVC run a stage again whose clips may do better another time."""

from pathlib import Path

import pytest

from pipeline.clip_jobs.failures import TRANSIENT
from pipeline.clip_jobs.retries import mark_retries
from pipeline.formats import rejects


def refuse(outs: Path, stage: str, kind: str) -> None:
    (outs / stage).mkdir(parents=True, exist_ok=True)
    rejects.write(outs / stage / "rejected.csv", [rejects.Reject("a.mp4", stage, kind, "because")])


def marks(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_every_stage_has_a_mark_that_stays(tmp_path: Path) -> None:
    for _ in range(2):
        assert mark_retries(tmp_path / "retries", ["logmel", "vggish"], tmp_path) == []
        assert marks(tmp_path / "retries") == {"logmel": "first try\n", "vggish": "first try\n"}
    assert mark_retries(tmp_path / "retries", ["logmel"], tmp_path) == []
    assert marks(tmp_path / "retries") == {"logmel": "first try\n"}


@pytest.mark.parametrize("kind", TRANSIENT)
def test_a_stage_gets_a_new_mark_each_time_that_it_refused_what_may_pass(tmp_path: Path, kind: str) -> None:
    refuse(tmp_path, "logmel", kind)
    seen = {"first try\n"}
    for _ in range(3):
        assert mark_retries(tmp_path / "retries", ["logmel", "frames"], tmp_path) == ["logmel"]
        assert marks(tmp_path / "retries")["frames"] == "first try\n"
        seen.add(marks(tmp_path / "retries")["logmel"])
    assert len(seen) == 4
    refuse(tmp_path, "logmel", "truncated")
    before = marks(tmp_path / "retries")
    assert mark_retries(tmp_path / "retries", ["logmel", "frames"], tmp_path) == []
    assert marks(tmp_path / "retries") == before


@pytest.mark.parametrize("kind", ["truncated", "limit", "crashed"])
def test_what_is_the_fault_of_a_file_is_no_reason_to_try_again(tmp_path: Path, kind: str) -> None:
    refuse(tmp_path, "logmel", kind)
    assert mark_retries(tmp_path / "retries", ["logmel"], tmp_path) == []


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"clip_id\n1,2,3,4,5\n", b"a,b\nc,d\n"])
def test_a_damaged_list_of_refused_clips_is_no_reason_to_try_again(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "logmel").mkdir()
    (tmp_path / "logmel" / "rejected.csv").write_bytes(data)
    assert mark_retries(tmp_path / "retries", ["logmel"], tmp_path) == []


def test_a_mark_that_dvc_has_linked_into_its_cache_is_replaced_and_not_overwritten(tmp_path: Path) -> None:
    mark_retries(tmp_path / "retries", ["logmel"], tmp_path)
    mark, kept = tmp_path / "retries" / "logmel", tmp_path / "in the cache"
    kept.hardlink_to(mark)
    kept.chmod(0o444)
    refuse(tmp_path, "logmel", "timeout")
    assert mark_retries(tmp_path / "retries", ["logmel"], tmp_path) == ["logmel"]
    assert kept.read_text() == "first try\n"
    assert mark.read_text() != "first try\n"
