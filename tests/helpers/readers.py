"""Every reader of a file that a user may bring, edit or lose half of, each with a whole file of its kind."""

import contextlib
import resource
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import TypeAdapter

from pipeline.clip_jobs.cache import ClipCache
from pipeline.dataset.feature_files.schemas import read_a, read_b, schema_of
from pipeline.dataset.feature_files.vegas import read_d
from pipeline.dataset.layouts.ave_files import read_annotations, read_orders
from pipeline.dataset.layouts.table_rows import read_rows
from pipeline.dataset.layouts.unpacked import UnpackedRow, unpack
from pipeline.dataset.windows import WindowedParams
from pipeline.encoder.config import read_config
from pipeline.errors import PipelineError
from pipeline.evaluate.runs import run_of_file
from pipeline.features.pca import fit_pca, load_pca, save_pca
from pipeline.formats import rejects
from pipeline.formats.clips import Clip, read_clips, read_root, write_clips, write_root
from pipeline.formats.embeddings import EmbeddedClips, Embeddings
from pipeline.formats.feature_table import FeatureTable
from pipeline.formats.files import file_sha256
from pipeline.formats.jpegs import decode_jpegs, encode_jpeg
from pipeline.formats.memory import recall
from pipeline.formats.provenance import read_provenance, write_provenance
from pipeline.formats.rejects import Reject
from pipeline.formats.shards import read_shards, write_shards
from pipeline.model_parts.saving import load_model, save_model
from pipeline.models import cca
from pipeline.network_parts.base import network_lines
from pipeline.networks.vggish.audioset_pca import load_vggish_pca
from pipeline.settings.limits import load_limits
from pipeline.settings.params import load_params, model_sections
from pipeline.weights.readers import read_any_weights
from pipeline.weights.records import new_record, read_record, record_text
from pipeline.weights.sources import SOURCES
from tests.helpers.encoders import make_encoder
from tests.helpers.feature_files import arrays_a, arrays_b, make_d, make_pairs, write_d, write_h5
from tests.helpers.film_table import media, write_films
from tests.helpers.media import Sight, Sound, tone, write_media

ROOT = Path(__file__).parents[2]
MAX_MEMORY_BYTES = 8 << 30  # of the child process: its libraries map much that they do not use
CACHED = "input"


@dataclass(frozen=True)
class FileReader:
    """A reader, and how a whole file for it is made.

    Attributes:
        file: its path below the folder.
        write: makes it, and what stands beside it, in a folder.
        read: reads it.
    """

    file: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]


def _clips(path: Path) -> None:
    clip = Clip(clip_id="a, b.mp4", path="cat/a, b.mp4", label="cat", sha256="0" * 64, split="train", start_seconds=1.5)
    write_clips(path, [clip, Clip(clip_id="é\r.mp4", path="é\r.mp4", label="ré", source_id="source")])


def _table(path: Path) -> None:
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    names, splits, labels = ["a", "b", "c"], ["train", "validation", "test"], np.array([0, 1, 1])
    both = {"audio": features, "visual": features}
    table = FeatureTable(clip_ids=names, splits=splits, labels=labels, classes=["cat", "dog"], provenance={}, **both)
    table.save(path)


def _embeddings(path: Path) -> None:
    vectors = np.ones((2, 3, 4), np.float32)
    names, splits = ["a", "b", "c"], ["train", "test", "test"]
    both, labels = {"audio": vectors, "visual": vectors}, np.array([0, 1, 0])
    EmbeddedClips(**both, labels=labels, classes=["cat", "dog"], clip_ids=names, splits=splits).save(path)


def _cache(folder: Path) -> ClipCache:
    return ClipCache(folder, "fingerprint")


def _read_cache(path: Path) -> object:
    cache = _cache(path.parents[1])
    return cache.look_up("clip", CACHED), cache.read("clip", CACHED)


def _record(folder: Path) -> None:
    record = new_record(folder / "vggish.mine.safetensors", SOURCES["torchvggish"], "mine.pth", "0" * 64, "1" * 64)
    (folder / "vggish.mine.json").write_text(record_text(record))


def _parquet(path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.mp4", "b.mp4"], "label": ["cat", "dog"], "start": [0.0, 1.5]}), path)


def _films(path: Path) -> None:
    film = write_media(path.with_suffix(".mp4"), Sight(times=(0.0, 0.1, 0.2))).read_bytes()
    sound = write_media(path.with_suffix(".wav"), Sound(codec="pcm_s16le", waveform=tone(0.3, 8000), sample_rate=8000))
    audio = [media("1.wav", sound.read_bytes()), None]
    write_films(path, ["cat", "dog"], video=[media("1.mp4", film), media("2.mp4")], audio=audio, label=[0, 1])


def _read_films(path: Path) -> list[UnpackedRow]:
    return unpack(path, path.with_name("unpacked"), file_sha256(path), load_limits())


def _jpegs(path: Path) -> None:
    np.save(path, encode_jpeg(np.zeros((16, 16, 3), np.uint8), 90))


def _read_jpegs(path: Path) -> object:
    data = np.frombuffer(path.read_bytes()[128:], np.uint8)  # behind the header of the npy
    return decode_jpegs(data, np.array([len(data)]))


def _write_npz(path: Path, arrays: dict[str, Any]) -> None:
    np.savez(path, **arrays)


def _write_d(folder: Path) -> Path:
    clips = make_d(6)
    names = sorted(clips)
    return write_d(folder, clips, [names[:3], names[3:]])


@cache
def _encoder() -> "TemporaryDirectory[str]":
    """A folder with that of a small encoder, made once in a process."""
    folder = TemporaryDirectory()
    with contextlib.chdir(folder.name):
        make_encoder(Path(folder.name))
    return folder


def _read_settings(path: Path) -> object:
    return load_params("dataset", WindowedParams, path), model_sections(path), network_lines(path)


def _read_feature_file(path: Path) -> object:
    return {"A": read_a, "B": read_b}[schema_of(path)](path)


PAIRS = make_pairs(12)
AVE = b"Category&VideoID&Quality&StartTime&EndTime\nViolin, fiddle&video000001&good&0&10\nBark&video000002&good&2&7\n"
TABLE = 'path,label,clip_id,split\na.mp4,cat,one,train\n"b, c.mp4",d\u00f6g,two,test\n'
METRICS = b'{"dataset": {"n": 3}, "models": {"cca": {"average": {"map": 0.5}}}, "rejected": 0}'
CACHE_FILE = _cache(Path()).path(CACHED).as_posix()
READERS = {
    reader.file: reader
    for reader in (
        FileReader("clips.csv", lambda folder: _clips(folder / "clips.csv"), read_clips),
        FileReader(
            "videos_root.txt",
            lambda folder: write_root(folder / "clips.csv", folder),
            lambda path: read_root(path.with_name("clips.csv")),
        ),
        FileReader(
            "rejected.csv",
            lambda folder: rejects.write(folder / "rejected.csv", [Reject("a.mp4", "logmel", "no_audio", "no, sound")]),
            rejects.read,
        ),
        FileReader(
            "params.yaml",
            lambda folder: (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes()),
            _read_settings,
        ),
        FileReader("features.safetensors", lambda folder: _table(folder / "features.safetensors"), FeatureTable.load),
        FileReader(
            "shard-00-of-32.safetensors",
            lambda folder: [
                write_shards(folder, ["a.mp4"], lambda clip_id: {"seconds": np.arange(3.0)}),
                next(folder.glob("shard-*")).rename(folder / "shard-00-of-32.safetensors"),
            ],
            lambda path: list(read_shards(path.parent)),
        ),
        FileReader("cca.npz", lambda folder: _embeddings(folder / "cca.npz"), Embeddings.load),
        FileReader(
            "model.safetensors",
            lambda folder: save_model(
                folder / "model.safetensors", cca.Params(n_components=1, ridge=0.1), 0, {"a": np.ones((2, 3))}
            ),
            lambda path: load_model(path, cca.Params),
        ),
        FileReader(
            "pca.safetensors",
            lambda folder: save_pca(fit_pca(np.random.default_rng(0).random((9, 4)), 2), folder / "pca.safetensors"),
            load_pca,
        ),
        FileReader(
            "provenance.json",
            lambda folder: write_provenance(folder, {"weights": "random", "seed": 1, "final_relu": True}),
            lambda path: read_provenance(path.parent),
        ),
        FileReader("metrics.json", lambda folder: (folder / "metrics.json").write_bytes(METRICS), run_of_file),
        FileReader(CACHE_FILE, lambda folder: _cache(folder).write(CACHED, {"a": np.arange(4.0)}), _read_cache),
        FileReader(
            "file_hashes.json",
            lambda folder: (folder / "file_hashes.json").write_text('{"a": "1", "b": "2"}'),
            lambda path: recall(path, TypeAdapter(dict[str, str])),
        ),
        FileReader("vggish.mine.json", _record, lambda path: read_record(path.with_suffix(".safetensors"))),
        FileReader(
            "weights.pth", lambda folder: torch.save({"w": torch.ones(3)}, folder / "weights.pth"), read_any_weights
        ),
        FileReader(
            "vggish_pca_params.npz",
            lambda folder: _write_npz(
                folder / "vggish_pca_params.npz", {"pca_eigen_vectors": np.eye(128), "pca_means": np.zeros(128)}
            ),
            load_vggish_pca,
        ),
        FileReader("Annotations.txt", lambda folder: (folder / "Annotations.txt").write_bytes(AVE), read_annotations),
        FileReader(
            "test_order.h5",
            lambda folder: write_h5(folder / "test_order.h5", {"order": np.arange(4)}),
            lambda path: read_orders({"test": path}, 4),
        ),
        FileReader("table.csv", lambda folder: (folder / "table.csv").write_text(TABLE), read_rows),
        FileReader(
            "table.tsv", lambda folder: (folder / "table.tsv").write_text("path\tlabel\na.mp4\tcat\n"), read_rows
        ),
        FileReader(
            "table.jsonl",
            lambda folder: (folder / "table.jsonl").write_text(
                '{"file_name": "a.mp4", "label": 1}\n{"file_name": "b"}\n'
            ),
            read_rows,
        ),
        FileReader("films.parquet", lambda folder: _films(folder / "films.parquet"), _read_films),
        FileReader("table.parquet", lambda folder: _parquet(folder / "table.parquet"), read_rows),
        FileReader("a.h5", lambda folder: write_h5(folder / "a.h5", arrays_a(PAIRS)), _read_feature_file),
        FileReader("b.h5", lambda folder: write_h5(folder / "b.h5", arrays_b(PAIRS)), _read_feature_file),
        FileReader("vgg/v00.npy", _write_d, lambda path: read_d(path.parents[1], 0)),
        FileReader("folds/fold_0.txt", _write_d, lambda path: read_d(path.parents[1], 0)),
        FileReader(
            "encoder/config.json",
            lambda folder: shutil.copytree(Path(_encoder().name, "encoder"), folder / "encoder"),
            lambda path: read_config(path.parent),
        ),
        FileReader("picture.npy", lambda folder: _jpegs(folder / "picture.npy"), _read_jpegs),
    )
}


def whole_bytes(name: str) -> bytes:
    """A whole file of a reader."""
    with TemporaryDirectory() as folder:
        READERS[name].write(Path(folder))
        return Path(folder, name).read_bytes()


def outcome(name: str, data: bytes) -> str:
    """``value``, or the type of the project's own error, of a reader of these bytes; others are raised."""
    with TemporaryDirectory() as folder:
        reader = READERS[name]
        reader.write(Path(folder))
        Path(folder, name).write_bytes(data)
        try:
            reader.read(Path(folder, name))
        except PipelineError as error:
            str(error).encode(errors="surrogateescape")  # it can be printed
            return type(error).__name__
    return "value"


def limit_memory() -> None:
    """Let a process that takes gigabytes for a few bytes fail."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
