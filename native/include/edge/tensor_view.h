// A borrowed output of a network, seen as channels x points.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edge {

enum class Type { float32, int8, uint8 };

// Element (c, p) lies `c * channel_stride + p * point_stride` elements after `data`, so planes,
// rows and padded channels are all one thing. Codes mean scale * (code - zero_point), scale > 0.
struct TensorView {
  const void* data = nullptr;
  Type type = Type::float32;
  std::size_t channels = 0;
  std::size_t points = 0;
  std::ptrdiff_t channel_stride = 0;
  std::ptrdiff_t point_stride = 0;
  float scale = 1;
  int zero_point = 0;

  // The real value of one element.
  float at(std::size_t channel, std::size_t point) const {
    const auto i = static_cast<std::ptrdiff_t>(channel) * channel_stride +
                   static_cast<std::ptrdiff_t>(point) * point_stride;
    switch (type) {
      case Type::int8: return real(static_cast<const std::int8_t*>(data)[i]);
      case Type::uint8: return real(static_cast<const std::uint8_t*>(data)[i]);
      case Type::float32: break;
    }
    return static_cast<const float*>(data)[i];
  }

  // The real values of the first four channels.
  void load_box(std::size_t point, float out[4]) const {
    const auto first = static_cast<std::ptrdiff_t>(point) * point_stride;
    if (type == Type::float32) {
      const float* value = static_cast<const float*>(data) + first;
      for (int c = 0; c < 4; ++c) out[c] = value[c * channel_stride];
    } else {
      for (std::size_t c = 0; c < 4; ++c) out[c] = at(c, point);
    }
  }

  float real(int code) const { return static_cast<float>(code - zero_point) * scale; }

  // The channels [first, first + count).
  TensorView slice(std::size_t first, std::size_t count) const {
    TensorView part = *this;
    const std::ptrdiff_t size = type == Type::float32 ? 4 : 1;
    if (points > 0) {  // the pointer of an empty table may be null
      part.data = static_cast<const char*>(data) +
                  static_cast<std::ptrdiff_t>(first) * channel_stride * size;
    }
    part.channels = count;
    return part;
  }
};

}  // namespace edge
