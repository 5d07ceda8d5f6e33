"""Stage ``vggish``: log-mel examples become vectors of 128 numbers."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.cli import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from pipeline.vggish_postprocess import VggishPca


def main(logmel: Path, out: Path) -> None:
    """Write shards of embeddings (n, 128) float32 and seconds (n,) float64, and provenance.json."""
    from pipeline import inference, vggish, vggish_postprocess, weights
    from pipeline.clip_cache import ClipCache, cache_folder, fingerprint
    from pipeline.clip_map import map_shards
    from pipeline.device import chosen_device
    from pipeline.params import load_params, read_section
    from pipeline.weights.store import load_or_make

    if not any(logmel.glob("shard-*")):  # the features were imported: no clip has a video
        out.mkdir(parents=True, exist_ok=True)
        weights.write_provenance(out, {})
        return
    params = load_params("vggish", vggish.VggishParams)
    weights.check_random_allowed("vggish", params.weights, params.allow_random, str(read_section("dataset.source")))
    state, facts = load_or_make("vggish", params.weights, params.seed, vggish.random_state)
    facts |= {"final_relu": params.final_relu, "postprocess": params.postprocess}
    pca = audioset_pca(facts) if params.postprocess != "none" else None
    network, device = vggish.build(state, params.final_relu), chosen_device()
    raw = partial(inference.embed_clips, network=network, batch_size=vggish.BATCH_SIZES[device.type], device=device)

    def embed(clips: "Iterable[tuple[str, NDArray[Any]]]") -> "Iterable[tuple[str, NDArray[np.float32]]]":
        if pca is None:
            return raw(clips)
        return vggish_postprocess.postprocess_clips(raw(clips), pca, quantise=params.postprocess == "pca_uint8")

    cache = ClipCache(
        cache_folder() / "clips" / "vggish", fingerprint(facts, [vggish, vggish_postprocess, inference], ["torch"])
    )
    map_shards("vggish", logmel, lambda arrays: arrays["examples"], embed, cache, out)
    weights.write_provenance(out, facts)


def audioset_pca(facts: dict[str, Any]) -> "VggishPca":
    """Return AudioSet's PCA from the weights folder, and note its hash among the facts."""
    from pipeline import vggish_postprocess
    from pipeline.clips import file_sha256
    from pipeline.weights.store import weights_folder

    file = weights_folder() / vggish_postprocess.FILE
    pca = vggish_postprocess.load_vggish_pca(file)
    facts["pca_sha256"] = file_sha256(file)
    return pca


if __name__ == "__main__":
    run(main)
