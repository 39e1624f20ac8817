"""How fast a video's moments are found, without captioning them: python -m benchmarks.video [FILE…]

Without files, films are drawn: a minute of 1280 x 720, whose noise moves, with keyframes as phones, sites and
screencasts have them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from time import perf_counter

import av
import numpy as np

from collection.moments import Video, require_library

SECONDS, RATE, SIZE = 60, 25, (1280, 720)
KEYFRAMES = {"every second": 25, "every ten seconds (x264's default)": 250, "one a minute": 1500}


def draw(path: Path, keyframes: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (SIZE[1] // 8 + 40, SIZE[0] // 8 + 40, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "sc_threshold": "0"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *SIZE, "yuv420p", keyframes
        for number in range(SECONDS * RATE):
            at = number // 4 % 40
            part = noise[at : at + SIZE[1] // 8, at : at + SIZE[0] // 8].repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(part, "rgb24")))
        container.mux(stream.encode())


def measure(path: Path, name: str) -> None:
    video, start = Video(str(path)), perf_counter()
    count = sum(1 for _ in video.moments())
    seconds = perf_counter() - start
    speed = video.duration / seconds
    print(f"{name}: {video.duration:.0f} s in {seconds:.1f} s, {speed:.0f} x real time, {count} moments", flush=True)


def main() -> None:
    require_library()
    for file in sys.argv[1:]:
        measure(Path(file), file)
    if len(sys.argv) == 1:
        with tempfile.TemporaryDirectory() as folder:
            for name, keyframes in KEYFRAMES.items():
                path = Path(folder) / "film.mp4"
                draw(path, keyframes)
                measure(path, f"keyframes {name}")


if __name__ == "__main__":
    main()
