"""Stage ``dataset``: finds the clips, hashes their files and splits them; runs every time, as videos are no deps."""

from pathlib import Path

from stages.cli import run


def main(clips_csv: Path) -> None:
    """Write clips.csv."""
    from pipeline.clip_cache import cache_folder
    from pipeline.clips import assign_splits, write_clips, write_root
    from pipeline.datasets.base import DatasetParams, source_module, with_hashes
    from pipeline.params import load_params

    params = load_params("dataset", DatasetParams)
    check_networks(params.source)
    root, clips, _ = source_module(params.source).find_clips(params)
    clips = with_hashes(root, clips, cache_folder() / "file_hashes.json")
    clips = assign_splits(
        clips,
        test_fraction=params.test_fraction,
        validation_fraction=params.validation_fraction,
        seed=params.seed,
    )
    clips_csv.parent.mkdir(parents=True, exist_ok=True)
    write_clips(clips_csv, clips)
    write_root(clips_csv, root)


def check_networks(source: str) -> None:
    """Refuse or fetch here what the networks need: before hours of decoding, not after them."""
    from pipeline import weights
    from pipeline.features import check_audio_scaling
    from pipeline.params import read_section
    from pipeline.weights.sources import RANDOM

    for network in ("vggish", "inception"):
        name, allowed = str(read_section(f"{network}.weights")), read_section(f"{network}.allow_random")
        weights.check_random_allowed(network, name, allowed is True, source)
        if name != RANDOM:
            from pipeline.weights.store import fetch_if_missing  # loads torch, which the demo can do without here

            fetch_if_missing(network, name)
    check_audio_scaling(read_section("features.audio_scaling"), read_section("vggish.postprocess"))


if __name__ == "__main__":
    run(main)
