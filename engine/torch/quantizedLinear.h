// Products with a frozen weight that is kept in 4 bits (QLoRA, arXiv 2305.14314), in bitsandbytes' layout: blocks of 64 values, two codes a byte,
// the first in the upper half; a block's largest magnitude in float32, or in 8 bits with a scale for every 256 of them and an offset for all.
// A tile of rows at a time is turned to floats, in forward and again in backward: the whole weight never exists.

#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

namespace quantized {

constexpr int64_t kBlock = 64;
constexpr int64_t kScaleBlock = 256;
/** Values of a tile: 64 MB in float32. */
constexpr int64_t kTile = 1 << 24;

struct Weight {
  at::Tensor packed;  // uint8 [ceil(O * I / 2)]
  at::Tensor pairs;   // float32 [256, 2]: the two values of each byte
  at::Tensor absmax;  // float32 [blocks], or uint8 where the rest is defined
  at::Tensor scales;  // float32 [ceil(blocks / 256)]
  at::Tensor table;   // float32 [256]: the values of absmax's codes
  at::Tensor offset;  // float32 []
  int64_t outputs, inputs;
};

/** Each block's largest magnitude, float32 [blocks]. */
inline at::Tensor magnitudes(const Weight& weight) {
  if (!weight.table.defined()) return weight.absmax;
  const at::Tensor each = weight.scales.repeat_interleave(kScaleBlock).slice(0, 0, weight.absmax.size(0));
  return weight.table.index_select(0, weight.absmax.to(at::kInt)) * each + weight.offset;
}

/** Rows a tile: a multiple of the block, so that a tile begins with a block whatever the row's length. */
inline int64_t tileRows(const Weight& weight) { return std::max(kBlock, kTile / weight.inputs / kBlock * kBlock); }

/** Rows `from` to `to` as floats, [to - from, I]; `from` is a multiple of the tile's rows. */
inline at::Tensor rows(const Weight& weight, const at::Tensor& absmax, int64_t from, int64_t to, at::ScalarType type) {
  const int64_t first = from * weight.inputs, count = (to - from) * weight.inputs;
  const at::Tensor bytes = weight.packed.slice(0, first / 2, (first + count + 1) / 2).to(at::kInt);
  const at::Tensor values = weight.pairs.index_select(0, bytes).view({-1}).slice(0, 0, count);
  const at::Tensor own = absmax.slice(0, first / kBlock, (first + count + kBlock - 1) / kBlock);
  const at::Tensor scaled = count % kBlock == 0 ? (values.view({-1, kBlock}) * own.unsqueeze(1)) : values * own.repeat_interleave(kBlock).slice(0, 0, count);
  return scaled.view({to - from, weight.inputs}).to(type);
}

template <typename F>
void eachTile(const Weight& weight, at::ScalarType type, F use) {
  const at::Tensor absmax = magnitudes(weight);
  const int64_t step = tileRows(weight);
  for (int64_t from = 0; from < weight.outputs; from += step) {
    const int64_t to = std::min(weight.outputs, from + step);
    use(rows(weight, absmax, from, to, type), from, to);
  }
}

/** x · Wᵀ: x [T, I] → [T, O], differentiable in x. */
struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, const Weight& weight) {
    context->save_for_backward({weight.packed, weight.pairs, weight.absmax, weight.scales, weight.table, weight.offset});
    context->saved_data["sizes"] = std::vector<int64_t>{weight.outputs, weight.inputs};
    const at::Tensor out = at::empty({x.size(0), weight.outputs}, x.options());
    eachTile(weight, x.scalar_type(), [&](const at::Tensor& tile, int64_t from, int64_t to) { out.slice(1, from, to).copy_(at::linear(x, tile)); });
    return out;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, const torch::autograd::variable_list& grads) {
    const auto saved = context->get_saved_variables();
    const auto sizes = context->saved_data["sizes"].toIntVector();
    const Weight weight{saved[0], saved[1], saved[2], saved[3], saved[4], saved[5], sizes[0], sizes[1]};
    const at::Tensor& grad = grads[0];
    // tiles are summed in float32
    at::Tensor sum;
    eachTile(weight, grad.scalar_type(), [&](const at::Tensor& tile, int64_t from, int64_t to) {
      const at::Tensor part = at::mm(grad.slice(1, from, to), tile).to(at::kFloat);
      sum = sum.defined() ? sum.add_(part) : part;
    });
    return {sum.to(grad.scalar_type()), {}};
  }
};

/** The whole weight as float32, [O, I]. */
inline at::Tensor dequantized(const Weight& weight) {
  const at::Tensor out = at::empty({weight.outputs, weight.inputs}, weight.pairs.options());
  eachTile(weight, at::kFloat, [&](const at::Tensor& tile, int64_t from, int64_t to) { out.slice(0, from, to).copy_(tile); });
  return out;
}

/** |W + scale · B · A| of each output, float32 [O]: DoRA's norms. a [R, I], b [O, R], both float32. */
inline at::Tensor mergedNorms(const Weight& weight, const at::Tensor& a, const at::Tensor& b, double scale) {
  const at::Tensor out = at::empty({weight.outputs}, weight.pairs.options());
  eachTile(weight, at::kFloat, [&](const at::Tensor& tile, int64_t from, int64_t to) {
    out.slice(0, from, to).copy_(at::linalg_vector_norm(at::addmm(tile, b.slice(0, from, to), a, 1, scale), 2, {1}));
  });
  return out;
}

}  // namespace quantized
