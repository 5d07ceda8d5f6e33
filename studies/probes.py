"""What a straight line can tell apart: how well a linear classifier names the class of a clip from its features.

The networks' features (mean over time) stand beside the simplest ones that hear and see the same input. Every line is
a logistic regression on standardised features, five-fold stratified cross-validation over the clips of all splits, its
strength of regularisation chosen within the training folds.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import DataError, PipelineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pipeline.formats.shards import Arrays

N_FOLDS = 5
N_INNER_FOLDS = 3
INVERSE_STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
THUMBNAIL_SIZE = 8


class Features(NamedTuple):
    """One line of the table: ``vectors`` (n_clips, width) of one modality."""

    modality: str
    name: str
    vectors: "NDArray[np.float64]"


def main() -> None:
    """Print the table of a finished run."""
    arguments = _arguments()
    from pipeline.formats.provenance import read_provenance

    weights = {name: read_provenance(arguments.data_folder / name).get("weights") for name in ("vggish", "inception")}
    if None in weights.values():
        sys.exit(f"probes: {arguments.data_folder}: features were imported; expected a run that started from videos")
    try:
        labels, all_features = read_features(arguments.data_folder)
    except PipelineError as error:
        sys.exit(f"probes: {type(error).__name__}: {error}")
    n_classes = len(set(labels))
    print(f"{len(labels)} clips, {n_classes} classes, {N_FOLDS} folds, seed {arguments.seed}; weights {weights}\n")
    print("| modality | features | width | accuracy | sd over folds |\n|---|---|---|---|---|")
    for modality, name, vectors in all_features:
        accuracies = probe(vectors, labels, arguments.seed)
        print(f"| {modality} | {name} | {vectors.shape[1]} | {accuracies.mean():.3f} | {accuracies.std():.3f} |")
    print(f"| | chance | | {1 / n_classes:.3f} | |")


def probe(vectors: "NDArray[np.float64]", labels: list[str], seed: int) -> "NDArray[np.float64]":
    """Return (n_folds,) float64 in 0..1: the share of a fold's clips that get their class's name.

    Args:
        vectors: (n_clips, width), any scale.
        labels: n_clips names of classes, each at least `N_FOLDS` times.
        seed: deals the clips out to the folds.

    References:
        Alain & Bengio (2017), Understanding intermediate layers using linear classifier probes, ICLR workshop.
    """
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    outer, inner = (StratifiedKFold(n, shuffle=True, random_state=seed) for n in (N_FOLDS, N_INNER_FOLDS))
    classifier = LogisticRegressionCV(
        Cs=INVERSE_STRENGTHS,
        l1_ratios=(0.0,),
        cv=inner,
        scoring="neg_log_loss",
        max_iter=2000,
        use_legacy_attributes=False,
    )
    accuracies: NDArray[np.float64] = cross_val_score(
        make_pipeline(StandardScaler(), classifier), vectors, labels, cv=outer, scoring="accuracy"
    )
    return accuracies


def read_features(data: Path) -> tuple[list[str], list[Features]]:
    """Return the labels of the clips that every stage kept, and their features.

    Args:
        data: folder with clips.csv and the outputs of the stages logmel, frames, vggish and inception.

    Raises:
        DataError: clips.csv or a shard is damaged, or no clip has all four.
    """
    import numpy as np

    from pipeline.formats.clips import read_clips, whole_files
    from pipeline.formats.shards import read_shards

    lines = [
        ("audio", "log-mel statistics", "logmel", _logmel_statistics),
        ("audio", "VGGish", "vggish", _mean_embedding),
        ("visual", "pixel statistics", "frames", _pixel_statistics),
        ("visual", "Inception-v3", "inception", _mean_embedding),
    ]
    vectors = [
        {clip_id: summary(arrays) for clip_id, arrays in read_shards(data / stage)} for _, _, stage, summary in lines
    ]
    files = whole_files(read_clips(data / "clips.csv"))
    clips = [clip for clip in files if all(clip.clip_id in of for of in vectors)]
    if not clips:
        expected = "what a run keeps whose decode_later.logmel and decode_later.frames are false"
        raise DataError(f"{data}: no clip has log-mel examples, pictures and vectors of both; expected {expected}")
    return [clip.label for clip in clips], [
        Features(modality, name, np.stack([of[clip.clip_id] for clip in clips]))
        for (modality, name, _, _), of in zip(lines, vectors, strict=True)
    ]


def _mean_embedding(arrays: "Arrays") -> "NDArray[np.float64]":
    """(width,): mean over time of the embeddings (n, width)."""
    mean: NDArray[np.float64] = arrays["embeddings"].mean(axis=0, dtype="float64")
    return mean


def _logmel_statistics(arrays: "Arrays") -> "NDArray[np.float64]":
    """(128,): mean and standard deviation over time of each of the 64 bands."""
    import numpy as np

    bands = arrays["examples"].reshape(-1, arrays["examples"].shape[-1]).astype(np.float64)  # (n * 96, 64)
    return np.concatenate([bands.mean(axis=0), bands.std(axis=0)])


def _pixel_statistics(arrays: "Arrays") -> "NDArray[np.float64]":
    """(198,): thumbnail of the mean picture, mean and standard deviation of each colour."""
    import numpy as np

    from pipeline.formats.jpegs import decode_jpegs

    pictures = decode_jpegs(arrays["jpeg"], arrays["lengths"])  # (n, h, w, 3)
    strips = np.array_split(pictures.mean(axis=0), THUMBNAIL_SIZE, axis=0)
    tiles = [tile.mean(axis=(0, 1)) for strip in strips for tile in np.array_split(strip, THUMBNAIL_SIZE, axis=1)]
    return np.concatenate([*tiles, pictures.mean(axis=(0, 1, 2)), pictures.std(axis=(0, 1, 2))])


def _arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m studies.probes", description=__doc__)
    parser.add_argument("data_folder", type=Path, help="of a finished run: data")
    parser.add_argument("--seed", type=int, default=0, help="deals the clips out to the folds (default: 0)")
    arguments = parser.parse_args()
    if not (arguments.data_folder / "inception" / "provenance.json").is_file():
        parser.error(f"{arguments.data_folder}: expected the data folder of a finished `dvc repro`")
    return arguments


if __name__ == "__main__":
    main()
