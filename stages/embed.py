"""Stage ``embed``: both modalities of every clip in a model's joint space, each from its own features alone."""

from pathlib import Path

from stages.cli import run


def main(features: Path, name: str, models: Path, out: Path) -> None:
    """Write an npz with audio and visual (n_seeds, n, k) float32, seeds rising, clip_ids, splits and labels (n,)."""
    import numpy as np

    from pipeline.formats.embeddings import write_arrays
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.base import model_module
    from pipeline.settings.progress import track

    table = FeatureTable.load(features)
    files = {int(path.stem.removeprefix("seed-")): path for path in models.glob("seed-*.safetensors")}
    fitted = [model_module(name).Model.load(path) for _, path in sorted(files.items())]
    out.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        "audio": np.stack([model.embed_audio(table.audio) for model in track(fitted, "embed", "seed")]),
        "visual": np.stack([model.embed_visual(table.visual) for model in fitted]),
        "clip_ids": np.array(table.clip_ids),
        "splits": np.array(table.splits),
        "labels": np.array(table.classes)[table.labels],
    }
    write_arrays(out, arrays)


if __name__ == "__main__":
    run(main)
