"""What a measurement depends on beside the code: the kind of processor, and the versions of what was measured."""

import platform
import re
from pathlib import Path

from benchmarks.bench.turns import version_of

CPUINFO = Path("/proc/cpuinfo")
ALWAYS = ("numpy", "scipy", "torch", "av", "dvc")


def kind_of(cpuinfo: str) -> str:
    r"""Return the kind of the processor that /proc/cpuinfo tells of; only within a kind are ratios compared.

    >>> kind_of("vendor_id : AuthenticAMD\ncpu family : 25\nflags : fpu avx2 avx512f")
    'AMD family 25, AVX-512'
    >>> kind_of("vendor_id : GenuineIntel\ncpu family : 6\nflags : fpu avx2")
    'Intel family 6, AVX2'
    """
    vendor, family, flags = (_first(name, cpuinfo) for name in ("vendor_id", "cpu family", "flags"))
    if not vendor:
        return platform.machine()
    maker = {"AuthenticAMD": "AMD", "GenuineIntel": "Intel"}.get(vendor, vendor)
    vectors = next((said for flag, said in _VECTORS.items() if flag in flags.split()), "no AVX2")
    return f"{maker} family {family}, {vectors}"


def this_kind() -> str:
    r"""Return the kind of the processor that this runs on."""
    return kind_of(_cpuinfo())


def processor() -> str:
    """Return what the processor calls itself, with its model number."""
    text = _cpuinfo()
    return f"{_first('model name', text)}, model {_first('model', text)}" if text else platform.processor()


def versions(needed: set[str]) -> dict[str, str]:
    """Return the versions of Python, of what is always measured, and of the peers that are installed."""
    found = {name: version_of(name) for name in sorted({*ALWAYS, *needed})}
    return {"python": platform.python_version(), **{name: said for name, said in found.items() if said}}


_VECTORS = {"avx512f": "AVX-512", "avx2": "AVX2"}


def _cpuinfo() -> str:
    """The system's file about its processors, empty where there is none."""
    return CPUINFO.read_text(encoding="utf-8") if CPUINFO.exists() else ""


def _first(name: str, cpuinfo: str) -> str:
    """The first value of a name."""
    found = re.search(rf"^{name}\s*: (.*)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else ""
