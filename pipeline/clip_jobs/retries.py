"""Marks that change where clips of a stage were refused for what may pass, so that DVC runs the stage again.

DVC runs a stage where a dep has changed, and a clip that timed out changes none: a mark for each stage is one of its
deps. Marks are random, as a run that is repeated from its start must not find, in DVC's cache of runs, what an earlier
one made of the same mark.
"""

import uuid
from collections.abc import Iterable
from pathlib import Path

from pipeline.clip_jobs.failures import TRANSIENT
from pipeline.formats import rejects
from pipeline.settings.paths import AnyPath

FOLDER = "retries"
FIRST = "first try\n"  # DVC warns of an empty dep


def mark_retries(folder: AnyPath, stages: Iterable[str], outs: AnyPath) -> list[str]:
    """Write a mark for each stage, a new one where its last run refused clips for what may pass; return those stages.

    Args:
        folder: where the marks are, a file a stage; those of other stages are removed.
        stages: names of the stages that work clip by clip.
        outs: the folder of the outs of all stages, which may still be there from the run before.
    """
    folder, outs, retried, names = Path(folder), Path(outs), [], list(stages)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in names:
            path.unlink()
    for name in names:
        mark = folder / name
        if _has_transient(outs / name / rejects.FILE):
            mark.unlink(missing_ok=True)  # where DVC links outs into its cache, the old one lies there too
            mark.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
            retried.append(name)
        elif not mark.exists():
            mark.write_text(FIRST, encoding="ascii")
    return retried


def _has_transient(path: Path) -> bool:
    """Whether a rejected.csv has a clip that another run may use; one that is missing or damaged has none."""
    try:
        return any(row.kind in TRANSIENT for row in rejects.read(path))
    except (OSError, ValueError, TypeError):
        return False
