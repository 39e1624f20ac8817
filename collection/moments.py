"""The moments of a video: frames at which it shows something else, and never too long without one.

By FFmpeg's decoders through PyAV (requirements/video.txt). Keyframes alone are decoded where they are close enough,
for encoders put them at changes of scene, too; in between only where they are far apart. Times are the frames' own, so
that files of a variable rate are right.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.images import LONGEST_SIDE, MAX_PIXELS

EVERY = 1.0  # seconds between frames that are looked at
GAP = 10.0  # seconds that a moment lasts at most
CHANGED = 0.12  # of 1: mean difference of two pictures from where on they are two scenes
MOST_FRAMES = 50_000  # looked at, of one video: 14 hours
MOST_PACKETS = 20_000_000
_NONE_OF_IT = 2.0  # seconds, or this share of a hundred, that may be missing at an end
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,flv,ogg,asf,mxf,gif,ivf,rm,dv,nut"
_OPTIONS = {
    "format_whitelist": _FORMATS,  # no playlists: they lead to other files and addresses
    "protocol_whitelist": "none",
    "max_streams": "100",
    "probesize": str(20 * 2**20),
}
_SMALL = (16, 9)


class VideoRefused(ValueError):
    """There is no frame that could be read; the message says why."""


def require_library() -> None:
    """Raises VideoRefused where PyAV is not installed."""
    try:
        import av
    except ImportError as error:
        raise VideoRefused("captioning videos needs: pip install -r requirements/video.txt") from error
    av.logging.set_level(None)  # what it would log comes as an exception


@dataclass(frozen=True)
class Moment:
    start: float
    """Seconds."""
    image: Image.Image
    """Upright, RGB, at most LONGEST_SIDE pixels a side."""


@dataclass
class Video:
    """Open while its moments are gone through; `duration` and `is_whole` are known when that has come to its end."""

    path: str
    gap: float = GAP
    duration: float = 0.0
    is_whole: bool = True
    _last: NDArray[np.float32] | None = field(default=None, repr=False)

    def moments(self) -> Iterator[Moment]:
        """Raises VideoRefused where there is none; what is broken ends it, or is left out."""
        import av

        if not Path(self.path).is_file():
            raise VideoRefused("This is not a plain file.")
        count = 0
        try:
            with open(self.path, "rb") as file:  # noqa: PTH123  # a stream: names of other things are not followed
                for moment in self._chosen(file):
                    count += 1
                    yield moment
        except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
            if isinstance(error, VideoRefused):
                raise
            if not count:
                raise VideoRefused(f"This is not a video that can be read: {_reason(error)}.") from None
            self.is_whole = False
        if not count:
            raise VideoRefused("The video has no frame that can be read.")

    def _chosen(self, file: Any) -> Iterator[Moment]:
        """The first frame, those that show something else than the last chosen, and one at least every `gap`."""
        chosen_at = -self.gap
        for seconds, frame in self._frames(file):
            small = _small(frame)
            is_other = self._last is None or float(np.abs(small - self._last).mean()) > CHANGED
            if is_other or seconds - chosen_at >= self.gap:
                self._last, chosen_at = small, seconds
                yield Moment(seconds, _upright(frame))

    def _frames(self, file: Any) -> Iterator[tuple[float, Any]]:
        """Frames with their times, EVERY so many seconds or less often."""
        import av

        keys, self.duration = _keyframes(file)
        file.seek(0)
        with _opened(file) as container:
            stream = _video_stream(container)
            sparse = _sparse(keys, self.duration, self.gap)
            due, number = -1.0, 0
            for packet in container.demux(stream):
                is_sparse = packet.dts is not None and sparse(_seconds(packet, stream))
                if packet.dts is not None and not packet.is_keyframe and not is_sparse:
                    continue
                stream.codec_context.skip_frame = "NONREF" if is_sparse else "DEFAULT"
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    self.is_whole = False
                    continue
                for frame in frames:
                    seconds = max(0.0, _seconds(frame, stream))
                    if seconds >= due and frame.width * frame.height <= MAX_PIXELS:
                        due, number = seconds + EVERY * 0.98, number + 1  # rates are not exact
                        yield seconds, frame
                if number >= MOST_FRAMES:
                    self.is_whole = False
                    return
            told = float(container.duration or 0) / av.time_base
            if told - self.duration > max(_NONE_OF_IT, told * _NONE_OF_IT / 100):
                self.is_whole = False


def _opened(file: Any) -> Any:
    import av

    return av.open(file, options=_OPTIONS, metadata_errors="replace")


def _video_stream(container: Any) -> Any:
    """Raises VideoRefused. A cover picture is no video."""
    stream = next((found for found in container.streams.video if not _is_cover(found)), None)
    if stream is None:
        raise VideoRefused("There is no video in this file.")
    context = stream.codec_context
    if context is None:
        raise VideoRefused("There is no decoder for this video.")
    if context.width * context.height > MAX_PIXELS:
        raise VideoRefused(f"The video has {context.width} x {context.height} pixels; that is too many.")
    context.options = {"max_pixels": str(MAX_PIXELS)}  # also where they become more on the way
    context.thread_type = "AUTO"
    context.thread_count = min(4, os.cpu_count() or 1)
    return stream


def _is_cover(stream: Any) -> bool:
    return bool(getattr(stream.disposition, "name", "") and "attached_pic" in stream.disposition.name)


def _keyframes(file: Any) -> tuple[list[float], float]:
    """Their times, and the end of the last frame; nothing is decoded."""
    import av

    keys: list[float] = []
    end = 0.0
    with _opened(file) as container:
        stream = _video_stream(container)
        try:
            for number, packet in enumerate(container.demux(stream)):
                if packet.dts is None and packet.pts is None:
                    continue
                seconds = _seconds(packet, stream)
                end = max(end, seconds + float((packet.duration or 0) * packet.time_base))
                if packet.is_keyframe and len(keys) < MOST_FRAMES:
                    keys.append(seconds)
                if number >= MOST_PACKETS:
                    break
        except av.error.FFmpegError:  # what comes before is there
            pass
    return keys, end


def _sparse(keys: list[float], end: float, gap: float) -> Any:
    """Whether a time lies where keyframes are too far apart to be enough."""
    times = np.array([*sorted(keys), end])
    starts = times[:-1][np.diff(times) > gap * 1.05]
    ends = times[1:][np.diff(times) > gap * 1.05]

    def is_sparse(seconds: float) -> bool:
        before = int(np.searchsorted(starts, seconds, side="right")) - 1
        return not keys or (before >= 0 and seconds <= ends[before])

    return is_sparse


def _seconds(timed: Any, stream: Any) -> float:
    """Of a packet or frame, from the video's beginning."""
    stamp = timed.pts if timed.pts is not None else timed.dts
    return float(((stamp or 0) - (stream.start_time or 0)) * stream.time_base)


def _small(frame: Any) -> NDArray[np.float32]:
    width, height = _SMALL
    pixels: NDArray[np.uint8] = frame.to_ndarray(width=width, height=height, format="rgb24")
    return pixels.astype(np.float32) / np.float32(255)


def _upright(frame: Any) -> Image.Image:
    """As a player shows it: with square pixels, turned as the file says."""
    ratio = float(frame.sample_aspect_ratio or 1) if hasattr(frame, "sample_aspect_ratio") else 1.0
    width, height = frame.width * (ratio if 0.1 < ratio < 10 else 1), float(frame.height)
    scale = min(1.0, LONGEST_SIDE / max(width, height))
    size = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
    image: Image.Image = frame.to_image(**size)
    return image.rotate(frame.rotation, expand=True) if frame.rotation else image


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
