"""Stage ``logmel``: the sound of every clip becomes VGGish's log-mel examples and their times."""

from pathlib import Path

from pipeline.clip_jobs.share import WHOLE, parse_share
from stages.cli import run


def main(clips_csv: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of examples (n, 96, 64) float32 and their starts (n,) float64; or what `decode_later` asks."""
    share = parse_share(shard)
    from pipeline.extraction.decode_later import decode_now_or_later

    decode_now_or_later("logmel", clips_csv, out, share)


if __name__ == "__main__":
    run(main)
