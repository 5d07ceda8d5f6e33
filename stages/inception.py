"""Stage ``inception``: pictures become vectors of 2048 numbers."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.clip_jobs.share import WHOLE, Share, parse_share
from stages.cli import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.clip_jobs.loop import Embed
    from pipeline.formats.shards import Rows
    from pipeline.weights.lazy import LazyWeights

CODE = ["pipeline.formats.jpegs", "pipeline.networks.inference", "pipeline.networks.inception.network"]


def main(frames: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of embeddings (n, 2048) float32 and seconds (n,) float64, and provenance.json."""
    from pipeline.clip_jobs.loop import has_rows, write_nothing
    from pipeline.formats.provenance import write_provenance

    share = parse_share(shard)
    if has_rows(frames):
        embed(frames, out, share)
    else:
        write_nothing(out)
        write_provenance(out, {})


def embed(frames: Path, out: Path, share: Share) -> None:
    """Do the same where there is a clip at all."""
    from pipeline import weights
    from pipeline.clip_jobs.cache import ClipCache
    from pipeline.clip_jobs.loop import Job, map_shards
    from pipeline.formats import provenance
    from pipeline.networks.inception import network as inception
    from pipeline.networks.inception import random_weights
    from pipeline.settings.environment import cache_folder
    from pipeline.settings.fingerprint import fingerprint
    from pipeline.settings.params import load_params, read_section
    from pipeline.weights.lazy import LazyWeights

    params = load_params("inception", inception.InceptionParams)
    weights.check_random_allowed("inception", params.weights, params.allow_random, str(read_section("dataset.source")))
    memory, made_by = (
        cache_folder() / "random_weights.json",
        fingerprint({}, ["pipeline.networks.inception.random_weights"]),
    )
    lazy = LazyWeights("inception", params.weights, params.seed, random_weights.random_state, memory, made_by)
    made_by = fingerprint(lazy.facts, CODE)
    job = Job("inception", ClipCache(cache_folder() / "clips" / "inception", made_by), out, share)
    map_shards(job, frames, pictures, lambda: make_embed(lazy))
    if job.is_whole:
        provenance.write_provenance(out, lazy.facts)


def pictures(arrays: "Mapping[str, Rows]") -> "Rows":
    """Return the pictures of a clip, decoded a batch at a time."""
    from pipeline.formats.jpegs import JpegPictures

    return JpegPictures(arrays["jpeg"], arrays["lengths"][:])


def make_embed(lazy: "LazyWeights") -> "Embed":
    """Return what turns a stream of (clip_id, pictures) into one of (clip_id, embeddings)."""
    from pipeline.networks import inference
    from pipeline.networks.inception import network as inception
    from pipeline.settings.device import chosen_device

    device = chosen_device()  # before weights are made: a wrong name should not take a minute to show
    network = inception.build(lazy.state)
    batch_size = inception.BATCH_SIZES[device.type]
    return partial(inference.embed_clips, network=network, batch_size=batch_size, device=device)


if __name__ == "__main__":
    run(main)
