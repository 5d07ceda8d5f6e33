"""Stage ``inception``: pictures become vectors of 2048 numbers."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.cli import run

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.shards import Arrays


def main(frames: Path, out: Path) -> None:
    """Write shards of embeddings (n, 2048) float32 and seconds (n,) float64, and provenance.json."""
    from pipeline import inception, inference, weights
    from pipeline.clip_cache import ClipCache, cache_folder, fingerprint
    from pipeline.clip_map import map_shards
    from pipeline.device import chosen_device
    from pipeline.frames import JpegPictures
    from pipeline.params import load_params, read_section
    from pipeline.weights.store import load_or_make

    params = load_params("inception", inception.InceptionParams)
    weights.check_random_allowed("inception", params.weights, params.allow_random, str(read_section("dataset.source")))
    state, facts = load_or_make("inception", params.weights, params.seed, inception.random_state)

    network, device = inception.build(state), chosen_device()
    embed = partial(
        inference.embed_clips, network=network, batch_size=inception.BATCH_SIZES[device.type], device=device
    )
    cache = ClipCache(cache_folder() / "clips", fingerprint(facts, [inception, inference], ["torch", "torchvision"]))

    def pictures(arrays: "Arrays") -> "NDArray[Any]":
        return JpegPictures(arrays["jpeg"], arrays["lengths"])  # type: ignore[return-value]  # sliced like an array

    map_shards("inception", frames, pictures, embed, cache, out)
    weights.write_provenance(out, facts)


if __name__ == "__main__":
    run(main)
