"""Stage ``frames``: one picture a second of every clip, resized for Inception-v3 and kept as JPEG."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.clip_jobs.share import WHOLE, Share, parse_share
from stages.cli import run

if TYPE_CHECKING:
    from pipeline.formats.clips import Clip
    from pipeline.formats.shards import Arrays
    from pipeline.frames import FramesParams


def main(clips_csv: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of jpeg (total bytes,) uint8, lengths (n,) int64 and seconds (n,) float64."""
    from pipeline.clip_jobs.loop import has_videos, write_nothing

    share = parse_share(shard)
    if has_videos(clips_csv):
        decode(clips_csv, out, share)
    else:
        write_nothing(out)


def decode(clips_csv: Path, out: Path, share: Share) -> None:
    """Do the same where there is a video at all; workers load their libraries while this process loads its own."""
    from pipeline.clip_jobs.engines import prepare

    prepare(["pipeline.clip_jobs.loop", "pipeline.frames", "pipeline.video"])
    from pipeline import frames
    from pipeline.clip_jobs.cache import ClipCache
    from pipeline.clip_jobs.loop import Job, map_videos
    from pipeline.settings.environment import cache_folder
    from pipeline.settings.fingerprint import fingerprint
    from pipeline.settings.limits import clip_limits
    from pipeline.settings.params import load_params

    params = load_params("frames", frames.FramesParams)
    limits = clip_limits()
    made_by = fingerprint(params.model_dump(), ["pipeline.video", "pipeline.frames"])
    job = Job("frames", ClipCache(cache_folder() / "clips" / "frames", made_by), out, share)
    function = partial(pictures, params=params)
    map_videos(job, clips_csv, function, limits.max_rejected_fraction, limits.clip_timeout_seconds)


def pictures(clip: "Clip", path: Path, params: "FramesParams") -> "Arrays":
    """Return what is kept of a clip whose video is at a path."""
    from pipeline import frames, video

    offset_of = frames.offsets(params, clip.sha256)
    return frames.picture_arrays(clip.clip_id, video.iter_frames(path, params.frames_per_second, offset_of), params)


if __name__ == "__main__":
    run(main)
