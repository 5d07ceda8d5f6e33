"""Stage ``embed``: both modalities of every clip in a model's joint space, each from its own features alone."""

from pathlib import Path

from stages.cli import run


def main(features: Path, name: str, models: Path, out: Path) -> None:
    """Write an npz with audio and visual (n_seeds, n, k) float32, seeds rising, and what is known of the n clips.

    Of a model that was left out there are no seeds.
    """
    from pipeline.formats.embeddings import EmbeddedClips
    from pipeline.formats.feature_table import FeatureTable
    from pipeline.model_parts.seeds import embed_table, is_left_out, load_seeds
    from pipeline.settings.progress import track

    table = FeatureTable.load(features)
    out.parent.mkdir(parents=True, exist_ok=True)
    fits = [] if is_left_out(models) else load_seeds(name, models)
    audio, visual = embed_table(track(fits, "embed", "seed"), table)
    names = {"clip_ids": table.clip_ids, "splits": table.splits, "classes": table.classes}
    EmbeddedClips(audio=audio, visual=visual, labels=table.labels, **names).save(out)


if __name__ == "__main__":
    run(main)
