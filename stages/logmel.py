"""Stage ``logmel``: the sound of every clip becomes VGGish's log-mel examples and their times."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.clip_jobs.share import WHOLE, Share, parse_share
from stages.cli import run

if TYPE_CHECKING:
    from pipeline.formats.clips import Clip
    from pipeline.formats.shards import Arrays
    from pipeline.logmel import LogMelParams


def main(clips_csv: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of examples (n, 96, 64) float32 and seconds (n,) float64, where each example starts."""
    from pipeline.clip_jobs.loop import has_videos, write_nothing

    share = parse_share(shard)
    if has_videos(clips_csv):
        decode(clips_csv, out, share)
    else:
        write_nothing(out)


def decode(clips_csv: Path, out: Path, share: Share) -> None:
    """Do the same where there is a video at all; workers load their libraries while this process loads its own."""
    from pipeline.clip_jobs.engines import prepare

    prepare(["pipeline.clip_jobs.loop", "pipeline.logmel", "pipeline.video"])
    from pipeline import logmel
    from pipeline.clip_jobs.cache import ClipCache
    from pipeline.clip_jobs.loop import Job, map_videos
    from pipeline.settings.environment import cache_folder
    from pipeline.settings.fingerprint import fingerprint
    from pipeline.settings.limits import clip_limits
    from pipeline.settings.params import load_params

    params = load_params("logmel", logmel.LogMelParams)
    limits = clip_limits()
    made_by = fingerprint(params.model_dump(), ["pipeline.video", "pipeline.logmel"])
    job = Job("logmel", ClipCache(cache_folder() / "clips" / "logmel", made_by), out, share)
    function = partial(examples, params=params)
    map_videos(job, clips_csv, function, limits.max_rejected_fraction, limits.clip_timeout_seconds)


def examples(clip: "Clip", path: Path, params: "LogMelParams") -> "Arrays":
    """Return what is kept of a clip whose video is at a path."""
    from pipeline import logmel, video

    return logmel.streamed_arrays(clip.clip_id, video.iter_waveform(path, params.sample_rate), params)


if __name__ == "__main__":
    run(main)
