"""How long the stages of a run took here, for the page that `avr report` opens: a sum, and a table to unfold."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape

from pipeline.errors import printable
from pipeline.formats.run_times import RunTime, run_times
from pipeline.settings.dvc_stage import project_stages
from pipeline.settings.paths import AnyPath

ELSEWHERE = "not noted: the files came from DVC's cache or another machine"


def stage_times(project: AnyPath) -> dict[str, RunTime | None]:
    """Return how long each stage of a project took, in the order of dvc.yaml.

    None for a stage whose files are not those of its last run here: DVC's cache has them of other runs too. Nothing
    where dvc.yaml or params.yaml cannot be read.
    """
    noted = run_times(project)
    found = {name: noted.get(name) for name in project_stages(project)}
    return {name: run if run and run.is_of(project) else None for name, run in found.items()}


def in_short(times: Mapping[str, RunTime | None]) -> str:
    """Return the run time of the stages in a sentence.

    Example:
        >>> run = RunTime(ended=0, seconds=65.2, cpu_seconds=100, device="CPU, 2 cores", out="a", sha256="")
        >>> in_short({"dataset": run, "logmel": None})
        '1 min 5 s of 1 of 2 stages, one after the other; 1 min 40 s of CPU; on CPU, 2 cores'
    """
    known = [run for run in times.values() if run]
    if not known:
        return ELSEWHERE
    n_stages = f"all {len(times)} stages" if len(known) == len(times) else f"{len(known)} of {len(times)} stages"
    words = [f"{duration(sum(run.seconds for run in known))} of {n_stages}, one after the other"]
    if all(run.cpu_seconds is not None for run in known):
        words.append(f"{duration(sum(run.cpu_seconds or 0 for run in known))} of CPU")
    return "; ".join([*words, f"on {' and '.join(_devices(known))}"])


def as_table(times: Mapping[str, RunTime | None]) -> str:
    """Return a table in HTML of a row a stage, folded; empty where no time is known."""
    if not any(times.values()):
        return ""
    rows = "\n".join(_row(name, run) for name, run in times.items())
    head = "".join(f'<th scope="col"{place}>{name}</th>' for name, place in COLUMNS.items())
    return (
        "<details><summary>Run time of each stage</summary>\n"
        '<div class="scroll" role="region" aria-label="Run time of each stage" tabindex="0"><table class="sortable">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>\n</details>"
    )


TEXT = ' class="text"'
COLUMNS = {"stage": "", "seconds": "", "CPU seconds": "", "computed on": TEXT, "ended": TEXT}


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(7.31), duration(65.2), duration(7325)
        ('7.3 s', '1 min 5 s', '2 h 2 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def moment(seconds: float) -> str:
    """Return a time in UTC, to the minute.

    Example:
        >>> moment(0)
        '1970-01-01 00:00 UTC'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _row(name: str, run: RunTime | None) -> str:
    """The row of a stage."""
    cells = "<td></td><td></td><td></td>" + _text_cell(ELSEWHERE)
    if run:
        cpu = "" if run.cpu_seconds is None else f"{run.cpu_seconds:.1f}"
        cells = f"<td>{run.seconds:.1f}</td><td>{cpu}</td>{_text_cell(run.device)}{_text_cell(moment(run.ended))}"
    return f'<tr><th scope="row">{escape(printable(name))}</th>{cells}</tr>'


def _text_cell(text: str) -> str:
    """A cell of words."""
    return f"<td{TEXT}>{escape(printable(text))}</td>"


def _devices(runs: Iterable[RunTime]) -> list[str]:
    """Where they computed, each once, in their order."""
    return list(dict.fromkeys(run.device for run in runs))
