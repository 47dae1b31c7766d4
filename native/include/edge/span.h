// A borrowed, contiguous range: what std::span is in C++20.
#pragma once

#include <cstddef>

namespace edge {

template <class T>
class Span {
 public:
  constexpr Span() = default;
  constexpr Span(T* data, std::size_t size) : data_(data), size_(size) {}

  constexpr T* data() const { return data_; }
  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T& operator[](std::size_t i) const { return data_[i]; }
  constexpr T* begin() const { return data_; }
  constexpr T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// A borrowed column: elements at any distance from each other.
template <class T>
struct Column {
  const T* data;
  std::ptrdiff_t stride;  // elements
  std::size_t size;

  constexpr const T& operator[](std::size_t i) const {
    return data[static_cast<std::ptrdiff_t>(i) * stride];
  }
};

}  // namespace edge
