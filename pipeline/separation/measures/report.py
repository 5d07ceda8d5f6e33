"""metrics.json of the second pipeline, and its few words on the terminal."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.formats import rejects
from pipeline.separation.heard import HeardClips
from pipeline.separation.measures.intervals import over_people
from pipeline.separation.measures.measuring import MeasuredRows
from pipeline.separation.measures.scores import MEASURES, EvaluateSeparationParams, RowRule, SourceScore
from pipeline.separation.mixtures import source_of
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import read_regular

CLIPPED = 0.001  # a clip with more of its samples at full scale is counted
PERMUTATION = "best"  # of a row that is scored in the best order of its estimates


def rows_of(
    scores: Sequence[SourceScore], rules: Mapping[str, RowRule], params: EvaluateSeparationParams
) -> dict[str, dict[str, Any]]:
    """Return what metrics.json says of every row, means over the sources of all test mixtures.

    ``margin`` is half the width of the 95 % interval of ``si_sdr_improvement`` over people, ``seed_sd`` its standard
    deviation over seeds.

    Args:
        scores: of all rows.
        rules: as they were scored by.
        params: section ``evaluate``.
    """
    names = list(dict.fromkeys(score.row for score in scores))
    return {name: _row([score for score in scores if score.row == name], rules.get(name), params) for name in names}


def in_words(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a line a row: its SI-SDR over that of the mixture, with the interval over people."""
    lines = []
    for name, row in rows.items():
        margin = f" +- {row['margin']:.1f}" if "margin" in row else ""
        order = " (in the best order)" if row.get("permutation") == PERMUTATION else ""
        lines.append(f"{name:<24} {row['si_sdr_improvement']:+6.1f} dB{margin}{order}")
    return "\n".join(["SI-SDR over that of the mixture, 95 % interval over people:", *lines])


def _row(scores: Sequence[SourceScore], rule: RowRule | None, params: EvaluateSeparationParams) -> dict[str, Any]:
    """The means of one row, those of its groups, and the margin of the headline number."""
    row: dict[str, Any] = {}
    for name in MEASURES:
        values = [score.values[name] for score in scores if name in score.values]
        if values:
            row[name] = float(np.mean(values))
        if values and len(values) < len(scores):
            row[f"n_without_{name}"] = len(scores) - len(values)
    row |= _headline(scores, params) | _spread(scores)
    row["n_mixtures"] = len({score.mixture_id for score in scores})
    if rule and rule.in_best_order:
        row["permutation"] = PERMUTATION
    groups = sorted({group for score in scores for group in score.groups})
    members = {group: [score for score in scores if group in score.groups] for group in groups}
    row["by_kind"] = {group: _group(found, params) for group, found in members.items()}
    return row


def _group(scores: Sequence[SourceScore], params: EvaluateSeparationParams) -> dict[str, Any]:
    """The headline number of some mixtures."""
    return _headline(scores, params) | {"n_mixtures": len({score.mixture_id for score in scores})}


def _headline(scores: Sequence[SourceScore], params: EvaluateSeparationParams) -> dict[str, float]:
    """SI-SDR over the mixture, and its margin."""
    values = np.array([score.values["si_sdr_improvement"] for score in scores])
    mean, margin = over_people(values, [score.people for score in scores], params.bootstrap_draws, params.seed)
    return {"si_sdr_improvement": mean} | margin


def _spread(scores: Sequence[SourceScore]) -> dict[str, float]:
    """How many seeds, and the standard deviation of the headline number over them, where there are several."""
    by_seed = np.array([score.by_seed for score in scores]).mean(axis=0)
    return {"n_seeds": len(by_seed), "seed_sd": float(by_seed.std(ddof=1))} if len(by_seed) > 1 else {}


def metrics_of(
    measured: MeasuredRows,
    params: EvaluateSeparationParams,
    clips: HeardClips,
    report: AnyPath,
    stages: Sequence[AnyPath],
) -> dict[str, Any]:
    """Return the content of metrics.json: maps of scalars.

    Args:
        measured: all that was.
        params: section ``evaluate``.
        clips: of all splits.
        report: JSON file of the stage `mixtures`.
        stages: folders with a rejected.csv each.
    """
    refused = [row for folder in stages for row in rejects.read(Path(folder) / rejects.FILE)]
    test = clips.of_split("test")
    learned = {source_of(clip) for split in ("train", "validation") for clip in clips.of_split(split)}
    drawn = json.loads(read_regular(report))
    return {
        "dataset": {
            "n_clips": len(clips.clips),
            "n_people": len({source_of(clip) for clip in clips.clips.values()}),
            "n_test_people": len({source_of(clip) for clip in test}),
            "n_test_people_in_train": len({source_of(clip) for clip in test} & learned),
            "n_clips_at_full_scale": sum(
                clips.n_clipped(name) > CLIPPED * clips.n_samples(name) for name in clips.clips
            ),
            "rejected": rejects.count_kinds(refused),
        },
        "mixtures": {"n_test": len({score.mixture_id for score in measured.scores}), **drawn},
        "rows": rows_of(measured.scores, measured.rules, params),
        **measured.beside,
    }
