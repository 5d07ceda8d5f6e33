"""Stage ``logmel``: the sound of every clip becomes VGGish's log-mel examples and their times."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.cli import run

if TYPE_CHECKING:
    from pipeline.clips import Clip
    from pipeline.shards import Arrays


def main(clips_csv: Path, out: Path) -> None:
    """Write shards of examples (n, 96, 64) float32 and seconds (n,) float64, where each example starts."""
    from pipeline import logmel, video
    from pipeline.clip_cache import ClipCache, cache_folder, fingerprint
    from pipeline.clip_map import map_videos
    from pipeline.datasets.base import DatasetParams
    from pipeline.params import load_params

    params = load_params("logmel", logmel.LogMelParams)
    max_rejected_fraction = load_params("dataset", DatasetParams).max_rejected_fraction

    def examples(clip: "Clip", path: Path) -> "Arrays":
        return logmel.streamed_arrays(clip.clip_id, video.iter_waveform(path, params.sample_rate), params)

    made_by = fingerprint(params.model_dump(), [video, logmel], ["av", "soxr"])
    cache = ClipCache(cache_folder() / "clips", made_by)
    map_videos("logmel", clips_csv, examples, cache, out, max_rejected_fraction)


if __name__ == "__main__":
    run(main)
