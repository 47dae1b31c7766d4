"""Whatever the system's `ffmpeg` program reads, as YUV: with its hardware decoders, if wanted."""

from __future__ import annotations

import shutil
import threading

from edge import redaction
from edge.errors import SourceError
from edge.io.sources.live import DEFAULT_RECONNECT, Live, ReconnectPolicy
from edge.io.sources.program import Program
from edge.io.sources.url import expand
from edge.io.sources.wire import y4m
from edge.redaction import masked


def open_source(target: str, reconnect: ReconnectPolicy = DEFAULT_RECONNECT) -> Live:
    """What `ffmpeg -i` takes, as in `ffmpeg:rtsp://camera/stream`; images come as I420.

    Its input options may come before, as in `ffmpeg:-hwaccel drm -c:v h264_v4l2m2m -i rtsp://…`.
    Secrets are as in a stream's URL. They are then among the arguments of a running program, which
    other users of the machine can see.

    Raises:
        SourceError: There is no such program, or it cannot read that.
    """
    if not shutil.which("ffmpeg"):
        raise SourceError(
            f"{masked(f'ffmpeg:{target}')}: no ffmpeg; sudo apt-get install -y ffmpeg"
        )
    redaction.remember(f"ffmpeg:{target}")
    words = redaction.ffmpeg_words(target)
    if "-i" not in words:
        words = ["-i", target]
    rtsp = "-rtsp_transport" not in words and words[words.index("-i") + 1 :][0:1]
    if rtsp and rtsp[0].startswith("rtsp://"):
        words = ["-rtsp_transport", "tcp", *words]
    name = " ".join(masked(word) for word in words[words.index("-i") + 1 :])

    def connect(stopped: threading.Event) -> Program:
        command = ["ffmpeg", "-nostdin", "-loglevel", "error", *map(expand, words)]
        command += ["-an", "-f", "yuv4mpegpipe", "-pix_fmt", "yuv420p", "-"]
        return Program(command, y4m, stopped, stall=reconnect.stall, rate=None, login=True)

    return Live(name, connect, reconnect)
