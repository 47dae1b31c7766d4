def test_formats_are_asked_for_by_the_codes_of_the_kernel():
    """Which are not ours to spell: linux/videodev2.h."""
    from edge.io.sources.v4l2 import FORMATS

    assert {"YUYV", "NV12", "YU12", "BGR3", "RGB3", "GREY", "MJPG"} <= set(
        FORMATS
    )  # codespell:ignore
