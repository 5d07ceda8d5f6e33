"""Stage ``frames``: one picture a second of every clip, resized for Inception-v3 and kept as JPEG."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.cli import run

if TYPE_CHECKING:
    from pipeline.clips import Clip
    from pipeline.shards import Arrays


def main(clips_csv: Path, out: Path) -> None:
    """Write shards of jpeg (total bytes,) uint8, lengths (n,) int64 and seconds (n,) float64."""
    from pipeline import frames, video
    from pipeline.clip_cache import ClipCache, cache_folder, fingerprint
    from pipeline.clip_map import map_videos
    from pipeline.datasets.base import DatasetParams
    from pipeline.params import load_params

    params = load_params("frames", frames.FramesParams)
    max_rejected_fraction = load_params("dataset", DatasetParams).max_rejected_fraction

    def pictures(clip: "Clip", path: Path) -> "Arrays":
        offset_of = frames.offsets(params, clip.sha256)
        return frames.picture_arrays(clip.clip_id, video.iter_frames(path, params.frames_per_second, offset_of), params)

    made_by = fingerprint(params.model_dump(), [video, frames], ["av", "pillow", "torchvision"])
    cache = ClipCache(cache_folder() / "clips" / "frames", made_by)
    map_videos("frames", clips_csv, pictures, cache, out, max_rejected_fraction)


if __name__ == "__main__":
    run(main)
