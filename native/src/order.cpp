#include "order.h"

#include <cstring>

namespace edge {
namespace {

// Unsigned integers in the reverse order of the scores, the index below: sorting them upwards is
// the stable order from the best down.
std::uint64_t key_of(float score, std::size_t index) {
  std::uint32_t bits;
  score += 0.0f;  // -0 becomes 0, which it equals
  std::memcpy(&bits, &score, sizeof bits);
  const std::uint32_t ascending = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<std::uint64_t>(~ascending) << 32 | index;
}

// By radix, 11 bits of the score at a time; the input is in the order of indices.
void sort(std::vector<std::uint64_t>& keys, std::vector<std::uint64_t>& spare) {
  constexpr std::size_t kSmall = 256;
  if (keys.size() < kSmall) {
    std::sort(keys.begin(), keys.end());
    return;
  }
  constexpr int kShifts[] = {32, 43, 54};
  constexpr std::size_t kBuckets = 2048;
  std::size_t counts[3][kBuckets] = {};
  for (const std::uint64_t key : keys) {
    for (std::size_t i = 0; i < 3; ++i) ++counts[i][key >> kShifts[i] & (kBuckets - 1)];
  }
  spare.resize(keys.size());
  for (std::size_t i = 0; i < 3; ++i) {
    std::size_t start = 0;
    for (std::size_t& count : counts[i]) {
      const std::size_t size = count;
      count = start;
      start += size;
    }
    for (const std::uint64_t key : keys) {
      spare[counts[i][key >> kShifts[i] & (kBuckets - 1)]++] = key;
    }
    keys.swap(spare);
  }
}

}  // namespace

void order_by_score(const BoxList& boxes, const Column<float>& scores, std::size_t most,
                    std::vector<std::int32_t>& order) {
  thread_local std::vector<std::uint64_t> keys, spare;
  keys.clear();
  for (std::size_t i = 0; i < boxes.size; ++i) {
    const float* box = boxes.data + static_cast<std::ptrdiff_t>(i) * boxes.stride;
    // A sum of zeros is a number only when none of them was infinite or not a number.
    const float zero = box[0] * 0 + box[1] * 0 + box[2] * 0 + box[3] * 0 + scores[i] * 0;
    if (zero == 0) keys.push_back(key_of(scores[i], i));
  }
  sort(keys, spare);
  keys.resize(std::min(keys.size(), most));
  order.resize(keys.size());
  std::transform(keys.begin(), keys.end(), order.begin(),
                 [](std::uint64_t key) { return static_cast<std::int32_t>(key & 0xffffffffu); });
}

}  // namespace edge
