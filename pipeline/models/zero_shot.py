"""No model at all: the features of both modalities as they are, where one encoder has put them into one space."""

from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DataError
from pipeline.model_parts.base import History, LearnsFrom, Pairs, check_features, check_pairs
from pipeline.model_parts.saving import load_model, save_model
from pipeline.model_parts.streamed import StreamedPairs
from pipeline.settings.params import StageParams
from pipeline.settings.paths import AnyPath


class Params(StageParams):
    """Section ``baselines.zero_shot`` of params.yaml, which is empty: there is nothing to choose."""


class Model:
    """The vectors of a joint encoder compared without training: what training has to be better than.

    References:
        Girdhar et al. (2023), ImageBind: One Embedding Space To Bind Them All, CVPR, whose vectors of sounds and
        pictures are compared by their cosine.

    Example:
        >>> import numpy as np
        >>> clips = np.eye(3, dtype=np.float32)
        >>> pairs = Pairs(clips, 2 * clips, np.arange(3))
        >>> model = Model(Params(), seed=0)
        >>> model.fit(pairs, pairs), model.embed_visual(pairs.visual).tolist() == pairs.visual.tolist()
        ([], True)
    """

    learns_from: ClassVar[LearnsFrom] = "nothing"

    def __init__(self, params: Params, seed: int) -> None:
        """Hold params; nothing is drawn, so the seed is only kept beside the width."""
        self._params, self._seed, self._width = params, seed, 0

    def fit(self, train: Pairs, validation: Pairs) -> History:
        """Take the width of the pairs ``train``, (n, width) features of both modalities; the history is empty.

        Raises:
            DataError: the pairs cannot be used, or the modalities have other widths: they are of no joint space.
        """
        check_pairs(train, "train")
        return self._take_width(train.audio.shape[1], train.visual.shape[1])

    def fit_streamed(self, train: StreamedPairs, validation: StreamedPairs, scratch: AnyPath) -> History:
        """Take the width of pairs that stay in their file; the history is empty. See ``StreamedModel``.

        Raises:
            DataError: the modalities have other widths.
        """
        return self._take_width(train.audio.shape[1], train.visual.shape[1])

    def _take_width(self, audio_width: int, visual_width: int) -> History:
        """Keep the one width of both modalities."""
        if audio_width != visual_width:
            raise DataError(
                f"zero_shot: audio features {audio_width} wide and visual ones {visual_width}; expected vectors of one "
                "joint space, as a joint encoder makes them, of equal widths and without a PCA"
            )
        self._width = audio_width
        return []

    def embed_audio(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return audio features (n, width) as they are.

        Raises:
            DataError: the model is not fitted, or the features have another width or are not finite.
        """
        return self._checked(audio, "audio")

    def embed_visual(self, visual: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return visual features (n, width) as they are.

        Raises:
            DataError: as ``embed_audio``.
        """
        return self._checked(visual, "visual")

    def save(self, path: AnyPath) -> None:
        """Write the width.

        Raises:
            DataError: the model is not fitted.
        """
        save_model(path, self._params, self._seed, {"width": np.array([self._fitted_width()])})

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """Return the model that ``save`` wrote.

        Raises:
            DataError: the file is missing or is not of this model.
        """
        params, seed, arrays = load_model(path, Params)
        model = cls(params, seed)
        model._width = int(arrays["width"][0])
        return model

    def _checked(self, features: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        """The features, if they can be compared."""
        check_features(features, self._fitted_width(), name)
        return features.astype(np.float32)

    def _fitted_width(self) -> int:
        """The width, which must be known."""
        if not self._width:
            raise DataError("model is not fitted; expected fit or load before embed and save")
        return self._width
