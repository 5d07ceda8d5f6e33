"""The folder of weights: of each set one safetensors file, and a JSON file beside it that says where it is from."""

from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pipeline.errors import DataError, in_words
from pipeline.formats.files import cache_errors
from pipeline.formats.provenance import Provenance
from pipeline.network_parts.base import Source
from pipeline.settings.environment import weights_folder
from pipeline.settings.paths import AnyPath
from pipeline.settings.regular_files import check_regular
from pipeline.weights import is_kept, kept_file, provenance, state_sha256
from pipeline.weights.download import download
from pipeline.weights.readers import State, read_any_weights, read_weights
from pipeline.weights.records import EXPECTED, Record, content_sha256, new_record, read_record, record_text
from pipeline.weights.sources import RANDOM, SOURCES
from pipeline.weights.unfinished import unfinished_folder


def kept_files() -> list[Path]:
    """Return the files of all sets that are there."""
    return sorted(weights_folder().glob("*.*.safetensors"))


def load_or_make(
    network: str, weights: str, seed: int, random_state: Callable[[int], State]
) -> tuple[State, Provenance]:
    """Return the weights that params.yaml names, fetched or converted on the spot where they have not been yet.

    Args:
        network: its name.
        weights: the section's ``weights``: ``random``, the name of a source or of imported weights, or a path.
        seed: of random weights.
        random_state: makes random weights of a seed.

    Returns:
        The state dict, and what metrics.json says about it: ``weights`` (of a path, the file's name and the start of
        its SHA-256), ``sha256`` of the tensors, and either ``seed``, or ``url`` and ``licence``.

    Raises:
        DataError: a file is damaged, or holds something else.
        ParamsError: the weights are not there and cannot be fetched.
    """
    if weights == RANDOM:
        state = random_state(seed)
        return state, provenance(weights, state, seed=seed)
    name = kept_name(network, weights)
    state, record = read(kept_file(network, name))
    return state, provenance(name, state, url=record["url"], licence=record["licence"])


def kept_name(network: str, weights: str) -> str:
    """Return the name under which the weights that params.yaml names are kept, fetched or imported if need be.

    Raises:
        DataError, ParamsError: as `load_or_make`.
    """
    if weights not in SOURCES and not is_kept(network, weights):
        return import_file(network, Path(weights))
    fetch_if_missing(network, weights)
    return weights


def fetch_if_missing(network: str, weights: str) -> None:
    """Fetch the weights that params.yaml names where they are those of a source and not in the folder yet.

    Raises:
        DataError, ParamsError: as `fetch`.
    """
    if weights in SOURCES and not kept_file(network, weights).exists():
        fetch(weights)


def fetch(name: str, brought: AnyPath | None = None) -> None:
    """Keep the weights of a source.

    Args:
        name: of a source.
        brought: its file; None: the file of that name in the weights folder, or else the one on the network.

    Raises:
        DataError: the file is not the one that was published.
        ParamsError: it cannot be fetched; the message says what to bring by hand.
    """
    source, folder = SOURCES[name], weights_folder()
    by_hand = folder / source.file
    with cache_errors(folder), unfinished_folder(folder) as temporary:
        path = Path(brought or (by_hand if by_hand.exists() else download(source, temporary, by_hand)))
        digest = _checked_digest(source, path)
        _keep(kept_file(source.network, name), read_weights(source.network, path), source, name, digest)


def import_file(network: str | None, path: AnyPath, licence: str = "", url: str = "") -> str:
    """Keep the weights of a file and return their name; a file that has been imported before is not read again.

    Args:
        network: whose weights they must be; None: told by what is in the file.
        path: see `readers.read_weights`.
        licence: what their publisher says; a source has its own.
        url: where they are published. What is noted already stays unless one of both is given.

    Raises:
        DataError: the file is damaged or holds something else, or has the name of a published one, but not its bytes.
    """
    path = Path(path)
    published = (source for source in SOURCES.values() if source.file == path.name and source.sha256)
    said = Source(network=network or "", url=url, file=path.name, licence=licence or "unknown")
    source = next(published, said)
    digest = _checked_digest(source, path)
    name = f"{path.stem}-{digest[:12]}"
    if network and kept_file(network, name).exists() and not licence and not url:
        return name
    network, state = (network, read_weights(network, path)) if network else read_any_weights(path)
    _keep(kept_file(network, name), state, source, path.name, digest)
    return name


def read(path: AnyPath) -> tuple[State, Record]:
    """Return a kept set and its record.

    Raises:
        DataError: the set is damaged, or is not what the record is about; or the record is none of this set.
    """
    path = Path(path)
    record = read_record(path)
    try:
        check_regular(path, follow_link=False)
        state: State = load_file(path)
    except (OSError, DataError, SafetensorError) as error:
        raise DataError(f"{path}: {in_words(error)}; {EXPECTED}") from error
    digest, noted = state_sha256(state), record["state_sha256"]
    if digest != noted:
        raise DataError(f"{path}: its tensors have SHA-256 {digest[:12]}, noted is {noted[:12]}; {EXPECTED}")
    return state, record


def _checked_digest(source: Source, path: Path) -> str:
    digest = content_sha256(path)
    if source.sha256 not in ("", digest):
        problem = f"its SHA-256 begins with {digest[:8]}"
        raise DataError(f"{path}: {problem}; expected {source.sha256}, as {source.url} was published")
    return digest


def _keep(path: Path, state: State, source: Source, file: str, digest: str) -> None:
    """Write both files or none; the tensors go first and come last, as it is they that are looked for."""
    text = record_text(new_record(path, source, file, digest, state_sha256(state)))
    with cache_errors(path), unfinished_folder(path.parent) as temporary:
        tensors, note = temporary / "tensors", temporary / "note"
        save_file(state, tensors)
        note.write_text(text, encoding="utf-8")
        tensors.chmod(note.stat().st_mode)  # safetensors makes it private, but a folder of weights may be shared
        path.unlink(missing_ok=True)
        note.replace(path.with_suffix(".json"))
        tensors.replace(path)
