// Matrix products on rows where they lie, and loops over rows for the processor at hand: what the CPU's own kernels are made of.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

// of the BLAS that libtorch brings; null where it shows none
extern "C" void sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*, const float*,
                       const int*, const float*, float*, const int*) __attribute__((weak));

// loops compiled for several processors, the best chosen when the addon is loaded
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define DPO_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define DPO_CLONES
#endif

// on a lambda: part of the loop that calls it, and of its copies for other processors
#define DPO_INLINE __attribute__((always_inline))

namespace rows {

inline bool available() { return sgemm_ != nullptr; }

/** C [m, n] = alpha op(A) op(B) + beta C, all by rows; `transpose…`: stored the other way round. */
inline void multiply(bool transposeA, bool transposeB, int m, int n, int k, float alpha, const float* a, int rowA, const float* b, int rowB, float beta,
                     float* c, int rowC) {
  // BLAS counts by columns: Cᵀ = op(B)ᵀ op(A)ᵀ
  sgemm_(transposeB ? "T" : "N", transposeA ? "T" : "N", &n, &m, &k, &alpha, b, &rowB, a, &rowA, &beta, c, &rowC);
}

/** exp(x) for x up to 80, within two units of the last place (Cephes' polynomial); what would be below 1e-38 is that. */
__attribute__((always_inline)) inline float exponential(float x) {
  x = x > -87.0f ? x : -87.0f;
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

// A row is gone through in lanes: a sum whose order the compiler may not change is otherwise one addition after the other.
constexpr int kLanes = 16;

/** The largest value; n is 1 at least. */
__attribute__((always_inline)) inline float largest(const float* x, int64_t n) {
  float lanes[kLanes], most = x[0];
  std::fill(lanes, lanes + kLanes, x[0]);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; l++) lanes[l] = lanes[l] > x[i + l] ? lanes[l] : x[i + l];
  for (; i < n; i++) most = std::max(most, x[i]);
  for (int l = 0; l < kLanes; l++) most = std::max(most, lanes[l]);
  return most;
}

/** Σ term(i). @param term of an index; DPO_INLINE */
template <typename Term>
__attribute__((always_inline)) inline float sum(int64_t n, const Term& term) {
  float lanes[kLanes] = {}, total = 0;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; l++) lanes[l] += term(i + l);
  for (; i < n; i++) total += term(i);
  for (int l = 0; l < kLanes; l++) total += lanes[l];
  return total;
}

}  // namespace rows
