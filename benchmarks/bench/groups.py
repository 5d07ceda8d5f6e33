"""The groups of rows that are asked for together, and the module that each group's rows are in."""

import importlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.bench.ways import Aim, BenchRow

GROUPS = {
    "decode": "decoding",
    "networks": "networks",
    "clip": "whole_clip",
    "map": "retrieval",
    "cca": "correlation",
    "training": "epoch",
    "growth": "growth",
    "repro": "repro",
}


def rows_of(groups: Sequence[str], is_quick: bool) -> "Iterator[BenchRow]":
    """Yield the rows of some groups."""
    for group in groups:
        yield from importlib.import_module(f"benchmarks.bench.{GROUPS[group]}").rows(is_quick)


def aims() -> "dict[str, Aim]":
    """Return the aim of each row that has one, by the row's name."""
    return {row.name: row.aim for row in rows_of(list(GROUPS), is_quick=False) if row.aim}
