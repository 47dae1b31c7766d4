// Runs every kernel on every SIMD target, over inputs that are awkward on purpose: odd sizes,
// padded rows, not-a-numbers, ties. All targets must give the same bits, on every machine the
// same as on the one where kExpected was written. Under sanitizers this also shows that no kernel
// leaves its arrays: all of them are exactly as large as they must be.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "edge/decode_boxes.h"
#include "edge/decode_centers.h"
#include "edge/decode_distances.h"
#include "edge/decode_peaks.h"
#include "edge/dispatch.h"
#include "edge/letterbox.h"
#include "edge/nms.h"

namespace {

// Equal everywhere, as integer arithmetic is. Source: Marsaglia 2003, xorshift.
class Random {
 public:
  explicit Random(std::uint32_t seed) : state_(seed * 2654435761u + 1) {}

  std::uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  int below(int limit) { return static_cast<int>(next() % static_cast<std::uint32_t>(limit)); }
  float unit() { return static_cast<float>(next() >> 8) * (1.0f / 16777216.0f); }

 private:
  std::uint32_t state_;
};

// FNV-1a over the bytes of all results.
class Digest {
 public:
  template <class T>
  void add(const std::vector<T>& values) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(values.data());
    for (std::size_t i = 0; i < values.size() * sizeof(T); ++i) {
      value_ = (value_ ^ bytes[i]) * 1099511628211u;
    }
  }
  void add(const edge::Candidates& found) {
    add(found.boxes);
    add(found.scores);
    add(found.class_ids);
  }
  std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = 14695981039346656037u;
};

float awkward(Random& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float values[] = {std::nanf(""), kInfinity, -kInfinity, 0.0f, -0.0f, 1.0f, 1e-45f, 3e38f};
  return values[random.below(8)];
}

std::vector<float> numbers(Random& random, std::size_t count, float scale) {
  std::vector<float> out(count);
  for (float& value : out) {
    const float u = random.unit();
    value = random.below(60) == 0 ? awkward(random) : u * u * scale;
  }
  return out;
}

template <class T>
void letterbox(edge::Type type, edge::PixelFormat format, bool interleaved, edge::Target target,
               Digest& digest) {
  Random random(static_cast<std::uint32_t>(format) + 7);
  const int sizes[][4] = {{37, 54, 37, 54},  {96, 128, 48, 64},  {61, 40, 97, 131}, {1, 2, 9, 5},
                          {90, 190, 31, 64}, {30, 600, 10, 200}, {8, 8, 1, 1},      {3, 2, 70, 70}};
  for (const auto& size : sizes) {
    const int height = size[0], width = size[1];
    const int half = (width + 1) / 2;
    const bool yuv = format > edge::PixelFormat::gray;
    const int depths[] = {3, 3, 1, 1, 1, 2};
    const int row = width * depths[static_cast<int>(format)];
    const int chroma_row = format == edge::PixelFormat::nv12 ? 2 * half : half;
    std::vector<std::uint8_t> planes[3];
    planes[0].resize(static_cast<std::size_t>(height * row));
    if (yuv) {
      for (int i = 1; i < 3; ++i) {
        planes[i].resize(static_cast<std::size_t>((height + 1) / 2 * chroma_row));
      }
    }
    for (auto& plane : planes) {
      for (auto& byte : plane) byte = static_cast<std::uint8_t>(random.next() >> 24);
    }
    const edge::Image image{format,
                            height,
                            width,
                            {planes[0].data(), planes[1].data(), planes[2].data()},
                            {row, chroma_row, chroma_row}};
    const edge::Placement place{2, 1, size[2], size[3]};
    const int out_height = size[2] + 5, out_width = size[3] + 3;
    std::vector<T> out(static_cast<std::size_t>(3 * out_height * out_width));
    const edge::Input input{out.data(),
                            type,
                            out_height,
                            out_width,
                            interleaved,
                            out_height * out_width,
                            interleaved ? 3 * out_width : out_width};
    const edge::Pixels pixels{
        true, {1.5f, 100.0f, 127.5f}, {1 / 255.0f, 0.5f, 1 / 58.0f}, {114, 1, 2}};
    edge::letterbox(image, place, pixels, input, target);
    digest.add(out);
  }
}

edge::TensorView table(const float* data, std::size_t channels, std::size_t points, bool planar) {
  edge::TensorView out;
  out.data = data;
  out.channels = channels;
  out.points = points;
  out.channel_stride = planar ? static_cast<std::ptrdiff_t>(points) : 1;
  out.point_stride = planar ? 1 : static_cast<std::ptrdiff_t>(channels);
  return out;
}

template <class T>
edge::TensorView codes(const std::vector<T>& data, std::size_t channels, std::size_t points,
                       bool planar) {
  edge::TensorView out = table(nullptr, channels, points, planar);
  out.data = data.data();
  out.type = std::numeric_limits<T>::is_signed ? edge::Type::int8 : edge::Type::uint8;
  out.scale = 1 / 100.0f;
  out.zero_point = std::numeric_limits<T>::min() + 3;
  return out;
}

constexpr auto kNone = edge::Activation::none;
constexpr auto kSigmoid = edge::Activation::sigmoid;
constexpr auto kSoftmax = edge::Activation::softmax;
const std::vector<edge::Scoring> kScorings = {
    {0.25f, false, kNone},     {0.25f, true, kNone},         {0.001f, false, kNone},
    {-1.0f, true, kNone},      {0.6f, false, kSigmoid},      {0.999f, true, kSigmoid},
    {0.0f, false, kSigmoid},   {0.2f, true, kSoftmax},       {0.5f, false, kSoftmax},
    {0.3f, true, kNone, true}, {0.7f, false, kSigmoid, true}};

void decode(const edge::TensorView& rows, edge::Target target, Digest& digest) {
  for (const edge::Scoring& scoring : kScorings) {
    if (scoring.threshold < 0 && rows.points > 100) continue;  // everything passes: slow
    for (const bool objectness : {false, true}) {
      edge::Head head;
      head.boxes = rows.slice(0, 4);
      if (objectness) head.objectness = rows.slice(4, 1);
      head.scores = rows.slice(5, rows.channels - 5);
      head.width = rows.points % 7 == 0 ? 7 : rows.points % 5 == 0 ? 5 : 1;
      head.stride = 8;
      edge::Candidates found;
      edge::decode_boxes(head, {}, scoring, found, target);
      edge::decode_distances({&head, 1}, {1, 0.5f, objectness}, scoring, found, target);
      edge::decode_centers({&head, 1}, scoring, found, target);
      const edge::Anchor anchor{12, 33};
      edge::decode_anchors({&head, 1}, {&anchor, 1}, {}, scoring, found, target);
      if (!objectness) edge::decode_peaks(head, rows.slice(2, 2), scoring, found, target);
      if (rows.channels > 40) {
        head.boxes = rows.slice(0, 32);
        edge::decode_distances({&head, 1}, {8, 0.0f, false}, scoring, found, target);
      }
      edge::keep_best(found, found.scores.size() / 2);
      digest.add(found);
    }
  }
}

void decode_all(edge::Target target, Digest& digest) {
  for (const bool planar : {false, true}) {
    const std::size_t shapes[][2] = {{85, 300}, {6, 1},     {9, 70},  {13, 3},
                                     {300, 35}, {25, 2100}, {9, 8300}};
    for (const auto& shape : shapes) {
      Random random(static_cast<std::uint32_t>(shape[0]));
      const std::size_t count = shape[0] * shape[1];
      const std::vector<float> values = numbers(random, count, 1);
      decode(table(values.data(), shape[0], shape[1], planar), target, digest);
      std::vector<std::int8_t> signed_codes(count);
      std::vector<std::uint8_t> unsigned_codes(count);
      for (std::size_t i = 0; i < count; ++i) {
        const float u = random.unit();
        unsigned_codes[i] = static_cast<std::uint8_t>(u * u * u * 255);
        signed_codes[i] = static_cast<std::int8_t>(unsigned_codes[i] - 128);
      }
      decode(codes(signed_codes, shape[0], shape[1], planar), target, digest);
      decode(codes(unsigned_codes, shape[0], shape[1], planar), target, digest);
    }
  }
}

void suppress(edge::Target target, Digest& digest) {
  for (const int count : {0, 1, 7, 8, 9, 255, 256, 1000}) {
    Random random(static_cast<std::uint32_t>(count) + 1);
    std::vector<float> boxes, scores;
    std::vector<std::int32_t> ids;
    for (int i = 0; i < count; ++i) {
      const float x = random.unit() * 60, y = random.unit() * 60;
      const float box[] = {x, y, x + random.unit() * 40 - 2, y + random.unit() * 40 - 2};
      for (const float value : box) {
        boxes.push_back(random.below(200) == 0 ? awkward(random) : value);
      }
      scores.push_back(random.below(100) == 0 ? awkward(random)
                                              : static_cast<float>(random.below(40)) / 40);
      ids.push_back(random.below(3) == 0 ? 2147483647 : random.below(3) - 1);
    }
    const auto n = static_cast<std::size_t>(count);
    for (const bool agnostic : {false, true}) {
      for (const std::size_t most : {n, n / 3}) {
        digest.add(edge::nms({boxes.data(), 4, n}, {scores.data(), 1, n}, {ids.data(), 1, n},
                             {0.4f, agnostic, most}, target));
      }
    }
  }
}

std::uint64_t everything(edge::Target target) {
  Digest digest;
  for (int format = 0; format < 6; ++format) {
    for (const bool interleaved : {false, true}) {
      const auto pixel_format = static_cast<edge::PixelFormat>(format);
      letterbox<float>(edge::Type::float32, pixel_format, interleaved, target, digest);
      letterbox<std::uint8_t>(edge::Type::uint8, pixel_format, interleaved, target, digest);
      letterbox<std::uint8_t>(edge::Type::int8, pixel_format, interleaved, target, digest);
    }
  }
  decode_all(target, digest);
  suppress(target, digest);
  return digest.value();
}

}  // namespace

int main() {
  constexpr std::uint64_t kExpected = 0xf220d588e370188f;
  int failures = 0;
  for (const edge::Target target : edge::available_targets()) {
    const std::uint64_t found = everything(target);
    const bool ok = found == kExpected;
    failures += ok ? 0 : 1;
    std::printf("%s: %016llx, %s\n", edge::name(target), static_cast<unsigned long long>(found),
                ok ? "as expected" : "NOT AS EXPECTED");
  }
  return failures;
}
