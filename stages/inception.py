"""Stage ``inception``: pictures become vectors of 2048 numbers."""

from functools import partial
from pathlib import Path

from stages.cli import run


def main(frames: Path, out: Path) -> None:
    """Write shards of embeddings (n, 2048) float32 and seconds (n,) float64, and provenance.json."""
    from pipeline import inception, inference, weights
    from pipeline.clip_cache import ClipCache, cache_folder, fingerprint
    from pipeline.clip_map import map_shards
    from pipeline.device import chosen_device
    from pipeline.frames import decode_jpegs
    from pipeline.params import load_params, read_section
    from pipeline.weights.store import load_or_make

    if not any(frames.glob("shard-*")):  # the features were imported: no clip has a video
        out.mkdir(parents=True, exist_ok=True)
        weights.write_provenance(out, {})
        return
    params = load_params("inception", inception.InceptionParams)
    weights.check_random_allowed("inception", params.weights, params.allow_random, str(read_section("dataset.source")))
    state, facts = load_or_make("inception", params.weights, params.seed, inception.random_state)

    network, device = inception.build(state), chosen_device()
    embed = partial(
        inference.embed_clips, network=network, batch_size=inception.BATCH_SIZES[device.type], device=device
    )
    cache = ClipCache(
        cache_folder() / "clips" / "inception", fingerprint(facts, [inception, inference], ["torch", "torchvision"])
    )
    map_shards("inception", frames, lambda arrays: decode_jpegs(arrays["jpeg"], arrays["lengths"]), embed, cache, out)
    weights.write_provenance(out, facts)


if __name__ == "__main__":
    run(main)
