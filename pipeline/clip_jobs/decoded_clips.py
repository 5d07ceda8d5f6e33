"""Clips are decoded and embedded in one go, without shards in between; what is kept are their embeddings."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.clip_jobs.clip_rows import ClipRows, DecodedStream, Embed, RowsOf
from pipeline.clip_jobs.decoded_chunks import embedded_as_they_come
from pipeline.clip_jobs.handed_over import Decoding
from pipeline.clip_jobs.loop import Job, settle_and_write
from pipeline.clip_jobs.shard_chunks import NetworkWorkers
from pipeline.errors import ClipError
from pipeline.settings.paths import AnyPath


class EmbeddingCache(ClipCache):
    """Embeddings of clips by the bytes of their videos; who is refused stands in the cache of the decoding stage.

    Args:
        folder: where entries are kept, or a URL.
        fingerprint: hash of all that decides an embedding besides the video, decoding included.
        decoded: the cache of the decoding stage.
    """

    def __init__(self, folder: AnyPath, fingerprint: str, decoded: ClipCache) -> None:
        super().__init__(folder, fingerprint)
        self._decoded = decoded

    def look_up_all(self, inputs: Mapping[str, str]) -> dict[str, Entry]:
        """Return what is known of clips, as a `ClipCache` does: finished ones from here, refused ones from there."""
        entries = super().look_up_all(inputs)
        unknown = {clip_id: inputs[clip_id] for clip_id, entry in entries.items() if entry.state == "unknown"}
        decoded = self._decoded.look_up_all(unknown)
        return entries | {clip_id: entry for clip_id, entry in decoded.items() if entry.state == "refused"}


def map_decoded(
    job: Job,
    decoding: Decoding,
    stage: str,
    rows_of: RowsOf,
    make_embed: Callable[[], Embed],
    max_rejected_fraction: float,
    uncounted: Collection[str],
    workers: Callable[[], AbstractContextManager[NetworkWorkers | None]],
) -> None:
    """Write ``embeddings`` (n, d) float32 and ``seconds`` (n,) of clips to shards, decoding those that are computed.

    Args:
        job: where to; the input hash of its cache is that of a video.
        decoding: the clips, and how they are decoded.
        stage: that decodes; rejected.csv names it where a clip is refused by decoding.
        rows_of: gives the n rows of a clip that the network takes, a slice at a time.
        make_embed: as ``map_shards`` takes it.
        max_rejected_fraction: share of the clips, in [0, 1], that may be refused.
        uncounted: kinds of refusals that do not count against the share.
        workers: is entered if there is anything to compute, and says where else than in this process networks run.

    Raises:
        DataError: more clips are refused than that.
        ParamsError: AVR_WORKERS is not a whole number above 0, or AVR_ENGINE is unknown.
    """
    inputs = {clip_id: clip.sha256 for clip_id, clip in decoding.clips.items()}
    not_decoded, refusing_stages, of_inputs = set[str](), dict[str, str](), dict[str, str]()

    def decoded(clip_ids: Sequence[str]) -> DecodedStream:
        with closing(decoding.decoded(clip_ids)) as clips:
            for clip_id, found in clips:
                not_decoded.discard(clip_id)  # of an earlier try
                if isinstance(found, ClipError):
                    not_decoded.add(clip_id)
                yield clip_id, found

    def compute(clip_ids: Sequence[str]) -> Iterator[tuple[str, ClipError | None]]:
        clips = ClipRows(decoded, inputs, job.cache, rows_of, decoding.clip_timeout_seconds)
        with workers() as chosen:
            embedded = (
                clips.embedded(make_embed(), clip_ids)
                if chosen is None
                else embedded_as_they_come(clips, chosen, clip_ids)
            )
            for clip_id, error in embedded:
                if error is not None:
                    refusing_stages[clip_id] = stage if clip_id in not_decoded else job.stage
                    of_inputs[inputs[clip_id]] = refusing_stages[clip_id]
                yield clip_id, error

    def refusing(clip_id: str) -> str:  # a clip that was not computed has the refusal of one of equal bytes
        return refusing_stages.get(clip_id) or of_inputs.get(inputs[clip_id], stage)

    settle_and_write(job, inputs, compute, max_rejected_fraction, decoding.limits, uncounted, refusing)
