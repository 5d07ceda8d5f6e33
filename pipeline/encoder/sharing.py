"""Handing an encoder on: a copy with the networks' weights in it, and repositories of the Hugging Face Hub."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from pipeline.encoder.backbones import WEIGHTS, FoundWeights, packed_file
from pipeline.encoder.card import card_text
from pipeline.encoder.config import CARD, CONFIG, TENSORS, read_config
from pipeline.errors import DataError, ParamsError, PipelineError
from pipeline.formats.files import replacing_folder
from pipeline.settings.environment import flag
from pipeline.settings.paths import AnyPath

if TYPE_CHECKING:
    from pipeline.weights.readers import State

FILES = (CONFIG, TENSORS, CARD)
PATTERNS = [*FILES, f"{WEIGHTS}/*.safetensors"]


def pack(folder: AnyPath, out: AnyPath, with_weights: bool) -> None:
    """Write a copy of an encoder's folder, whole or not at all.

    Args:
        folder: of the encoder.
        out: the folder to write; one that is there is replaced if it is an encoder too.
        with_weights: copy the weights of its networks into it, so that it needs nothing of another machine.

    Raises:
        DataError: the folder is damaged, weights are nowhere to be found, or something else lies at ``out``.
        ParamsError: weights are not here and cannot be fetched.
    """
    folder, out = Path(folder), Path(out)
    config = read_config(folder)
    _check_replaceable(out)
    with replacing_folder(out) as new:
        for name in (CONFIG, TENSORS):
            shutil.copyfile(folder / name, new / name)
        for network in config.networks.values() if with_weights else ():
            _write_weights(FoundWeights(network, folder).state, packed_file(new, network.name))
        (new / CARD).write_text(card_text(config, with_weights), encoding="utf-8")


def push(folder: AnyPath, repo: str, private: bool = False) -> str:
    """Upload an encoder to a repository of the Hub, which is made if it is missing; return its address.

    Args:
        folder: of the encoder; nothing but its own files is sent.
        repo: ``USER/NAME``.
        private: of a new repository, whether only its owner sees it.

    Raises:
        DataError: the folder is damaged.
        ParamsError: the extra ``hub`` is not installed, or the Hub cannot be reached or refuses.
    """
    read_config(folder)
    with _hub(repo) as hub:
        api = hub.HfApi()
        url = api.create_repo(repo, private=private, exist_ok=True)
        message = "An encoder of dual-subspace-retrieval"
        api.upload_folder(repo_id=repo, folder_path=str(folder), allow_patterns=PATTERNS, commit_message=message)
    return str(url)


def pull(repo: str, folder: AnyPath, revision: str | None = None) -> None:
    """Fetch an encoder from a repository of the Hub; a folder takes its place only once it is whole.

    Args:
        repo: ``USER/NAME``.
        folder: the folder to write; one that is there is replaced if it is an encoder too.
        revision: branch, tag or commit; None: the newest.

    Raises:
        DataError: what arrived is no encoder, or something else lies at ``folder``.
        ParamsError: the extra ``hub`` is not installed, or the Hub cannot be reached or has no such repository.
    """
    folder = Path(folder)
    _check_replaceable(folder)
    with replacing_folder(folder) as new:
        with _hub(repo) as hub:
            hub.snapshot_download(repo, revision=revision, local_dir=str(new), allow_patterns=PATTERNS)
        shutil.rmtree(new / ".cache", ignore_errors=True)  # the Hub's own notes of what it fetched
        try:
            read_config(new)
        except DataError as error:
            raise DataError(f"{repo}: {str(error).replace(f'{new}/', '')}") from error


@contextmanager
def _hub(repo: str) -> Iterator[ModuleType]:
    """Give the Hub's library, whose errors become one line."""
    if flag("AVR_OFFLINE"):
        raise ParamsError(f"{repo}: AVR_OFFLINE=1; expected a network, or a folder that was copied by hand")
    try:
        import huggingface_hub
    except ImportError as error:
        raise ParamsError(f"{repo}: needs huggingface_hub; expected it: pip install -e '.[hub]'") from error
    from httpx import HTTPError
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        yield huggingface_hub
    except PipelineError:
        raise
    except (HTTPError, HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        problem = " ".join(str(error).split()) or type(error).__name__
        expected = "a repository USER/NAME of the Hub, and for one's own a token: `hf auth login` or HF_TOKEN"
        raise ParamsError(f"{repo}: {problem}; expected {expected}") from error


def _check_replaceable(path: Path) -> None:
    """Refuse to put an encoder in the place of anything else."""
    is_free = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    if path.is_symlink() or not (is_free or (path / CONFIG).is_file()):
        raise DataError(f"{path}: there is something else; expected an encoder to replace, an empty folder or nothing")


def _write_weights(state: "State", path: Path) -> None:
    """A network's tensors, for all who may read the folder."""
    from safetensors.torch import save_file

    path.parent.mkdir(exist_ok=True)
    path.touch()
    mode = path.stat().st_mode
    save_file(state, path)
    path.chmod(mode)
