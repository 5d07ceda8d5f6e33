"""Large indexes: LanceDB's IVF-PQ compares some rows only, and how many it finds is measured before it is used."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.files import cache_errors
from pipeline.network_parts.base import Modality
from pipeline.retrieval.cosines import STEPS, cosine_steps, unit_rows
from pipeline.search.exact import Side, nearest
from pipeline.search.rows import MODALITIES, PLAIN
from pipeline.search.snapshot import Snapshot
from pipeline.search.store import LanceTable, lance_errors, writing

if TYPE_CHECKING:
    import pyarrow as pa

MOST_ROWS_EXACT = 200_000
LEAST_RECALL = 0.99
N_QUERIES, N_NEAREST = 100, 10  # of the measurement
TRIED = ((20, 10), (50, 20), (100, 40), (200, 80), (400, 160))  # (nprobes, refine_factor), cheapest first
NUMBERS_PER_CODE = 2  # of a vector, for each byte that IVF-PQ keeps of it, where its width allows
ROWS_PER_PARTITION = 1024
_KEY = "approximation"  # in the metadata of a vector's column


class Approximation(NamedTuple):
    """How LanceDB is asked for one modality, and how much it found in the measurement.

    Attributes:
        nprobes: partitions that are looked through.
        refine_factor: how many times the wanted rows are compared again by their whole vectors.
        recall: share of the ten nearest rows that are found, in [0, 1].
    """

    nprobes: int
    refine_factor: int
    recall: float


def approximations(table: LanceTable) -> dict[Modality, Approximation]:
    """Return what is approximate in an open table: nothing, unless it is large and the measurement was good."""
    return {modality: noted for modality, noted in measurements(table).items() if noted.recall >= LEAST_RECALL}


def measurements(table: LanceTable) -> dict[Modality, Approximation]:
    """Return the best measurement of each modality of an open table, also where it was not good enough to be used."""
    found: dict[Modality, Approximation] = {}
    for modality in MODALITIES:
        noted = (table.schema.field(modality).metadata or {}).get(_KEY.encode())
        if noted:
            found[modality] = Approximation(**json.loads(noted))
    return found


def approximate(folder: str, most_rows_exact: int = MOST_ROWS_EXACT) -> list[str]:
    """Give a large index its approximate search, and return what to tell: recall, or why the search stays exact.

    It is made and measured once, by the build or the addition that takes the index past the limit.

    For each modality the ten nearest rows of up to 100 vectors of the other one are looked for both ways, with more and
    more work until at least 0.99 of them are found.

    Args:
        folder: of the index.
        most_rows_exact: up to so many rows the search is exact, and nothing is done.

    Raises:
        DiskError: the disk is full or fails.
    """
    with writing(folder), lance_errors(folder), cache_errors(folder):
        snapshot = Snapshot(folder)
        if len(snapshot) <= most_rows_exact or measurements(snapshot.table):
            return []
        return [_approximate(snapshot, modality) for modality in MODALITIES if snapshot.matrix(modality)[1].any()]


def find_nearest(
    snapshot: Snapshot,
    modality: Modality,
    query: NDArray[np.floating],
    top: int,
    settings: Approximation,
) -> "tuple[pa.Table, NDArray[np.float64]]":
    """Return rows near to a vector (k,), the nearest first, and their exact cosines, (m,).

    Args:
        snapshot: of the index.
        modality: whose vectors are compared.
        query: (k,).
        top: how many rows at most.
        settings: of the search.
    """
    search = snapshot.table.search(query.astype(np.float32), vector_column_name=modality).distance_type("cosine")
    search = search.nprobes(settings.nprobes).refine_factor(settings.refine_factor)
    with lance_errors(snapshot.folder):
        rows: Any = search.select([*PLAIN, modality]).with_row_id(True).limit(top).to_arrow()
    rows = rows.filter(rows[modality].is_valid())
    vectors = rows[modality].combine_chunks().flatten().to_numpy().reshape(-1, snapshot.facts.width)
    if not len(vectors):
        return rows, np.zeros(0)
    steps = cosine_steps(query[np.newaxis], unit_rows(vectors))[0]
    names = rows["clip_id"].to_pylist()
    order = sorted(range(len(names)), key=lambda i: (-steps[i], names[i], rows["start"][i].as_py()))
    return rows.take(order), steps[order] / STEPS


def _approximate(snapshot: Snapshot, modality: Modality) -> str:
    """Make the approximate index of one modality, measure it, and note how to ask it."""
    from lancedb.index import IvfPq

    n_rows, width = snapshot.matrix(modality)[0].shape
    codes = next(n for n in range(max(1, width // NUMBERS_PER_CODE), 0, -1) if width % n == 0)
    partitions = max(1, n_rows // ROWS_PER_PARTITION)
    config = IvfPq(distance_type="cosine", num_partitions=partitions, num_sub_vectors=codes, max_iterations=20)
    name = f"{modality}_nearest"
    snapshot.table.create_index(modality, config=config, replace=True, name=name)
    queries = _queries(snapshot, modality)
    best = Approximation(0, 0, 0.0)
    for nprobes, refine_factor in TRIED:
        best = Approximation(nprobes, refine_factor, 0.0)
        best = best._replace(recall=measured_recall(snapshot, modality, queries, best))
        if best.recall >= LEAST_RECALL:
            _note(snapshot, modality, best)
            found = f"recall@{N_NEAREST} {best.recall:.4f} against exact search, of {len(queries)} queries"
            return f"{modality}: approximate search (IVF-PQ, nprobes {nprobes}, refine {refine_factor}): {found}"
    snapshot.table.drop_index(name)
    _note(snapshot, modality, best)
    found = f"recall@{N_NEAREST} {best.recall:.4f} at most; expected {LEAST_RECALL} or more"
    return f"{modality}: the search stays exact: IVF-PQ reaches {found}"


def _note(snapshot: Snapshot, modality: Modality, best: Approximation) -> None:
    """Keep a measurement with the index."""
    snapshot.table.update_field_metadata({"path": modality, "metadata": {_KEY: json.dumps(best._asdict())}})


def measured_recall(
    snapshot: Snapshot, modality: Modality, queries: Sequence[NDArray[np.float32]], settings: Approximation
) -> float:
    """Return the share of the ten nearest rows of queries, each (k,), that the approximate search finds.

    A row counts as found where one of its score, or a better one, is: rows of equal scores stand for each other.
    """
    items, has = snapshot.matrix(modality)
    n_found = n_wanted = 0
    for query in queries:
        wanted = nearest([Side(query, items, has)], N_NEAREST, snapshot.tie_order).scores
        _, scores = find_nearest(snapshot, modality, query, N_NEAREST, settings)
        n_found += int((scores >= wanted[-1]).sum())
        n_wanted += len(wanted)
    return n_found / max(n_wanted, 1)


def _queries(snapshot: Snapshot, modality: Modality) -> list[NDArray[np.float32]]:
    """Vectors of the other modality, as most queries have it, of rows spread over the index; (k,) each."""
    (other,) = (name for name in MODALITIES if name != modality)
    matrix, has = snapshot.matrix(other)
    if not has.any():
        matrix, has = snapshot.matrix(modality)
    places = np.flatnonzero(has)
    return list(matrix[places[np.linspace(0, len(places) - 1, min(N_QUERIES, len(places))).astype(int)]])
