"""Folders written whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from pipeline.formats.files import disk_errors
from pipeline.settings.paths import AnyPath


@contextmanager
def replacing_folder(path: AnyPath) -> Iterator[Path]:
    """Give an empty folder, which takes the place of another after the block; after an error, nothing has changed.

    Example:
        >>> with replacing_folder("encoder") as folder:
        ...     _ = (folder / "config.json").write_text("{}")
        >>> [file.name for file in Path("encoder").iterdir()]
        ['config.json']
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        around = Path(mkdtemp(dir=path.parent, prefix=f".{path.name}."))
        try:
            new, old = around / "new", around / "old"
            new.mkdir()  # with the permissions that folders have here, which mkdtemp's has not
            yield new
            if path.exists():
                path.rename(old)
            new.rename(path)
        finally:
            shutil.rmtree(around, ignore_errors=True)
