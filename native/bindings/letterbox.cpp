#include "edge/letterbox.h"

#include <array>
#include <string>
#include <vector>

#include "arrays.h"
#include "module.h"

namespace edge::bindings {
namespace {

PixelFormat format_of(const std::string& name) {
  if (name == "BGR") return PixelFormat::bgr;
  if (name == "RGB") return PixelFormat::rgb;
  if (name == "GRAY") return PixelFormat::gray;
  if (name == "NV12") return PixelFormat::nv12;
  if (name == "I420") return PixelFormat::i420;
  if (name == "YUYV") return PixelFormat::yuyv;
  throw_value_error("a frame must be BGR, RGB, GRAY, NV12, I420 or YUYV, got '" + name + "'");
}

struct PlaneShape {
  int height, width, depth;
};

std::vector<PlaneShape> plane_shapes(PixelFormat format, int height, int width) {
  const int half_height = (height + 1) / 2;
  const int half_width = (width + 1) / 2;
  switch (format) {
    case PixelFormat::gray: return {{height, width, 1}};
    case PixelFormat::yuyv: return {{height, width, 2}};
    case PixelFormat::nv12: return {{height, width, 1}, {half_height, half_width, 2}};
    case PixelFormat::i420:
      return {{height, width, 1}, {half_height, half_width, 1}, {half_height, half_width, 1}};
    default: return {{height, width, 3}};
  }
}

Image image_of(const py::tuple& planes, const std::string& format_name, int height, int width) {
  Image image{format_of(format_name), height, width, {}, {}};
  const auto shapes = plane_shapes(image.format, height, width);
  if (image.format == PixelFormat::yuyv && width % 2 != 0) {
    throw_value_error("a YUYV frame must have an even width, got " + std::to_string(width));
  }
  if (planes.size() != shapes.size()) {
    throw_value_error("a frame of " + format_name + " must have " + std::to_string(shapes.size()) +
                      " planes, got " + std::to_string(planes.size()));
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const std::string what = "plane " + std::to_string(i) + " of the " + format_name + " frame";
    const py::array plane = array_of(planes[i], what);
    require_dtype<std::uint8_t>(plane, what);
    const PlaneShape& wanted = shapes[i];
    const bool fits = plane.ndim() == (wanted.depth == 1 ? 2 : 3) &&
                      plane.shape(0) == wanted.height && plane.shape(1) == wanted.width &&
                      (wanted.depth == 1 || plane.shape(2) == wanted.depth);
    if (!fits) {
      const std::string depth = wanted.depth == 1 ? "" : ", " + std::to_string(wanted.depth);
      throw_value_error(what + " must have shape (" + std::to_string(wanted.height) + ", " +
                        std::to_string(wanted.width) + depth + "), got " + shape_of(plane));
    }
    const bool contiguous = (wanted.width == 1 || plane.strides(1) == wanted.depth) &&
                            (wanted.depth == 1 || plane.strides(2) == 1);
    if (!contiguous) {
      throw_type_error(what + " must have contiguous rows, got strides " +
                       text(plane.attr("strides")));
    }
    image.planes[i] = static_cast<const std::uint8_t*>(plane.data());
    image.row_strides[i] = plane.strides(0);
  }
  return image;
}

Input input_of(py::array& out, bool interleaved, int height, int width) {
  Input input{};
  input.type = type_of(out, "out");
  const int first = out.ndim() == 4 ? 1 : 0;  // a batch axis of one
  const int rows = first + (interleaved ? 0 : 1);
  const int channels = first + (interleaved ? 2 : 0);
  const bool fits = (out.ndim() == 3 || (out.ndim() == 4 && out.shape(0) == 1)) &&
                    out.shape(channels) == 3 && out.shape(rows) == height &&
                    out.shape(rows + 1) == width;
  if (!fits) {
    const std::string size = std::to_string(height) + ", " + std::to_string(width);
    const std::string shape = interleaved ? size + ", 3" : "3, " + size;
    throw_value_error("out must have shape (" + shape + ") or (1, " + shape + "), got " +
                      shape_of(out));
  }
  if (!out.writeable()) throw_value_error("out must be writable");
  require_aligned(out, "out");
  input.data = out.mutable_data();
  input.height = height;
  input.width = width;
  input.interleaved = interleaved;
  input.row_stride = stride_of(out, rows, "out");
  const std::ptrdiff_t across = stride_of(out, rows + 1, "out");
  const std::ptrdiff_t channel = stride_of(out, channels, "out");
  const bool contiguous =
      interleaved ? channel == 1 && (width == 1 || across == 3) : width == 1 || across == 1;
  if (!contiguous) {
    throw_type_error("out must have contiguous rows, got strides " + text(out.attr("strides")));
  }
  input.channel_stride = interleaved ? 0 : channel;
  return input;
}

struct Extent {
  int height, width;
};

Extent extent_of(const py::handle& size) {
  return {size.attr("height").cast<int>(), size.attr("width").cast<int>()};
}

void letterbox(const py::handle& frame, const py::handle& geometry, const py::handle& out,
               const std::string& layout, const std::string& color, std::array<float, 3> mean,
               std::array<float, 3> scale, std::array<int, 3> pad,
               const std::optional<std::string>& target) {
  const bool interleaved = layout == "NHWC";
  if (!interleaved && layout != "NCHW") {
    throw_value_error("layout must be NCHW or NHWC, got '" + layout + "'");
  }
  Pixels pixels{};
  pixels.rgb = color == "RGB";
  if (!pixels.rgb && color != "BGR") {
    throw_value_error("color must be RGB or BGR, got '" + color + "'");
  }
  const Extent source = extent_of(geometry.attr("image"));
  const Image image = image_of(frame.attr("planes"), frame.attr("format").cast<std::string>(),
                               source.height, source.width);
  const Extent whole = extent_of(geometry.attr("input"));
  py::array buffer = array_of(out, "out");
  const Input input = input_of(buffer, interleaved, whole.height, whole.width);
  const Extent resized = extent_of(geometry.attr("resized"));
  const Placement placement{geometry.attr("top").cast<int>(), geometry.attr("left").cast<int>(),
                            resized.height, resized.width};
  if (placement.top < 0 || placement.left < 0 || placement.height < 1 || placement.width < 1 ||
      placement.height > input.height - placement.top ||
      placement.width > input.width - placement.left) {
    throw_value_error("the geometry must place the image inside the input");
  }
  for (std::size_t c = 0; c < 3; ++c) {
    if (pad[c] < 0 || pad[c] > 255) {
      throw_value_error("pad must be a pixel value, 0-255, got " + std::to_string(pad[c]));
    }
    pixels.mean[c] = mean[c];
    pixels.scale[c] = scale[c];
    pixels.pad[c] = static_cast<std::uint8_t>(pad[c]);
  }
  const Target chosen = target_of(target);
  py::gil_scoped_release release;
  edge::letterbox(image, placement, pixels, input, chosen);
}

}  // namespace

void bind_letterbox(py::module_& m) {
  using namespace py::literals;
  constexpr float kUnit = 1.0f / 255;

  m.def("letterbox", &letterbox, "frame"_a, "geometry"_a, "out"_a, py::kw_only(),
        "layout"_a = "NCHW", "color"_a = "RGB", "mean"_a = std::array<float, 3>{},
        "scale"_a = std::array<float, 3>{kUnit, kUnit, kUnit},
        "pad"_a = std::array<int, 3>{114, 114, 114}, "target"_a = py::none(),
        R"(Resize, pad, convert and normalize a frame into a network input.

The pixels are those of `cv2.resize(INTER_LINEAR)` and `copyMakeBorder`, bit for bit.

Args:
    frame: Any pixel format; rows contiguous, any row stride.
    geometry: Where the image goes; for an image of the frame's size.
    out: Overwritten. (3, H, W) or (1, 3, H, W) by "NCHW", rows contiguous; (H, W, 3) or
        (1, H, W, 3) by "NHWC", pixels contiguous. float32 takes (pixel - mean) * scale, uint8 the
        pixel, int8 the pixel minus 128.
    layout: Order of the axes of `out`.
    color: Order of the channels of `out`.
    mean: Per channel, in the order of `color`; float32 only.
    scale: Likewise.
    pad: Pixel value around the image, in the order of `color`.
    target: SIMD target.
)");
}

}  // namespace edge::bindings
