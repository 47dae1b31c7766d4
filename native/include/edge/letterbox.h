// Fits an image into a network input: resize, pad, convert, lay out; one pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "edge/dispatch.h"
#include "edge/tensor_view.h"

namespace edge {

enum class PixelFormat { bgr, rgb, gray, nv12, i420, yuyv };

// 8-bit planes as `edge.types.Frame` lists them. Borrowed.
struct Image {
  PixelFormat format;
  int height;
  int width;
  const std::uint8_t* planes[3];
  std::ptrdiff_t row_strides[3];  // bytes
};

// Where the resized image lies inside the input, in input pixels.
struct Placement {
  int top;
  int left;
  int height;
  int width;
};

// What becomes of a pixel value. Three channels, in the order of the input.
struct Pixels {
  bool rgb;  // order of the input's channels; else BGR
  float mean[3];
  float scale[3];
  std::uint8_t pad[3];
};

// The network input. Planar: rows contiguous, any channel stride. Interleaved: pixels contiguous.
struct Input {
  void* data;
  Type type;
  int height;
  int width;
  bool interleaved;
  std::ptrdiff_t channel_stride;  // elements; planar only
  std::ptrdiff_t row_stride;      // elements
};

// Writes all of `input`: float32 holds (pixel - mean) * scale, uint8 the pixel, int8 the pixel's
// bits with the top one flipped (pixel - 128). The pixel is that of bilinear interpolation with
// half-pixel centers in 11-bit fixed point, bit for bit OpenCV's INTER_LINEAR. YUV (ITU-R BT.601,
// studio range, chroma as it lies) becomes RGB first, by 16-bit arithmetic that is at most one
// level from OpenCV's 20-bit one.
void letterbox(const Image& image, const Placement& placement, const Pixels& pixels,
               const Input& input, Target target = best_target());

}  // namespace edge
