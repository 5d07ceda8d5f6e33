"""README.md of an encoder's folder: a model card in the form of the Hugging Face Hub."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline.encoder.config import EncoderConfig
from pipeline.errors import printable
from pipeline.formats.headlines import headline_of_report
from pipeline.weights.sources import RANDOM

TEMPLATE = "card.md.jinja"
WAYS = {"audio_to_visual": "sound to video", "visual_to_audio": "video to sound", "average": "average of both"}


def card_text(config: EncoderConfig, has_weights: bool = False) -> str:
    """Return the model card of an encoder, a function of its arguments alone.

    Args:
        config: the content of its config.json.
        has_weights: whether the networks' weights are copied into the folder.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["plain"] = plain
    return environment.get_template(TEMPLATE).render(
        config=config,
        dataset=config.provenance["dataset"],
        made=config.provenance["provenance"],
        n_rejected=config.provenance["rejected"],
        chance=config.metrics["chance"],
        ways={way: words for way, words in WAYS.items() if way in config.metrics["model"]},
        metrics=config.metrics["model"],
        licence="other" if has_weights and _published(config) else "mit",
        has_weights=has_weights,
        is_random=[network.name for network in config.networks.values() if network.facts["weights"] == RANDOM],
        headline=(headline := headline_of_report(config.provenance)),
        interval=interval(config.metrics["model"]["average"], headline),
        number=number,
    )


def interval(average: Mapping[str, Any], headline: str = "map") -> str:
    """Return half the width of the 95 % interval of a MAP over the seeds, in words.

    Args:
        average: the numbers of a model.
        headline: another one of them than the MAP.

    Example:
        >>> interval({"map": 0.7253, "map_margin": 0.0311}), interval({"mrr": 0.7253}, "mrr")
        ('0.725 ± 0.031', '0.725')
    """
    margin = average.get(f"{headline}_margin")
    return number(average[headline]) + (f" ± {number(margin)}" if margin is not None else "")


def plain(name: object) -> str:
    r"""Return a name of a data set in which Markdown means nothing.

    Example:
        >>> print(plain("a|b <i>"))
        a\|b \<i\>
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~!-])", r"\\\1", printable(str(name)))


def number(value: float) -> str:
    """Return a metric as the card shows it, three digits after the point."""
    return f"{value:.3f}"


def _published(config: EncoderConfig) -> list[str]:
    """The networks whose weights somebody published, under terms of their own."""
    return [network.name for network in config.networks.values() if network.facts["weights"] != RANDOM]
