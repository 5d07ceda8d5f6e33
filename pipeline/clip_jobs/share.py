"""A share of the clips: what one of several machines computes."""

from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import ParamsError

WHOLE = "1/1"


class Share(NamedTuple):
    """One of ``n_shares`` equal parts; ``number`` counts from 1.

    It takes every ``n_shares``-th clip, by position: the parts differ by one clip at most, and neighbours in the list,
    which tend to be of one class or recording and of one length, go to different machines.
    """

    number: int
    n_shares: int

    def of(self, clip_ids: Sequence[str]) -> Sequence[str]:
        """Return the clips of this share; all machines must be given equal lists."""
        return clip_ids[self.number - 1 :: self.n_shares]


def parse_share(text: str) -> Share:
    """Return the share that ``--shard I/N`` names.

    Raises:
        ParamsError: it is not I/N with whole numbers, 1 <= I <= N.
    """
    number, _, n_shares = text.partition("/")
    if not (number.isdecimal() and n_shares.isdecimal() and 1 <= int(number) <= int(n_shares)):
        raise ParamsError(f"--shard {text!r}; expected I/N, such as 2/4, with I from 1 to N")
    return Share(int(number), int(n_shares))
