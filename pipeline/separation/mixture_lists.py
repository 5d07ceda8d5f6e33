"""The lists of mixtures of a task: those of validation are drawn, those of test are drawn or published."""

from pathlib import Path
from typing import NamedTuple

from pipeline.formats.clips import read_clips, read_root
from pipeline.separation.drawing import draw_mixtures
from pipeline.separation.heard import APART_SECONDS, HELD_SECONDS, HeardClips
from pipeline.separation.listed import ListedMixtures, paired_mixtures, ready_mixtures
from pipeline.separation.mixtures import Mixture, MixturesParams
from pipeline.separation.pairs import read_written_pairs
from pipeline.settings.paths import AnyPath


class MixtureLists(NamedTuple):
    """All mixtures of a task but those of training, and what is counted of their making.

    Attributes:
        mixtures: of validation and test.
        counts: ``n_quiet_draws`` of each split that is drawn; ``n_film_ends_early``, clips that are ``shortened`` to
            their film, and those that are left out since they are ``too_short`` then; ``n_listed_left_out`` of a
            published list, by reason.
        warnings: what a user has to know, in words.
    """

    mixtures: list[Mixture]
    counts: dict[str, dict[str, int]]
    warnings: list[str]


def make_lists(clips: HeardClips, clips_csv: AnyPath, pairs_csv: AnyPath, params: MixturesParams) -> MixtureLists:
    """Return the mixtures of validation and test.

    Args:
        clips: those that can be mixed.
        clips_csv: all clips of the data set.
        pairs_csv: the pairs of a published list, as the stage `clips` wrote them; without rows where there is none.
        params: section ``mixtures``.

    Raises:
        DataError: there are too few sources, or the published list does not fit the data set.
    """
    splits = ("validation",) if params.is_listed else ("validation", "test")
    drawn = {
        split: draw_mixtures(split, clips.of_split(split), clips.sound, clips.facts.rate, params) for split in splits
    }
    mixtures = [mixture for of_split in drawn.values() for mixture in of_split.mixtures]
    early = [name for name in clips.clips if _is_early(*clips.ends(name), HELD_SECONDS)]
    counts = {
        "n_quiet_draws": {split: of_split.n_quiet for split, of_split in drawn.items()},
        "n_film_ends_early": {"shortened": len(early), "too_short": len(clips.too_short)},
    }
    if params.is_listed:
        listed = _listed(clips, Path(clips_csv), Path(pairs_csv), params)
        mixtures += listed.mixtures
        counts["n_listed_left_out"] = {"missing": listed.n_missing, "quiet": listed.n_quiet}
    return MixtureLists(mixtures, counts, _warnings(clips))


def _is_early(heard: float, seen: float, seconds: float) -> bool:
    """Whether a film ends by more than some seconds before its sound."""
    return seen + seconds < heard


def _warnings(clips: HeardClips) -> list[str]:
    """What is said of clips whose sound and film end far apart, and of those that are left out for it."""
    apart = {name: clips.ends(name) for name in sorted([*clips.clips, *clips.too_short])}
    far = {name: ends for name, ends in apart.items() if abs(ends[0] - ends[1]) > APART_SECONDS}
    if not far:
        return []
    name, (heard, seen) = next(iter(far.items()))
    left_out = f" ({len(clips.too_short)} are left out, too short then)" if clips.too_short else ""
    return [
        f"{len(far)} of {len(apart)} clips: sound and film end more than {APART_SECONDS:g} s apart, and are used as "
        f"far as both go{left_out}; {name} has {heard:.3g} s of sound, {seen:.3g} s of film"
    ]


def _listed(clips: HeardClips, clips_csv: Path, pairs_csv: Path, params: MixturesParams) -> ListedMixtures:
    """The test mixtures of a published list."""
    if params.pairs:
        return paired_mixtures(read_written_pairs(pairs_csv), clips.clips, clips.sound, clips.facts.rate, params)
    test = [clip for clip in read_clips(clips_csv) if clip.split == "test"]
    return ready_mixtures(test, clips.clips, read_root(clips_csv), clips.sound, clips.facts.rate)
