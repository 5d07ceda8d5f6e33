"""Which clips are finished or refused already, and which are computed: equal bytes once, whatever they are called."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from pipeline.clip_jobs.cache import ClipCache, Entry
from pipeline.errors import ClipError
from pipeline.settings.environment import flag
from pipeline.settings.limits import Limits
from pipeline.settings.progress import progress

Compute: TypeAlias = Callable[[Sequence[str]], Iterable[tuple[str, ClipError | None]]]  # None: it is in the cache now
OF_ONE_FILE = ("changed", "unreadable")  # kinds that say nothing of another file with the same bytes


class Settled(NamedTuple):
    """What became of clips: their arrays are in the cache, or here is why they cannot be used.

    Attributes:
        n_computed: how many were computed for it.
        refused: by clip, why it cannot be used.
    """

    n_computed: int
    refused: dict[str, ClipError]


class Settler(NamedTuple):
    """What it takes to settle the clips of a stage.

    Attributes:
        stage: its name, for the progress bar.
        cache: where finished clips are looked up and kept.
        inputs: the input hash of every clip.
        compute: puts the results of clips into the cache.
        limits: those of today; a refusal that names another value is none. None: refusals name none.
    """

    stage: str
    cache: ClipCache
    inputs: Mapping[str, str]
    compute: Compute
    limits: Limits | None

    def settle(self) -> Settled:
        """Look all clips up, and compute those of which the cache knows nothing."""
        entries = self.cache.look_up_all(self.inputs)
        todo = [clip_id for clip_id, entry in entries.items() if self._is_to_compute(entry)]
        n_computed, refused = self.compute_once(todo)
        for clip_id, entry in entries.items():
            if entry.refusal is not None and not self._is_to_compute(entry):
                refused[clip_id] = entry.refusal
        return Settled(n_computed, refused)

    def compute_once(self, clip_ids: Sequence[str]) -> Settled:
        """Compute clips, those of equal bytes once, show how far it is, and return which of them are refused."""
        left, n_computed, refused = list(clip_ids), 0, dict[str, ClipError]()
        with progress(self.stage, len(self.inputs), "clip", done=len(self.inputs) - len(left)) as advance:
            while left:
                by_input, left = self._by_input(left), []
                for first, error in self.compute([clip_ids[0] for clip_ids in by_input.values()]):
                    n_computed += 1
                    settled = by_input[self._key(first)]
                    if error is not None and error.kind in OF_ONE_FILE:
                        left += settled[1:]
                        settled = settled[:1]
                    for clip_id in settled:
                        if error is not None:
                            refused[clip_id] = ClipError(clip_id, error.kind, error.problem, error.expected)
                        advance()
        return Settled(n_computed, refused)

    def _by_input(self, clip_ids: Iterable[str]) -> dict[str, list[str]]:
        """The clips that share an input, by a key for it."""
        by_input: dict[str, list[str]] = {}
        for clip_id in clip_ids:
            by_input.setdefault(self._key(clip_id), []).append(clip_id)
        return by_input

    def _key(self, clip_id: str) -> str:
        """The hash of a clip's input; where it could not be read it has none, and its name stands for it."""
        return self.inputs[clip_id] or f"without a hash: {clip_id}"

    def _is_to_compute(self, entry: Entry) -> bool:
        """Whether a clip must be computed; AVR_RETRY_REJECTED=1 gives the refused ones another try."""
        if entry.refusal is None:
            return entry.state == "unknown"
        is_outdated = self.limits is not None and self.limits.differ_from(str(entry.refusal))
        return is_outdated or flag("AVR_RETRY_REJECTED")
