#include "edge/statistics.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "simd/kernels.h"

namespace edge {

Range value_range(Span<const float> values, Target target) {
  Range range{};
  simd::kernels(target).value_range(values.data(), values.size(), &range.low, &range.high);
  return range;
}

namespace {

// Counting in several tables in turn keeps equal neighbors from waiting for each other.
constexpr std::size_t kTables = 4;

std::size_t bin_of(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7fffffffu) >> 16;
}

}  // namespace

void add_magnitudes(Span<const float> values, Span<std::int64_t> counts) {
  std::vector<std::uint32_t> tables(kTables * counts.size());
  constexpr std::size_t kBlock = std::size_t{1} << 30;  // fits the counters
  const std::size_t step = counts.size();
  for (std::size_t from = 0; from < values.size(); from += kBlock) {
    const std::size_t end = std::min(values.size(), from + kBlock);
    std::fill(tables.begin(), tables.end(), 0);
    std::size_t i = from;
    for (; i + kTables <= end; i += kTables) {
      for (std::size_t t = 0; t < kTables; ++t) ++tables[t * step + bin_of(values[i + t])];
    }
    for (; i < end; ++i) ++tables[bin_of(values[i])];
    for (std::size_t bin = 0; bin < counts.size(); ++bin) {
      for (std::size_t t = 0; t < kTables; ++t) counts[bin] += tables[t * step + bin];
    }
  }
}

}  // namespace edge
