"""What environment variables say: folders, workers, device, engine. None of it changes the answer."""

import os
from pathlib import Path

from platformdirs import user_cache_path

from pipeline.errors import ParamsError
from pipeline.settings.notices import tell_once

NODES_OF_GPUS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/kfd")  # NVIDIA's, Windows's for Linux, AMD's
APP = "dual-subspace-retrieval"
PREFIX = "AVR_"
STORES = ("s3", "gs", "gcs", "az", "abfs", "abfss")  # protocols of object stores that machines share
FILE_URL = "file://"
ALSO_WITHOUT_PREFIX = ("DEVICE", "WORKERS", "ENGINE", "CACHE_DIR", "WEIGHTS_DIR", "OFFLINE", "RETRY_REJECTED")


def variable(name: str) -> str:
    """Return the text of an environment variable of this project; empty where it is not set.

    Those of ALSO_WITHOUT_PREFIX are read without their prefix too, where the full name says nothing; a line on stderr
    tells so, once a process.

    Args:
        name: with its prefix, such as ``AVR_DEVICE``.
    """
    short = name.removeprefix(PREFIX)
    if text := os.environ.get(name):
        return text
    if short not in ALSO_WITHOUT_PREFIX or not (text := os.environ.get(short)):
        return ""
    tell_once(f"{short} is an old name and still works; its name is {name}")
    return text


def set_variable(name: str, text: str) -> None:
    """Give an environment variable of this project another value in this process.

    Args:
        name: with its prefix, such as ``AVR_DEVICE``.
        text: what `variable` says from now on.
    """
    os.environ[name] = text


def flag(name: str) -> bool:
    """Return whether an environment variable switches something on: 1 does; 0 and nothing do not.

    Args:
        name: with its prefix, such as ``AVR_OFFLINE``.

    Raises:
        ParamsError: it says something else.
    """
    text = variable(name)
    if text not in {"", "0", "1"}:
        raise ParamsError(f"{name}={text!r}; expected 1 or 0")
    return text == "1"


def cache_folder() -> Path:
    """Return the folder for everything that can be computed again: $AVR_CACHE_DIR, or one in the user's cache folder.

    Where AVR_CACHE_DIR is the URL of an object store, finished clips lie there, and all else in the user's folder.

    Raises:
        ParamsError: AVR_CACHE_DIR is a file or begins with the home of a user who has none, or a URL that is no object
            store's; or it is not set, and this user has no home.
    """
    folder = None if cache_url() else _folder("AVR_CACHE_DIR")
    return folder or _user_folder("AVR_CACHE_DIR")


def cache_url() -> str:
    """Return the URL of $AVR_CACHE_DIR, without a slash at its end, where it is that of an object store; else "".

    Raises:
        ParamsError: it is a URL of another kind.
    """
    text = variable("AVR_CACHE_DIR")
    protocol, mark, rest = text.partition("://")
    if not mark or text.startswith(FILE_URL):
        return ""
    if protocol not in STORES or not rest.strip("/"):
        names = ", ".join(STORES)
        raise ParamsError(
            f"AVR_CACHE_DIR={text!r}; expected a folder, or PROTOCOL://BUCKET/PREFIX with one of: {names}"
        )
    return text.rstrip("/")


def finished_clips(stage: str) -> str:
    """Return where the finished clips of a stage are kept: a folder, or the URL of one.

    Raises:
        ParamsError: as ``cache_folder``.
    """
    return f"{cache_url() or cache_folder()}/clips/{stage}"


def weights_folder() -> Path:
    """Return the folder for weights: $AVR_WEIGHTS_DIR, or one in the user's cache folder.

    Raises:
        ParamsError: as `cache_folder`, of AVR_WEIGHTS_DIR.
    """
    return _folder("AVR_WEIGHTS_DIR") or _user_folder("AVR_WEIGHTS_DIR") / "weights"


def may_have_gpu() -> bool:
    """Return whether to ask torch for a GPU, for two seconds: not where AVR_DEVICE is cpu, or no driver is seen."""
    asked = variable("AVR_DEVICE")
    return asked != "cpu" and (bool(asked) or any(Path(node).exists() for node in NODES_OF_GPUS))


def chosen_workers() -> int:
    """Return how many clips to work on at a time: $AVR_WORKERS, or one for each core that this process may use.

    Raises:
        ParamsError: AVR_WORKERS is not a whole number above 0.
    """
    return _whole_number("AVR_WORKERS") or n_cores()


def chosen_network_workers() -> int:
    """Return in how many processes a network runs: $AVR_NETWORK_WORKERS; 0: it does not say.

    Raises:
        ParamsError: AVR_NETWORK_WORKERS is not a whole number above 0.
    """
    return _whole_number("AVR_NETWORK_WORKERS")


def _whole_number(name: str) -> int:
    """The number above 0 that a variable says; 0: it is not set."""
    text = variable(name)
    if text and (not text.isdecimal() or int(text) < 1):
        raise ParamsError(f"{name}={text!r}; expected a whole number above 0")
    return int(text or 0)


def _folder(name: str) -> Path | None:
    """The folder that a variable names, absolute, as workers of a cluster may be in another one; None: not set."""
    text = variable(name)
    if not text:
        return None
    if "://" in text.removeprefix(FILE_URL):
        raise ParamsError(f"{name}={text!r}; expected a folder")
    try:
        folder = Path(text.removeprefix(FILE_URL)).expanduser().absolute()
    except RuntimeError as error:
        raise ParamsError(f"{name}={text!r}: {error}; expected a folder") from error
    if os.path.lexists(folder) and not folder.is_dir():
        raise ParamsError(f"{name}={text!r}: no folder, but something else of that name; expected a folder")
    return folder


def _user_folder(name: str) -> Path:
    """The folder in the user's cache folder, for where a variable is not set."""
    try:
        return user_cache_path(APP, appauthor=False)
    except RuntimeError as error:
        raise ParamsError(f"{name} is not set, and this user has no home; expected a folder in {name}") from error


def n_cores() -> int:
    """Return the cores that this process may use: of a machine of a cluster, a job may have but a few."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
