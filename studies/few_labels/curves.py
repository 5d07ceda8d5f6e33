"""The curves of the page: MAP over labels, a panel for each data set and shared part."""

from collections.abc import Mapping
from pathlib import Path

from matplotlib.axes import Axes

from studies.comparison.pictures import panels_of, write_png
from studies.few_labels.draws import Draw
from studies.few_labels.fits import FORMS, OfForms
from studies.few_labels.tables import LabelCase, by_condition, mean_map

SHOWN = ("pairs", "labels", "one", "explicit", "dual", "apart_by_agreement")
DASHED = ("dual", "apart_by_agreement")  # the forms of two subspaces


def draw_curves(path: Path, found: Mapping[Draw, OfForms]) -> None:
    """Write the picture: on the left all labels that are left are true, on the right some are redrawn.

    Args:
        path: the PNG file.
        found: of each draw what each form got.
    """
    means = {
        condition: {form: mean_map(draws, form) for form in SHOWN} for condition, draws in by_condition(found).items()
    }
    panels = dict.fromkeys((condition.data, condition.shared) for condition in means)
    titles = [data if shared is None else f"{data}, {shared:g} shared" for data, shared in panels]
    figure, of_panels = panels_of(titles)
    for axes, panel in zip(of_panels, panels, strict=True):
        _panel(axes, {of: maps for of, maps in means.items() if (of.data, of.shared) == panel})
    of_panels[0].set_ylabel("test MAP, average of both directions")
    of_panels[-1].legend(fontsize="small")
    write_png(path, figure)


def _panel(axes: Axes, means: Mapping[LabelCase, Mapping[str, float]]) -> None:
    """A line a form for each share of redrawn labels; the least labels stand on the left."""
    ordered = sorted(means, key=lambda condition: (condition.wrong, condition.labelled))
    places = {condition: place for place, condition in enumerate(ordered)}
    for number, form in enumerate(SHOWN):
        for first, wrong in enumerate(dict.fromkeys(condition.wrong for condition in ordered)):
            line = [condition for condition in ordered if condition.wrong == wrong]
            axes.plot(
                [places[condition] for condition in line],
                [means[condition][form] for condition in line],
                "--" if form in DASHED else "-",
                marker="o",
                markersize=4,
                color=f"C{number}",
                label=None if first else FORMS[form],
            )
    redrawn = [f"\n{100 * condition.wrong:g} % redrawn" if condition.wrong else "" for condition in ordered]
    names = [f"{100 * condition.labelled:g} %" + more for condition, more in zip(ordered, redrawn, strict=True)]
    axes.set_xticks(range(len(ordered)), names)
    axes.set_xlabel("train clips with a label")
    axes.grid(alpha=0.3)
