// Nucleus sampling on CPUs, a row a task: `sampleTopP` of engine/ops/sampling.ts as one pass of softmax and one of sums by buckets of alike
// probabilities (engine/ops/nucleus.ts); only the buckets in which a nucleus ends and a draw falls are sorted.

#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "rowMath.h"

namespace nucleus {

constexpr int kShift = 18;
constexpr int kBuckets = (0x3f800000 >> kShift) + 2;

inline int bucketOf(float probability) {
  uint32_t bits;
  std::memcpy(&bits, &probability, sizeof bits);
  return static_cast<int>(bits >> kShift);
}

/** p = softmax(x / temperature); false where x is not finite (minus infinity is a word that cannot be). */
DPO_CLONES static bool softmax(const float* x, int64_t n, float temperature, float* p) {
  int32_t wrong = 0;
  for (int64_t i = 0; i < n; i++) {
    p[i] = x[i] / temperature;
    wrong += !(p[i] <= std::numeric_limits<float>::max());
  }
  const float most = rows::largest(p, n);
  if (wrong > 0 || !(most >= std::numeric_limits<float>::lowest())) return false;
  for (int64_t i = 0; i < n; i++) p[i] = rows::exponential(p[i] - most);
  const float sum = rows::sum(n, [p](int64_t i) DPO_INLINE { return p[i]; });
  for (int64_t i = 0; i < n; i++) p[i] /= sum;
  return true;
}

/** The tokens of a bucket, most probable first, equal ones by id. */
inline void ordered(const float* p, int64_t words, int bucket, std::vector<int32_t>& tokens) {
  tokens.clear();
  for (int64_t i = 0; i < words; i++)
    if (bucketOf(p[i]) == bucket) tokens.push_back(static_cast<int32_t>(i));
  std::sort(tokens.begin(), tokens.end(), [&](int32_t a, int32_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
}

/** A row's draws. @param uniforms in [0, 1), by draw  @param draws which are this row's */
inline void drawFrom(const float* p, int64_t words, double topP, const double* uniforms, const std::vector<int32_t>& draws, int32_t* out) {
  std::vector<double> masses(kBuckets);
  for (int64_t i = 0; i < words; i++) masses[bucketOf(p[i])] += p[i];
  std::vector<int> buckets;
  std::vector<double> until;
  std::vector<int32_t> tokens;
  double sum = 0, total = -1;
  size_t inLast = std::numeric_limits<size_t>::max();
  for (int bucket = kBuckets - 1; bucket >= 0 && total < 0; bucket--) {
    if (masses[bucket] == 0) continue;
    const double before = sum;
    sum += masses[bucket];
    buckets.push_back(bucket);
    until.push_back(sum);
    if (sum < topP) continue;
    ordered(p, words, bucket, tokens);
    for (total = before, inLast = 0; inLast < tokens.size() && total < topP;) total += p[tokens[inLast++]];
  }
  if (total < 0) total = sum;  // rounding left topP out of reach: every token is in
  int known = total == sum && inLast == std::numeric_limits<size_t>::max() ? -1 : buckets.back();
  for (const int32_t draw : draws) {
    const double target = uniforms[draw] * total;
    const size_t place = std::min<size_t>(std::upper_bound(until.begin(), until.end(), target) - until.begin(), until.size() - 1);
    if (buckets[place] != known) ordered(p, words, known = buckets[place], tokens);
    const size_t count = place + 1 == buckets.size() ? std::min(tokens.size(), inLast) : tokens.size();
    double reached = place == 0 ? 0 : until[place - 1];
    size_t i = 0;
    while (i + 1 < count && (reached += p[tokens[i]]) <= target) i++;
    out[draw] = tokens[i];
  }
}

/** A token a draw. @param logits [R, V]  @param rowOf the row of each draw  @returns false where a row's logits are not finite */
inline bool sample(const at::Tensor& given, const double* uniforms, const int32_t* rowOf, int64_t count, double temperature, double topP, int32_t* out) {
  const at::Tensor logits = given.contiguous();
  const int64_t rows = logits.size(0), words = logits.size(1);
  std::vector<std::vector<int32_t>> draws(rows);
  for (int64_t n = 0; n < count; n++) {
    TORCH_CHECK(rowOf[n] >= 0 && rowOf[n] < rows, "row ", rowOf[n], " of ", rows);
    draws[rowOf[n]].push_back(static_cast<int32_t>(n));
  }
  const float* data = logits.const_data_ptr<float>();
  std::atomic<bool> finite{true};
  at::parallel_for(0, rows, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> p(words);
    for (int64_t row = begin; row < end; row++) {
      if (draws[row].empty()) continue;
      if (softmax(data + row * words, words, temperature, p.data())) drawFrom(p.data(), words, topP, uniforms, draws[row], out);
      else finite = false;
    }
  });
  return finite;
}

}  // namespace nucleus
