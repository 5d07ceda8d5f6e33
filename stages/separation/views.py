"""Stage ``separation.views``: a film of the mouth and pictures of the face of every clip."""

from pathlib import Path

from pipeline.clip_jobs.share import WHOLE, parse_share
from stages.cli import run


def main(clips_csv: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of mouth (n, size, size) and face (n_faces, size, size, 3) uint8, and seconds (1,), the start."""
    share = parse_share(shard)
    from pipeline.extraction.decoding import decode_clips

    decode_clips("views", clips_csv, out, share, "pipeline.separation")


if __name__ == "__main__":
    run(main)
