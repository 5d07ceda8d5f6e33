"""Every file of the zoo is read right or refused with its kind: one by one, and in one run of the real stages."""

import csv
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections import defaultdict
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pytest
import yaml

from pipeline.errors import ClipError, RejectKind
from pipeline.formats.shards import read_shards
from pipeline.video import iter_frames, read_waveform
from tests.helpers.media import TONE_HZ, numbered_picture
from tests.helpers.specimen import Specimen
from tests.helpers.synthetic import number_of
from tests.helpers.yaml_text import read_yaml
from tests.helpers.zoo import CLASSES, NAMES, PLACES, ZOO

ROOT = Path(__file__).parents[2]
STAGES = ("dataset", "logmel", "frames")
SAMPLE_RATE, FRAMES_PER_SECOND, OFFSET_SECONDS = 16000, 5.0, 0.05
HEARD = [name for name, specimen in ZOO.items() if not isinstance(specimen.sound, str)]
SEEN = [name for name, specimen in ZOO.items() if not specimen.pictures]


@pytest.fixture(scope="module")
def cages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder a class, with every specimen under its name."""
    root = tmp_path_factory.mktemp("zoo")
    for label, specimens in CLASSES.items():
        (root / label).mkdir()
        for name, specimen in specimens.items():
            specimen.write(root / label / name)
    return root


def cage(cages: Path, name: str) -> Path:
    """The file of a specimen."""
    return next(cages / label / name for label, specimens in CLASSES.items() if name in specimens)


def shown(path: Path) -> list[np.ndarray]:
    """The pictures on display every 0.2 s."""
    return [picture for _, picture in iter_frames(path, FRAMES_PER_SECOND, lambda _: OFFSET_SECONDS)]


def numbers_on_display(specimen: Specimen) -> list[int]:
    """The numbers of those pictures, by the times that the file was written with."""
    sight, first = specimen.sight, specimen.first_shown
    starts = np.array(sight.times[first:]) - sight.times[first]
    end_seconds = starts[-1] + 1 / sight.frames_per_second
    moments = takewhile(lambda t: t < end_seconds - 1e-6, (OFFSET_SECONDS + k / FRAMES_PER_SECOND for k in count()))
    numbers = [first + int(np.searchsorted(starts, moment + 1e-6, side="right")) - 1 for moment in moments]
    return [number_of(numbered_picture(number, sight.width, sight.height)) for number in numbers]


@pytest.mark.parametrize("name", HEARD)
def test_the_sound_is_the_tone_in_its_whole_length(name: str, cages: Path) -> None:
    specimen, waveform = ZOO[name], read_waveform(cage(cages, name), SAMPLE_RATE)
    extra_seconds = len(waveform) / SAMPLE_RATE - specimen.tone_seconds
    assert -0.001 <= extra_seconds <= specimen.padding_seconds + 0.001
    inside = waveform[2000:-2000]
    assert np.sqrt(2 * np.mean(inside**2)) == pytest.approx(specimen.tone_level, rel=0.1, abs=1e-3)
    peak_hz = np.argmax(np.abs(np.fft.rfft(inside * np.hanning(len(inside))))) * SAMPLE_RATE / len(inside)
    assert peak_hz == pytest.approx(TONE_HZ if specimen.tone_level else 0, abs=2)


@pytest.mark.parametrize("name", SEEN)
def test_the_pictures_are_those_of_their_times(name: str, cages: Path) -> None:
    assert [number_of(picture) for picture in shown(cage(cages, name))] == numbers_on_display(ZOO[name])


@pytest.mark.parametrize("name", SEEN)
def test_the_pictures_have_their_size_and_colours(name: str, cages: Path) -> None:
    sight, picture = ZOO[name].sight, shown(cage(cages, name))[0]
    painted = numbered_picture(0, sight.width, sight.height)
    assert picture.shape == painted.shape
    for column in (sight.width // 4, sight.width * 3 // 4):
        expected = painted[-1, column].astype(int)
        if sight.pixel_format == "gray":
            expected = np.repeat(expected @ [0.299, 0.587, 0.114], 3)
        np.testing.assert_allclose(picture[sight.height * 3 // 4, column].astype(int), expected, atol=16)


@pytest.mark.parametrize("name", [name for name, specimen in ZOO.items() if isinstance(specimen.sound, str)])
def test_sound_that_cannot_be_had_is_refused(name: str, cages: Path) -> None:
    with pytest.raises(ClipError) as refusal:
        read_waveform(cage(cages, name))
    assert refusal.value.kind == ZOO[name].sound


UNSEEN = [name for name, specimen in ZOO.items() if specimen.pictures not in (None, "too_short")]


@pytest.mark.parametrize("name", UNSEEN)
def test_pictures_that_cannot_be_had_are_refused(name: str, cages: Path) -> None:
    with pytest.raises(ClipError) as refusal:
        shown(cage(cages, name))
    assert refusal.value.kind == ZOO[name].pictures


AS_NOBODY = """
import os, sys
from pathlib import Path
from pipeline.errors import ClipError
from pipeline.video import read_waveform
if os.geteuid() == 0:
    os.seteuid(65534)
for name in sys.argv[1:]:
    try:
        print(len(read_waveform(Path(name))))
    except ClipError as error:
        print(error.kind)
"""


def test_a_file_that_only_others_may_read_is_refused(cages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = cage(cages, "plain.mp4").read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        files = {"open.mp4": 0o444, "locked.mp4": 0o000}
        for name, mode in files.items():
            (Path(folder) / name).write_bytes(data)
            (Path(folder) / name).chmod(mode)
        command = [sys.executable, "-c", AS_NOBODY, *(f"{folder}/{name}" for name in files)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["40000", PLACES["locked.mp4"]]


class Run(NamedTuple):
    """What the stages made of the zoo: exit codes, kinds by clip and stage, clips with arrays by stage."""

    exit_codes: dict[str, int]
    kinds: dict[str, dict[str, str]]
    kept: dict[str, set[str]]
    messages: str


@pytest.fixture(scope="module")
def run(cages: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of the stages that look at videos, over the whole zoo."""
    furnish(cages)
    work = tmp_path_factory.mktemp("run")
    params = read_yaml((ROOT / "params.yaml").read_text())
    params["dataset"] |= {"source": "folder", "path": str(cages), "max_rejected_fraction": 1.0}
    params["vggish"]["allow_random"] = params["inception"]["allow_random"] = True
    (work / "params.yaml").write_text(yaml.safe_dump(params))
    commands = {
        name: stage.get("cmd", "") for name, stage in read_yaml((ROOT / "dvc.yaml").read_text())["stages"].items()
    }
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AVR_CACHE_DIR": str(work / "cache")}
    exit_codes, messages = {}, ""
    for stage in STAGES:
        _, name, *paths = commands[stage].split()
        done = subprocess.run(
            [sys.executable, "-m", f"stages.{name}", *paths], cwd=work, env=env, capture_output=True, text=True
        )
        exit_codes[stage], messages = done.returncode, messages + done.stderr
        with (cages / "names" / "changing.mp4").open("ab") as file:
            file.write(b"more")
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    for path in sorted((work / "data").rglob("rejected.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                kinds[row["clip_id"]][row["stage"]] = row["kind"]
    kept = {stage: {clip_id for clip_id, _ in read_shards(work / "data" / stage)} for stage in STAGES[1:]}
    return Run(exit_codes, kinds, kept, messages)


def furnish(cages: Path) -> None:
    """Add a class of odd names and places; every file is sound, and no two have the same bytes but the copies."""
    data, folder = cage(cages, "plain.mp4").read_bytes(), cages / "names"
    folder.mkdir()
    for number, name in enumerate([*NAMES, "changing.mp4", "plain.mp4", "copy.mp4"]):
        (folder / name).write_bytes(data + struct.pack(">I4sI", 12, b"free", number))
    (folder / "same_bytes.mp4").write_bytes((folder / "copy.mp4").read_bytes())
    (folder / "dangling_link.mp4").symlink_to("nowhere.mp4")
    (folder / "directory.mp4").mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/latin_1_\xe9.mp4")).write_bytes(data)
    (folder / "new\nline.mp4").write_bytes(data)


def expected_kinds() -> dict[str, dict[str, str]]:
    """Who is refused, by which stage and why."""
    kinds: dict[str, dict[str, str]] = {}
    for label, specimens in CLASSES.items():
        for name, specimen in specimens.items():
            by_stage = {"logmel": specimen.logmel_kind, "frames": specimen.frames_kind}
            kinds[f"{label}/{name}"] = {stage: kind for stage, kind in by_stage.items() if kind}
    return {clip_id: by_stage for clip_id, by_stage in kinds.items() if by_stage}


def test_no_file_stops_a_stage(run: Run) -> None:
    assert run.exit_codes == dict.fromkeys(STAGES, 0), run.messages


def test_every_refused_specimen_is_noted_with_its_kind(run: Run) -> None:
    noted = {clip_id: kinds for clip_id, kinds in run.kinds.items() if not clip_id.startswith("names/")}
    assert noted == expected_kinds()


@pytest.mark.parametrize("stage", STAGES[1:])
def test_every_other_clip_keeps_its_arrays(run: Run, stage: str) -> None:
    specimens = {f"{label}/{name}" for label, names in CLASSES.items() for name in names}
    good = {f"names/{name}" for name in (*NAMES, "plain.mp4", "copy.mp4", "same_bytes.mp4")}
    assert run.kept[stage] == specimens - {i for i, kinds in expected_kinds().items() if stage in kinds} | good


def test_a_clip_that_changes_between_the_stages_is_refused(run: Run) -> None:
    assert run.kinds["names/changing.mp4"] == dict.fromkeys(STAGES[1:], PLACES["changing.mp4"])


@pytest.mark.parametrize("name", ["dangling_link.mp4", "directory.mp4", "latin_1_\\xe9.mp4", "new\\nline.mp4"])
def test_what_is_no_clip_is_refused_by_the_scan(run: Run, name: str) -> None:
    assert run.kinds[f"names/{name}"] == {"dataset": PLACES[name]}


def test_the_documentation_says_what_comes_of_every_file() -> None:
    text = (ROOT / "docs/reference/input.md").read_text()
    rows = re.findall(r"^\| `(.+?)` \|.*\| (\S+) \| (\S+) \|$", text, re.MULTILINE)
    said = {name: (sound.strip("`"), pictures.strip("`")) for name, sound, pictures in rows}
    specimens = {name: (s.logmel_kind or "used", s.frames_kind or "used") for name, s in ZOO.items()}
    assert said == specimens | {name: (kind, kind) for name, kind in PLACES.items()}


def test_every_kind_of_refusal_is_in_the_documentation() -> None:
    text = (ROOT / "docs/clips.md").read_text()
    assert [kind for kind in get_args(RejectKind) if f"`{kind}`" not in text] == []
