// exp and sigmoid with the same bits on every machine: additions and multiplications only.
#pragma once

#include <cstdint>
#include <cstring>

namespace edge {

// Within one unit in the last place of float. 2^n by the exponent field, e^r by its series, in
// double, where nothing over- or underflows.
inline float exp(float x) {
  if (!(x > -104.0f)) return x == x ? 0.0f : x;
  if (x > 89.0f) x = 89.0f;
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  constexpr double kLog2E = 1.4426950408889634, kLn2 = 0.6931471805599453;
  const double value = static_cast<double>(x);
  const double rounded = value * kLog2E + kShift;
  const double n = rounded - kShift;
  const double r = value - n * kLn2;
  double series = 1.0 / 362880;
  series = series * r + 1.0 / 40320;
  series = series * r + 1.0 / 5040;
  series = series * r + 1.0 / 720;
  series = series * r + 1.0 / 120;
  series = series * r + 1.0 / 24;
  series = series * r + 1.0 / 6;
  series = series * r + 0.5;
  series = series * r + 1.0;
  series = series * r + 1.0;
  const auto exponent = static_cast<std::uint64_t>(1023 + static_cast<std::int64_t>(n)) << 52;
  double power;
  std::memcpy(&power, &exponent, sizeof power);
  return static_cast<float>(series * power);
}

inline float sigmoid(float x) { return 1.0f / (1.0f + exp(-x)); }

}  // namespace edge
