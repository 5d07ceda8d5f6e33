"""What a task of the second pipeline has trained, ready for the videos of users."""

from pathlib import Path
from typing import NamedTuple

from pipeline.extraction.decoding import bounds_of
from pipeline.separation.heard import facts_of
from pipeline.separation.parts.base import Separator, first_that_looks
from pipeline.separation.parts.seeds import load_separators
from pipeline.separation.sounds import SoundsParams
from pipeline.separation.videos.opening import Video, open_video
from pipeline.separation.views import ViewsParams, check_rate
from pipeline.settings.limits import Limits
from pipeline.settings.params import load_params, model_sections
from pipeline.settings.paths import AnyPath
from pipeline.video import Bounds


class Trained(NamedTuple):
    """A fitted separator, and how the videos are read that it is given.

    Attributes:
        name: of the separator.
        separator: the fit of its first seed.
        sounds: section ``sounds`` of the task's params.yaml.
        views: section ``views``.
        limits: section ``limits``.
    """

    name: str
    separator: Separator
    sounds: SoundsParams
    views: ViewsParams
    limits: Limits

    @property
    def bounds(self) -> Bounds:
        """What a video may ask for."""
        return bounds_of(self.limits)

    def opened(self, path: AnyPath) -> Video:
        """Return a video, opened at the separator's rate.

        Raises:
            ClipError: as of ``open_video``, or its pictures are too few a second to read lips in.
        """
        video = open_video(path, self.sounds.rate, self.sounds.silence_db, self.bounds)
        if self.views.mouth_fps:
            check_rate(video.path.name, video.film, self.views)
        return video


def load_trained(task: AnyPath, name: str | None = None) -> Trained:
    """Return a separator of a task, as the stage `train` wrote it.

    Args:
        task: folder of the task, such as ``separation/speech``.
        name: of the separator; None: the first that looks at the video.

    Raises:
        DataError: it is not trained, or its file cannot be read.
        ParamsError: there is no such separator, it was trained on other sounds or views than params.yaml says, or the
            folder has no params.yaml of a task.
    """
    params_file = Path(task) / "params.yaml"
    sounds, views = load_params("sounds", SoundsParams, params_file), load_params("views", ViewsParams, params_file)
    limits = load_params("limits", Limits, params_file)
    name = name or first_that_looks(model_sections(params_file, "separators"))
    separators = load_separators(name, Path(task) / "data" / "separators" / name, facts_of(sounds, views))
    return Trained(name, separators[0], sounds, views, limits)
