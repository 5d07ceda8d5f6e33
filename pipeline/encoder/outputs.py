"""Joint vectors of files as npz or Parquet, whole or not at all; beside it rejected.csv where a file was refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.encoder.batch import MODALITIES, FileVectors
from pipeline.encoder.encoder import Encoder
from pipeline.errors import ParamsError
from pipeline.formats import rejects
from pipeline.formats.embeddings import write_arrays
from pipeline.formats.files import replacing
from pipeline.formats.texts import pack_texts
from pipeline.settings.paths import AnyPath


def check_out(out: AnyPath) -> None:
    """Refuse a path whose ending names no format.

    Raises:
        ParamsError: it is neither .npz nor .parquet, or is a folder.
    """
    out = Path(out)
    if out.suffix not in WRITERS or out.is_dir():
        raise ParamsError(f"--out {out}: expected the path of a file that ends in {' or '.join(WRITERS)}")


def rejected_file(out: AnyPath) -> Path:
    """Return where the refused files of an output are listed.

    Example:
        >>> rejected_file("vectors.npz").name
        'vectors.rejected.csv'
    """
    return Path(out).with_suffix(".rejected.csv")


def write_vectors(vectors: FileVectors, encoder: Encoder, out: AnyPath) -> None:
    """Write the vectors of files, and the list of refused ones, which is removed where there are none.

    Args:
        vectors: what `encode_files` returned.
        encoder: that made them, which the file notes.
        out: a path that ends in .npz or .parquet.

    Raises:
        DiskError: the disk is full or fails.
        ParamsError: the path has another ending.
    """
    check_out(out)
    out = Path(out)
    with replacing(out) as temporary:
        WRITERS[out.suffix](vectors, about(encoder), temporary)
    if not vectors.refused:
        rejected_file(out).unlink(missing_ok=True)
        return
    with replacing(rejected_file(out)) as temporary:
        rejects.write(temporary, vectors.refused)


def about(encoder: Encoder) -> str:
    """Return what a file of vectors says of the encoder that made them, as JSON."""
    facts = {"model": encoder.model, "seed": encoder.seed, "width": encoder.width, "fingerprint": encoder.fingerprint}
    return json.dumps(facts, sort_keys=True)


def _write_npz(vectors: FileVectors, encoder: str, path: Path) -> None:
    """Rows with NaN where a file lacks a side; the texts packed, so that a long path costs its own length once."""
    texts = pack_texts({"paths": vectors.paths, "sha256": vectors.sha256})
    write_arrays(path, {"audio": vectors.audio, "visual": vectors.visual, **texts, "encoder": np.array(encoder)})


def _write_parquet(vectors: FileVectors, encoder: str, path: Path) -> None:
    """A row a file, null where it lacks a side."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"path": pa.array(vectors.paths, pa.string()), "sha256": pa.array(vectors.sha256)}
    for modality in MODALITIES:
        rows, there = getattr(vectors, modality), vectors.has(modality)
        kind = pa.list_(pa.float32(), rows.shape[1])
        columns[modality] = pa.array([row if has else None for row, has in zip(rows, there, strict=True)], kind)
    pq.write_table(pa.table(columns).replace_schema_metadata({"encoder": encoder}), path)


WRITERS: dict[str, Callable[[FileVectors, str, Path], None]] = {".npz": _write_npz, ".parquet": _write_parquet}
