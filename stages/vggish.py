"""Stage ``vggish``: log-mel examples become vectors of 128 numbers."""

from functools import partial
from pathlib import Path

from stages.cli import run


def main(logmel: Path, out: Path) -> None:
    """Write shards of embeddings (n, 128) float32 and seconds (n,) float64, and provenance.json."""
    from pipeline import inference, vggish, weights
    from pipeline.clip_cache import ClipCache, cache_folder, fingerprint
    from pipeline.clip_map import map_shards
    from pipeline.device import chosen_device
    from pipeline.params import load_params, read_section

    params = load_params("vggish", vggish.VggishParams)
    weights.check_random_allowed("vggish", params.weights, params.allow_random, str(read_section("dataset.source")))
    state = vggish.random_state(params.seed)
    facts = weights.provenance(params.weights, state, seed=params.seed, final_relu=params.final_relu)

    network = vggish.build(state, params.final_relu)
    embed = partial(inference.embed_clips, network=network, batch_size=vggish.BATCH_SIZE, device=chosen_device())
    cache = ClipCache(cache_folder() / "clips", fingerprint(facts, [vggish, inference], ["torch"]))
    map_shards("vggish", logmel, lambda arrays: arrays["examples"], embed, cache, out)
    weights.write_provenance(out, facts)


if __name__ == "__main__":
    run(main)
