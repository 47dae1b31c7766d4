#define EDGE_TARGET baseline
#include "simd/target.inl"
