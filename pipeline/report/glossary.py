"""What the words of the page mean; docs/evaluate.md says more."""

from typing import NamedTuple


class Term(NamedTuple):
    """A word of the page.

    Attributes:
        words: how the page says it.
        meaning: one or two sentences.
        where: heading of docs/evaluate.md with the definition and its source.
    """

    words: str
    meaning: str
    where: str


TERMS = {
    "map": Term(
        "MAP",
        "Mean average precision. Of one query: the mean, over all clips of its class, of the share of right ones among "
        "all results down to that clip. Of all queries: the mean, over the whole gallery, without a cut-off. 1 is "
        "perfect; chance is above 0.",
        "The metrics",
    ),
    "chance": Term(
        "chance",
        "What a ranking gets that knows nothing: the exact mean over all random orders of the gallery.",
        "The metrics",
    ),
    "margin": Term(
        "±",
        "Half the width of the 95 % interval of the mean over the seeds, by Student's t. With three seeds it is wide: "
        "that is what three runs can say.",
        "How sure a number is",
    ),
    "recall": Term(
        "R@K",
        "Recall at K as cross-modal papers count it: the share of queries with at least one right clip among the first "
        "K results.",
        "The metrics",
    ),
    "mrr": Term(
        "mean reciprocal rank",
        "The mean of 1 divided by the rank of the first right result.",
        "The metrics",
    ),
    "precision": Term(
        "precision",
        "The share of right clips among the first K results; in the curves against recall the highest one at that "
        "recall or above.",
        "The metrics",
    ),
    "p": Term(
        "corrected p",
        "How often the luck of the test clips alone would put two models that far apart, by a paired permutation test "
        "over groups of queries, corrected for all pairs of models by Holm's procedure. Below 0.05 luck does not "
        "explain it.",
        "How sure a number is",
    ),
    "group": Term(
        "group",
        "Test clips that share a sound, a picture, a file or a source, directly or by way of others: one draw of luck. "
        "Effectively there are as many as groups of one size would be to say as much.",
        "How sure a number is",
    ),
    "spread": Term(
        "within and between seeds",
        "Within: the standard error of one fit's MAP over groups of test clips. Between: the standard deviation of the "
        "MAP over the seeds. The squares add up to the variance of one fit on other test clips, or a little more.",
        "How sure a number is",
    ),
    "ap": Term(
        "average precision",
        "The MAP of one query: 1 where all clips of its class come first. In the gallery it is the mean over the "
        "seeds.",
        "The metrics",
    ),
    "right": Term(
        "right",
        "A result is right where it has the query's class, and wrong otherwise. A query is right where its first "
        "result is.",
        "What is searched with what",
    ),
    "score": Term(
        "score",
        "The cosine of the two embeddings, from -1 to 1: higher is nearer. Scores of two models are not comparable.",
        "What is searched with what",
    ),
    "exact_start": Term(
        "exact start",
        "The share of events that are found to the second: the event's seconds of one modality slide over the other, "
        "and the nearest place is right only where the event starts.",
        "Where the event is",
    ),
    "start_mrr": Term(
        "reciprocal rank of the start",
        "The mean of 1 divided by the rank of the event's own start among all places that it could start at.",
        "Where the event is",
    ),
    "segment_mrr": Term(
        "reciprocal rank of a segment",
        "One second from the middle of each event searches those of all others: the mean of 1 divided by the rank of "
        "the first of its class.",
        "Where the event is",
    ),
    "rank": Term(
        "rank",
        "The place among the results, 1 for the nearest; results of equal scores share one.",
        "Ties",
    ),
    "query": Term(
        "query",
        "One half of a test clip, its sound or its pictures, for which the other halves of all test clips are ranked.",
        "What is searched with what",
    ),
    "seed": Term(
        "seeds",
        "A model is fitted once for each seed, which draws its first weights and the order of its batches; numbers are "
        "means over them.",
        "How sure a number is",
    ),
    "split": Term(
        "split",
        "Train: what models are fitted on. Validation: what decides when a training stops. Test: what is measured, and "
        "nothing else.",
        "What is searched with what",
    ),
}
