"""How much of ``dvc repro`` is work: the demo in an empty folder, and what starting its stages and DVC take of it.

The stages run as a user's do, with a clip cache and a home of their own. Start-up is Python's own start and every
import, of a stage and of its workers, measured in the processes themselves, and for networks making random weights,
which the demo alone needs. DVC's part is what its command takes beyond the stages. All in CPU seconds of all processes.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bench.child import reap_orphans, wait_for_orphans
from benchmarks.memory import seconds_of_children
from pipeline.formats.run_times import run_times
from pipeline.network_parts.base import network_part

ROOT = Path(__file__).parents[1]
NOTES = "START_UP_NOTES"
# Python runs it in every process before anything else: it notes the time of each import that no other import asked for
SITE = f"""
import importlib._bootstrap as bootstrap, os, threading, time
if os.environ.get("DVC_STAGE"):
    path = os.path.join(os.environ[{NOTES!r}], os.environ["DVC_STAGE"])
    load, depth = bootstrap._find_and_load, threading.local()
    def note(seconds):
        with open(path, "a") as file:
            file.write(f"{{seconds}}\\n")
    def timed(*words):
        if getattr(depth, "within", False):
            return load(*words)
        depth.within, begin = True, time.thread_time()
        try:
            return load(*words)
        finally:
            depth.within = False
            note(time.thread_time() - begin)
    note(time.process_time())
    bootstrap._find_and_load = timed
"""


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(prog="python -m benchmarks.start_up", description=__doc__).parse_args()
    reap_orphans()
    with TemporaryDirectory() as name:
        folder = Path(name)
        total = _repro(folder)
        cpu = {stage: run.cpu_seconds or 0.0 for stage, run in run_times(folder / "project").items()}
        start = {stage: sum(map(float, (folder / "notes" / stage).read_text().split())) for stage in cpu}
    made = {stage: _random_weights(stage.partition("@")[2]) for stage in cpu if stage.startswith("network@")}
    dvc = total - sum(cpu.values())
    print("| | CPU s | imports | random weights | useful |\n|---|---|---|---|---|")
    for stage, seconds in cpu.items():
        weights = f"{made[stage]:.1f}" if stage in made else ""
        share = _share(seconds - start[stage] - made.get(stage, 0.0), seconds)
        print(f"| `{stage}` | {seconds:.1f} | {start[stage]:.1f} | {weights} | {share} |")
    print(f"| DVC itself | {dvc:.1f} | | | |")
    useful = total - dvc - sum(start.values()) - sum(made.values())
    print(f"| all | {total:.1f} | {sum(start.values()):.1f} | {sum(made.values()):.1f} | {_share(useful, total)} |")


def _repro(folder: Path) -> float:
    """CPU seconds of ``dvc repro`` in a clone of this checkout's last commit."""
    for name in ("notes", "home", "site"):
        (folder / name).mkdir()
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    project = folder / "project"
    subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
    own = {
        "AVR_CACHE_DIR": str(folder / "cache"),
        "HOME": str(folder / "home"),
        NOTES: str(folder / "notes"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "site"),
    }
    before = seconds_of_children()
    command = [sys.executable, "-m", "dvc", "repro"]
    subprocess.run(command, cwd=project, env={**os.environ, **own}, stdout=sys.stderr, check=True)
    wait_for_orphans()
    return seconds_of_children() - before


def _random_weights(network: str) -> float:
    """CPU seconds of making a network's random weights."""
    random_state = network_part(network, "random_weights").random_state
    begin = time.process_time()
    random_state(0)
    return time.process_time() - begin


def _share(part: float, whole: float) -> str:
    """A part of a whole in percent."""
    return f"{part / whole:.0%}"


if __name__ == "__main__":
    main()
