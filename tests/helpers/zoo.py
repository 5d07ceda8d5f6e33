"""The zoo: odd and broken files of every kind, and what has to come of each; docs/reference/input.md has this list."""

import numpy as np

from pipeline.errors import RejectKind
from tests.helpers.media import STEADY, Sight, Sound, drop, tone
from tests.helpers.specimen import Damage, Specimen, add_to_size, claim_hours, content, cut, rename, spoil, wav

UNEVEN = (0.0, 0.03, 0.1, 0.5, 0.52, 1.3, 1.35, 2.0, 2.4)
WITH_B = {"preset": "medium", "bf": "2", "g": "12"}
VP9 = {"deadline": "realtime", "cpu-used": "8"}
QUIET_HEVC = {"x265-params": "log-level=none:pools=none"}
HDR = "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:repeat-headers=1"
INDEX_FIRST, CLUSTERS = {"movflags": "faststart"}, {"cluster_time_limit": "500"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
UNSHIFTED = {"avoid_negative_ts": "disabled"}
OPUS = Sound(codec="libopus", sample_rate=48000, waveform=tone(2.5, 48000))
VORBIS = Sound(codec="vorbis", layout="stereo", waveform=tone(2.5, 44100, 2))
MP3, AC3, PCM = Sound(codec="libmp3lame"), Sound(codec="ac3"), Sound(codec="pcm_s16le")
SILENCE = Sound(waveform=0 * tone(2.5, 44100))
VP9_SIGHT = Sight(codec="libvpx-vp9", options=VP9)
MPEG4, MJPEG = Sight(codec="mpeg4", options={}), Sight(codec="mjpeg", pixel_format="yuvj420p", options={})
AV1 = Sight(codec="libsvtav1", height=64, options={"preset": "12", "svtav1-params": "lp=1"})
H263 = Sight(codec="h263p", options={"g": "6"})  # its parser takes every picture for a key frame
COVER = Sight(codec="mjpeg", pixel_format="yuvj420p", options={}, times=(0.0,), is_cover=True)


def _later(seconds: float) -> tuple[Sight, Sound]:
    """Pictures and sound that start at another time than 0."""
    return Sight(times=tuple(time + seconds for time in STEADY)), Sound(start_seconds=seconds)


CONTAINERS = {
    "plain.mp4": Specimen(),
    "plain.mov": Specimen(),
    "plain.mkv": Specimen(padding_seconds=0.008),
    "index_first.mp4": Specimen(muxer=INDEX_FIRST),
    "fragments.mp4": Specimen(muxer=FRAGMENTS, padding_seconds=0.024),
    "live.mkv": Specimen(muxer={"live": "1"}, padding_seconds=0.008),
    "transport_stream.mp4": Specimen(format="mpegts", padding_seconds=0.06),
    "flash.mp4": Specimen(format="flv", padding_seconds=0.06),
    "junk_behind.mp4": Specimen(damage=lambda data: data + b"junk" * 100),
    "size_too_large.mp4": Specimen(muxer=INDEX_FIRST, damage=add_to_size(b"mdat", 8)),
    "joined.webm": Specimen(
        tracks=(VP9_SIGHT, OPUS), damage=lambda data: 2 * data, sound="undecodable", pictures="undecodable"
    ),
}
SOUNDS = {
    "mp3.mp4": Specimen(tracks=(Sight(), MP3), padding_seconds=0.06),
    "mp3.mkv": Specimen(tracks=(Sight(), MP3)),
    "mp3.avi": Specimen(tracks=(MPEG4, MP3), muxer=UNSHIFTED, padding_seconds=0.06),
    "opus.mp4": Specimen(tracks=(Sight(), OPUS)),
    "opus.mkv": Specimen(tracks=(Sight(), OPUS)),
    "opus.webm": Specimen(tracks=(VP9_SIGHT, OPUS)),
    "vorbis.mp4": Specimen(tracks=(Sight(), VORBIS), padding_seconds=0.001),
    "vorbis.mkv": Specimen(tracks=(Sight(), VORBIS), padding_seconds=0.001),
    "vorbis.webm": Specimen(tracks=(Sight(codec="libvpx", options=VP9), VORBIS), padding_seconds=0.001),
    "ac3.mp4": Specimen(tracks=(Sight(), AC3), padding_seconds=0.008),
    "ac3.mkv": Specimen(tracks=(Sight(), AC3), padding_seconds=0.008),
    "ac3.avi": Specimen(tracks=(MPEG4, AC3), padding_seconds=0.008),
    "pcm.mp4": Specimen(tracks=(Sight(), PCM)),
    "pcm.mkv": Specimen(tracks=(Sight(), Sound(codec="pcm_s24le"))),
    "pcm.mov": Specimen(tracks=(Sight(), PCM)),
    "pcm.avi": Specimen(tracks=(MPEG4, PCM)),
    "flac.mp4": Specimen(tracks=(Sight(), Sound(codec="flac"))),
    "telephone.mov": Specimen(tracks=(Sight(), Sound(codec="pcm_mulaw", sample_rate=8000, waveform=tone(2.5, 8000)))),
    "8_khz.mp4": Specimen(tracks=(Sight(), Sound(sample_rate=8000, waveform=tone(2.5, 8000)))),
    "96_khz.mp4": Specimen(tracks=(Sight(), Sound(sample_rate=96000, waveform=tone(2.5, 96000)))),
    "5.1.mp4": Specimen(tracks=(Sight(), Sound(layout="5.1", waveform=tone(2.5, 44100, 6)))),
    "5.1_ac3.mkv": Specimen(
        tracks=(Sight(), Sound(codec="ac3", layout="5.1(side)", waveform=tone(2.5, 44100, 6))), padding_seconds=0.008
    ),
    "silent.mp4": Specimen(tracks=(Sight(), SILENCE)),
    "two_tracks.mp4": Specimen(tracks=(Sight(), Sound(), SILENCE)),
    "two_tracks.mkv": Specimen(tracks=(Sight(), Sound(), SILENCE), padding_seconds=0.008),
    "default_track.mkv": Specimen(
        tracks=(Sight(), Sound(waveform=0 * tone(1.5, 44100), is_default=False), Sound()), padding_seconds=0.008
    ),
    "short_sound.mp4": Specimen(tracks=(Sight(), Sound(waveform=tone(0.9, 44100)))),
    "long_sound.mp4": Specimen(tracks=(Sight(), Sound(waveform=tone(4.0, 44100)))),
    "long_pictures.mkv": Specimen(tracks=(Sight(), Sound(waveform=tone(1.2, 44100))), padding_seconds=0.008),
    "no_sound.mp4": Specimen(tracks=(Sight(),), sound="no_audio"),
    "empty_sound.mp4": Specimen(tracks=(Sight(), Sound(edit=drop(slice(None)))), sound="no_audio"),
    "unknown_sound.mkv": Specimen(damage=rename(b"A_AAC", b"A_ZZZ"), sound="undecodable"),
    "scrambled_sound.mp4": Specimen(format="mpegts", damage=rename(b"\xff\xf1", b"\x0f\x1f"), sound="undecodable"),
    "channels_change.mkv": Specimen(
        tracks=(
            Sight(),
            Sound(
                codec="mp2",
                waveform=tone(1.25, 44100),
                then=Sound(codec="mp2", layout="stereo", waveform=tone(1.25, 44100, 2), start_seconds=1.25),
            ),
        ),
        sound=2.497,
        padding_seconds=0.06,
    ),
    "8_channels.mp4": Specimen(tracks=(), damage=content(wav(8)), sound=2.5, pictures="no_video"),
}
PICTURES = {
    "hevc.mp4": Specimen(
        tracks=(Sight(codec="libx265", options={"x265-params": "log-level=none:pools=none"}), Sound())
    ),
    "av1.mp4": Specimen(tracks=(AV1, Sound())),
    "av1.mkv": Specimen(tracks=(AV1, OPUS)),
    "h263.avi": Specimen(tracks=(H263, PCM)),
    "mjpeg.avi": Specimen(tracks=(MJPEG, PCM)),
    "b_pictures.mp4": Specimen(tracks=(Sight(options=WITH_B), Sound())),
    "b_pictures.avi": Specimen(tracks=(Sight(options=WITH_B), PCM)),
    "10_bit.mp4": Specimen(tracks=(Sight(pixel_format="yuv420p10le"), Sound())),
    "hdr.mp4": Specimen(
        tracks=(
            Sight(
                codec="libx265",
                pixel_format="yuv420p10le",
                options={"preset": "ultrafast", "x265-params": f"log-level=none:pools=none:{HDR}"},
            ),
            Sound(),
        )
    ),
    "prores.mov": Specimen(tracks=(Sight(codec="prores_ks", pixel_format="yuv422p10le", options={}), PCM)),
    "4_4_4.mp4": Specimen(tracks=(Sight(pixel_format="yuv444p"), Sound())),
    "rgb.mkv": Specimen(tracks=(Sight(codec="libx264rgb", pixel_format="rgb24"), PCM)),
    "grey.mp4": Specimen(tracks=(Sight(pixel_format="gray"), Sound())),
    "alpha.mkv": Specimen(tracks=(Sight(codec="ffv1", pixel_format="bgra", options={}), PCM)),
    "alpha.mov": Specimen(tracks=(Sight(codec="png", pixel_format="rgba", options={}), Sound())),
    "alpha.webm": Specimen(
        tracks=(Sight(codec="libvpx-vp9", pixel_format="yuva420p", options={**VP9, "auto-alt-ref": "0"}), OPUS)
    ),
    "interlaced.mp4": Specimen(tracks=(Sight(options={"preset": "ultrafast", "x264-params": "tff=1"}), Sound())),
    "turned_90.mp4": Specimen(tracks=(Sight(rotation_degrees=90), Sound())),
    "turned_180.mp4": Specimen(tracks=(Sight(rotation_degrees=180), Sound())),
    "turned_270.mov": Specimen(tracks=(Sight(rotation_degrees=270), Sound())),
    "turned_90.mkv": Specimen(tracks=(Sight(rotation_degrees=90), PCM)),
    "odd_size.webm": Specimen(tracks=(Sight(codec="libvpx-vp9", width=321, height=181, options=VP9), OPUS)),
    "odd_size.mp4": Specimen(tracks=(Sight(width=321, height=181, pixel_format="yuv444p"), Sound())),
    "1x1.mkv": Specimen(tracks=(Sight(width=1, height=1, codec="ffv1", pixel_format="bgra", options={}), PCM)),
    "8k.mp4": Specimen(
        tracks=(Sight(width=7680, height=4320, times=(0.0,), frames_per_second=1), Sound()),
    ),
    "cover_and_pictures.mp4": Specimen(tracks=(Sight(), COVER, Sound())),
    "cover.mp4": Specimen(tracks=(COVER, Sound()), pictures="no_video"),
    "no_pictures.mp4": Specimen(tracks=(Sound(),), pictures="no_video"),
    "still.mp4": Specimen(tracks=(Sight(times=(0.0,)), Sound())),
    "still.mkv": Specimen(tracks=(Sight(times=(0.0,)), PCM)),
    "no_key_picture.mkv": Specimen(tracks=(Sight(edit=drop(slice(1))), PCM), pictures="no_video"),
    "unknown_pictures.mp4": Specimen(damage=rename(b"avc1", b"zzzz"), pictures="undecodable"),
    "png.mp4": Specimen(
        tracks=(Sight(codec="png", pixel_format="rgb24", options={}, times=(0.0,)),),
        format="image2pipe",
        sound="no_audio",
        pictures="too_short",
    ),
    "drawing.mp4": Specimen(
        tracks=(),
        damage=content(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
        sound="no_audio",
        pictures="undecodable",
    ),
}
TIMES = {
    "uneven.mp4": Specimen(tracks=(Sight(times=UNEVEN), Sound())),
    "uneven.mkv": Specimen(tracks=(Sight(times=UNEVEN), PCM)),
    "uneven.webm": Specimen(tracks=(Sight(codec="libvpx-vp9", times=UNEVEN, options=VP9), OPUS)),
    "starts_at_5.mp4": Specimen(tracks=_later(5.0), padding_seconds=0.024),
    "starts_at_5.mkv": Specimen(tracks=_later(5.0), padding_seconds=0.008),
    "starts_before_0.mp4": Specimen(tracks=_later(-0.5), first_shown=5, sound=2.0),
    "starts_before_0.mkv": Specimen(tracks=_later(-0.5), padding_seconds=0.008),
    "late_sound.mp4": Specimen(tracks=(Sight(), Sound(start_seconds=1.0)), padding_seconds=0.024),
    "late_pictures.mkv": Specimen(tracks=(_later(1.0)[0], PCM)),
    "no_times.mp4": Specimen(  # FFmpeg takes 25 pictures a second for granted
        tracks=(Sight(times=tuple(k / 25 for k in range(25)), frames_per_second=25),), format="h264", sound="no_audio"
    ),
    "8_hours_claimed.mp4": Specimen(damage=claim_hours),
    "8_hours_claimed.mkv": Specimen(damage=claim_hours, padding_seconds=0.008),
}
_NOISE = np.random.default_rng(0).bytes(5000)
_REFUSED_AS: dict[str, tuple[RejectKind, Damage]] = {
    "empty.mp4": ("not_media", content(b"")),
    "text.mp4": ("not_media", content(b"<html><body>404 not found</body></html>\n" * 50)),
    "random_bytes.mp4": ("not_media", content(_NOISE)),
    "zeros.mp4": ("not_media", content(bytes(5000))),
    "list_of_files.mp4": ("not_media", content(b"ffconcat version 1.0\nfile 'plain.mp4'\n")),
    "playlist.mp4": ("not_media", content(b"#EXTM3U\n#EXTINF:2,\nplain.mp4\n#EXT-X-ENDLIST\n")),
    "cut_at_1_percent.mp4": ("truncated", cut(0.01)),
    "cut_at_half.mp4": ("truncated", cut(0.5)),
    "cut_at_95_percent.mp4": ("truncated", cut(0.95)),
}
NOT_MEDIA = {
    name: Specimen(tracks=() if kind == "not_media" else (Sight(), Sound()), damage=damage, sound=kind, pictures=kind)
    for name, (kind, damage) in _REFUSED_AS.items()
}
_WHOLE = {
    "index_first.mp4": Specimen(muxer=INDEX_FIRST),
    "index_first.mov": Specimen(tracks=(Sight(), PCM), muxer=INDEX_FIRST),
    "fragments.mp4": Specimen(muxer=FRAGMENTS),
    "clusters.mkv": Specimen(muxer=CLUSTERS),
    "clusters.webm": Specimen(tracks=(VP9_SIGHT, OPUS), muxer=CLUSTERS),
    "mp3.avi": Specimen(tracks=(MPEG4, MP3), muxer=UNSHIFTED),
}
CUT = {
    f"cut_at_{percent}_{name}": Specimen(
        tracks=whole.tracks, muxer=whole.muxer, damage=cut(percent / 100), sound="truncated", pictures="truncated"
    )
    for name, whole in _WHOLE.items()
    for percent in (5, 50, 80, 95)
}
HOLES = {
    "spoilt_sound.mp4": Specimen(damage=spoil("audio", 50), sound="undecodable"),
    "spoilt_sound.mkv": Specimen(tracks=(Sight(), MP3), damage=spoil("audio", 50), sound="undecodable"),
    "spoilt_pictures.mp4": Specimen(damage=spoil("video", 12), pictures="undecodable"),
    "spoilt_pictures.webm": Specimen(tracks=(VP9_SIGHT, OPUS), damage=spoil("video", 12), pictures="undecodable"),
    "spoilt_pictures.avi": Specimen(tracks=(MPEG4, PCM), damage=spoil("video", 12), pictures="undecodable"),
    "lost_some_sound.mkv": Specimen(tracks=(Sight(), Sound(codec="libmp3lame", edit=drop(slice(40, 45))))),
    "lost_much_sound.mkv": Specimen(
        tracks=(Sight(), Sound(codec="libmp3lame", edit=drop(slice(40, 80)))), sound="undecodable"
    ),
}
CLASSES: dict[str, dict[str, Specimen]] = {
    "containers": CONTAINERS,
    "sounds": SOUNDS,
    "pictures": PICTURES,
    "times": TIMES,
    "not_media": NOT_MEDIA,
    "cut": CUT,
    "holes": HOLES,
}
ZOO = {name: specimen for specimens in CLASSES.values() for name, specimen in specimens.items()}
PLACES: dict[str, RejectKind] = {  # what is wrong lies in the folder, not in the file
    "dangling_link.mp4": "missing",
    "directory.mp4": "unreadable",
    "locked.mp4": "unreadable",
    "latin_1_\\xe9.mp4": "bad_name",
    "new\\nline.mp4": "bad_name",
    "changing.mp4": "changed",
}
NAMES = (
    "two words.mp4",
    'it\'s "quoted".mp4',
    "comma, semicolon;.mp4",
    "http:colon.mp4",
    "emoji \N{VIOLIN}.mp4",
    "e\N{COMBINING ACUTE ACCENT} is not \N{LATIN SMALL LETTER E WITH ACUTE}.mp4",
    "-leading-dash.mp4",
    "back\\slash.mp4",
    "%03d.mp4",
    "glob*[?].mp4",
    "long" * 60 + ".mp4",
    "SHOUTED.MP4",
)
