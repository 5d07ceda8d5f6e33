"""How much memory a process that decodes may take: what asks for more gets a MemoryError and hurts no other process."""

import resource
from pathlib import Path

from pipeline.settings.paths import AnyPath

STATM = "/proc/self/statm"  # the size of this process in pages, on Linux


def limit_memory(gigabytes: float, statm: AnyPath = STATM) -> None:
    """Let this process take so much address space beside what it has; a lower limit that it is under stays.

    Address space that libraries have mapped by now is not counted: with torch it is gigabytes that no memory stands
    behind. Where the system does not say how much that is, no limit is set.

    Args:
        gigabytes: of 10^9 bytes.
        statm: where Linux says how large the process is.
    """
    try:
        n_pages = int(Path(statm).read_text(encoding="ascii").split()[0])
    except OSError:
        return
    wanted = n_pages * resource.getpagesize() + int(gigabytes * 1e9)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    allowed = [limit for limit in (wanted, soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(allowed), hard))
