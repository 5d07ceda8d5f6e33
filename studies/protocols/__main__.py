"""How the models of a finished run do where a few clips of each class search the others, as in MTEB's tasks on AVE.

Four clips a class search the others: nDCG@10, means over the model's seeds.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUERIES_PER_CLASS = 4
QUERY_SEED = 42
CROSS_MODAL = ("audio_to_visual", "visual_to_audio")


def main() -> None:
    """Print a table with a row a model."""
    data = _arguments().data_folder
    try:
        files = sorted((data / "embeddings").glob("*.npz"))
        if not files:
            sys.exit(f"protocols: {data / 'embeddings'}: no embeddings; expected the data folder of a finished run")
        print("| model | few queries a->v | few queries v->a |\n|---|---|---|")
        for path in files:
            if len(numbers := scores(path)):
                print(f"| {path.stem} | " + " | ".join(f"{score:.3f}" for score in numbers.mean(axis=0)) + " |")
    except PipelineError as error:
        sys.exit(f"protocols: {type(error).__name__}: {error}")


def scores(path: Path) -> "NDArray[np.float64]":
    """Return nDCG@10 both ways of each seed, (n_seeds, 2); of a model that was left out there is none.

    Args:
        path: of the model's embeddings.

    Raises:
        DataError: the file is damaged, or no class has two clips.
    """
    import numpy as np

    from pipeline.formats.embeddings import Embeddings
    from studies.protocols.few_queries import few_queries_ndcg

    clips = Embeddings.load(path)
    both = zip(clips.audio, clips.visual, strict=True)
    found = [few_queries_ndcg(audio, visual, clips.labels, QUERIES_PER_CLASS, QUERY_SEED) for audio, visual in both]
    return np.array([[of[way] for way in CROSS_MODAL] for of in found])


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.protocols", description=__doc__)
    parser.add_argument("data_folder", type=Path, help="of a finished run: data")
    return parser.parse_args()


if __name__ == "__main__":
    main()
