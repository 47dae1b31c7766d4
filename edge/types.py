"""The values that pass between the stages: plain, immutable, NumPy only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Float32Array: TypeAlias = npt.NDArray[np.float32]
Int32Array: TypeAlias = npt.NDArray[np.int32]
Int8Array: TypeAlias = npt.NDArray[np.int8]
UInt8Array: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]
AnyArray: TypeAlias = npt.NDArray[Any]

PixelFormat: TypeAlias = Literal["BGR", "RGB", "GRAY", "NV12", "I420", "YUYV"]
Color: TypeAlias = Literal["RGB", "BGR", "GRAY"]
Layout: TypeAlias = Literal["NCHW", "NHWC"]
Placement: TypeAlias = Literal["center", "top-left", "stretch"]


@dataclass(frozen=True, slots=True)
class Size:
    """Height and width in pixels, always in this order.

    Example:
        >>> from edge import Size
        >>> Size.parse("480x640")
        Size(height=480, width=640)
        >>> str(Size(320, 320))
        '320x320'
    """

    height: int
    width: int

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"a size is at least 1x1, got {self}")

    def __str__(self) -> str:
        return f"{self.height}x{self.width}"

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read "640" (a square) or "480x640" (height x width).

        Raises:
            ValueError: The text has another form.
        """
        match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip())
        if match is None:
            raise ValueError(f"a size is N or HxW in pixels, got {text!r}")
        return cls(int(match[1]), int(match[2] or match[1]))


@dataclass(frozen=True, slots=True)
class Frame:
    """One image from a source.

    Attributes:
        planes: uint8 arrays; rows contiguous, any row stride. Nobody writes to them as long as
            they are held; their memory may then serve a later frame.
            BGR, RGB: one (H, W, 3). GRAY: one (H, W). YUYV: one (H, W, 2).
            NV12: Y (H, W) and interleaved UV (H/2, W/2, 2). I420: Y (H, W), U and V (H/2, W/2).
        format: What the planes hold.
        index: Count from 0, of all frames of the source, unreadable ones included.
        time: Seconds: Unix time at capture, or the position inside a recording.
        source: Path or URI that the frame came from.
        captured: Seconds of `time.monotonic` at capture, by the driver's clock where it has one;
            None for what is not live.

    Example:
        >>> import numpy as np
        >>> from edge import Frame
        >>> frame = Frame.of(np.zeros((480, 640, 3), np.uint8))
        >>> frame.format, str(frame.size)
        ('BGR', '480x640')
    """

    planes: tuple[UInt8Array, ...]
    format: PixelFormat
    index: int = 0
    time: float = 0.0
    source: str = ""
    captured: float | None = None

    @property
    def size(self) -> Size:
        """Height and width of the image."""
        height, width = self.planes[0].shape[:2]
        return Size(height, width)

    @classmethod
    def of(cls, image: AnyArray) -> Frame:
        """A frame of one image: (H, W, 3) BGR, as OpenCV gives it, or (H, W) gray.

        Raises:
            TypeError: The image is not uint8, or has gaps inside its rows.
            ValueError: It has another shape, or no pixels.
        """
        dtype = getattr(image, "dtype", type(image).__name__)
        if dtype != np.uint8:
            raise TypeError(f"an image is a uint8 array, got {dtype}")
        if image.size == 0:
            raise ValueError(f"an image has pixels, got shape {image.shape}")
        if image.ndim != 2 and image.shape[2:] != (3,):
            raise ValueError(f"an image is (H, W, 3) BGR or (H, W) gray, got shape {image.shape}")
        if not image[0].flags.c_contiguous:
            raise TypeError(
                f"the pixels of a row lie side by side, got strides {image.strides}; "
                "np.ascontiguousarray(image) is such an image"
            )
        return cls((image,), "BGR" if image.ndim == 3 else "GRAY")


@dataclass(frozen=True, slots=True)
class Failure:
    """A frame that could not be had: its place in the source, and why.

    Attributes:
        index: Count from 0, as in `Frame`.
        time: As in `Frame`.
        source: As in `Frame`.
        reason: One line for a person.
    """

    index: int
    time: float
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a part of a run: a camera is lost, a file cannot be written.

    Attributes:
        name: Of a source: "connecting", "connected", "lost", "waiting" (to try again), "failed".
            Of a sink: "failed". Of the run: "stopping". "failed" is of one that others outlive.
        subject: Address of the source, or what kind of sink; empty for the run.
        time: Unix seconds.
        reason: One line for a person; empty where the name says all.
    """

    name: str
    subject: str
    time: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One output of a network, as the runtime gave it.

    Attributes:
        values: float32, or int8 or uint8 codes. May be a strided view of the runtime's memory.
        scale: real = scale * (code - zero_point); 1 for float32.
        zero_point: The code of zero; 0 for float32.
    """

    values: AnyArray
    scale: float = 1.0
    zero_point: int = 0

    def real(self) -> Float32Array:
        """The values that the codes stand for, in memory of their own."""
        steps = self.values.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(steps * np.float32(self.scale), np.float32)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Boxes before suppression, in no particular order.

    Attributes:
        boxes: (N, 4) float32, corners x1, y1, x2, y2 in pixels of the network input.
        scores: (N,) float32.
        class_ids: (N,) int32.
    """

    boxes: Float32Array
    scores: Float32Array
    class_ids: Int32Array


@dataclass(frozen=True, slots=True)
class Detections:
    """What was found in one image, best score first.

    Attributes:
        boxes: (N, 4) float32, corners x1, y1, x2, y2 in pixels of the original image; x2 and y2
            are exclusive edges.
        scores: (N,) float32 in [0, 1].
        class_ids: (N,) int32, indices into `ModelSpec.labels`.

    Example:
        >>> import numpy as np
        >>> from edge import Detections
        >>> found = Detections(
        ...     boxes=np.array([[10, 20, 60, 80], [5, 5, 9, 9]], np.float32),
        ...     scores=np.array([0.9, 0.4], np.float32),
        ...     class_ids=np.array([0, 2], np.int32),
        ... )
        >>> sure = found[found.scores > 0.5]
        >>> len(sure), sure.boxes.tolist()
        (1, [[10.0, 20.0, 60.0, 80.0]])
    """

    boxes: Float32Array
    scores: Float32Array
    class_ids: Int32Array

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.class_ids.shape != (n,):
            raise ValueError(
                f"shapes disagree: boxes {self.boxes.shape}, scores {self.scores.shape}, "
                f"class_ids {self.class_ids.shape}"
            )

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, key: slice | Mask | Int32Array) -> Detections:
        """Select rows: `found[found.scores > 0.5]`."""
        return Detections(self.boxes[key], self.scores[key], self.class_ids[key])


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that each stage took for one frame."""

    preprocess: float
    inference: float
    postprocess: float

    @property
    def total(self) -> float:
        """Seconds from image to detections."""
        return self.preprocess + self.inference + self.postprocess


@dataclass(frozen=True, slots=True)
class Result:
    """A frame and what was found in it."""

    frame: Frame
    detections: Detections
    latency: Latency


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How an image is fitted into a network input, and the way back.

    Attributes:
        image: Size of the image.
        input: Size of the network input.
        resized: Size of the image inside the input.
        top: Rows of padding above it.
        left: Columns of padding to its left.

    Example:
        >>> import numpy as np
        >>> from edge import Letterbox, Size
        >>> fitted = Letterbox.fit(Size(480, 640), Size(320, 320))
        >>> str(fitted.resized), fitted.top, fitted.left
        ('240x320', 40, 0)
        >>> whole = np.array([[0, 40, 320, 280]], np.float32)  # the image inside the input
        >>> fitted.to_image(whole).tolist()
        [[0.0, 0.0, 640.0, 480.0]]
    """

    image: Size
    input: Size
    resized: Size
    top: int
    left: int

    @classmethod
    def fit(cls, image: Size, input: Size, placement: Placement = "center") -> Letterbox:  # noqa: A002
        """The largest placement of `image` in `input`.

        "center" and "top-left" keep the aspect ratio and pad the rest; "stretch" fills the
        input. Sizes round half up; an odd row or column of padding goes to the bottom or right.
        """
        if placement == "stretch":
            return cls(image, input, input, 0, 0)
        ratio = min(input.height / image.height, input.width / image.width)
        resized = Size(
            min(input.height, max(1, int(image.height * ratio + 0.5))),
            min(input.width, max(1, int(image.width * ratio + 0.5))),
        )
        if placement == "top-left":
            return cls(image, input, resized, 0, 0)
        top = (input.height - resized.height) // 2
        left = (input.width - resized.width) // 2
        return cls(image, input, resized, top, left)

    @property
    def scale(self) -> tuple[float, float]:
        """Input pixels per image pixel, vertically and horizontally.

        They differ by the rounding of `resized`, or by much when stretched.
        """
        return self.resized.height / self.image.height, self.resized.width / self.image.width

    def to_input(self, boxes: Float32Array) -> Float32Array:
        """Map (N, 4) corners from image pixels to input pixels. Returns a new array."""
        scale, offset = self._affine()
        return boxes * scale + offset

    def to_image(self, boxes: Float32Array) -> Float32Array:
        """Map (N, 4) corners from input pixels to image pixels, clipped to the image.

        Returns a new array.
        """
        scale, offset = self._affine()
        mapped = (boxes - offset) / scale
        limit = np.array([self.image.width, self.image.height] * 2, np.float32)
        return np.clip(mapped, np.float32(0), limit, out=mapped)

    def _affine(self) -> tuple[Float32Array, Float32Array]:
        vertical, horizontal = self.scale
        scale = np.array([horizontal, vertical] * 2, np.float32)
        return scale, np.array([self.left, self.top] * 2, np.float32)
