"""Files that a user sends: bounded while they come in, and removed as soon as the answer is there."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio

from pipeline.errors import PipelineError
from pipeline.formats.files import ADVICE


class UploadBounds(NamedTuple):
    """What a sent file may cost.

    Attributes:
        n_bytes: size.
        seconds: length of its sound or pictures.
        picture_pixels: width times height.
        receive_seconds: from its first byte to its last.
        decode_seconds: of a process that decodes and embeds it, which is killed then.
        memory_gigabytes: that this process may take beside what it has before.
        n_waiting: files that are received or wait at a time.
    """

    n_bytes: int = 64_000_000
    seconds: float = 120.0
    picture_pixels: int = 10_000_000
    receive_seconds: float = 60.0
    decode_seconds: float = 30.0
    memory_gigabytes: float = 4.0
    n_waiting: int = 64


class UploadError(PipelineError):
    """A sent file is not taken.

    Args:
        status: of the answer, such as 413.
        problem: what is wrong, and what was expected.
    """

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status


@asynccontextmanager
async def received(
    blocks: AsyncIterator[bytes], stated: str | None, folder: Path, bounds: UploadBounds
) -> AsyncIterator[Path]:
    """Give the path of a file with all that comes in; it is removed behind the block, whatever happens.

    Args:
        blocks: as they come.
        stated: the header that says how many bytes there will be.
        folder: for the file.
        bounds: of its size, and of the seconds that it may take to come in.

    Raises:
        UploadError: it is too large, too slow or empty, or there is no room for it.
    """
    path = folder / uuid.uuid4().hex
    try:
        await _write(path, blocks, stated, bounds)
        yield path
    finally:
        path.unlink(missing_ok=True)


async def _write(path: Path, blocks: AsyncIterator[bytes], stated: str | None, bounds: UploadBounds) -> None:
    """Write what comes in, as long as it is within bounds."""
    if stated is not None and stated.isdecimal():
        _check_size(int(stated), bounds)
    try:
        with anyio.fail_after(bounds.receive_seconds):
            n_bytes = await _write_blocks(path, blocks, bounds)
    except TimeoutError as error:  # an OSError too
        expected = f"expected all of it within {bounds.receive_seconds:g} s"
        raise UploadError(408, f"the file came in too slowly; {expected}") from error
    except OSError as error:
        if error.errno not in ADVICE:
            raise
        raise UploadError(507, f"the server cannot keep the file ({error.strerror}); expected room there") from error
    if n_bytes == 0:
        raise UploadError(422, "the file is empty; expected sound or pictures")


async def _write_blocks(path: Path, blocks: AsyncIterator[bytes], bounds: UploadBounds) -> int:
    """Write blocks as they come; how many bytes they were."""
    n_bytes = 0
    async with await anyio.open_file(path, "xb") as file:
        async for block in blocks:
            n_bytes += len(block)
            _check_size(n_bytes, bounds)
            await file.write(block)
    return n_bytes


def _check_size(n_bytes: int, bounds: UploadBounds) -> None:
    if n_bytes > bounds.n_bytes:
        raise UploadError(413, f"the file has {n_bytes} bytes or more; expected at most {bounds.n_bytes}")
