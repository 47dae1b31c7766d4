// libFuzzer's entry: bytes become a kernel, shapes, strides, thresholds and values. Built with
// address and undefined-behavior sanitizers; every array is exactly as large as it must be.
// Besides not crashing, all targets must agree on the result.
//
//   cmake -S . -B build/fuzz -DCMAKE_CXX_COMPILER=clang++ -DEDGE_FUZZ=ON -DEDGE_SANITIZE=ON
//   cmake --build build/fuzz && build/fuzz/native/fuzz_kernels -max_total_time=600
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "edge/decode_boxes.h"
#include "edge/decode_centers.h"
#include "edge/decode_distances.h"
#include "edge/decode_peaks.h"
#include "edge/letterbox.h"
#include "edge/merge.h"
#include "edge/nms.h"
#include "edge/soft_nms.h"
#include "edge/statistics.h"

namespace {

class Bytes {
 public:
  Bytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::uint8_t byte() {
    if (at_ == size_) return static_cast<std::uint8_t>(at_++ * 37);  // past the end: anything
    return at_ < size_ ? data_[at_++] : static_cast<std::uint8_t>(at_++ * 37);
  }
  int below(int limit) { return (byte() << 8 | byte()) % limit; }
  bool flag() { return (byte() & 1) != 0; }

  // Any bits at all, or a plausible number.
  float number() {
    const int kind = byte() % 4;
    if (kind == 0) {
      std::uint32_t bits = 0;
      for (int i = 0; i < 4; ++i) bits = bits << 8 | byte();
      float value;
      std::memcpy(&value, &bits, sizeof value);
      return value;
    }
    return static_cast<float>(byte()) * (kind == 1 ? 1.0f / 255 : 1.0f);
  }

  std::vector<float> numbers(std::size_t count) {
    std::vector<float> out(count);
    for (float& value : out) value = number();
    return out;
  }

  // A threshold is a number: the binding sees to that.
  float threshold() {
    const float value = number();
    return value == value ? value : 0.5f;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

bool same(const edge::Candidates& a, const edge::Candidates& b) {
  const auto equal = [](const std::vector<float>& x, const std::vector<float>& y) {
    return x.size() == y.size() &&
           (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
  };
  return equal(a.boxes, b.boxes) && equal(a.scores, b.scores) && a.class_ids == b.class_ids;
}

void require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "targets disagree: %s\n", what);
  std::abort();
}

template <class T>
edge::TensorView table(Bytes& in, std::vector<T>& storage, std::size_t channels,
                       std::size_t points) {
  edge::TensorView out;
  const bool planar = in.flag();
  const auto step = static_cast<std::ptrdiff_t>(1 + in.byte() % 2);  // gaps between elements
  const auto pad = static_cast<std::ptrdiff_t>(in.byte() % 3);       // and between lines
  const auto inner = static_cast<std::ptrdiff_t>(planar ? points : channels);
  const auto outer = static_cast<std::ptrdiff_t>(planar ? channels : points);
  const std::ptrdiff_t line = inner * step + pad;
  storage.resize(static_cast<std::size_t>(
      outer == 0 || inner == 0 ? 0 : (outer - 1) * line + (inner - 1) * step + 1));
  out.channels = channels;
  out.points = points;
  out.channel_stride = planar ? line : step;
  out.point_stride = planar ? step : line;
  return out;
}

void decode(Bytes& in) {
  const auto channels = static_cast<std::size_t>(6 + in.below(in.flag() ? 100 : 12));
  const std::size_t width = static_cast<std::size_t>(1 + in.below(12));
  const std::size_t points = width * static_cast<std::size_t>(in.below(20));
  std::vector<float> values;
  std::vector<std::int8_t> codes;
  edge::TensorView all;
  if (in.flag()) {
    all = table(in, values, channels, points);
    for (float& value : values) value = in.number();
    all.data = values.data();
  } else {
    all = table(in, codes, channels, points);
    for (auto& code : codes) code = static_cast<std::int8_t>(in.byte());
    all.data = codes.data();
    all.type = in.flag() ? edge::Type::int8 : edge::Type::uint8;
    all.scale = std::max(1e-6f, static_cast<float>(in.byte()) / 256);
    all.zero_point = in.below(512) - 256;
  }
  edge::Head head;
  head.boxes = all.slice(0, 4);
  head.scores = all.slice(5, channels - 5);
  if (in.flag()) head.objectness = all.slice(4, 1);
  head.width = width;
  head.stride = 8;
  edge::Scoring scoring;
  scoring.threshold = in.threshold();
  scoring.multi_label = in.flag();
  scoring.activation = static_cast<edge::Activation>(in.byte() % 3);
  scoring.sqrt = head.objectness.data != nullptr && in.flag();
  if (scoring.activation == edge::Activation::softmax && in.flag()) {
    head.background = all.slice(4, 1);
  }
  const int kind = in.byte() % 5;
  const edge::Anchor anchor{in.number(), in.number()};
  const auto run = [&](edge::Target target) {
    edge::Candidates found;
    edge::Head copy = head;
    switch (kind) {
      case 0: edge::decode_boxes(head, {}, scoring, found, target); break;
      case 1:
        if (channels >= 32) copy.boxes = all.slice(0, 32);
        edge::decode_distances({&copy, 1}, {channels >= 32 ? 8u : 1u, 0.5f, false}, scoring, found,
                               target);
        break;
      case 2: edge::decode_centers({&head, 1}, scoring, found, target); break;
      case 3: edge::decode_anchors({&head, 1}, {&anchor, 1}, {}, scoring, found, target); break;
      default:
        copy.objectness = {};
        edge::decode_peaks(copy, all.slice(2, 2), scoring, found, target);
    }
    edge::keep_best(found, 1000);
    return found;
  };
  const edge::Candidates first = run(edge::Target::baseline);
  for (const edge::Target target : edge::available_targets()) {
    require(same(run(target), first), "decode");
  }
}

void suppress(Bytes& in) {
  const auto n = static_cast<std::size_t>(in.below(in.flag() ? 400 : 20));
  const std::vector<float> boxes = in.numbers(4 * n);
  const std::vector<float> scores = in.numbers(n);
  std::vector<std::int32_t> ids(n);
  for (auto& id : ids) id = in.flag() ? in.byte() % 3 : in.below(65536) * 32767 - 1073741824;
  const edge::BoxList list{boxes.data(), 4, n};
  const edge::Column<float> score{scores.data(), 1, n};
  const edge::Column<std::int32_t> id{ids.data(), 1, n};
  edge::Suppression how;
  how.iou_threshold = static_cast<float>(in.byte()) / 255;
  how.class_agnostic = in.flag();
  if (in.flag()) how.max_detections = in.byte();
  if (in.flag()) how.top_k = in.byte();
  const auto first = edge::nms(list, score, id, how, edge::Target::baseline);
  for (const edge::Target target : edge::available_targets()) {
    require(edge::nms(list, score, id, how, target) == first, "nms");
  }
  edge::Softness softness;
  softness.decay = in.flag() ? edge::Decay::linear : edge::Decay::gaussian;
  softness.class_agnostic = how.class_agnostic;
  edge::soft_nms(list, score, id, softness);
  edge::merge(list, score, id, how);
}

void letterbox(Bytes& in) {
  const auto format = static_cast<edge::PixelFormat>(in.byte() % 6);
  const int height = 1 + in.below(60);
  int width = 1 + in.below(120);
  if (format == edge::PixelFormat::yuyv) width += width % 2;
  const int half = (width + 1) / 2;
  const int depths[] = {3, 3, 1, 1, 1, 2};
  const int gap = in.byte() % 5;
  const int row = width * depths[static_cast<int>(format)];
  const int chroma = format == edge::PixelFormat::nv12 ? 2 * half : half;
  edge::Image image{format, height, width, {}, {row + gap, chroma + gap, chroma + gap}};
  std::vector<std::uint8_t> planes[3];
  for (int i = 0; i < (format > edge::PixelFormat::gray ? 3 : 1); ++i) {
    const int rows = i == 0 ? height : (height + 1) / 2;
    const int size = (rows - 1) * ((i == 0 ? row : chroma) + gap) + (i == 0 ? row : chroma);
    planes[i].resize(static_cast<std::size_t>(size));
    for (auto& byte : planes[i]) byte = in.byte();
    image.planes[i] = planes[i].data();
  }
  const edge::Placement place{in.byte() % 4, in.byte() % 4, 1 + in.below(70), 1 + in.below(130)};
  const int out_height = place.top + place.height + in.byte() % 3;
  const int out_width = place.left + place.width + in.byte() % 3;
  const bool interleaved = in.flag();
  const edge::Type type = static_cast<edge::Type>(in.byte() % 3);
  const std::size_t size =
      static_cast<std::size_t>(3 * out_height * out_width) * (type == edge::Type::float32 ? 4 : 1);
  edge::Pixels pixels{in.flag(), {}, {}, {in.byte(), in.byte(), in.byte()}};
  for (int c = 0; c < 3; ++c) {
    pixels.mean[c] = static_cast<float>(in.byte());
    pixels.scale[c] = static_cast<float>(in.byte()) / 255;
  }
  const auto run = [&](edge::Target target) {
    std::vector<float> out((size + 3) / 4);
    const edge::Input input{out.data(),
                            type,
                            out_height,
                            out_width,
                            interleaved,
                            out_height * out_width,
                            interleaved ? 3 * out_width : out_width};
    edge::letterbox(image, place, pixels, input, target);
    return out;
  };
  const auto first = run(edge::Target::baseline);
  for (const edge::Target target : edge::available_targets()) {
    const auto found = run(target);
    require(std::memcmp(found.data(), first.data(), size) == 0, "letterbox");
  }
}

void accumulate(Bytes& in) {
  const std::vector<float> values = in.numbers(static_cast<std::size_t>(in.below(300)));
  const edge::Span<const float> span{values.data(), values.size()};
  const edge::Range first = edge::value_range(span, edge::Target::baseline);
  for (const edge::Target target : edge::available_targets()) {
    const edge::Range found = edge::value_range(span, target);
    require(found.low == first.low && found.high == first.high, "value_range");
  }
  std::vector<std::int64_t> counts(edge::kMagnitudes);
  edge::add_magnitudes(span, {counts.data(), counts.size()});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Bytes in(data, size);
  switch (in.byte() % 4) {
    case 0: decode(in); break;
    case 1: suppress(in); break;
    case 2: letterbox(in); break;
    default: accumulate(in);
  }
  return 0;
}
