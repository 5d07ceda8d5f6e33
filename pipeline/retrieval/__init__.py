"""Retrieval over a whole gallery, by cosine similarity; an item is relevant when it has the query's class.

The package itself offers average precision, which training needs too. The other metrics are imported from their
modules: DVC hashes whole files, and a change in one of them must not train a model again.
"""

from pipeline.retrieval.average_precision import average_map, average_precision, mean_average_precision

__all__ = ["average_map", "average_precision", "mean_average_precision"]
