import pytest

from pipeline.clip_jobs.share import Share, parse_share
from pipeline.errors import ParamsError


def test_shares_are_disjoint_whole_and_balanced() -> None:
    clip_ids = [str(number) for number in range(11)]
    shares = [parse_share(f"{number}/4").of(clip_ids) for number in range(1, 5)]
    assert sorted(clip_id for share in shares for clip_id in share) == sorted(clip_ids)
    assert sorted(map(len, shares)) == [2, 3, 3, 3]
    assert parse_share("1/1").of(clip_ids) == clip_ids
    assert parse_share("2/4") == Share(2, 4)


@pytest.mark.parametrize("text", ["0/4", "5/4", "a/4", "4/a", "3", "/", "1/", "-1/4", "1/2/3", ""])
def test_a_share_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ParamsError, match=f"--shard '{text}'; expected I/N, such as 2/4, with I from 1 to N"):
        parse_share(text)
