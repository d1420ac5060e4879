// The engine's own kernels, as JavaScript calls them.

#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>

#include "headLogProbs.h"
#include "nucleusSampling.h"
#include "packedAttention.h"
#include "quantizedLinear.h"
#include "runsAttention.h"
#include "slots.h"

namespace {

/**
 * packedAttention(q, k, v, keyRows, keyUses, queryStarts, keyStarts, longestQuery, longestKey, scale, window): the slot of [T, H, D].
 * Missing keyRows and keyUses: the keys are the rows as they stand.
 */
napi_value packedAttention(napi_env env, State* state, size_t, napi_value* args) {
  const auto tensor = [&](int i, const char* what) { return tensorAt(env, state, args[i], what); };
  const bool gather = !isMissing(env, args[3]);
  const packed::Index index{gather ? tensor(3, "keyRows") : at::Tensor(), gather ? tensor(4, "keyUses") : at::Tensor(),
                            tensor(5, "queryStarts"), tensor(6, "keyStarts"), toInt(env, args[7], "longestQuery"), toInt(env, args[8], "longestKey"),
                            toNumber(env, args[9], "scale"), toInt(env, args[10], "window")};
  return give(env, state, packed::Attention::apply(tensor(0, "q"), tensor(1, "k"), tensor(2, "v"), index));
}

/** hasBlas(): whether libtorch's BLAS is there for `runsAttention` and `headBackward`. */
napi_value hasBlas(napi_env env, State*, size_t, napi_value*) {
  napi_value value;
  napi_get_boolean(env, rows::available(), &value);
  return value;
}

/** runsAttention(q, k, v, segments, runs, groups, scale, window, causal, cap): the slot of [T, H, D]; float32 on a CPU. */
napi_value runsAttention(napi_env env, State* state, size_t, napi_value* args) {
  const auto tensor = [&](int i, const char* what) { return tensorAt(env, state, args[i], what); };
  const runs::Index index{tensor(3, "segments"), tensor(4, "runs"), tensor(5, "groups"), toNumber(env, args[6], "scale"),
                          toInt(env, args[7], "window"), toBool(env, args[8], "causal"), toNumber(env, args[9], "cap")};
  return give(env, state, runs::Attention::apply(tensor(0, "q"), tensor(1, "k"), tensor(2, "v"), index));
}

/** headForward(logits, targets, scale): writes to meta the log-probabilities of the targets and the logarithms of the sums, both [N]; float32 on a CPU. */
napi_value headForward(napi_env env, State* state, size_t, napi_value* args) {
  at::AutoDispatchBelowADInplaceOrView guard;
  auto [values, sums] = head::forward(tensorAt(env, state, args[0], "logits"), tensorAt(env, state, args[1], "targets"), toNumber(env, args[2], "scale"));
  describe(state, 0, store(state, std::move(values)));
  describe(state, 1, store(state, std::move(sums)));
  return undefined(env);
}

/**
 * headBackward(logits, sums, targets, gradient, hidden, head, scale, whether the head is trained): the slot of the hidden states' gradient;
 * adds to the head's and overwrites the logits.
 */
napi_value headBackward(napi_env env, State* state, size_t, napi_value* args) {
  at::AutoDispatchBelowADInplaceOrView guard;
  const auto tensor = [&](int i, const char* what) -> at::Tensor& { return tensorAt(env, state, args[i], what); };
  return give(env, state, head::backward(tensor(0, "logits"), tensor(1, "sums"), tensor(2, "targets"), tensor(3, "gradient"), tensor(4, "hidden"),
                                                  tensor(5, "head"), toNumber(env, args[6], "scale"), toBool(env, args[7], "trained")));
}

/**
 * sampleNucleus(logits, uniforms: Float64Array, rows: Int32Array, temperature, topP, tokens: Int32Array): fills the tokens, one a draw; false where
 * logits are not finite. float32 on a CPU.
 */
napi_value sampleNucleus(napi_env env, State* state, size_t, napi_value* args) {
  const Bytes uniforms = bytesOf(env, args[1]), rows = bytesOf(env, args[2]), tokens = bytesOf(env, args[5]);
  const int64_t count = static_cast<int64_t>(tokens.length / sizeof(int32_t));
  if (uniforms.length != count * sizeof(double) || rows.length != tokens.length) fail("internal: a draw has one number and one row");
  at::AutoDispatchBelowADInplaceOrView guard;
  const bool finite = nucleus::sample(tensorAt(env, state, args[0], "logits"), static_cast<const double*>(uniforms.data),
                                      static_cast<const int32_t*>(rows.data), count, toNumber(env, args[3], "temperature"),
                                      toNumber(env, args[4], "topP"), static_cast<int32_t*>(tokens.data));
  napi_value value;
  napi_get_boolean(env, finite, &value);
  return value;
}

/** A quantised weight from eight arguments: packed, pairs, absmax, scales, table, offset (the last three missing where absmax is float32), outputs, inputs. */
quantized::Weight quantizedWeight(napi_env env, State* state, napi_value* args) {
  const auto tensor = [&](int i, const char* what) { return isMissing(env, args[i]) ? at::Tensor() : tensorAt(env, state, args[i], what); };
  return {tensor(0, "packed"), tensor(1, "pairs"), tensor(2, "absmax"), tensor(3, "scales"), tensor(4, "table"), tensor(5, "offset"),
          toInt(env, args[6], "outputs"), toInt(env, args[7], "inputs")};
}

/** quantizedLinear(weight's eight, x): the slot of x · Wᵀ, [T, O]. */
napi_value quantizedLinear(napi_env env, State* state, size_t, napi_value* args) {
  return give(env, state, quantized::Linear::apply(tensorAt(env, state, args[8], "x"), quantizedWeight(env, state, args)));
}

/** dequantized(weight's eight): the slot of the whole weight in float32, [O, I]. */
napi_value dequantized(napi_env env, State* state, size_t, napi_value* args) {
  return give(env, state, quantized::dequantized(quantizedWeight(env, state, args)));
}

/** quantizedNorms(weight's eight, a, b, scale): the slot of |W + scale · B · A| of each output, float32 [O]. */
napi_value quantizedNorms(napi_env env, State* state, size_t, napi_value* args) {
  const at::Tensor a = tensorAt(env, state, args[8], "a"), b = tensorAt(env, state, args[9], "b");
  return give(env, state, quantized::mergedNorms(quantizedWeight(env, state, args), a, b, toNumber(env, args[10], "scale")));
}

/** compileUpdate(CUDA source, device): makes `onePassUpdate` ready on a GPU. */
napi_value compileUpdate(napi_env env, State* state, size_t, napi_value* args) {
  const c10::Device device = deviceOf(env, state, args[1]);
  state->updateKernels[device.index()] = update::compiled(toString(env, args[0], "source"), device);
  return undefined(env);
}

/** onePassUpdate(masters, gradients, firsts, seconds, copies, norm, settings in their order): lists of slots, empty or null inside where there is none. */
napi_value onePassUpdate(napi_env env, State* state, size_t, napi_value* args) {
  const auto list = [&](int i, const char* what) {
    std::vector<at::Tensor> tensors(listLength(env, args[i], what));
    for (uint32_t j = 0; j < tensors.size(); j++) {
      const napi_value item = element(env, args[i], j);
      if (!isMissing(env, item)) tensors[j] = tensorAt(env, state, item, what);
    }
    return tensors;
  };
  const auto number = [&](uint32_t i) { return static_cast<float>(toNumber(env, element(env, args[6], i), "settings")); };
  if (listLength(env, args[6], "settings") != 11) fail("internal: an update has 11 settings");
  const update::Settings settings{static_cast<int>(number(0)), number(1), number(2), number(3), number(4), number(5), number(6), number(7), number(8), number(9), number(10)};
  update::run({list(0, "masters"), list(1, "gradients"), list(2, "firsts"), list(3, "seconds"), list(4, "copies")},
              tensorAt(env, state, args[5], "norm"), settings, state->updateKernels);
  return undefined(env);
}

}  // namespace
