"""Stage ``frames``: one picture a second of every clip, resized for Inception-v3 and kept as JPEG."""

from pathlib import Path

from pipeline.clip_jobs.share import WHOLE, parse_share
from stages.cli import run


def main(clips_csv: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of jpeg (total bytes,) uint8, lengths (n,) and seconds (n,); or what `decode_later` asks for."""
    share = parse_share(shard)
    from pipeline.extraction.decode_later import decode_now_or_later

    decode_now_or_later("frames", clips_csv, out, share)


if __name__ == "__main__":
    run(main)
