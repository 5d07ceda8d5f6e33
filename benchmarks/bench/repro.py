"""What DVC and starting processes cost: a small demo by ``dvc repro``, and ``dvc repro`` where nothing has changed.

Each way has a copy of its checkout, with a cache of its own. The limit of the first row is the same stages one after
the other in one process, which has loaded its libraries before (what its decoding workers take is left out, a share of
some hundredths); that of the second is the same for the stages that train and embed; that of the third ``dvc status``.
"""

import contextlib
import importlib
import inspect
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench.child import wait_for_orphans
from benchmarks.bench.growth import write_clips
from benchmarks.bench.ways import Aim, BenchRow, Task, Way, WorkSize

ONE_PROCESS, STATUS = "all stages in one process", "dvc status"
MODELS = {"dual_subspace": "model", "cca": "baselines.cca"}
IN_MANY = "a process a stage: DVC runs commands, and each loads its libraries"
LOADING = "one process trains all models; Python, torch and the features are loaded once"
SCANNING = (
    "stage dataset looks for new clips each time, in a process of its own, and DVC reads and writes dvc.lock, half of "
    "its own time"
)
TRAINING = ("train", "embed")  # where a checkout has both
WRITTEN = ("data", "plots", "report", "cache")


def rows(is_quick: bool) -> list[BenchRow]:
    """Return the rows."""
    if is_quick:
        return []
    demo = {"classes": 3, "clips_per_class": 6}
    all_of_it = [Way("ours", "ours", "repro"), Way(ONE_PROCESS, "limit", "in_one_process")]
    fits = [Way("ours", "ours", "models"), Way(ONE_PROCESS, "limit", "models_in_one_process")]
    nothing = [Way("ours", "ours", "no_op"), Way(STATUS, "limit", "status")]
    n_clips = 300
    return [
        BenchRow(
            "repro", "repro", "`dvc repro` of a demo of 18 clips and two models", "ms a run", __name__, demo,
            all_of_it, 2, Aim(ONE_PROCESS, 6.0, IN_MANY), starts_anew=False,
        ),
        BenchRow(
            "models", "repro", "training and embedding by all models, 200 clips and 12 epochs", "ms a run", __name__,
            {"clips": 200, "epochs": 12, "audio": 64, "visual": 128, "classes": 10}, fits, 2,
            Aim(ONE_PROCESS, 3.0, LOADING), starts_anew=False,
        ),
        BenchRow(
            "no-op repro", "repro", f"`dvc repro logmel` of {n_clips} clips, nothing to do", "ms a run", __name__,
            {"clips": n_clips}, nothing, 4, Aim(STATUS, 4.0, SCANNING), lambda folder: write_clips(folder, n_clips),
            starts_anew=False,
        ),
    ]  # fmt: skip


def repro(size: WorkSize, folder: Path) -> Task:
    """Prepare ``dvc repro`` of a small demo."""
    _copy_project(_demo(size))

    def run() -> None:
        _remove_results()
        _dvc("repro")

    return Task(run, 1, dict)


def in_one_process(size: WorkSize, folder: Path) -> Task:
    """Prepare the commands of the stages as calls in this process."""
    _copy_project(_demo(size))
    return _calls(stage_commands(), _remove_results)


def models(size: WorkSize, folder: Path) -> Task:
    """Prepare the commands of the stages that train and embed, however many a checkout has."""
    _copy_models(size)
    commands = [shlex.split(command) for command in stage_commands(TRAINING)]

    def run() -> None:
        _remove_fits()
        for words in commands:
            _run(words)

    return Task(run, 1, dict)


def models_in_one_process(size: WorkSize, folder: Path) -> Task:
    """Prepare those commands as calls in this process."""
    _copy_models(size)
    return _calls(stage_commands(TRAINING), _remove_fits)


def _calls(commands: Sequence[str], remove: Callable[[], None]) -> Task:
    """Commands of stages as calls in this process, behind the removal of what the calls before have left."""
    os.environ["AVR_CACHE_DIR"] = str(Path("cache").resolve())

    def run() -> None:
        remove()
        for name, *words in (shlex.split(command)[1:] for command in commands):
            call_stage(name, words)

    return Task(run, 1)


def no_op(size: WorkSize, folder: Path) -> Task:
    """Prepare ``dvc repro`` of a stage that has run."""
    _copy_project({"dataset": {"source": "folder", "path": str(_class_folder(folder))}})
    _dvc("repro", "logmel")
    return _task("repro", "logmel")


def status(size: WorkSize, folder: Path) -> Task:
    """Prepare ``dvc status`` of a stage that has run."""
    _copy_project({"dataset": {"source": "folder", "path": str(_class_folder(folder))}})
    _dvc("repro", "logmel")
    return _task("status", "logmel")


def _task(*words: str) -> Task:
    """A command of DVC."""

    def run() -> None:
        _dvc(*words)

    return Task(run, 1)


def stage_commands(names: Sequence[str] = ()) -> list[str]:
    """Return the commands of the dvc.yaml of the current folder, each behind those that it waits for.

    Args:
        names: of the stages that are asked for; none: all.
    """
    import networkx
    from dvc.repo import Repo

    with Repo() as repo:
        waiting = networkx.topological_sort(repo.index.graph)  # from a stage to what it depends on
        commands = [stage.cmd for stage in reversed(list(waiting)) if str(stage.cmd).startswith("stages/run ")]
        return [command for command in commands if not names or command.split()[1] in names]


def call_stage(name: str, words: list[str]) -> None:
    """Call a stage's ``main`` with the words of its command line."""
    main = importlib.import_module(f"stages.{name}").main
    kinds = [parameter.annotation for parameter in inspect.signature(main).parameters.values()]
    paths = [kind(word) for kind, word in zip(kinds, words, strict=False)]
    for path in paths:
        if isinstance(path, Path):
            path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.redirect_stdout(sys.stderr):
        main(*paths)


def _demo(size: WorkSize) -> Mapping[str, Mapping[str, Any]]:
    """Changes of params.yaml for a small demo."""
    short = {"min_seconds": 2.0, "max_seconds": 2.2, "picture_size": 64}
    return {
        "demo": {"n_classes": size["classes"], "clips_per_class": size["clips_per_class"], **short},
        "model": {"epochs": 3, "seeds": [0]},
    }


def _copy_models(size: WorkSize) -> None:
    """A copy of the checkout with made features, and every model trained once, for few epochs."""
    from benchmarks.training import Clips, make_pairs
    from pipeline.formats.feature_table import FeatureTable

    _copy_project({}, {})
    file = Path("params.yaml")
    params = yaml_of(file)
    for section in (params["model"], *params["baselines"].values()):
        section |= {name: value for name, value in (("epochs", size["epochs"]), ("seeds", [0])) if name in section}
    write_yaml(file, params)
    n_clips = size["clips"]
    pairs = make_pairs(n_clips, Clips(n_clips, size["visual"], size["audio"], size["classes"]), 0)
    Path("data").mkdir()
    FeatureTable(
        clip_ids=[f"{number:04}" for number in range(n_clips)],
        splits=[("train", "train", "train", "validation", "test")[number // 10 % 5] for number in range(n_clips)],
        labels=pairs.labels, classes=[f"class {number}" for number in range(size["classes"])],
        audio=pairs.audio, visual=pairs.visual, provenance={},
    ).save(Path("data/features.safetensors"))  # fmt: skip


def _copy_project(changes: Mapping[str, Mapping[str, Any]], models: Mapping[str, str] = MODELS) -> None:
    """Make the current folder a copy of the checkout that ``pipeline`` comes from, under git and DVC.

    Args:
        changes: of params.yaml.
        models: that are trained; none: all of params.yaml.
    """
    import pipeline

    checkout = Path(pipeline.__path__[0]).parent
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=checkout, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if (checkout / name).is_file() and not name.startswith(("tests/", "docs/")) and not name.endswith("dvc.lock"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, name)
    params = yaml_of(Path("params.yaml"))
    for section, values in changes.items():
        params[section] |= values
    for section in params.values():
        section |= {"allow_random": True} if "allow_random" in section else {}
    params["models"] = dict(models) or params["models"]
    write_yaml(Path("params.yaml"), params)
    who = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
        subprocess.run(["git", *who, *words], check=True, capture_output=True)


def yaml_of(path: Path) -> dict[str, Any]:
    """Return the content of params.yaml."""
    import yaml

    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write params.yaml, its sections in their order."""
    import yaml

    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")


def _remove_fits() -> None:
    """What training and embedding before have left."""
    for name in ("cache", "data/models", "data/embeddings"):
        shutil.rmtree(name, ignore_errors=True)
        Path(name).mkdir()


def _remove_results() -> None:
    """What a run before has left; DVC's own cache too."""
    for name in (*WRITTEN, ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(name, ignore_errors=True)
    for path in (*Path().glob("*.json"), Path("dvc.lock")):
        path.unlink(missing_ok=True)


def _dvc(*words: str) -> str:
    """What DVC says."""
    return _run([sys.executable, "-m", "dvc", *words])


def _run(words: Sequence[str]) -> str:
    """What a command says; its processes have ended when it returns."""
    here, python = Path.cwd(), Path(sys.executable).parent
    own = {"AVR_CACHE_DIR": str(here / "cache"), "DVC_SITE_CACHE_DIR": str(here / ".dvc/site"), "CI": "true"}
    environment = os.environ | own | {"PATH": f"{python}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    wait_for_orphans()
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[1:])}: {(done.stdout + done.stderr).strip()[-500:]}")
    return done.stdout


def _class_folder(folder: Path) -> Path:
    """The clips as the source ``folder`` takes them: two folders, a class each, made once for all ways."""
    videos = Path("videos").resolve()
    for path in sorted(folder.glob("*.mp4")):
        target = videos / "ab"[len(path.stem) % 2] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)
    return videos
