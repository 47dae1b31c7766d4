#define EDGE_TARGET avx2
#include "simd/target.inl"
