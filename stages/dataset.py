"""Stage ``dataset``: finds the clips, hashes their files and splits them; runs every time, as videos are no deps."""

from pathlib import Path

from stages.cli import run


def main(clips_csv: Path) -> None:
    """Write clips.csv."""
    from pipeline import weights
    from pipeline.clip_cache import cache_folder
    from pipeline.clips import assign_splits, write_clips, write_root
    from pipeline.datasets.base import DatasetParams, source_module, with_hashes
    from pipeline.params import load_params, read_section

    params = load_params("dataset", DatasetParams)
    for network in ("vggish", "inception"):  # refused here already: before hours of decoding, not after them
        source, allowed = read_section(f"{network}.weights"), read_section(f"{network}.allow_random")
        weights.check_random_allowed(network, str(source), allowed is True, params.source)
    root, clips = source_module(params.source).find_clips(params)
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


if __name__ == "__main__":
    run(main)
