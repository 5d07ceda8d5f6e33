"""The curves of the page: MAP over labels, a panel for each data set and shared part."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes

from studies.comparison.pictures import panels_of, write_png
from studies.few_labels.draws import Draw
from studies.few_labels.fits import FORMS, OfForms
from studies.few_labels.tables import by_condition, mean_map

SHOWN = ("pairs", "labels", "one", "explicit", "dual", "apart_by_agreement", "both")
LabelsLeft = tuple[float, float]  # how many are redrawn, and what fraction there is
DASHED = ("dual", "apart_by_agreement", "both")  # the forms of two subspaces


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
    labels = sorted({(condition.wrong, condition.labelled) for condition in means})
    figure, of_panels = panels_of([data if shared is None else f"{data}, {shared:g} shared" for data, shared in panels])
    for axes, panel in zip(of_panels, panels, strict=True):
        of_panel = {(of.wrong, of.labelled): maps for of, maps in means.items() if (of.data, of.shared) == panel}
        _panel(axes, labels, of_panel)
    of_panels[0].set_ylabel("test MAP, average of both directions")
    figure.legend(*of_panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(SHOWN))
    write_png(path, figure)


def _panel(axes: Axes, labels: Sequence[LabelsLeft], maps: Mapping[LabelsLeft, Mapping[str, float]]) -> None:
    """A line a form for each share of redrawn labels; the least labels stand on the left."""
    for number, form in enumerate(SHOWN):
        for first, wrong in enumerate(dict.fromkeys(wrong for wrong, _ in labels)):
            line = [of for of in labels if of[0] == wrong and of in maps]
            axes.plot(
                [labels.index(of) for of in line],
                [maps[of][form] for of in line],
                "--" if form in DASHED else "-",
                marker="o",
                markersize=4,
                color=f"C{number}",
                label=None if first else FORMS[form],
            )
    redrawn = [f"\n{100 * wrong:g} % redrawn" if wrong else "" for wrong, _ in labels]
    names = [f"{100 * labelled:g} %" + more for (_, labelled), more in zip(labels, redrawn, strict=True)]
    axes.set_xticks(range(len(labels)), names)
    axes.set_xlabel("train clips with a label")
    axes.grid(alpha=0.3)
