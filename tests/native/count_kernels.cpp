// Runs one kernel on fixed inputs, so many times: what test_instructions.py counts.
//
//   count_kernels NAME TARGET TIMES      or, without arguments, the names
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "edge/decode_boxes.h"
#include "edge/decode_centers.h"
#include "edge/decode_distances.h"
#include "edge/letterbox.h"
#include "edge/nms.h"
#include "edge/statistics.h"

namespace {

using edge::Target;
using Run = std::function<void(Target)>;

std::uint32_t noise() {  // Source: Marsaglia 2003, xorshift.
  static std::uint32_t state = 2463534242u;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

float unit() { return static_cast<float>(noise() >> 8) * (1.0f / 16777216.0f); }

Run letterbox(edge::PixelFormat format, int height, int width, edge::Type type) {
  auto pixels =
      std::make_shared<std::vector<std::uint8_t>>(static_cast<std::size_t>(height * width * 3));
  for (auto& byte : *pixels) byte = static_cast<std::uint8_t>(noise() >> 24);
  auto out = std::make_shared<std::vector<float>>(3 * 320 * 320);
  return [=](Target target) {
    const bool yuv = format == edge::PixelFormat::nv12;
    const std::ptrdiff_t row = yuv ? width : 3 * width;
    const std::uint8_t* first = pixels->data();
    const edge::Image image{
        format, height, width, {first, first + height * width, nullptr}, {row, width, 0}};
    const edge::Placement place{40, 0, 240, 320};
    const edge::Pixels how{true, {0, 0, 0}, {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}, {114, 114, 114}};
    edge::letterbox(image, place, how, {out->data(), type, 320, 320, false, 320 * 320, 320},
                    target);
  };
}

// 8400 points, of which about one in a hundred has a score above the threshold.
template <class T>
Run decode(bool planar, bool objectness) {
  constexpr std::size_t kPoints = 8400;
  const std::size_t channels = objectness ? 85 : 84;
  auto values = std::make_shared<std::vector<T>>(kPoints * channels);
  const bool codes = sizeof(T) == 1;
  for (T& value : *values) {
    float u = unit();
    for (int i = 0; i < 4; ++i) u *= u;
    value = static_cast<T>(noise() % 100 == 0 ? u * (codes ? 127 : 1) : 0);
  }
  edge::TensorView table;
  table.data = values->data();
  table.type = codes ? edge::Type::int8 : edge::Type::float32;
  table.scale = 1 / 127.0f;
  table.channels = channels;
  table.points = kPoints;
  table.channel_stride = planar ? kPoints : 1;
  table.point_stride = planar ? 1 : static_cast<std::ptrdiff_t>(channels);
  if (objectness) {
    for (std::size_t i = 0; i < kPoints; ++i) (*values)[i * channels + 4] = 1;
  }
  edge::Head head;
  head.boxes = table.slice(0, 4);
  head.scores = table.slice(channels - 80, 80);
  if (objectness) head.objectness = table.slice(4, 1);
  return [=](Target target) {
    static_cast<void>(values.get());
    edge::Candidates found;
    edge::Scoring scoring;
    scoring.threshold = 0.25f;
    edge::decode_boxes(head, {}, scoring, found, target);
  };
}

Run nms(std::size_t count) {
  auto boxes = std::make_shared<std::vector<float>>();
  auto scores = std::make_shared<std::vector<float>>();
  auto ids = std::make_shared<std::vector<std::int32_t>>();
  for (std::size_t i = 0; i < count; ++i) {
    const float x = unit() * 256, y = unit() * 256;
    boxes->insert(boxes->end(), {x, y, x + unit() * 64, y + unit() * 64});
    scores->push_back(unit());
    ids->push_back(static_cast<std::int32_t>(noise() % 4));
  }
  return [=](Target target) {
    edge::nms({boxes->data(), 4, count}, {scores->data(), 1, count}, {ids->data(), 1, count}, {},
              target);
  };
}

Run value_range() {
  auto values = std::make_shared<std::vector<float>>(1 << 18);
  for (float& value : *values) value = unit();
  return [=](Target target) { edge::value_range({values->data(), values->size()}, target); };
}

const std::map<std::string, std::function<Run()>> kCases = {
    {"letterbox half u8",
     [] { return letterbox(edge::PixelFormat::bgr, 480, 640, edge::Type::uint8); }},
    {"letterbox half f32",
     [] { return letterbox(edge::PixelFormat::bgr, 480, 640, edge::Type::float32); }},
    {"letterbox any u8",
     [] { return letterbox(edge::PixelFormat::bgr, 375, 500, edge::Type::uint8); }},
    {"letterbox NV12 u8",
     [] { return letterbox(edge::PixelFormat::nv12, 480, 640, edge::Type::uint8); }},
    {"decode rows f32", [] { return decode<float>(false, true); }},
    {"decode planes f32", [] { return decode<float>(true, false); }},
    {"decode rows i8", [] { return decode<std::int8_t>(false, false); }},
    {"decode planes i8", [] { return decode<std::int8_t>(true, false); }},
    {"nms 100", [] { return nms(100); }},
    {"nms 2000", [] { return nms(2000); }},
    {"value range", value_range},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    for (const auto& entry : kCases) std::printf("%s\n", entry.first.c_str());
    return 0;
  }
  const auto found = kCases.find(argv[1]);
  if (found == kCases.end()) return 2;
  for (const Target target : edge::available_targets()) {
    if (std::strcmp(edge::name(target), argv[2]) != 0) continue;
    const Run run = found->second();
    for (int i = std::atoi(argv[3]); i > 0; --i) run(target);
    return 0;
  }
  return 3;
}
