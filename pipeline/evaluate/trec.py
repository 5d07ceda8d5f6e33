"""Run and qrels files as the programs of TREC read them (trec_eval, ir_measures, ranx), of rankings that fit.

Such programs read the score as a number of 32 bits, sort by it, and break ties by the name of the document. A cosine
would thus tie where it does not here. The score is the number of items that are no nearer than the result: a whole
number, exact in 32 bits, equal for tied items and for no others.
"""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from pipeline.evaluate.model_metrics import CROSS_MODAL, Measured
from pipeline.evaluate.query_results import Answers, answers
from pipeline.formats.embeddings import Embeddings
from pipeline.formats.files import disk_errors
from pipeline.settings.paths import AnyPath

QRELS = "qrels.txt"
LARGEST_GALLERY = 1 << 24  # more items than 32 bits count one by one


def trec_name(clip_id: str) -> str:
    """Return a clip_id as a name without white space, which would end it; other characters than plain ones as %XX.

    Example:
        >>> trec_name("dog/a bark.mp4")
        'dog/a%20bark.mp4'
    """
    return quote(clip_id, safe="/", errors="surrogatepass")


def n_rows(embeddings: Embeddings, measured: Measured) -> int:
    """Return how many rows the run files of a model have together: every seed, direction, query and item."""
    n_queries = sum(len(measured[name].sample.rows) for name in CROSS_MODAL)
    return len(embeddings.audio) * n_queries * len(embeddings.labels)


def write_qrels(folder: AnyPath, clip_ids: Sequence[str], embeddings: Embeddings, measured: Measured) -> None:
    """Write which items are relevant to each query, in both directions: a row a relevant item.

    Args:
        folder: of TREC's files; it is made.
        clip_ids: of the test clips, in the order of their embeddings.
        embeddings: of any model.
        measured: of that model.
    """
    names, labels = [*map(trec_name, clip_ids)], embeddings.relevant
    lines = (
        f"{names[query]} 0 {names[item]} 1"
        for query in measured[CROSS_MODAL[0]].sample.rows.tolist()
        for item in np.flatnonzero(labels == labels[query]).tolist()
    )
    _write_lines(Path(folder) / QRELS, lines)


def write_runs(
    folder: AnyPath, model: str, clip_ids: Sequence[str], embeddings: Embeddings, measured: Measured, max_rows: int
) -> bool:
    """Write the whole ranking of every query, a file a direction and seed: ``MODEL/DIRECTION-SEED.txt.gz``.

    Equal rankings give equal bytes.

    Args:
        folder: of TREC's files; it is made.
        model: its name.
        clip_ids: of the test clips, in the order of their embeddings.
        embeddings: of the model.
        measured: of the model.
        max_rows: what has more rows than that, all files together, is not written.

    Returns:
        Whether the files were written.
    """
    n_items = len(embeddings.labels)
    if n_rows(embeddings, measured) > max_rows or n_items > LARGEST_GALLERY:
        return False
    names, tag = [*map(trec_name, clip_ids)], trec_name(model)
    for found in answers(embeddings, measured, n_items):
        path = Path(folder) / model / f"{found.direction}-{found.seed}.txt.gz"
        _write_lines(path, _run_lines(found, names, tag))
    return True


def _run_lines(found: Answers, names: Sequence[str], tag: str) -> Iterator[str]:
    """A row a result: query, Q0, document, place, score, name of the run."""
    for query, items, ranks in zip(
        found.queries.tolist(), found.ranking.items.tolist(), found.ranking.ranks.tolist(), strict=True
    ):
        for place, (item, rank) in enumerate(zip(items, ranks, strict=True), 1):
            yield f"{names[query]} Q0 {names[item]} {place} {len(items) + 1 - rank} {tag}"


def _write_lines(path: Path, lines: Iterator[str]) -> None:
    """A file of lines in ASCII, compressed where its name says so; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\n" for line in lines).encode("ascii")
    with disk_errors(path):
        path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
