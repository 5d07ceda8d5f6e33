"""Stage ``vggish``: log-mel examples become vectors of 128 numbers."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.clip_jobs.share import WHOLE, Share, parse_share
from stages.cli import run

if TYPE_CHECKING:
    from pipeline.clip_jobs.loop import Embed
    from pipeline.networks.vggish.audioset_pca import VggishPca
    from pipeline.networks.vggish.network import VggishParams
    from pipeline.weights.lazy import LazyWeights

CODE = ["pipeline.networks.inference", "pipeline.networks.vggish.network", "pipeline.networks.vggish.audioset_pca"]


def main(logmel: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of embeddings (n, 128) float32 and seconds (n,) float64, and provenance.json."""
    from pipeline.clip_jobs.loop import has_rows, write_nothing
    from pipeline.formats.provenance import write_provenance

    share = parse_share(shard)
    if has_rows(logmel):
        embed(logmel, out, share)
    else:
        write_nothing(out)
        write_provenance(out, {})


def embed(logmel: Path, out: Path, share: Share) -> None:
    """Do the same where there is a clip at all."""
    from pipeline import weights
    from pipeline.clip_jobs.cache import ClipCache
    from pipeline.clip_jobs.loop import Job, map_shards
    from pipeline.formats import provenance
    from pipeline.networks.vggish import network as vggish
    from pipeline.networks.vggish import random_weights
    from pipeline.settings.environment import cache_folder
    from pipeline.settings.fingerprint import fingerprint
    from pipeline.settings.params import load_params, read_section
    from pipeline.weights.lazy import LazyWeights

    params = load_params("vggish", vggish.VggishParams)
    weights.check_random_allowed("vggish", params.weights, params.allow_random, str(read_section("dataset.source")))
    memory, made_by = (
        cache_folder() / "random_weights.json",
        fingerprint({}, ["pipeline.networks.vggish.random_weights"]),
    )
    lazy = LazyWeights("vggish", params.weights, params.seed, random_weights.random_state, memory, made_by)
    facts = lazy.facts | {"final_relu": params.final_relu, "postprocess": params.postprocess}
    pca = audioset_pca(facts) if params.postprocess != "none" else None
    made_by = fingerprint(facts, CODE)
    job = Job("vggish", ClipCache(cache_folder() / "clips" / "vggish", made_by), out, share)
    map_shards(job, logmel, lambda arrays: arrays["examples"], lambda: make_embed(lazy, params, pca))
    if job.is_whole:
        provenance.write_provenance(out, facts)


def make_embed(lazy: "LazyWeights", params: "VggishParams", pca: "VggishPca | None") -> "Embed":
    """Return what turns a stream of (clip_id, examples) into one of (clip_id, embeddings)."""
    from pipeline.networks import inference
    from pipeline.networks.vggish import audioset_pca as vggish_postprocess
    from pipeline.networks.vggish import network as vggish
    from pipeline.settings.device import chosen_device

    device = chosen_device()  # before weights are made: a wrong name should not take a minute to show
    network = vggish.build(lazy.state, params.final_relu)
    raw = partial(inference.embed_clips, network=network, batch_size=vggish.BATCH_SIZES[device.type], device=device)
    if pca is None:
        return raw
    quantise = params.postprocess == "pca_uint8"
    return lambda clips: vggish_postprocess.postprocess_clips(raw(clips), pca, quantise=quantise)


def audioset_pca(facts: dict[str, Any]) -> "VggishPca":
    """Return AudioSet's PCA from the weights folder, and note its hash among the facts."""
    from pipeline.formats.files import file_sha256
    from pipeline.networks.vggish import audioset_pca as vggish_postprocess
    from pipeline.settings.environment import weights_folder

    file = weights_folder() / vggish_postprocess.FILE
    pca = vggish_postprocess.load_vggish_pca(file)
    facts["pca_sha256"] = file_sha256(file)
    return pca


if __name__ == "__main__":
    run(main)
