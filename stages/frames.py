"""Stage ``frames``: one picture a second of every clip, resized for Inception-v3 and kept as JPEG."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.share import WHOLE, Share, parse_share
from stages.cli import run

if TYPE_CHECKING:
    from pipeline.clips import Clip
    from pipeline.frames import FramesParams
    from pipeline.shards import Arrays


def main(clips_csv: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of jpeg (total bytes,) uint8, lengths (n,) int64 and seconds (n,) float64."""
    from pipeline.clip_map import has_videos, write_nothing

    share = parse_share(shard)
    if has_videos(clips_csv):
        decode(clips_csv, out, share)
    else:
        write_nothing(out)


def decode(clips_csv: Path, out: Path, share: Share) -> None:
    """Do the same where there is a video at all; workers load their libraries while this process loads its own."""
    from pipeline.engines import prepare

    prepare(["pipeline.clip_map", "pipeline.frames", "pipeline.video"])
    from pipeline import frames, video
    from pipeline.clip_cache import ClipCache, cache_folder, fingerprint
    from pipeline.clip_map import Job, map_videos
    from pipeline.datasets.base import DatasetParams
    from pipeline.params import load_params

    params = load_params("frames", frames.FramesParams)
    dataset = load_params("dataset", DatasetParams)
    made_by = fingerprint(params.model_dump(), [video, frames], ["av", "numpy", "pillow", "torch", "torchvision"])
    job = Job("frames", ClipCache(cache_folder() / "clips" / "frames", made_by), out, share)
    function = partial(pictures, params=params)
    map_videos(job, clips_csv, function, dataset.max_rejected_fraction, dataset.clip_timeout_seconds)


def pictures(clip: "Clip", path: Path, params: "FramesParams") -> "Arrays":
    """Return what is kept of a clip whose video is at a path."""
    from pipeline import frames, video

    offset_of = frames.offsets(params, clip.sha256)
    return frames.picture_arrays(clip.clip_id, video.iter_frames(path, params.frames_per_second, offset_of), params)


if __name__ == "__main__":
    run(main)
