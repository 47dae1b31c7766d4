// The loops of the letterbox.

void mix_columns(const u8* row, int channels, const Columns& columns, i16* const out[3]) {
  for (int c = 0; c < channels; ++c) {
    for (std::size_t x = 0; x < columns.count; ++x) {
      const u8* pixel = row + columns.left[x] * channels + c;
      const i32 mixed =
          pixel[0] * columns.weights[2 * x] + pixel[channels] * columns.weights[2 * x + 1];
      out[c][x] = static_cast<i16>(mixed >> 4);
    }
  }
}

void mix_rows(const i16* a, const i16* b, int weight_a, int weight_b, std::size_t count, u8* out) {
  for (std::size_t x = 0; x < count; ++x) {
    const i32 mixed = (a[x] * weight_a >> 16) + (b[x] * weight_b >> 16);
    out[x] = static_cast<u8>((mixed + 2) >> 2);
  }
}

void halve(const u8* top, const u8* bottom, int channels, std::size_t count, u8* const out[3]) {
  for (int c = 0; c < channels; ++c) {
    for (std::size_t x = 0; x < count; ++x) {
      const std::size_t i =
          2 * x * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c);
      const std::size_t j = i + static_cast<std::size_t>(channels);
      out[c][x] = static_cast<u8>((top[i] + top[j] + bottom[i] + bottom[j] + 2) >> 2);
    }
  }
}

void split(const u8* row, int channels, std::size_t count, u8* const out[3]) {
  for (int c = 0; c < channels; ++c) {
    for (std::size_t x = 0; x < count; ++x) {
      out[c][x] = row[x * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)];
    }
  }
}

void normalise(const u8* row, std::size_t count, float mean, float scale, float* out) {
  for (std::size_t x = 0; x < count; ++x) out[x] = (static_cast<float>(row[x]) - mean) * scale;
}
