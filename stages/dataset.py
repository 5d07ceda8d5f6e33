"""Stage ``dataset``: finds the clips, hashes their files and splits them; runs every time, as videos are no deps."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.cli import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.clips import Clip
    from pipeline.datasets.base import DatasetParams, Found
    from pipeline.features import FeatureTable
    from pipeline.rejects import Reject

REPORT = "report.json"
EXAMPLE_SIZES = {"logmel.frames_per_example": 96, "logmel.n_mels": 64}
MIN_PICTURE_SIDE = 75  # pixels


def main(clips_csv: Path, imported: Path, out: Path) -> None:
    """Write clips.csv, the feature table of a source without videos, and a folder with report.json and rejected.csv."""
    from pipeline import rejects
    from pipeline.clips import write_clips, write_root
    from pipeline.datasets.base import DatasetParams
    from pipeline.datasets.imported import with_splits_of
    from pipeline.datasets.splits import assign_splits
    from pipeline.params import load_params

    params = load_params("dataset", DatasetParams)
    (root, clips, refused), table = find(params)
    n_named = len({clip.clip_id for clip in clips} | {row.clip_id for row in refused})
    out.mkdir(parents=True, exist_ok=True)
    rejects.write(out / rejects.FILE, refused)
    rejects.check_fraction(out / rejects.FILE, refused, n_named, params.max_rejected_fraction)
    clips = assign_splits(clips, params)
    write_clips(clips_csv, clips)
    write_root(clips_csv, root)
    with_splits_of(table, clips).save(imported)
    (out / REPORT).write_text(json.dumps(report(clips), indent=2) + "\n", encoding="utf-8")
    print(summary(clips, refused))


def find(params: "DatasetParams") -> "tuple[Found, FeatureTable]":
    """Return the clips of the source with their hashes, and its feature table, which is empty where it has videos."""
    from pipeline.clip_cache import cache_folder
    from pipeline.datasets.base import Found, source_module, with_hashes, without_missing
    from pipeline.datasets.imported import clips_of
    from pipeline.features import FeatureTable

    module = source_module(params.source)
    if hasattr(module, "import_table"):
        imported = module.import_table(params)
        return Found(params.path or Path(), clips_of(imported), imported.refused), imported.table
    check_networks(params.source)
    found = without_missing(module.find_clips(params))
    clips = with_hashes(found.root, found.clips, cache_folder() / "file_hashes.json")
    return found._replace(clips=clips), FeatureTable.empty()


def report(clips: "Sequence[Clip]") -> dict[str, Any]:
    """Return what metrics.json says about the split and the labels, after loud words about what is wrong with them."""
    from pipeline.datasets.base import similar_labels
    from pipeline.datasets.leakage import leakage_counts, leakage_warnings, untrained_warnings

    alike = similar_labels({clip.label for clip in clips})
    spellings = [f"SIMILAR LABELS: {' and '.join(map(repr, labels))} count as different classes" for labels in alike]
    for line in [*leakage_warnings(clips), *untrained_warnings(clips), *spellings]:
        print(f"dataset: {line}", file=sys.stderr)
    return {"leakage": leakage_counts(clips), "similar_labels": len(alike)}


def summary(clips: "Sequence[Clip]", refused: "Sequence[Reject]") -> str:
    """Return a line that says what was found."""
    from pipeline.clips import SPLITS
    from pipeline.rejects import kinds_in_words

    splits = [clip.split for clip in clips]
    counts = ", ".join(f"{splits.count(split)} {split}" for split in SPLITS)
    others = f"; {len({row.clip_id for row in refused})} more refused ({kinds_in_words(refused)})" if refused else ""
    return f"dataset: {len(clips)} clips of {len({clip.label for clip in clips})} classes: {counts}{others}"


def check_networks(source: str) -> None:
    """Refuse or fetch here what the networks need: before hours of decoding, not after them."""
    from pipeline import weights
    from pipeline.features import check_audio_scaling
    from pipeline.params import read_section
    from pipeline.weights.sources import RANDOM

    for network in ("vggish", "inception"):
        name, allowed = str(read_section(f"{network}.weights")), read_section(f"{network}.allow_random")
        weights.check_random_allowed(network, name, allowed is True, source)
        if name != RANDOM:
            from pipeline.weights.store import fetch_if_missing  # loads torch, which the demo can do without here

            fetch_if_missing(network, name)
    check_sizes()
    postprocess = read_section("vggish.postprocess")
    check_audio_scaling(read_section("features.audio_scaling"), postprocess)
    if postprocess != "none":
        from pipeline.vggish_postprocess import FILE, load_vggish_pca
        from pipeline.weights.store import weights_folder

        load_vggish_pca(weights_folder() / FILE)


def check_sizes() -> None:
    """Refuse examples and pictures of a size that the networks cannot take."""
    from pipeline.errors import ParamsError
    from pipeline.params import read_section

    for key, size in EXAMPLE_SIZES.items():
        if (given := read_section(key)) != size:
            raise ParamsError(f"{key}: {given!r}; expected {size}: VGGish takes examples of one size")
    side = read_section("frames.size")
    if not isinstance(side, int) or side < MIN_PICTURE_SIDE:
        raise ParamsError(
            f"frames.size: {side!r}; expected at least {MIN_PICTURE_SIDE} pixels: Inception-v3 takes no smaller picture"
        )


if __name__ == "__main__":
    run(main)
