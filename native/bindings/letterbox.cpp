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
  wrong_value("a frame is BGR, RGB, GRAY, NV12, I420 or YUYV, got '" + name + "'");
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
    wrong_value("a YUYV frame has an even width, got " + std::to_string(width));
  }
  if (planes.size() != shapes.size()) {
    wrong_value("a frame of " + format_name + " has " + std::to_string(shapes.size()) +
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
      wrong_value(what + " has shape (" + std::to_string(wanted.height) + ", " +
                  std::to_string(wanted.width) + depth + "), got " + shape_of(plane));
    }
    const bool contiguous = (wanted.width == 1 || plane.strides(1) == wanted.depth) &&
                            (wanted.depth == 1 || plane.strides(2) == 1);
    if (!contiguous) {
      wrong_type(what + " has contiguous rows, got strides " + text(plane.attr("strides")));
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
    wrong_value("out has shape (" + shape + ") or (1, " + shape + "), got " + shape_of(out));
  }
  if (!out.writeable()) wrong_value("out is read-only");
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
    wrong_type("out has contiguous rows, got strides " + text(out.attr("strides")));
  }
  input.channel_stride = interleaved ? 0 : channel;
  return input;
}

void letterbox(const py::tuple& planes, const std::string& format, std::array<int, 2> image_size,
               std::array<int, 2> input_size, std::array<int, 4> place, py::handle out,
               bool interleaved, bool rgb, std::array<float, 3> mean, std::array<float, 3> scale,
               std::array<int, 3> pad, const std::optional<std::string>& target) {
  const Image image = image_of(planes, format, image_size[0], image_size[1]);
  py::array buffer = array_of(out, "out");
  const Input input = input_of(buffer, interleaved, input_size[0], input_size[1]);
  const Placement placement{place[0], place[1], place[2], place[3]};
  if (placement.top < 0 || placement.left < 0 || placement.height < 1 || placement.width < 1 ||
      placement.height > input.height - placement.top ||
      placement.width > input.width - placement.left) {
    wrong_value("the geometry places the image outside the input");
  }
  Pixels pixels{};
  pixels.rgb = rgb;
  for (std::size_t c = 0; c < 3; ++c) {
    if (pad[c] < 0 || pad[c] > 255) {
      wrong_value("pad is a pixel value, 0-255, got " + std::to_string(pad[c]));
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

void bind_letterbox(py::module_& m) { m.def("letterbox", &letterbox); }

}  // namespace edge::bindings
