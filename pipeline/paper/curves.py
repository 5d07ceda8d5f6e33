"""Precision-scope curves as papers print them: a panel a direction, a line a model, against the scope K."""

import io

from pipeline.errors import DataError
from pipeline.evaluate.runs import Run

SUFFIXES = (".svg", ".pdf", ".png")
TITLES = {"audio_to_visual": "audio to visual", "visual_to_audio": "visual to audio"}
LINES = ("-", "--", ":")  # a colour comes again with another line
N_COLOURS = 10  # of Matplotlib's cycle
MARKERS = "os^vDPX*"
PANEL_INCHES = (4.2, 3.6)

ScopePoints = list[tuple[float, float]]


def precision_scopes(run: Run) -> dict[str, dict[str, ScopePoints]]:
    """Return the points (K, mean precision among the first K results) of every model, by direction and model.

    Args:
        run: a finished one, with its tables.

    Raises:
        DataError: a model's table is missing, is none or has no row.
    """
    curves: dict[str, dict[str, ScopePoints]] = {way: {} for way in TITLES}
    for model in run.report["models"]:
        points = run.numbers("precision_scope", model, ("scope",), ("scope", *TITLES)).values()
        if not points:
            raise DataError(f"{run.name}: precision_scope of {model}: no row; expected one a scope: dvc repro evaluate")
        for place, of_models in enumerate(curves.values(), start=1):
            of_models[model] = sorted((values[0], values[place]) for values in points)
    return curves


def draw_curves(run: Run, suffix: str) -> bytes:
    """Return the picture, whose bytes are a function of the tables.

    Args:
        run: a finished one, with its tables.
        suffix: one of ``SUFFIXES``, which says in what form.

    Raises:
        DataError: a model's table is missing or is none, or the form is unknown.
    """
    if suffix not in SUFFIXES:
        raise DataError(f"curves as {suffix!r}: no such form; expected a name that ends in {', '.join(SUFFIXES)}")
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    curves, chance = precision_scopes(run), run.report["chance"].get("precision")
    with rc_context({"svg.hashsalt": "curves", "svg.fonttype": "none", "text.parse_math": False}):
        figure = Figure((2 * PANEL_INCHES[0], PANEL_INCHES[1] + 1), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (way, of_models) in zip(panels, curves.items(), strict=True):
            for i, (model, curve) in enumerate(of_models.items()):
                look = {"marker": MARKERS[i % len(MARKERS)], "ls": LINES[i // N_COLOURS % len(LINES)], "ms": 3, "lw": 1}
                panel.plot(*zip(*curve, strict=True), **look, label=model)
            if chance is not None:
                panel.axhline(chance, color="grey", lw=0.8, ls=(0, (1, 3)), label="chance")
            panel.set(title=TITLES[way], xlabel="scope K", ylim=(0, 1))
        panels[0].set_ylabel("precision")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=7)
        picture = io.BytesIO()
        dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(picture, format=suffix[1:], metadata=dates.get(suffix), dpi=200)
    return picture.getvalue()
