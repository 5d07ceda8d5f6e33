"""README.md beside exported files: a data set card that says what each of them holds, and what made it."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.formats.clips import SPLITS
from pipeline.formats.feature_table import FeatureTable

CARD = "README.md"
TEMPLATE = "export_card.md.jinja"


def card_text(
    table: FeatureTable, models: Sequence[str], networks: Sequence[str], seeds: Literal["first", "all"]
) -> str:
    """Return the card, a function of its arguments alone.

    Args:
        table: the features that are exported.
        models: those whose embeddings are.
        networks: those whose vectors over time are.
        seeds: whose embeddings of a model.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    counts = Counter(table.splits)
    return environment.get_template(TEMPLATE).render(
        n_clips=len(table.clip_ids),
        n_classes=len(table.classes),
        splits={split: counts[split] for split in SPLITS},
        audio_width=table.audio.shape[1],
        visual_width=table.visual.shape[1],
        models=models,
        networks=networks,
        seeds=seeds,
        provenance=json.dumps(table.provenance, indent=2, sort_keys=True),
    )
