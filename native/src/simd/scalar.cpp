#define EDGE_TARGET scalar
#include "simd/target.inl"
