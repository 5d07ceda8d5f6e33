"""All that a run of the second pipeline is measured by: its rows, and what stands beside them in metrics.json."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.evaluate.metrics_json import provenance
from pipeline.formats.provenance import read_provenance
from pipeline.separation.boxes import read_boxes
from pipeline.separation.material import Material
from pipeline.separation.measures.comparison import comparisons
from pipeline.separation.measures.heatmaps import localisation_of, synchrony_of
from pipeline.separation.measures.matching import matching_of
from pipeline.separation.measures.scores import EvaluateSeparationParams, RowRule, SourceScore, score_mixtures
from pipeline.separation.measures.separated import estimates_of, pairs_of_rows, rules_of
from pipeline.separation.measures.silence import silence_of
from pipeline.settings.paths import AnyPath


class MeasuredRows(NamedTuple):
    """What was found.

    Attributes:
        scores: of every source of every mixture, row by row.
        rules: how rows were scored.
        beside: what is measured beside the rows, by the name of its part of metrics.json.
    """

    scores: list[SourceScore]
    rules: dict[str, RowRule]
    beside: dict[str, Mapping[str, Any]]


def measure(
    names: Sequence[str],
    separated: AnyPath,
    material: Material,
    boxes_csv: AnyPath,
    params: EvaluateSeparationParams,
) -> MeasuredRows:
    """Return all measures of some separators on the test mixtures; a part that says nothing is left out.

    Args:
        names: of the separators.
        separated: folder with a folder of each, as the stage `separate` writes it.
        material: the test mixtures.
        boxes_csv: where clips sound in the picture, as far as that is known.
        params: section ``evaluate``.

    Raises:
        DataError: a reference is silent, an estimate is not finite, or a file is damaged.
    """
    separated, clips, rules = Path(separated), material.clips, rules_of(names)
    scores = score_mixtures(material, estimates_of(names, separated), rules, params)
    matching = {name: matching_of(separated / name, clips.clips, params) for name in names}
    devices = [str(read_provenance(separated / name)["device"]) for name in names]
    beside: dict[str, Mapping[str, Any]] = {
        "comparisons": comparisons(scores, pairs_of_rows(names), params),
        "silence": silence_of(names, separated, material, params),
        "localisation": localisation_of(names, separated, clips, read_boxes(boxes_csv), params),
        "synchrony": synchrony_of(names, separated, clips, params),
        "matching": {name: found for name, found in matching.items() if found},
        "provenance": provenance({}, devices),
    }
    return MeasuredRows(scores, rules, {part: found for part, found in beside.items() if found})
