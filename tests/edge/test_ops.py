"""Letterbox and what all kernels share."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from edge import ops
from edge.types import Frame, Letterbox, Size

sides = st.integers(1, 70)
placements = st.sampled_from(["center", "top-left", "stretch"])


def photo(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def yuv(seed: int, h: int, w: int, pixel_format) -> Frame:
    half = (h + 1) // 2, (w + 1) // 2
    shapes = {
        "NV12": [(h, w), (*half, 2)],
        "I420": [(h, w), half, half],
        "YUYV": [(h, w, 2)],
    }[pixel_format]
    planes = tuple(photo(seed + i, *shape) for i, shape in enumerate(shapes))
    return Frame(planes, pixel_format)


def boxed(frame: Frame, geometry: Letterbox, dtype=np.uint8, layout="NHWC", **options):
    size = geometry.input
    shape = (3, size.height, size.width) if layout == "NCHW" else (size.height, size.width, 3)
    out = np.zeros(shape, dtype)
    ops.letterbox(frame, geometry, out, layout=layout, **options)
    return out


def test_there_is_a_plainest_target_and_the_one_in_use_is_among_them():
    assert ops.targets()
    assert ops.target() in ops.targets()


class TestLetterbox:
    @settings(max_examples=150, deadline=None)
    @given(st.integers(0, 9999), sides, sides, sides, sides, placements)
    def test_equals_opencv_bit_for_bit(self, seed, h, w, in_h, in_w, placement):
        image = photo(seed, h, w, 3)
        geometry = Letterbox.fit(Size(h, w), Size(in_h, in_w), placement)
        inner = geometry.resized
        resized = cv2.resize(image, (inner.width, inner.height), interpolation=cv2.INTER_LINEAR)
        expected = cv2.copyMakeBorder(
            resized,
            geometry.top,
            in_h - inner.height - geometry.top,
            geometry.left,
            in_w - inner.width - geometry.left,
            cv2.BORDER_CONSTANT,
            value=(114, 114, 114),
        )
        for target in ops.targets():
            result = boxed(Frame.of(image), geometry, color="BGR", target=target)
            np.testing.assert_array_equal(result, expected)

    @pytest.mark.parametrize(
        ("image", "target_size"),
        [((480, 640), 320), ((427, 640), 320), ((720, 1280), 640), ((500, 375), 416), ((9, 9), 64)],
    )
    def test_equals_the_reference_at_usual_sizes(self, image, target_size):
        pixels = photo(3, *image, 3)
        geometry = Letterbox.fit(Size(*image), Size(target_size, target_size))
        expected = reference.letterbox(pixels, geometry)
        for target in ops.targets():
            np.testing.assert_array_equal(
                boxed(Frame.of(pixels), geometry, target=target), expected
            )

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 9999), sides, sides, sides, sides, st.sampled_from(["NCHW", "NHWC"]))
    def test_every_output_type_is_made_of_the_same_pixels(self, seed, h, w, in_h, in_w, layout):
        image = photo(seed, h, w, 3)
        geometry = Letterbox.fit(Size(h, w), Size(in_h, in_w))
        mean, scale, pad = (1.5, 20.0, 127.0), (0.5, 1 / 255, 1 / 58.0), (1, 2, 3)
        pixels = reference.letterbox(image, geometry, pad=pad)
        values = reference.to_float(pixels, mean, scale)
        if layout == "NCHW":
            pixels, values = pixels.transpose(2, 0, 1), values.transpose(2, 0, 1)
        frame = Frame.of(image)
        for target in ops.targets():
            options = {"layout": layout, "pad": pad, "target": target}
            np.testing.assert_array_equal(boxed(frame, geometry, np.uint8, **options), pixels)
            signed = boxed(frame, geometry, np.int8, **options)
            np.testing.assert_array_equal(signed, pixels.astype(np.int16) - 128)
            real = boxed(frame, geometry, np.float32, mean=mean, scale=scale, **options)
            np.testing.assert_array_equal(real, values)

    def test_one_wrong_pixel_would_be_seen(self):
        image = photo(0, 30, 40, 3)
        geometry = Letterbox.fit(Size(30, 40), Size(64, 64))
        expected = boxed(Frame.of(image), geometry)
        image[7, 9, 1] ^= 128
        assert (boxed(Frame.of(image), geometry) != expected).any()

    def test_orders_the_channels_as_asked(self):
        image = np.full((4, 4, 3), (10, 20, 30), np.uint8)
        geometry = Letterbox.fit(Size(4, 4), Size(4, 4))
        for name, frame in (("BGR", Frame.of(image)), ("RGB", Frame((image,), "RGB"))):
            same = boxed(frame, geometry, color=name)
            other = boxed(frame, geometry, color="BGR" if name == "RGB" else "RGB")
            assert same[0, 0].tolist() == [10, 20, 30]
            assert other[0, 0].tolist() == [30, 20, 10]

    @settings(max_examples=40, deadline=None)
    @given(st.integers(0, 9999), sides, sides, sides)
    def test_gray_fills_three_equal_channels(self, seed, h, w, size):
        image = photo(seed, h, w)
        geometry = Letterbox.fit(Size(h, w), Size(size, size))
        expected = reference.letterbox(image, geometry)
        for target in ops.targets():
            result = boxed(Frame.of(image), geometry, target=target)
            np.testing.assert_array_equal(result, expected)

    @settings(max_examples=100, deadline=None)
    @given(st.integers(0, 9999), sides, sides, sides, st.sampled_from(["NV12", "I420", "YUYV"]))
    def test_yuv_equals_the_reference(self, seed, h, w, size, pixel_format):
        frame = yuv(seed, h, w + w % 2 if pixel_format == "YUYV" else w, pixel_format)
        geometry = Letterbox.fit(frame.size, Size(size, size))
        expected = reference.letterbox(reference.yuv_to_bgr(frame), geometry)
        for target in ops.targets():
            result = boxed(frame, geometry, target=target)
            np.testing.assert_array_equal(result, expected)

    @pytest.mark.parametrize(
        ("pixel_format", "code"),
        [
            ("NV12", cv2.COLOR_YUV2RGB_NV12),
            ("I420", cv2.COLOR_YUV2RGB_I420),
            ("YUYV", cv2.COLOR_YUV2RGB_YUYV),
        ],
    )
    @pytest.mark.parametrize("size", [(96, 128), (48, 64), (80, 80)])
    def test_yuv_is_within_two_levels_of_opencv(self, pixel_format, code, size):
        frame = yuv(7, 96, 128, pixel_format)
        packed = frame.planes[0]
        if pixel_format != "YUYV":
            packed = np.concatenate([plane.ravel() for plane in frame.planes]).reshape(144, 128)
        geometry = Letterbox.fit(frame.size, Size(*size))
        inner = (geometry.resized.width, geometry.resized.height)
        expected = cv2.resize(cv2.cvtColor(packed, code), inner, interpolation=cv2.INTER_LINEAR)
        result = boxed(frame, geometry)[geometry.top :, geometry.left :][: inner[1], : inner[0]]
        difference = np.abs(result.astype(int) - expected)
        assert difference.max() <= 2
        assert (difference > 0).mean() < 0.1
        swapped = np.abs(result[..., ::-1].astype(int) - expected)  # red for blue: must not pass
        assert swapped.max() > 2

    def test_refuses_planes_that_are_no_frame(self):
        frame = yuv(0, 4, 6, "NV12")
        geometry = Letterbox.fit(frame.size, Size(8, 8))
        with pytest.raises(ValueError, match="a frame of NV12 must have 2 planes, got 1"):
            boxed(Frame(frame.planes[:1], "NV12"), geometry)
        with pytest.raises(
            ValueError, match=r"plane 1 of the NV12 frame must have shape \(2, 3, 2\)"
        ):
            boxed(Frame((frame.planes[0], frame.planes[0]), "NV12"), geometry)
        odd = Frame((np.zeros((4, 5, 2), np.uint8),), "YUYV")
        with pytest.raises(ValueError, match="a YUYV frame must have an even width, got 5"):
            boxed(odd, Letterbox.fit(odd.size, Size(8, 8)))
        with pytest.raises(ValueError, match="a frame must be BGR, RGB, GRAY, NV12, I420 or YUYV"):
            boxed(Frame(frame.planes, "P010"), geometry)

    def test_takes_a_cropped_view_without_copying(self):
        image = photo(1, 50, 60, 3)
        geometry = Letterbox.fit(Size(30, 40), Size(32, 32))
        view = boxed(Frame.of(image[10:40, 10:50]), geometry)
        copy = boxed(Frame.of(image[10:40, 10:50].copy()), geometry)
        np.testing.assert_array_equal(view, copy)

    def test_writes_into_padded_channels_and_leaves_the_gaps(self):
        image = photo(2, 20, 20, 3)
        geometry = Letterbox.fit(Size(20, 20), Size(10, 12))
        padded = np.full((3, 11, 16), 7, np.float32)
        ops.letterbox(Frame.of(image), geometry, padded[:, :10, :12])
        plain = boxed(Frame.of(image), geometry, np.float32, "NCHW")
        np.testing.assert_array_equal(padded[:, :10, :12], plain)
        assert (padded[:, 10:] == 7).all()
        assert (padded[:, :, 12:] == 7).all()

    def test_accepts_a_batch_axis_of_one(self):
        image = photo(2, 20, 20, 3)
        geometry = Letterbox.fit(Size(20, 20), Size(16, 16))
        out = np.zeros((1, 3, 16, 16), np.float32)
        ops.letterbox(Frame.of(image), geometry, out)
        np.testing.assert_array_equal(out[0], boxed(Frame.of(image), geometry, np.float32, "NCHW"))

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            (
                {"out": np.zeros((3, 8, 9), np.float32)},
                ValueError,
                r"out must have shape \(3, 8, 8\)",
            ),
            ({"out": np.zeros((3, 8, 8))}, TypeError, "float32, int8 or uint8, got float64"),
            ({"out": np.zeros((3, 8, 16), np.uint8)[:, :, ::2]}, TypeError, "contiguous rows"),
            ({"out": [[[0]]]}, TypeError, "out must be a NumPy array, got list"),
            ({"pad": (0, 0, 256)}, ValueError, "pad must be a pixel value, 0-255, got 256"),
            ({"target": "mmx"}, ValueError, "no SIMD target 'mmx' here; there are "),
            ({"size": Size(5, 4)}, ValueError, r"shape \(5, 4, 3\), got \(4, 4, 3\)"),
        ],
    )
    def test_refuses_what_does_not_fit(self, change, error, message):
        out = change.pop("out", np.zeros((3, 8, 8), np.float32))
        geometry = Letterbox.fit(change.pop("size", Size(4, 4)), Size(8, 8))
        with pytest.raises(error, match=message):
            ops.letterbox(Frame.of(photo(0, 4, 4, 3)), geometry, out, **change)

    def test_refuses_a_frame_with_gaps_in_its_rows(self):
        geometry = Letterbox.fit(Size(4, 4), Size(8, 8))
        with pytest.raises(TypeError, match="contiguous rows"):
            boxed(Frame((photo(0, 4, 8, 3)[:, ::2],), "BGR"), geometry)
        with pytest.raises(TypeError, match="plane 0 of the BGR frame must be uint8, got float32"):
            boxed(Frame((np.zeros((4, 4, 3), np.float32),), "BGR"), geometry)

    def test_refuses_a_read_only_output(self):
        out = np.zeros((3, 8, 8), np.float32)
        out.flags.writeable = False
        with pytest.raises(ValueError, match="out must be writable"):
            ops.letterbox(Frame.of(photo(0, 4, 4, 3)), Letterbox.fit(Size(4, 4), Size(8, 8)), out)

    def test_refuses_a_placement_outside_the_input(self):
        geometry = Letterbox(Size(4, 4), Size(8, 8), Size(8, 8), 1, 0)
        with pytest.raises(ValueError, match="must place the image inside the input"):
            boxed(Frame.of(photo(0, 4, 4, 3)), geometry)


@pytest.mark.parametrize(
    ("kernel", "count"),
    [
        (ops.letterbox, 3),
        (ops.decode_rows, 1),
        (ops.decode_boxes, 2),
        (ops.decode_distances, 1),
        (ops.decode_centers, 1),
        (ops.decode_anchors, 1),
        (ops.decode_peaks, 3),
        (ops.decode_end2end, 3),
        (ops.nms, 3),
        (ops.soft_nms, 3),
        (ops.merge, 3),
        (ops.value_range, 1),
    ],
)
def test_options_go_by_keyword(kernel, count):
    with pytest.raises(TypeError, match="incompatible function arguments"):
        kernel(*[None] * count, True)


def test_every_kernel_says_what_it_takes():
    for name in ops.__all__:
        kernel = getattr(ops, name)
        if callable(kernel):
            assert len((kernel.__doc__ or "").split()) > 8, name
            assert re.search(r"Args:|->", kernel.__doc__), name
