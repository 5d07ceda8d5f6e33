"""What a path may be given as."""

import os
from typing import TypeAlias

AnyPath: TypeAlias = str | os.PathLike[str]
