"""What later stages would refuse is refused before hours of decoding."""

from pipeline.dataset.base import source_module
from pipeline.errors import ParamsError
from pipeline.features.clip_vectors import FeaturesParams, check_audio_scaling, check_modalities
from pipeline.model_parts.base import model_names
from pipeline.network_parts.base import (
    NetworkLine,
    NetworkParams,
    check_line,
    network_lines,
    network_params,
    network_part,
)
from pipeline.settings.environment import chosen_workers, flag, variable
from pipeline.settings.params import load_params, model_sections, read_section
from pipeline.settings.progress import chosen_style
from pipeline.weights import check_random_allowed
from pipeline.weights.sources import RANDOM

SWITCHES = ("AVR_OFFLINE", "AVR_RETRY_REJECTED")


def check_environment() -> None:
    """Refuse environment variables that a later stage would refuse, before anything is computed.

    Raises:
        ParamsError: one of them says what it cannot, such as a device that this machine does not have.
    """
    for name in SWITCHES:
        flag(name)
    chosen_workers(), chosen_style()
    if variable("AVR_ENGINE"):
        from pipeline.clip_jobs.engines import chosen_engine

        chosen_engine()
    if variable("AVR_DEVICE"):
        from pipeline.settings.device import chosen_device

        chosen_device()


def check_main_job(source: str) -> None:
    """Refuse what the stages after `dataset` would refuse: models always, networks where the source has videos.

    Args:
        source: ``dataset.source``.

    Raises:
        DataError, ParamsError: as ``check_models``, ``check_networks`` and ``source_module`` do.
    """
    check_models()
    if hasattr(source_module(source), "find_clips"):
        check_networks(source)


def check_networks(source: str) -> None:
    """Refuse or fetch what the networks need, and refuse features that they cannot give.

    Args:
        source: ``dataset.source``.

    Raises:
        DataError: a file of weights or another one that a network needs is missing or damaged.
        ParamsError: a section does not fit its network, or weights cannot be fetched.
    """
    lines = network_lines()
    features = load_params("features", FeaturesParams)
    check_modalities(features, lines)
    params = {name: network_params(name) for name in lines}
    for name, line in lines.items():
        _check_network(name, line, params[name], source)
    check_audio_scaling(features, getattr(params[features.audio], "postprocess", None))


def check_models() -> None:
    """Refuse models that no stage could train, before anything else is computed.

    Raises:
        ParamsError: ``models`` of params.yaml is no map, or names a model or a section that is not there.
    """
    for name, section in model_sections().items():
        if name not in model_names():
            raise ParamsError(f"params.yaml: models: no model {name!r}; expected one of {', '.join(model_names())}")
        if not isinstance(read_section(section), dict):
            raise ParamsError(f"params.yaml: {section}: no section of key: value; expected the parameters of {name}")


def _check_network(name: str, line: NetworkLine, params: NetworkParams, source: str) -> None:
    """Refuse one network that would not run, and fetch its weights."""
    check_line(name, line)
    check_random_allowed(name, params.weights, params.allow_random, source)
    if params.weights != RANDOM:
        from pipeline.weights.store import fetch_if_missing

        fetch_if_missing(name, params.weights)
    section = read_section(line.inputs)
    if not isinstance(section, dict):
        raise ParamsError(f"params.yaml: {line.inputs}: {section!r}; expected a section of key: value")
    about = network_part(name, "about")
    about.check_inputs(section)
    about.extra_facts(params)
