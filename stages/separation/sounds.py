"""Stage ``separation.sounds``: the sound of every clip at the separators' rate; silent clips are refused."""

from pathlib import Path

from pipeline.clip_jobs.share import WHOLE, parse_share
from stages.cli import run


def main(clips_csv: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of sound (n,) int16 and n_clipped (1,) int64."""
    share = parse_share(shard)
    from pipeline.extraction.decoding import decode_clips

    decode_clips("sounds", clips_csv, out, share, "pipeline.separation")


if __name__ == "__main__":
    run(main)
