"""The memory that a worker may take."""

import resource
import subprocess
import sys
from pathlib import Path

from pipeline.clip_jobs.memory import limit_memory
from tests.helpers.project import ROOT


def test_a_process_gets_what_it_may_have_and_not_more() -> None:
    code = """
from pipeline.clip_jobs.memory import limit_memory
limit_memory(1)
print(len(bytearray(500_000_000)))
try:
    bytearray(1_100_000_000)
except MemoryError:
    print("too much")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "500000000\ntoo much\n"


def test_a_lower_limit_stays() -> None:
    code = """
import resource
from pipeline.clip_jobs.memory import limit_memory
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 3 << 30))
limit_memory(1000)
print(resource.getrlimit(resource.RLIMIT_AS) == (2 << 30, 3 << 30))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_where_the_system_does_not_say_how_large_a_process_is_there_is_no_limit(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit_memory(1e-9, tmp_path / "missing")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
