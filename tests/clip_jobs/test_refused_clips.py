"""Clips that the loop refuses: for which kind, what it says of them, and which are tried again."""

import re
from pathlib import Path

import pytest

from pipeline.errors import DataError
from pipeline.formats import rejects
from pipeline.settings.limits import Limits
from pipeline.settings.params import load_params
from tests.helpers.clip_folder import CONTENTS, SIZES, Folder
from tests.helpers.project import ROOT

LIMITS = load_params("limits", Limits, ROOT / "params.yaml")

pytestmark = pytest.mark.usefixtures("_workers_start_warm", "_two_workers")


def test_a_refused_clip_is_noted_and_the_others_go_on(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "b.mp4": b"bad"})
    assert folder.run() == SIZES
    reason = "clip 'b.mp4': no sound in it; expected an audio stream"
    assert rejects.read(folder.out / "rejected.csv") == [rejects.Reject("b.mp4", "stage", "no_audio", reason)]


def test_a_refused_clip_is_not_tried_again_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(tmp_path, {"a.mp4": b"a", "b.mp4": b"bad"})
    folder.run()
    folder.run()
    assert folder.asked() == []
    monkeypatch.setenv("AVR_RETRY_REJECTED", "1")
    folder.run()
    assert folder.asked() == ["b.mp4"]


def test_a_run_says_how_many_clips_it_refused_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "b.mp4": b"bad"})
    folder.run()
    assert "\nstage: 1 of them refused (1 no_audio): " in capsys.readouterr().out
    folder.run()
    assert "stage: computed 0 of 10 clips\nstage: 1 of them refused" in capsys.readouterr().out


def test_too_many_refused_clips_stop_the_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "b.mp4": b"bad"})
    with pytest.raises(
        DataError, match=r"1 of 10 clips rejected \(1 no_audio\), such as no_audio: .*max_rejected_fraction=0.05"
    ):
        folder.run(max_rejected_fraction=0.05)


def test_kinds_that_are_not_counted_stop_no_run_and_are_noted_as_ever(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "b.mp4": b"bad", "c.mp4": b"broken"})
    folder.run(max_rejected_fraction=0.1, uncounted=("no_audio",))
    assert folder.kinds() == {"b.mp4": "no_audio", "c.mp4": "failed"}
    with pytest.raises(DataError, match=r"1 of 11 clips rejected \(1 failed\)"):
        folder.run(max_rejected_fraction=0.05, uncounted=("no_audio",))


def test_an_error_that_nobody_expected_costs_its_clip_names_its_place_and_is_not_remembered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "c.mp4": b"broken"})
    for _ in range(2):
        assert folder.run() == SIZES
        (row,) = rejects.read(folder.out / "rejected.csv")
        assert (row.clip_id, row.kind) == ("c.mp4", "failed")
        place = r"ZeroDivisionError at tests/helpers/clip_work.py:\d+: broken; expected a program that can handle"
        assert re.match(rf"clip 'c.mp4': {place}", row.reason)
        said = capsys.readouterr().err
        assert re.search(rf"stage: 1 clips FAILED by errors of this program, such as clip 'c.mp4': {place}", said)
        assert "1 of the refused clips are tried again by the next `dvc repro` (1 failed)" in said
    assert folder.asked() == ["c.mp4"]


def test_too_many_errors_that_nobody_expected_stop_the_run(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {**CONTENTS, "c.mp4": b"broken"})
    with pytest.raises(DataError, match=r"1 of 10 clips rejected \(1 failed\), such as failed: clip 'c.mp4': Zero"):
        folder.run(max_rejected_fraction=0.05)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("killed", r"its process was killed \(SIGKILL\), as the system does where memory runs out"),
        ("greedy", r"out of memory at tests/helpers/clip_work.py:\d+"),
    ],
)
def test_a_clip_that_memory_is_too_short_for_is_refused_so_and_tried_again(
    tmp_path: Path, how: str, reason: str
) -> None:
    folder = Folder(tmp_path, {"a.mp4": how.encode(), **CONTENTS})
    for _ in range(2):
        assert folder.run(limits=LIMITS) == SIZES
        (row,) = rejects.read(folder.out / "rejected.csv")
        assert (row.clip_id, row.kind) == ("a.mp4", "out_of_memory")
        expected = r"more of it \(limits.worker_memory_gigabytes\), or fewer clips at a time \(AVR_WORKERS\)"
        assert re.fullmatch(rf"clip 'a.mp4': {reason}; expected {expected}", row.reason)
    assert folder.asked() == ["a.mp4"]


@pytest.mark.parametrize(("word", "kind"), [("bad", "no_audio"), ("broken", "failed"), ("killed", "out_of_memory")])
def test_equal_bytes_under_several_names_are_refused_together(tmp_path: Path, word: str, kind: str) -> None:
    folder = Folder(tmp_path, {**dict.fromkeys(["a.mp4", "b.mp4"], word.encode()), **CONTENTS})
    assert folder.run() == SIZES
    assert folder.kinds() == {"a.mp4": kind, "b.mp4": kind}
    assert "a.mp4" in folder.asked()
    assert "b.mp4" not in folder.asked()
    assert [row.reason[:12] for row in rejects.read(folder.out / "rejected.csv")] == ["clip 'a.mp4'", "clip 'b.mp4'"]


def test_a_refusal_at_a_limit_is_remembered_until_the_limit_is_another(tmp_path: Path) -> None:
    folder = Folder(tmp_path, {"a.mp4": b"long", **CONTENTS})
    for _ in range(2):
        assert folder.run(limits=LIMITS) == SIZES
        assert folder.kinds() == {"a.mp4": "limit"}
    assert folder.asked() == []
    folder.run(limits=LIMITS.model_copy(update={"clip_seconds": 9.5}))
    assert folder.asked() == ["a.mp4"]


@pytest.mark.parametrize("how", ["segfault", "abort"])
def test_a_decoder_that_crashes_costs_its_clip_only_and_is_not_tried_again(tmp_path: Path, how: str) -> None:
    folder = Folder(tmp_path, {"a-crash.mp4": how.encode(), **CONTENTS})
    assert folder.run() == SIZES
    signal_name = {"segfault": "SIGSEGV", "abort": "SIGABRT"}[how]
    reason = f"clip 'a-crash.mp4': its process ended with {signal_name}; expected a video that decodes within"
    assert rejects.read(folder.out / "rejected.csv")[0].reason.startswith(reason)
    assert folder.kinds() == {"a-crash.mp4": "crashed"}
    folder.run()
    assert folder.asked() == []


@pytest.mark.parametrize("how", ["hang", "hang-in-c"])
def test_a_decoder_that_hangs_is_stopped_and_tried_again_by_the_next_run(tmp_path: Path, how: str) -> None:
    folder = Folder(tmp_path, {"a-hang.mp4": how.encode(), **CONTENTS})
    assert folder.run(clip_timeout_seconds=1.5) == SIZES
    reason = (
        "clip 'a-hang.mp4': not done after 1.5 s; expected a video that decodes within dataset.clip_timeout_seconds"
    )
    assert rejects.read(folder.out / "rejected.csv") == [rejects.Reject("a-hang.mp4", "stage", "timeout", reason)]
    folder.run(clip_timeout_seconds=1.5)
    assert folder.asked() == ["a-hang.mp4"]
