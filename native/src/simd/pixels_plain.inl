// For targets without byte shuffles: everything is left to the plain loops.

std::size_t wide_mix_columns(const u8*, const Columns&, i16* const*) { return 0; }
std::size_t wide_mix_rows(const i16*, const i16*, int, int, std::size_t, u8*) { return 0; }
std::size_t wide_halve(const u8*, const u8*, int, std::size_t, u8* const*) { return 0; }
std::size_t wide_split(const u8*, std::size_t, u8* const*) { return 0; }
std::size_t wide_join(const u8* const*, std::size_t, u8*) { return 0; }
std::size_t wide_convert(const u8*, const u8*, const u8*, int, int, std::size_t, u8* const*) {
  return 0;
}
