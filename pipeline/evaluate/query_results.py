"""What each query found, as a table in Parquet: a row a result."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.evaluate.model_metrics import CROSS_MODAL, Measured
from pipeline.evaluate.rankings import Ranking, first_results
from pipeline.formats.embeddings import Embeddings
from pipeline.formats.files import disk_errors
from pipeline.retrieval.hits import Counts
from pipeline.settings.paths import AnyPath

NAMES = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("seed", pa.int32()),
        ("direction", NAMES),
        ("clip_id", NAMES),
        ("rank", pa.int32()),
        ("result", NAMES),
        ("score", pa.float32()),
        ("relevant", pa.bool_()),
    ]
)


class Answers(NamedTuple):
    """What the queries of one direction found with one of a model's fits.

    Attributes:
        direction: ``audio_to_visual`` or ``visual_to_audio``.
        seed: place of the fit among the model's seeds, from 0.
        queries: (n_queries,) rows of the clips that were searched for.
        ranking: of each.
    """

    direction: str
    seed: int
    queries: Counts
    ranking: Ranking


def answers(embeddings: Embeddings, measured: Measured, n_kept: int) -> Iterator[Answers]:
    """Yield what the queries found, across the modalities, seed by seed.

    Args:
        embeddings: of one model.
        measured: of that model; its queries are those that are looked at.
        n_kept: how many results of each.
    """
    for name in CROSS_MODAL:
        queries, galleries = (getattr(embeddings, modality) for modality in name.split("_to_"))
        rows = measured[name].sample.rows
        for seed, (query, gallery) in enumerate(zip(queries, galleries, strict=True)):
            yield Answers(name, seed, rows, first_results(query[rows], gallery, n_kept))


def write_results(
    path: AnyPath, clip_ids: Sequence[str], embeddings: Embeddings, measured: Measured, n_kept: int
) -> None:
    """Write a row a query, seed and result; equal results give equal bytes. The folder is made.

    Columns are ``seed`` (its place among the model's), ``direction``, ``clip_id`` of the query, ``rank`` (tied results
    share one), ``result`` (a clip_id), ``score`` (the cosine, with six significant digits) and ``relevant``.

    Args:
        path: the Parquet file.
        clip_ids: of the test clips, in the order of their embeddings.
        embeddings: of one model.
        measured: of that model.
        n_kept: how many results of each query.

    Raises:
        DiskError: the disk is full or fails.
    """
    path, names = Path(path), pa.array(clip_ids, pa.string())
    path.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(path), pq.ParquetWriter(path, SCHEMA, compression="zstd", store_schema=False) as writer:
        for found in answers(embeddings, measured, n_kept):
            writer.write_table(_rows(found, names, embeddings.relevant))


def _rows(found: Answers, names: "pa.Array", labels: Counts) -> "pa.Table":
    """The rows of one direction and seed."""
    items, cosines, ranks = found.ranking
    query = np.repeat(found.queries, items.shape[1])
    relevant = labels[query] == labels[items.ravel()]
    return pa.table(
        [
            pa.array(np.full(items.size, found.seed, np.int32)),
            pa.DictionaryArray.from_arrays(np.zeros(items.size, np.int32), pa.array([found.direction])),
            pa.DictionaryArray.from_arrays(query.astype(np.int32), names),
            pa.array(ranks.ravel().astype(np.int32)),
            pa.DictionaryArray.from_arrays(items.ravel().astype(np.int32), names),
            pa.array(_six_digits(cosines.ravel())),
            pa.array(relevant),
        ],
        schema=SCHEMA,
    )


def _six_digits(cosines: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float32]":
    """Cosines rounded to six digits behind the point, as all tables are: the next ones differ between processors."""
    return np.asarray(cosines.round(6) + 0.0, np.float32)  # no -0.0
