"""The server itself: its folder for sent files, its processes, its port; all of it ends with the program."""

import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import uvicorn

from pipeline.errors import ParamsError
from pipeline.formats.temporary import ended_in_order_by_sigterm, temporary_folder
from pipeline.search.index import Index
from pipeline.search.page.access import checked_door
from pipeline.search.page.app import make_app
from pipeline.search.page.queries import Service
from pipeline.search.page.tracks import OneTrack, compares_sources
from pipeline.search.page.uploads import UploadBounds
from pipeline.search.page.worker import EncoderElsewhere
from pipeline.search.query import Searcher

CONNECTIONS = 512  # at a time; those beyond get 503
DEFAULT_BOUNDS = UploadBounds()
IDLE_SECONDS = 10  # of a connection between two requests


class ServerOptions(NamedTuple):
    """What the command line says.

    Attributes:
        index_folder: of the index, or its URI.
        encoder_folder: of the encoder that made it.
        host: address to listen on.
        port: to listen on; 0: a free one.
        token: what users have to know; None: nothing.
        names: further names that browsers may call the server by.
        n_workers: processes that decode sent files.
        separation: folder of a task whose separator gives the sounds of tracks; None: none does.
    """

    index_folder: str
    encoder_folder: Path
    host: str
    port: int
    token: str | None
    names: Sequence[str]
    n_workers: int
    separation: Path | None = None


def run_server(options: ServerOptions, bounds: UploadBounds = DEFAULT_BOUNDS) -> None:
    """Serve the page until Ctrl-C or SIGTERM.

    Args:
        options: what the command line says.
        bounds: of a sent file.

    Raises:
        DataError: there is no index or no encoder, another encoder made the index, or the separator is not trained.
        ParamsError: the address needs a token, or is taken, or the separator cannot be used.
    """
    door = checked_door(options.host, options.token, options.names)
    index = Index.open(options.index_folder)
    compares = compares_sources(options.separation) if options.separation else None
    with (
        ended_in_order_by_sigterm(),
        temporary_folder("avr-serve-") as uploads,
        _listening(options.host, options.port) as port,
    ):
        encoder = EncoderElsewhere(options.encoder_folder, bounds, options.n_workers, options.separation)
        with closing(encoder):
            one_track = None if compares is None else OneTrack(encoder.track_wav, compares)
            service = Service(Searcher(index, encoder), uploads, bounds, one_track)
            number = port.getsockname()[1]
            shown = f"[{options.host}]" if ":" in options.host else options.host
            what = f"{len(index)} rows of {options.index_folder}"
            print(f"http://{shown}:{number} serves {what}; Ctrl-C ends it", flush=True)
            config = uvicorn.Config(
                make_app(service, door, number),
                access_log=False,
                log_level="warning",
                server_header=False,
                limit_concurrency=CONNECTIONS,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=5,
                lifespan="off",
            )
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[port])


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens on an address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ParamsError(f"--host {host} --port {port}: {error.strerror}; expected an address of this machine and a "
                          "free port") from error  # fmt: skip
