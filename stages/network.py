"""Stage ``network``: what a decoding stage kept of every clip becomes the vectors of one network."""

from pathlib import Path

from pipeline.clip_jobs.share import WHOLE, parse_share
from stages.cli import run


def main(name: str, inputs: Path, out: Path, *, shard: str = WHOLE) -> None:
    """Write shards of embeddings (n, width) float32 and seconds (n,) float64, and provenance.json."""
    share = parse_share(shard)
    from pipeline.extraction.embedding import embed_folder

    embed_folder(name, inputs, out, share)


if __name__ == "__main__":
    run(main)
