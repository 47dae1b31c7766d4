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

// Counting in several tables in turn keeps equal neighbours from waiting for each other.
constexpr std::size_t kTables = 4;

template <class BinOf>
void count(Span<const float> values, Span<std::int64_t> counts, const BinOf& bin_of) {
  std::vector<std::uint32_t> tables(kTables * (counts.size() + 1));  // and one bin for no bin
  constexpr std::size_t kBlock = std::size_t{1} << 30;               // fits the counters
  const std::size_t step = counts.size() + 1;
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

void add_histogram(Span<const float> values, float low, float high, Span<std::int64_t> counts) {
  // In double: bins of wide ranges and many bins would otherwise shift.
  const double first = static_cast<double>(low);
  const double per_unit = static_cast<double>(counts.size()) / (static_cast<double>(high) - first);
  const double last = static_cast<double>(counts.size() - 1);
  const std::size_t none = counts.size();
  count(values, counts, [=](float value) {
    const double bin = (static_cast<double>(value) - first) * per_unit;
    if (!(bin == bin)) return none;
    return static_cast<std::size_t>(std::min(std::max(bin, 0.0), last));
  });
}

void add_magnitudes(Span<const float> values, Span<std::int64_t> counts) {
  count(values, counts, [](float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<std::size_t>((bits & 0x7fffffffu) >> 16);
  });
}

}  // namespace edge
