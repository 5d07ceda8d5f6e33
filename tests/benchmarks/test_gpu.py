"""The script for a machine with a GPU runs, on the CPU where there is none."""

import pytest

from benchmarks import gpu


@pytest.mark.slow
def test_every_step_is_measured_and_stands_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    text = gpu.page("cpu", gpu.SMALL)
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][1:]
    assert [row[0].strip() for row in rows] == [
        "vggish",
        "inception",
        "training, batches of 64",
        "training, batches of 1024",
        "all metrics, one way",
        "decoding, one process, for Inception-v3",
    ]
    assert all(float(row[2]) > 0 and 0.2 < float(row[4]) < 5 for row in rows)  # the CPU beside itself
