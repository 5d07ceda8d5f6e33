"""The templates of the page, and what all of them may use."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.errors import printable
from pipeline.report import gallery, scatter
from pipeline.report.glossary import TERMS
from pipeline.report.spans import LONGEST_SECONDS
from pipeline.settings.paths import AnyPath

FOLDER = Path(__file__).with_name("templates")
PAGE = "page.html.jinja"
SCRIPT = (FOLDER / "page.js").read_text(encoding="utf-8")
DIRECTIONS = {"audio_to_visual": "sound to video", "visual_to_audio": "video to sound"}
N_REJECTS = 50
MAX_MATRIX_CLASSES = 20  # more are a list of the most frequent mistakes
SECTIONS = (  # what is there is shown in this order: name of the template and of the anchor, heading
    ("data", "What the numbers were measured on"),
    ("clips", "What the clips sound and look like"),
    ("models", "The models, best first"),
    ("precision", "Precision of the first results"),
    ("classes", "Classes"),
    ("confusion", "What is taken for what"),
    ("moments", "Where in a clip the event is"),
    ("gallery", "What was found: right and wrong"),
    ("plane", "Where sounds and videos lie"),
    ("training", "How the training went"),
    ("rejects", "Rejected clips"),
    ("settings", "What made the numbers"),
    ("glossary", "What the words mean"),
)


def render(values: Mapping[str, Any]) -> str:
    """Return the page; whatever comes from data is escaped.

    Args:
        values: what the templates name.
    """
    return _environment().get_template(PAGE).render(values)


def _environment() -> Environment:
    """Jinja with the formats of the page's numbers and its lists."""
    environment = new_environment()
    environment.globals |= {
        "directions": DIRECTIONS,
        "n_rejects": N_REJECTS,
        "max_matrix_classes": MAX_MATRIX_CLASSES,
        "shown_seconds": round(LONGEST_SECONDS),
        "sections": SECTIONS,
        "terms": TERMS,
        "bounds": gallery,
        "picture": scatter,
        "halves": gallery.halves,
    }
    environment.filters |= {"number": "{:.3f}".format, "p_value": "{:#.2g}".format, "numbered": _numbered}
    return environment


def new_environment(*folders: AnyPath) -> Environment:
    """Return Jinja that finds templates in some folders and among those of this page, whose style and script it has.

    Args:
        folders: where templates are looked for first.
    """
    environment = Environment(
        loader=FileSystemLoader([*folders, FOLDER]),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    script_hash = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    environment.globals |= {"script": SCRIPT, "script_hash": script_hash}
    return environment


def _finalize(value: object) -> object:
    """What is put into the page: of plain text no character that turns the writing's direction or is none."""
    return printable(value) if type(value) is str else value


def _numbered(average: Mapping[str, float], headline: str = "map") -> str:
    """A MAP or another number, and half the width of its interval where there is one."""
    margin = average.get(f"{headline}_margin", 0.0)
    return f"{average[headline]:.3f}" + (f" ± {margin:.3f}" if margin else "")
