"""Lines for the person who runs a command, each said once."""

import sys
from functools import cache


@cache
def tell_once(line: str) -> None:
    """Print a line to stderr, the first time that it is asked for in a process."""
    print(line, file=sys.stderr)
