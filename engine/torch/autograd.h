// libtorch's autograd.

#pragma once

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#include "slots.h"

namespace {

/** recording(on): switches libtorch's autograd; returns what it was. */
napi_value recording(napi_env env, State*, size_t, napi_value* args) {
  const bool before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(toBool(env, args[0], "on"));
  napi_value value;
  napi_get_boolean(env, before, &value);
  return value;
}

/** requiresGrad(slots, on): whether leaves collect gradients; a gradient that is still there goes where they do not. */
napi_value requiresGrad(napi_env env, State* state, size_t, napi_value* args) {
  const uint32_t count = listLength(env, args[0], "leaves");
  const bool on = toBool(env, args[1], "on");
  for (uint32_t i = 0; i < count; i++) {
    at::Tensor& leaf = tensorAt(env, state, element(env, args[0], i), "leaf");
    if (!on) leaf.mutable_grad().reset();
    leaf.set_requires_grad(on);
  }
  return undefined(env);
}

/** detach(slot, leaf): the same data outside the graph, in a new slot; a leaf collects a gradient. */
napi_value detach(napi_env env, State* state, size_t, napi_value* args) {
  at::Tensor tensor = tensorAt(env, state, args[0], "detach").detach();
  if (toBool(env, args[1], "leaf")) tensor.set_requires_grad(true);
  return give(env, state, std::move(tensor));
}

/** needsGrad(slot): whether the tensor hangs on the graph. */
napi_value needsGrad(napi_env env, State* state, size_t, napi_value* args) {
  napi_value value;
  napi_get_boolean(env, tensorAt(env, state, args[0], "needsGrad").requires_grad(), &value);
  return value;
}

/** backward(roots, gradients or null, keepGraph): adds to the leaves' gradients. */
napi_value backward(napi_env env, State* state, size_t, napi_value* args) {
  torch::autograd::variable_list roots, gradients;
  for (uint32_t i = 0; i < listLength(env, args[0], "roots"); i++) roots.push_back(tensorAt(env, state, element(env, args[0], i), "root"));
  if (!isMissing(env, args[1]))
    for (uint32_t i = 0; i < listLength(env, args[1], "gradients"); i++) gradients.push_back(tensorAt(env, state, element(env, args[1], i), "gradient"));
  torch::autograd::backward(roots, gradients, toBool(env, args[2], "keepGraph"));
  return undefined(env);
}

/** takeGrad(slot): moves a leaf's gradient into a slot of its own; -1 where there is none. */
napi_value takeGrad(napi_env env, State* state, size_t, napi_value* args) {
  at::Tensor& tensor = tensorAt(env, state, args[0], "takeGrad");
  at::Tensor grad = tensor.grad();
  tensor.mutable_grad().reset();
  return grad.defined() ? give(env, state, std::move(grad)) : makeInt(env, -1);
}

/** ensureGrad(slot): a leaf's gradient in a slot of its own, made of zeros where there is none yet; adding to it in place counts. */
napi_value ensureGrad(napi_env env, State* state, size_t, napi_value* args) {
  at::Tensor& tensor = tensorAt(env, state, args[0], "ensureGrad");
  if (!tensor.grad().defined()) tensor.mutable_grad() = at::zeros_like(tensor.detach());
  return give(env, state, tensor.grad());
}

}  // namespace
