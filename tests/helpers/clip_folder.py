"""A data set of small files, and a stage of many clips that runs over it."""

from collections.abc import Collection
from functools import partial
from pathlib import Path

from pipeline.clip_jobs.cache import ClipCache
from pipeline.clip_jobs.loop import Job, map_videos
from pipeline.clip_jobs.share import WHOLE, parse_share
from pipeline.formats import rejects
from pipeline.formats.clips import Clip, write_clips, write_root
from pipeline.formats.files import file_sha256
from pipeline.formats.shards import read_shards
from pipeline.settings.limits import Limits
from tests.helpers.clip_work import measure


class Folder:
    """A data set of small files, its cache (a folder or a URL), and the stage that runs over them."""

    def __init__(self, root: Path, contents: dict[str, bytes], cache: str = "") -> None:
        self.cache = cache or root / "cache"
        self.root, self.csv, self.out, self.log = root / "videos", root / "clips.csv", root / "out", root / "log"
        self.root.mkdir()
        self.log.touch()
        self.set(contents)

    def set(self, contents: dict[str, bytes]) -> None:
        clips = []
        for name, data in contents.items():
            (self.root / name).write_bytes(data)
            clips.append(Clip(clip_id=name, path=name, label="x", sha256=file_sha256(self.root / name)))
        self.write(clips)

    def write(self, clips: list[Clip]) -> None:
        self.clips = clips
        write_clips(self.csv, clips)
        write_root(self.csv, self.root)

    def run(
        self,
        max_rejected_fraction: float = 0.5,
        clip_timeout_seconds: float = 60.0,
        shard: str = WHOLE,
        limits: Limits | None = None,
        uncounted: Collection[str] = (),
    ) -> dict[str, int]:
        """The sizes in the out, after the stage has run."""
        self.log.write_text("")
        job = Job("stage", ClipCache(self.cache, "fingerprint"), self.out, parse_share(shard))
        function = partial(measure, log=self.log)
        map_videos(job, self.csv, function, max_rejected_fraction, clip_timeout_seconds, limits, uncounted)
        return {clip_id: int(arrays["size"][0]) for clip_id, arrays in read_shards(self.out)}

    def asked(self) -> list[str]:
        """The clips that the last run computed."""
        return sorted(line.split()[0] for line in self.log.read_text().splitlines())

    def kinds(self) -> dict[str, str]:
        """Who was refused, and for what kind of damage."""
        return {row.clip_id: row.kind for row in rejects.read(self.out / "rejected.csv")}

    def out_bytes(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.out.iterdir()}


CONTENTS = {f"{i}.mp4": bytes(i + 1) for i in range(9)}
SIZES = {name: len(data) for name, data in CONTENTS.items()}
