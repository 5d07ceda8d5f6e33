import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_folder_of_temporary_files_whose_name_is_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    long.mkdir()
    code = "from pipeline.clip_jobs.engines import prepare; prepare([])"
    environment = {**os.environ, "TMPDIR": str(long), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert f"ParamsError: TMPDIR='{long}': its name is too long for the socket of worker processes" in done.stderr
