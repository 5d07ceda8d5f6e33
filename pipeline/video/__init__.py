"""Clips in and out: the waveform and the pictures of a media file, and a small H.264 + AAC writer.

Files of any length take bounded memory: ``iter_waveform`` and ``iter_frames`` give them piece by piece.
"""

from pipeline.video.bounds import BOUNDS, Bounds
from pipeline.video.film_times import FilmTimes, film_times
from pipeline.video.pictures import iter_frames, sample_frames
from pipeline.video.sound import iter_waveform, read_waveform
from pipeline.video.writer import Mp4Writer, write_mp4

__all__ = [
    "BOUNDS",
    "Bounds",
    "FilmTimes",
    "Mp4Writer",
    "film_times",
    "iter_frames",
    "iter_waveform",
    "read_waveform",
    "sample_frames",
    "write_mp4",
]
