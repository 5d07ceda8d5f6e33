"""The pictures of the page, as PNG files: the same numbers give the same bytes."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from pipeline.formats.files import write_atomically
from pipeline.retrieval.cosines import Array
from studies.comparison.lines import PRESET_FORMS, Form
from studies.comparison.tables import MeasuredLine

PANEL_INCHES = 4.2
MARKERS = {"audio": "o", "visual": "^"}


def ablation(path: Path, of_sets: Mapping[str, Mapping[Form, Sequence[MeasuredLine]]]) -> None:
    """Draw the test MAP of each preset with its interval over groups of test clips, a panel a set."""
    figure, panels = panels_of(list(of_sets))
    for axes, of_forms in zip(panels, of_sets.values(), strict=True):
        for offset, form in zip((-0.15, 0.15), PRESET_FORMS, strict=True):
            rows = of_forms[form]
            maps = np.array([row.map for row in rows])
            ends = np.array([row.over_groups or (row.map, row.map) for row in rows])
            places = np.arange(len(rows)) + offset
            axes.errorbar(maps, places, xerr=np.abs(ends.T - maps), fmt="o", markersize=4, label=form)
        axes.set_yticks(range(len(rows)), [row.name for row in rows] if axes is panels[0] else [])
        axes.set_xlabel("test MAP, average of both directions")
        axes.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    for axes in panels[1:]:
        axes.sharey(panels[0])
    panels[0].legend()
    write_png(path, figure)


def correlations(path: Path, of_sets: Mapping[str, Mapping[str, tuple[Array, Array]]]) -> None:
    """Draw the canonical correlations of each model's embeddings on train and on test, a panel a set."""
    figure, panels = panels_of(list(of_sets))
    for axes, of_models in zip(panels, of_sets.values(), strict=True):
        for number, (model, of_splits) in enumerate(of_models.items()):
            for values, line, split in zip(of_splits, ("--", "-"), ("train", "test"), strict=True):
                places = np.arange(1, len(values) + 1)
                axes.plot(places, values, line, marker=".", color=f"C{number}", label=f"{model}, {split}")
        axes.set_xlabel("component")
        axes.set_ylim(-0.2, 1.05)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("canonical correlation")
    panels[0].legend(fontsize="small")
    write_png(path, figure)


def plane(path: Path, title: str, embeddings: Mapping[str, NDArray[Any]], labels: NDArray[np.int64]) -> None:
    """Draw the test rows of both modalities in the first two principal components of the train rows.

    Args:
        path: the PNG file.
        title: above the picture.
        embeddings: ``train_audio``, ``train_visual``, ``test_audio`` and ``test_visual``, (n, k) each.
        labels: (n_test,) classes, which are the colours.
    """
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12) for name, rows in embeddings.items()}
    fitted = PCA(2, svd_solver="full").fit(np.vstack([unit["train_audio"], unit["train_visual"]]))
    figure, (axes,) = panels_of([title])
    colours = colormaps["tab20" if labels.max() > 9 else "tab10"](labels % 20)
    for modality, marker in MARKERS.items():
        x, y = fitted.transform(unit[f"test_{modality}"]).T
        axes.scatter(x, y, s=12, c=colours, marker=marker, alpha=0.6, linewidths=0, label=modality)
    for axis, share in zip((axes.xaxis, axes.yaxis), fitted.explained_variance_ratio_, strict=True):
        axis.set_label_text(f"{share:.0%} of the variance")
    axes.legend()
    write_png(path, figure)


def panels_of(titles: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """A figure with a panel for each title, side by side."""
    figure = Figure((PANEL_INCHES * len(titles) + 0.6, PANEL_INCHES), layout="constrained")
    panels = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title)
    return figure, panels


def write_png(path: Path, figure: Figure) -> None:
    """A PNG file without the name and version of the program that drew it."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
    write_atomically(path, file.getvalue())
