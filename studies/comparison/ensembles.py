"""The fits of a model added up: the similarity of two clips is the mean of those that the fits give them."""

from collections.abc import Sequence

import numpy as np

from pipeline.evaluate.model_metrics import Measured
from pipeline.formats.feature_table import FeatureTable
from pipeline.retrieval.cosines import Array
from studies.comparison import fits, tables
from studies.comparison.fits import Fit
from studies.comparison.lines import Line


def added_up(of_model: Sequence[Fit]) -> Measured:
    """Return the scores of all fits of a model together, by direction, (1, n_queries) each.

    Args:
        of_model: of one model on one set, all of them done.
    """
    files = [tables.read(fit, "vectors") for fit in of_model]
    audio, visual = (joined([file[modality] for file in files]) for modality in ("audio", "visual"))
    labels = FeatureTable.load(of_model[0].features).rows("test")[2]
    return tables.as_measured([fits.scores(audio, visual, labels)], labels)


def joined(vectors: Sequence[Array]) -> Array:
    """Return rows whose cosines are the mean of the cosines of several fits' rows.

    Args:
        vectors: (n, width) unit rows of each fit, of the same clips; widths may differ.
    """
    return np.asarray(np.hstack(vectors) / np.sqrt(len(vectors)))


def several(lines: Sequence[Line]) -> list[Line]:
    """Return the lines that there is something to add up of: those of more than one fit."""
    return [line for line in lines if len(line.fits) > 1]
