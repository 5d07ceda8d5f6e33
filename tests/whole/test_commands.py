"""Every command that a page shows is run as it stands there, in a copy of the project on a tiny data set.

A fenced block is one script. What cannot be run here stands in ELSEWHERE, with the reason and what runs it instead.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.helpers.feature_files import arrays_a, make_pairs, write_h5
from tests.helpers.pages import PAGES, ROOT, Block, blocks
from tests.helpers.project import SMALL, Project, ran, write_params, write_videos

SECONDS = 1200  # of a block, on a machine that may be busy
pytestmark = pytest.mark.timeout(SECONDS + 100)


class Elsewhere(NamedTuple):
    """Commands that begin alike and are not run here.

    Attributes:
        command: how they begin.
        reason: why not.
        test: the file of the test that runs what stands behind the command; None where only a person can.
    """

    command: str
    reason: str
    test: str | None


ELSEWHERE = [
    Elsewhere("make lint", "looks at all code", None),
    Elsewhere("make test", "runs this test", None),
    Elsewhere(".ci/run", "runs this test", None),
    Elsewhere(".venv/bin/python -m pytest -q tests/retrieval", "runs with the others", "tests/retrieval"),
    Elsewhere(".venv/bin/uv pip install", "changes the environment that this test runs in", None),
    Elsewhere(".venv/bin/dvc config --local cache.type", "is for this copy of the project for good", None),
    Elsewhere(".venv/bin/dvc checkout --relink", "is for this copy of the project for good", None),
    Elsewhere(".venv/bin/dvc get https:", "needs a network", None),
    Elsewhere(".venv/bin/dvc get-url https:", "needs a network", None),
    Elsewhere(
        ".venv/bin/dvc exp run -S dataset.source=ave", "needs published videos", "tests/dataset/sources/test_ave.py"
    ),
    Elsewhere(
        ".venv/bin/dvc exp run -S dataset.source=features -S dataset.path=AVE_FEATURES",
        "needs published features",
        "tests/dataset/feature_files/test_ave_protocols.py",
    ),
    Elsewhere(
        ".venv/bin/dvc exp run -S dataset.source=vegas", "needs published videos", "tests/dataset/sources/test_vegas.py"
    ),
    Elsewhere(
        ".venv/bin/dvc exp run -S dataset.source=vggsound",
        "needs published videos",
        "tests/dataset/sources/test_vggsound.py",
    ),
    Elsewhere(
        ".venv/bin/dvc exp run -S dataset.source=video_folder",
        "needs videos in that form",
        "tests/dataset/sources/test_video_folder.py",
    ),
    Elsewhere(
        ".venv/bin/dvc exp run -S dataset.source=video_parquet",
        "needs published videos",
        "tests/dataset/sources/test_video_parquet.py",
    ),
    Elsewhere(".venv/bin/hf download", "needs a network", None),
    Elsewhere(
        ".venv/bin/dvc exp run -S vggish.final_relu=true -S vggish.postprocess=pca_uint8",
        "needs AudioSet's PCA",
        "tests/networks/vggish/test_audioset_pca.py",
    ),
    Elsewhere("AVR_ENGINE=ray", "starts Ray", "tests/clip_jobs/engines/test_engines.py"),
    Elsewhere("RAY_ADDRESS=auto", "needs a cluster", "tests/clip_jobs/engines/test_lost_machines.py"),
    Elsewhere(".venv/bin/avr slurm", "needs a cluster", "tests/clip_jobs/test_slurm.py"),
    Elsewhere("dvc queue start", "its worker outlives the test", None),
    Elsewhere("make separation", "trains for minutes", "tests/separation/test_pipeline.py"),
    Elsewhere(
        ".venv/bin/dvc exp run separation/dvc.yaml", "trains for minutes", "tests/separation/test_second_pipeline.py"
    ),
    Elsewhere(".venv/bin/avr separate", "needs a trained separator", "tests/separation/test_command.py"),
    Elsewhere(".venv/bin/avr faces", "needs a film of faces", "tests/separation/faces/test_cascade.py"),
    Elsewhere(".venv/bin/avr duets", "needs the clips of the second pipeline", "tests/separation/test_command.py"),
    Elsewhere("make results", "searches for minutes", "tests/studies/comparison/test_comparison.py"),
    Elsewhere(".venv/bin/python -m studies.comparison", "takes an hour", "tests/studies/comparison/test_comparison.py"),
    Elsewhere(".venv/bin/python -m studies.tuning", "searches for minutes", "tests/studies/test_tuning.py"),
    Elsewhere(".venv/bin/python -m studies.few_groups", "searches for minutes", "tests/studies/test_few_groups.py"),
    Elsewhere(".venv/bin/python -m studies.few_labels", "trains for hours", "tests/studies/few_labels/test_command.py"),
    Elsewhere(".venv/bin/python -m studies.ideas", "trains for half an hour", "tests/studies/ideas/test_command.py"),
    Elsewhere("make ablation", "trains for minutes", "tests/studies/test_ablation.py"),
    Elsewhere(
        ".venv/bin/python -m studies.protocols.ms_vae",
        "needs published features",
        "tests/studies/protocols/test_ms_vae.py",
    ),
    Elsewhere("make bench", "measures for minutes", "tests/benchmarks/test_turns.py"),
    Elsewhere(".venv/bin/python -m benchmarks.backbones", "measures for a minute", None),
    Elsewhere(".venv/bin/avr check", "a tiny data set keeps no limits", "tests/evaluate/test_check.py"),
    Elsewhere(".venv/bin/avr tune", "searches for minutes", "tests/tune/test_tune.py"),
    Elsewhere(".venv/bin/avr encoder push", "needs a network", "tests/encoder/test_sharing.py"),
    Elsewhere(".venv/bin/avr encoder pull", "needs a network", "tests/encoder/test_sharing.py"),
    Elsewhere(".venv/bin/avr serve", "serves until it is ended", "tests/search/page/test_served.py"),
    Elsewhere("docker ", "needs a daemon", "tests/whole/test_container.py"),
    Elsewhere(".venv/bin/avr weights import", "needs published weights", "tests/weights/test_import.py"),
]
BLOCKS = [block for page in PAGES for block in blocks(page) if block.language in ("sh", "console")]


def begins_with(command: str, starts: list[str]) -> bool:
    return any(command.startswith(start) for start in starts)


def runnable(block: Block) -> list[str]:
    """The commands of a block that are run here."""
    left_out = [known.command for known in ELSEWHERE]
    return [command for command in block.commands if not begins_with(command, left_out)]


RUN = [pytest.param(block, id=f"{block.page}:{block.line}") for block in BLOCKS if runnable(block)]


class Place(NamedTuple):
    """The copy of the project in which one run has ended and is committed, and what DIR and FILE stand for in it."""

    project: Project
    scratch: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    project = Project(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("cache"))
    (project.folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    (project.folder / ".git/info/exclude").write_text(".venv\n")
    write_params(project.folder, {**SMALL, "frames": {"size": 75}})
    scratch = tmp_path_factory.mktemp("scratch")
    videos = write_videos(scratch / "videos", n_classes=3, clips_per_class=4)
    rows = [f"{path.relative_to(videos)},{path.parent.name}" for path in sorted(videos.rglob("*.mp4"))]
    (videos / "clips.csv").write_text("\n".join(["path,label", *rows]))
    write_h5(scratch / "features.h5", arrays_a(make_pairs()))
    return Place(project, scratch)


@pytest.fixture(scope="module")
def finished(place: Place) -> Place:
    """The place after the first command of the README."""
    output = run(place, "make repro")
    assert {"dataset", "evaluate", "report"} <= ran(output)
    place.project.git("add", "-A")
    place.project.git("commit", "-qm", "first run")
    return place


def prepared(command: str, place: Place) -> str:
    """A command with what its words stand for; make takes the environment as installed, random weights are allowed."""
    values = {
        "FILE_OR_FOLDER": place.scratch / "features.h5",
        "FILE": place.scratch / "features.h5",
        "DIR/clips.csv": place.scratch / "videos/clips.csv",
        "DIR": place.scratch / "videos",
        "/shared/cache": place.scratch / "shared",
    }
    for name, value in values.items():
        command = re.sub(rf"(?<![\w/-]){name}(?![\w/-])", str(value), command)
    command = re.sub(r"^make ", "make -o .venv/installed -o .venv/installed-test ", command)
    if "dataset.source=" in command and "allow_random" not in command:
        command += " -S vggish.allow_random=true -S inception.allow_random=true"
    return command


def run(place: Place, *commands: str) -> str:
    """What commands print that are run as one script, which the first failure ends."""
    script = "\n".join(["set -euo pipefail", *(prepared(command, place) for command in commands)])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=place.project.folder,
        env={**place.project.env, **git_identity(), **folders(place)},
        text=True,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}"
    return done.stdout


def git_identity() -> dict[str, str]:
    """Who the commits of experiments are by."""
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
    }


def folders(place: Place) -> dict[str, str]:
    """The folders of the cache and of the weights, under the names that the environment variables have had too."""
    chosen = {"AVR_CACHE_DIR": str(place.scratch / "cache"), "AVR_WEIGHTS_DIR": str(place.scratch / "weights")}
    return chosen | {f"AVR_{name}": folder for name, folder in chosen.items()}


@pytest.mark.slow
@pytest.mark.parametrize("block", RUN)
def test_the_commands_of_a_page_run_as_they_stand_there(block: Block, finished: Place) -> None:
    try:
        run(finished, *runnable(block))
    finally:
        finished.project.git("reset", "-q", "--hard")
        if any(re.match(r"make |\S*dvc ", command) for command in block.commands):  # the outs may be of another run
            finished.project.dvc("checkout", "--quiet", "--allow-missing")


def test_no_command_is_known_as_run_elsewhere_that_no_page_shows() -> None:
    commands = [command for block in BLOCKS for command in block.commands]
    unused = [known.command for known in ELSEWHERE if not any(c.startswith(known.command) for c in commands)]
    assert unused == []


def test_what_runs_a_command_elsewhere_is_there() -> None:
    assert [known for known in ELSEWHERE if known.test and not (ROOT / known.test).exists()] == []


def test_the_number_that_the_readme_reads_is_that_of_the_committed_metrics() -> None:
    (block,) = (block for block in blocks("README.md") if "json.load" in block.text)
    (command,) = block.commands
    done = subprocess.run(
        command.replace(".venv/bin/python", sys.executable), shell=True, cwd=ROOT, capture_output=True, text=True
    )
    assert float(block.output()) == pytest.approx(float(done.stdout), abs=1e-3)
    metrics = json.loads((ROOT / "metrics.json").read_text())
    assert float(done.stdout) == metrics["models"]["dual_subspace"]["average"]["map"] > metrics["chance"]["map"]


def test_every_target_of_make_that_a_page_names_is_there() -> None:
    named = {target for page in PAGES for target in re.findall(r"`make ([\w./-]+)", (ROOT / page).read_text())}
    named |= {command.split()[1] for block in BLOCKS for command in block.commands if command.startswith("make ")}
    assert named - targets() == set()


def targets() -> set[str]:
    """What there is to make."""
    return set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
