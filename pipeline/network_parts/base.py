"""What every network offers, how one is found by its name, and the map `networks` of params.yaml.

A network is one folder of ``pipeline/networks``, one section of params.yaml and one line of its map ``networks``, all
of one name. The folder has four files:

- ``about.py`` loads no torch: ``PARAMS``, the class of its section, ``INPUTS`` (the stage whose arrays it reads),
  ``MODALITY``, ``WIDTH`` of a vector, ``check_inputs`` of the section of those arrays, and ``extra_facts``: what else
  than its params and weights decides a result.
- ``published.py`` loads no torch either: ``SOURCES`` of weights by name, and how their files are read: ``UNUSED``
  tensors, ``expected_shapes`` of the others, the ``tensorflow_names`` and ``keras_names`` of these, and
  ``KERAS_CHOICES``: what the section has to say of weights from Keras.
- ``random_weights.py``: ``random_state`` of a seed.
- ``network.py``: ``BATCH_SIZES`` by type of device, ``build`` from weights and params, ``rows_of`` a clip's arrays, and
  ``postprocessing`` of its vectors.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple

from pydantic import NonNegativeInt

from pipeline.errors import ParamsError
from pipeline.settings.params import PARAMS_FILE, StageParams, load_params, read_section
from pipeline.settings.paths import AnyPath

Modality = Literal["audio", "visual"]
NetworkPart = Literal["about", "published", "random_weights", "network"]


class NetworkParams(StageParams):
    """What the section of every network has; what a network adds to it decides its result.

    Attributes:
        weights: ``random``, the name of a source, or a path.
        allow_random: random weights on other data than the demo too.
        seed: of random weights.
    """

    weights: str
    allow_random: bool
    seed: NonNegativeInt

    @property
    def choices(self) -> dict[str, str | float | bool]:
        """What the section says besides where weights are from."""
        return self.model_dump(exclude=set(NetworkParams.model_fields))


class NetworkLine(StageParams):
    """One line of the map ``networks`` of params.yaml.

    Attributes:
        inputs: the stage whose out the network reads.
        modality: whose features it makes.
    """

    inputs: Literal["logmel", "frames"]
    modality: Modality


@dataclass(frozen=True, kw_only=True)
class Source:
    """One published set of weights.

    Args:
        network: the section of params.yaml that may name it.
        url: where it is published.
        file: name of its file, or of the folder that its archive is unpacked into.
        licence: what its publisher says.
        sha256: of the file, in hex; empty where it is no one file, as a module of TF-Hub.
    """

    network: str
    url: str
    file: str
    licence: str
    sha256: str = ""

    @property
    def is_on_tfhub(self) -> bool:
        """Whether it is a module of TF-Hub: an archive to unpack, fetched by TF-Hub's own library."""
        return self.url.startswith("https://tfhub.dev/")


class KerasName(NamedTuple):
    """A tensor as Keras has it.

    Attributes:
        layer: its name, such as ``layer1/conv``; or of layers that Keras names itself what their names begin with, such
            as ``conv2d``.
        place: of such a layer among those of its kind, from 0 on, as they are made; None: it has a name of its own.
        part: which tensor of the layer, such as ``kernel``.
    """

    layer: str
    place: int | None
    part: str


def network_names() -> list[str]:
    """Return the names of all networks, sorted: one a folder.

    Example:
        >>> "vggish" in network_names()
        True
    """
    return sorted(path.parent.name for path in (Path(__file__).parents[1] / "networks").glob("*/about.py"))


def network_part(name: str, part: NetworkPart) -> ModuleType:
    """Return the module ``pipeline.networks.NAME.PART``.

    Raises:
        ParamsError: there is no such network; the message lists those there are.
    """
    if name not in network_names():
        raise ParamsError(f"network {name!r}: no such network; expected one of {', '.join(network_names())}")
    return import_module(f"pipeline.networks.{name}.{part}")


def network_params(name: str, path: AnyPath = PARAMS_FILE) -> NetworkParams:
    """Return the section of a network.

    Raises:
        ParamsError: there is no such network, or its section is missing or wrong.
    """
    params: NetworkParams = load_params(name, network_part(name, "about").PARAMS, path)
    return params


def network_lines(path: AnyPath = PARAMS_FILE) -> dict[str, NetworkLine]:
    """Return the networks that embed the clips, and the line of each: ``networks`` of params.yaml.

    Raises:
        ParamsError: ``networks`` is no map from names to ``inputs`` and ``modality``, or is empty.
    """
    path = Path(path)
    value = read_section("networks", path)
    if not isinstance(value, dict) or not value:
        raise ParamsError(f"{path}: networks: {value!r}; expected NAME: {{inputs: STAGE, modality: MODALITY}}")
    return {str(name): load_params(f"networks.{name}", NetworkLine, path) for name in value}


def check_line(name: str, line: NetworkLine) -> None:
    """Refuse a line that says of a network what it is not.

    Raises:
        ParamsError: there is no such network, or it reads other inputs or is of the other modality.
    """
    about = network_part(name, "about")
    expected = NetworkLine(inputs=about.INPUTS, modality=about.MODALITY)
    if line != expected:
        raise ParamsError(f"networks.{name}: {line.model_dump()}; expected {expected.model_dump()}")
