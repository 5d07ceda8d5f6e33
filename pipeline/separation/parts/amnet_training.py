"""The three trainings of AMnet, each with the networks before it as they are."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.separation.material import Material, TrainingBatch, TrainingStream
from pipeline.separation.parts.ame import draw_shifted
from pipeline.separation.parts.base import TrainingHistory
from pipeline.separation.parts.checkpoint import Checkpoint
from pipeline.separation.parts.learning import CHUNK, fixed_batches
from pipeline.separation.parts.motion import MotionFilms
from pipeline.separation.parts.training import BatchLoss, fit_steps
from pipeline.separation.parts.two_stages import Heard, TwoStages, mask_loss

AME, APPEARANCE, MOTION = 1, 2, 3  # the trainings, in the history
_NAMES = {AME: "ame", APPEARANCE: "appearance", MOTION: "motion"}
_SHIFTED_CHUNKS = 2  # of films, for AME's validation loss

LogitsOf = Callable[[TrainingBatch], tuple[Heard, Tensor]]
"""What is heard of a batch, and the logits (batch, n_sources, rows, columns) of its masks."""


class AmnetTraining:
    """What the three have in common.

    Args:
        networks: which are trained in place.
        train: what is learnt from.
        validation: what chooses between steps.
        seed: of all draws.
        checkpoint: where a killed training goes on from.
    """

    def __init__(
        self, networks: TwoStages, train: TrainingStream, validation: Material, seed: int, checkpoint: Checkpoint
    ) -> None:
        self._networks, self._params, self._seed, self._checkpoint = networks, networks.params, seed, checkpoint
        self._train, self._validation = train, validation
        self._films = MotionFilms(train.clips, networks.ame.motion)
        self._seconds = self._params.n_samples / train.clips.facts.rate

    def run(self) -> TrainingHistory:
        """Return the history of all three, whose looks say of which they are."""
        networks = self._networks
        networks.eval()
        fixed = fixed_batches(self._validation, self._params.n_samples)
        history = self._fit_ame() if self._params.ame_steps else []
        history += self._fit_stage(APPEARANCE, networks.appearance, fixed, self._by_appearance)
        networks.token_mean, networks.token_spread = self._films.scale(self._train.clips.of_split("train"))
        return history + self._fit_stage(MOTION, networks.residues, fixed, self._by_motion)

    def _fit_ame(self) -> TrainingHistory:
        """Train AME on films with their sounds at two times."""
        params, clips, ame = self._params, self._train.clips, self._networks.ame
        known = clips.of_split("train")
        unseen, fixed_rng = clips.of_split("validation") or known, np.random.default_rng(0)
        shift = params.ame_shift_seconds
        fixed = [draw_shifted(clips, unseen, CHUNK, params.n_samples, shift, fixed_rng) for _ in range(_SHIFTED_CHUNKS)]

        def loss(rng: np.random.Generator) -> Tensor:
            batch = draw_shifted(clips, known, params.batch_size, params.n_samples, shift, rng)
            return ame.loss(batch, params.ame_margin)

        def validation_loss() -> float:
            return float(np.mean([ame.loss(batch, params.ame_margin).item() for batch in fixed]))

        return self._fit(AME, ame, loss, validation_loss)

    def _fit_stage(
        self, training: int, network: nn.Module, fixed: Sequence[TrainingBatch], logits_of: LogitsOf
    ) -> TrainingHistory:
        """Train one stage on mixtures."""
        params = self._params

        def loss(rng: np.random.Generator) -> Tensor:
            return mask_loss(*logits_of(self._train.batch(params.batch_size, params.n_samples, rng)))

        def validation_loss() -> float:
            return float(np.mean([mask_loss(*logits_of(batch)).item() for batch in fixed]))

        return self._fit(training, network, loss, validation_loss)

    def _fit(
        self, training: int, network: nn.Module, loss: BatchLoss, validation_loss: Callable[[], float]
    ) -> TrainingHistory:
        """Train some of the networks for their steps."""
        params = self._params
        of_training: dict[int, dict[str, Any]] = {
            AME: {"steps": params.ame_steps},
            APPEARANCE: {"steps": params.appearance_steps, "learning_rate": params.appearance_learning_rate},
            MOTION: {},
        }
        own, kept = params.model_copy(update=of_training[training]), self._checkpoint.part(_NAMES[training])
        looks = fit_steps(network, loss, validation_loss, own, self._seed, kept)
        return [{"training": training, **look} for look in looks]

    def _by_appearance(self, batch: TrainingBatch) -> tuple[Heard, Tensor]:
        """The logits of the appearance stage, by the picture in the middle."""
        heard = self._networks.heard(batch.sources)
        middle = batch.frames[:, :, batch.frames.shape[2] // 2]
        return heard, self._networks.by_appearance(heard.mixture, middle)

    def _by_motion(self, batch: TrainingBatch) -> tuple[Heard, Tensor]:
        """The logits of the motion stage; those of the appearance stage stay as they are."""
        with torch.no_grad():
            heard, logits = self._by_appearance(batch)
        parts = zip(batch.clip_ids.flatten().tolist(), batch.starts.flatten().tolist(), strict=True)
        tokens = torch.stack([self._films.of(clip_id).cut(start, self._seconds) for clip_id, start in parts])
        moved = tokens.reshape(*batch.clip_ids.shape, *tokens.shape[1:])
        return heard, self._networks.by_motion(heard.mixture, logits, moved, self._seconds)
