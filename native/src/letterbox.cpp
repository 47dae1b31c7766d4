#include "edge/letterbox.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "simd/kernels.h"

namespace edge {
namespace {

using simd::i16;
using simd::i32;
using simd::u8;

constexpr float kOne = 2048;  // 11-bit weights

// Interpolation along one axis: sample i mixes `low[i]` and `low[i] + 1`.
struct Taps {
  std::vector<i32> low;
  std::vector<i16> weights;  // pairs
};

// Half-pixel centers. Positions are rounded to float before they are split, as OpenCV does.
Taps taps(int from, int to) {
  Taps out;
  out.low.resize(static_cast<std::size_t>(to));
  out.weights.resize(2 * static_cast<std::size_t>(to));
  const double step = 1.0 / (static_cast<double>(to) / from);
  for (int i = 0; i < to; ++i) {
    const float at = static_cast<float>((i + 0.5) * step - 0.5);
    const float low = std::floor(at);
    const float part = at - low;
    const auto k = static_cast<std::size_t>(i);
    out.low[k] = static_cast<i32>(low);
    out.weights[2 * k] = static_cast<i16>(std::lrintf((1.0f - part) * kOne));
    out.weights[2 * k + 1] = static_cast<i16>(std::lrintf(part * kOne));
  }
  return out;
}

// Along a row both taps must lie inside: those past an edge give all their weight to the edge
// pixel. (Rows are clamped instead, which rounds differently; so does OpenCV.) The weights of a
// column add up to one; up to 8192 columns they do so before, too.
Taps column_taps(int from, int to) {
  Taps out = taps(from, to);
  const auto one = static_cast<i16>(kOne);
  for (std::size_t k = 0; k < out.low.size(); ++k) {
    out.weights[2 * k] = static_cast<i16>(one - out.weights[2 * k + 1]);
    if (out.low[k] < 0) {
      out.low[k] = 0;
      out.weights[2 * k] = one;
      out.weights[2 * k + 1] = 0;
    } else if (out.low[k] >= from - 1) {
      out.low[k] = std::max(from - 2, 0);
      out.weights[2 * k] = 0;
      out.weights[2 * k + 1] = one;
    }
  }
  return out;
}

int channels_of(PixelFormat format) { return format == PixelFormat::gray ? 1 : 3; }

// Gives the rows of an image: as they lie, or converted from YUV into planes of B, G, R.
class Rows {
 public:
  Rows(const Image& image, const simd::Kernels& kernels) : image_(image), kernels_(kernels) {}

  bool converted() const { return image_.format > PixelFormat::gray; }

  const u8* lying(int y) const { return plane(0, y); }

  void yuv_to_bgr(int y, u8* const out[3]) const {
    const u8* first = plane(0, y);
    const auto count = static_cast<std::size_t>(image_.width);
    switch (image_.format) {
      case PixelFormat::yuyv:
        kernels_.yuv_to_bgr(first, first + 1, first + 3, 2, 4, count, out);
        break;
      case PixelFormat::i420:
        kernels_.yuv_to_bgr(first, plane(1, y / 2), plane(2, y / 2), 1, 1, count, out);
        break;
      default: kernels_.yuv_to_bgr(first, plane(1, y / 2), plane(1, y / 2) + 1, 1, 2, count, out);
    }
  }

 private:
  const u8* plane(std::size_t i, int y) const {
    return image_.planes[i] + y * image_.row_strides[i];
  }

  const Image& image_;
  const simd::Kernels& kernels_;
};

// Gives the rows of the resized image, one plane per channel.
class Resized {
 public:
  Resized(const Image& image, const Placement& size, const simd::Kernels& kernels)
      : rows_(image, kernels), image_(image), size_(size), kernels_(kernels) {
    if (same() || halved()) return;
    vertical_ = taps(image.height, size.height);
    horizontal_ = column_taps(image.width, size.width);
    const int last = image.width - 3;  // 8 bytes from here stay inside the row
    simd_count_ = static_cast<std::size_t>(
        std::upper_bound(horizontal_.low.begin(), horizontal_.low.end(), last) -
        horizontal_.low.begin());
    for (i32& low : horizontal_.low) low *= channels_of(image.format);  // from here on, bytes
    for (auto& row : mixed_) row.resize(3 * static_cast<std::size_t>(size.width));
  }

  void write(int y, u8* const out[3]) {
    const int channels = channels_of(image_.format);
    const auto count = static_cast<std::size_t>(size_.width);
    if (same()) {
      if (rows_.converted()) return rows_.yuv_to_bgr(y, out);
      return kernels_.deinterleave(rows_.lying(y), channels, count, out);
    }
    if (halved()) return downsample_2x(y, out);
    const auto k = static_cast<std::size_t>(y);
    const int low = std::clamp(vertical_.low[k], 0, image_.height - 1);
    const int high = std::clamp(vertical_.low[k] + 1, 0, image_.height - 1);
    const i16* a = mixed(low, high);
    const i16* b = vertical_.weights[2 * k + 1] == 0 ? a : mixed(high, low);
    for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
      kernels_.vresize(a + c * count, b + c * count, vertical_.weights[2 * k],
                       vertical_.weights[2 * k + 1], count, out[c]);
    }
  }

 private:
  bool same() const { return size_.height == image_.height && size_.width == image_.width; }
  bool halved() const {
    return 2 * size_.height == image_.height && 2 * size_.width == image_.width;
  }

  void downsample_2x(int y, u8* const out[3]) {
    const auto count = static_cast<std::size_t>(size_.width);
    if (!rows_.converted()) {
      const u8* top = rows_.lying(2 * y);
      return kernels_.downsample_2x(top, rows_.lying(2 * y + 1), channels_of(image_.format), count,
                                    out);
    }
    const Planes top = converted(0);
    const Planes bottom = converted(1);
    rows_.yuv_to_bgr(2 * y, top.data);
    rows_.yuv_to_bgr(2 * y + 1, bottom.data);
    for (int c = 0; c < 3; ++c) {
      u8* const one[3] = {out[c], nullptr, nullptr};
      kernels_.downsample_2x(top.data[c], bottom.data[c], 1, count, one);
    }
  }

  // Three planes of a row of the image, and room for as many interleaved.
  struct Planes {
    u8* data[3];
    u8* joined;
  };

  Planes converted(int slot) {
    const auto width = static_cast<std::size_t>(image_.width);
    converted_.resize(12 * width);
    u8* first = converted_.data() + static_cast<std::size_t>(slot) * 6 * width;
    return {{first, first + width, first + 2 * width}, first + 3 * width};
  }

  const u8* interleaved(int y) {
    if (!rows_.converted()) return rows_.lying(y);
    const Planes planes = converted(0);
    rows_.yuv_to_bgr(y, planes.data);
    kernels_.interleave(planes.data, static_cast<std::size_t>(image_.width), planes.joined);
    return planes.joined;
  }

  // Row `y` of the image, interpolated along its columns; the last two are remembered.
  const i16* mixed(int y, int other) {
    for (std::size_t i = 0; i < 2; ++i) {
      if (held_[i] == y) return mixed_[i].data();
    }
    const std::size_t slot = held_[0] == other ? 1 : 0;
    const auto count = static_cast<std::size_t>(size_.width);
    i16* data = mixed_[slot].data();
    i16* const out[3] = {data, data + count, data + 2 * count};
    const int channels = channels_of(image_.format);
    const u8* row = interleaved(y);
    u8 doubled[6];
    if (image_.width == 1) {  // the second tap needs a second pixel
      std::memcpy(doubled, row, static_cast<std::size_t>(channels));
      std::memcpy(doubled + channels, row, static_cast<std::size_t>(channels));
      row = doubled;
    }
    const simd::Columns columns{horizontal_.low.data(), horizontal_.weights.data(), count,
                                simd_count_};
    kernels_.hresize(row, channels, columns, out);
    held_[slot] = y;
    return data;
  }

  Rows rows_;
  const Image& image_;
  const Placement& size_;
  const simd::Kernels& kernels_;
  Taps vertical_;
  Taps horizontal_;
  std::size_t simd_count_ = 0;
  std::vector<i16> mixed_[2];
  int held_[2] = {-1, -1};
  std::vector<u8> converted_;
};

// Element (y, x, c) of the input.
template <class T>
T* at(const Input& input, int y, int x, int c) {
  const std::ptrdiff_t row = y * input.row_stride;
  const std::ptrdiff_t i = input.interleaved ? row + 3 * x + c : row + x + c * input.channel_stride;
  return static_cast<T*>(input.data) + i;
}

float real(u8 pixel, const Pixels& pixels, int c) {
  return (static_cast<float>(pixel) - pixels.mean[c]) * pixels.scale[c];
}

u8 code(u8 pixel, Type type) { return type == Type::int8 ? pixel ^ 0x80 : pixel; }

// The border of the input around `place`.
template <class T>
void pad(const Input& input, const Placement& place, const T (&value)[3]) {
  std::vector<T> line;  // of interleaved padding
  if (input.interleaved) {
    for (int x = 0; x < input.width; ++x) line.insert(line.end(), value, value + 3);
  }
  const auto fill = [&](int y, int x, int count) {
    if (input.interleaved) {
      std::copy_n(line.data(), 3 * count, at<T>(input, y, x, 0));
    } else {
      for (int c = 0; c < 3; ++c) std::fill_n(at<T>(input, y, x, c), count, value[c]);
    }
  };
  for (int y = 0; y < input.height; ++y) {
    if (y < place.top || y >= place.top + place.height) {
      fill(y, 0, input.width);
    } else {
      const int right = place.left + place.width;
      fill(y, 0, place.left);
      fill(y, right, input.width - right);
    }
  }
}

// Takes the pixels of a row, one plane per channel, to where and what the input wants them.
class Writer {
 public:
  Writer(const Input& input, const Placement& place, const Pixels& pixels,
         const simd::Kernels& kernels)
      : input_(input), place_(place), pixels_(pixels), kernels_(kernels), count_(size(place)) {
    if (!in_place()) planes_.resize(3 * count_);
    if (input.interleaved && input.type == Type::float32) joined_.resize(3 * count_);
  }

  // Where channel `c` of row `y` is to be put; all three, then `finish`.
  u8* row(int y, int c) {
    if (in_place()) return at<u8>(input_, place_.top + y, place_.left, c);
    return planes_.data() + static_cast<std::size_t>(c) * count_;
  }

  void finish(int y) {
    const int top = place_.top + y;
    const int left = place_.left;
    if (in_place()) {
      for (int c = 0; c < 3 && input_.type == Type::int8; ++c) {
        kernels_.to_int8(row(y, c), count_);
      }
      return;
    }
    const u8* const planes[3] = {row(y, 0), row(y, 1), row(y, 2)};
    if (!input_.interleaved) {
      for (int c = 0; c < 3; ++c) {
        kernels_.normalize(planes[c], count_, pixels_.mean[c], pixels_.scale[c],
                           at<float>(input_, top, left, c));
      }
    } else if (input_.type == Type::float32) {
      kernels_.interleave(planes, count_, joined_.data());
      kernels_.normalize_pixels(joined_.data(), count_, pixels_.mean, pixels_.scale,
                                at<float>(input_, top, left, 0));
    } else {
      u8* out = at<u8>(input_, top, left, 0);
      kernels_.interleave(planes, count_, out);
      if (input_.type == Type::int8) kernels_.to_int8(out, 3 * count_);
    }
  }

 private:
  static std::size_t size(const Placement& place) { return static_cast<std::size_t>(place.width); }

  // Bytes side by side in planes need no buffer on the way.
  bool in_place() const { return !input_.interleaved && input_.type != Type::float32; }

  const Input& input_;
  const Placement& place_;
  const Pixels& pixels_;
  const simd::Kernels& kernels_;
  std::size_t count_;
  std::vector<u8> planes_;
  std::vector<u8> joined_;
};

}  // namespace

void letterbox(const Image& image, const Placement& placement, const Pixels& pixels,
               const Input& input, Target target) {
  const simd::Kernels& kernels = simd::kernels(target);
  const bool is_float = input.type == Type::float32;
  if (is_float) {
    const float value[3] = {real(pixels.pad[0], pixels, 0), real(pixels.pad[1], pixels, 1),
                            real(pixels.pad[2], pixels, 2)};
    pad(input, placement, value);
  } else {
    const u8 value[3] = {code(pixels.pad[0], input.type), code(pixels.pad[1], input.type),
                         code(pixels.pad[2], input.type)};
    pad(input, placement, value);
  }

  Resized resized(image, placement, kernels);
  Writer writer(input, placement, pixels, kernels);
  const bool gray = image.format == PixelFormat::gray;
  const bool same_order = (image.format == PixelFormat::rgb) == pixels.rgb;
  for (int y = 0; y < placement.height; ++y) {
    u8* rows[3];  // in the order of the image
    for (int c = 0; c < 3; ++c) rows[c] = writer.row(y, same_order ? c : 2 - c);
    resized.write(y, rows);
    for (int c = 1; gray && c < 3; ++c) {
      std::memcpy(rows[c], rows[0], static_cast<std::size_t>(placement.width));
    }
    writer.finish(y);
  }
}

}  // namespace edge
