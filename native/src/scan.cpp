#include "scan.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <type_traits>

#include "arithmetic.h"
#include "simd/kernels.h"

namespace edge {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using simd::Found;
using simd::i32;
using simd::i8;
using simd::u8;

float score_of(float raw, const Scoring& scoring) {
  return scoring.activation == Activation::sigmoid ? sigmoid(raw) : raw;
}

// What an objectness must be above, and, an objectness being at most 1, a class score as well.
float min_score(const Scoring& scoring) {
  return scoring.sqrt ? scoring.threshold * scoring.threshold : scoring.threshold;
}

// The least raw value that can pass `threshold`: never too high, so that nothing is lost, and
// every point found is looked at again with its true score.
float min_raw(const Scoring& scoring) {
  const float least_score = std::nextafter(min_score(scoring), kInfinity);
  if (scoring.activation == Activation::none) {
    return scoring.sqrt ? least_score * (1 - 1e-6f) : least_score;  // roots are rounded
  }
  if (scoring.threshold >= 1) return kInfinity;
  const double p = static_cast<double>(min_score(scoring)) * (1 - 1e-6);
  const double slack = 1e-4 + 1e-6 / (1 - p);  // of rounding in exp, and of sigmoid near 1
  return static_cast<float>(std::log(p / (1 - p)) - slack);
}

// The least code whose score is at least so much; none if even the greatest is not.
template <class T>
bool least_code(const TensorView& table, const Scoring& scoring, float at_least, T& code) {
  for (int c = std::numeric_limits<T>::min(); c <= std::numeric_limits<T>::max(); ++c) {
    if (score_of(table.real(c), scoring) >= at_least) {
      code = static_cast<T>(c);
      return true;
    }
  }
  return false;
}

// Fills in the thresholds. False when nothing can pass. Below zero nearly everything passes, and
// products are no longer ordered like their factors: every point is looked at.
bool set_thresholds(const Head& head, const Scoring& scoring, simd::Scan<float>& scan) {
  if (scoring.threshold < 0 || scoring.activation == Activation::softmax) {
    scan.at_least = scan.objectness_at_least = -kInfinity;
    return true;
  }
  scan.at_least = scan.objectness_at_least = min_raw(scoring);
  scan.multiply = head.objectness.data != nullptr && scoring.activation == Activation::none;
  return true;
}

template <class T>
bool set_thresholds(const Head& head, const Scoring& scoring, simd::Scan<T>& scan) {
  if (scoring.threshold < 0 || scoring.activation == Activation::softmax) {
    scan.at_least = scan.objectness_at_least = std::numeric_limits<T>::min();
    return true;
  }
  const float above =
      std::nextafter(min_score(scoring), kInfinity) * (scoring.sqrt ? 1 - 1e-6f : 1.0f);
  float at_least = above;
  if (head.objectness.data != nullptr) {
    if (!least_code(head.objectness, scoring, above, scan.objectness_at_least)) return false;
    // An objectness above 1 (rounding of its scale) lets lower classes pass.
    const float greatest = score_of(head.objectness.real(std::numeric_limits<T>::max()), scoring);
    if (greatest > 1) at_least = above / greatest * (1 - 1e-6f);
  }
  return least_code(head.scores, scoring, at_least, scan.at_least);
}

std::size_t run(const simd::Kernels& kernels, const simd::Scan<float>& scan, bool planes,
                Found* found) {
  return planes ? kernels.scan_planes_f32(scan, found) : kernels.scan_rows_f32(scan, found);
}

std::size_t run(const simd::Kernels& kernels, const simd::Scan<i8>& scan, bool planes,
                Found* found) {
  return planes ? kernels.scan_planes_i8(scan, found) : kernels.scan_rows_i8(scan, found);
}

std::size_t run(const simd::Kernels& kernels, const simd::Scan<u8>& scan, bool planes,
                Found* found) {
  return planes ? kernels.scan_planes_u8(scan, found) : kernels.scan_rows_u8(scan, found);
}

// Tables that are neither rows nor planes are gathered, so many points at a time.
constexpr std::size_t kGathered = 1024;

template <class T, class Use>
void gather(const Head& head, const Use& use) {
  thread_local std::vector<T> values;
  const std::size_t channels = head.scores.channels;
  values.resize((channels + 1) * kGathered);
  const auto copy = [](const TensorView& table, std::size_t channel, std::size_t point,
                       std::size_t count, T* out) {
    const T* from = static_cast<const T*>(table.data) +
                    static_cast<std::ptrdiff_t>(channel) * table.channel_stride +
                    static_cast<std::ptrdiff_t>(point) * table.point_stride;
    for (std::size_t i = 0; i < count; ++i) {
      out[i] = from[static_cast<std::ptrdiff_t>(i) * table.point_stride];
    }
  };
  for (std::size_t point = 0; point < head.scores.points; point += kGathered) {
    const std::size_t count = std::min(kGathered, head.scores.points - point);
    for (std::size_t c = 0; c < channels; ++c) {
      copy(head.scores, c, point, count, values.data() + c * kGathered);
    }
    T* objectness = nullptr;
    if (head.objectness.data != nullptr) {
      objectness = values.data() + channels * kGathered;
      copy(head.objectness, 0, point, count, objectness);
    }
    use(point, count, values.data(), objectness);
  }
}

// Rows are taken so many at a time, so that those found are still in the cache when looked at.
constexpr std::size_t kRows = 256;

// Calls `look` with every point found and its best class, and `pause` now and then.
template <class T, class Look, class Pause>
void find(const Head& head, const Scoring& scoring, const simd::Kernels& kernels, const Look& look,
          const Pause& pause) {
  const TensorView& scores = head.scores;
  simd::Scan<T> scan{};
  scan.scores = static_cast<const T*>(scores.data);
  scan.channel_stride = scores.channel_stride;
  scan.point_stride = scores.point_stride;
  scan.points = scores.points;
  scan.classes = scores.channels;
  scan.objectness = static_cast<const T*>(head.objectness.data);
  scan.objectness_stride = head.objectness.point_stride;
  if (!set_thresholds(head, scoring, scan)) return;

  thread_local std::vector<Found> found;  // kept from call to call, as it is large
  const auto each = [&](std::size_t from, bool planes) {
    if (found.size() < scan.points) found.resize(scan.points);
    const std::size_t count = run(kernels, scan, planes, found.data());
    for (std::size_t i = 0; i < count; ++i) {
      look(from + static_cast<std::size_t>(found[i].point),
           static_cast<std::size_t>(found[i].class_id));
    }
    pause();
  };
  const bool objectness_fits = scan.objectness == nullptr || scan.objectness_stride == 1;
  if (scores.point_stride == 1 && objectness_fits) return each(0, true);
  if (scores.channel_stride == 1 || scores.channels == 1) {
    for (std::size_t from = 0; from < scores.points; from += kRows) {
      scan.points = std::min(kRows, scores.points - from);
      each(from, false);
      scan.scores += static_cast<std::ptrdiff_t>(kRows) * scan.point_stride;
      scan.objectness += static_cast<std::ptrdiff_t>(kRows) * scan.objectness_stride;
    }
    return;
  }
  gather<T>(head, [&](std::size_t point, std::size_t count, const T* values, const T* objectness) {
    scan.scores = values;
    scan.channel_stride = kGathered;
    scan.point_stride = 1;
    scan.points = count;
    scan.objectness = objectness;
    scan.objectness_stride = 1;
    each(point, true);
  });
}

template <class T>
void scan_as(const Head& head, const Scoring& scoring, const simd::Kernels& kernels,
             const UseHits& use) {
  thread_local std::vector<Hit> hits;
  hits.clear();
  const auto pause = [&] {
    use(hits);
    hits.clear();
  };
  const auto value = [](const TensorView& table, std::size_t channel, std::size_t point) {
    const T raw = static_cast<const T*>(
        table.data)[static_cast<std::ptrdiff_t>(channel) * table.channel_stride +
                    static_cast<std::ptrdiff_t>(point) * table.point_stride];
    if constexpr (std::is_same_v<T, float>) return raw;
    return table.real(static_cast<int>(raw));
  };
  const auto push = [&](std::size_t point, std::size_t class_id, float score) {
    if (score > scoring.threshold && std::isfinite(score)) {
      Hit& hit = hits.emplace_back();  // in place: a copy would wait for its parts to be stored
      hit.point = static_cast<std::uint32_t>(point);
      hit.class_id = static_cast<i32>(class_id);
      hit.score = score;
    }
  };
  const auto each_class = [&](std::size_t point, std::size_t best, const auto& score) {
    if (!scoring.multi_label) return push(point, best, score(best));
    for (std::size_t c = 0; c < head.scores.channels; ++c) push(point, c, score(c));
  };
  if (scoring.activation == Activation::softmax) {
    // A score is at most e^(its raw value - the greatest), so most points need no sum.
    const float within = scoring.threshold > 0 ? std::log(scoring.threshold) - 1e-4f : -kInfinity;
    const auto look = [&](std::size_t point, std::size_t best) {
      const bool open = head.background.data != nullptr;
      const float ground = open ? value(head.background, 0, point) : -kInfinity;
      const float own = value(head.scores, best, point);
      const float most = ground > own ? ground : own;
      if (own - most < within) return;
      float total = 0;
      for (std::size_t c = 0; c < head.scores.channels; ++c) {
        total += exp(value(head.scores, c, point) - most);
      }
      if (open) total += exp(ground - most);
      each_class(point, best,
                 [&](std::size_t c) { return exp(value(head.scores, c, point) - most) / total; });
    };
    return find<T>(head, scoring, kernels, look, pause);
  }
  const float lowest = min_score(scoring);
  const auto look = [&](std::size_t point, std::size_t best) {
    float objectness = 1;
    if (head.objectness.data != nullptr) {
      objectness = score_of(value(head.objectness, 0, point), scoring);
      if (!(objectness > lowest)) return;
    }
    each_class(point, best, [&](std::size_t c) {
      const float score = score_of(value(head.scores, c, point), scoring) * objectness;
      return scoring.sqrt ? std::sqrt(score) : score;
    });
  };
  find<T>(head, scoring, kernels, look, pause);
}

}  // namespace

void scan(const Head& head, const Scoring& scoring, Target target, const UseHits& use) {
  const simd::Kernels& kernels = simd::kernels(target);
  switch (head.scores.type) {
    case Type::float32: return scan_as<float>(head, scoring, kernels, use);
    case Type::int8: return scan_as<i8>(head, scoring, kernels, use);
    case Type::uint8: return scan_as<u8>(head, scoring, kernels, use);
  }
}

}  // namespace edge
