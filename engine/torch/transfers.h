// Bytes of JavaScript into tensors and back, and what a recording of CUDA graphs makes of them.

#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>

#include <cstring>

#include "slots.h"

namespace {

/**
 * fromBytes(typedArray, type of the bytes, shape, stored type, device): copies. To a GPU through pinned memory, behind what the
 * stream has to do already: nothing waits, and the bytes may change as soon as this returns.
 */
napi_value fromBytes(napi_env env, State* state, size_t, napi_value* args) {
  const Bytes bytes = bytesOf(env, args[0]);
  const auto given = static_cast<at::ScalarType>(toInt(env, args[1], "dtype"));
  const std::vector<int64_t> sizes = sizesOf(env, args[2]);
  const auto stored = static_cast<at::ScalarType>(toInt(env, args[3], "stored dtype"));
  const c10::Device device = deviceOf(env, state, args[4]);
  int64_t count = 1;
  for (const int64_t size : sizes) count *= size;
  if (static_cast<size_t>(count) * c10::elementSize(given) != bytes.length)
    fail("internal: " + std::to_string(bytes.length) + " bytes for a tensor of " + std::to_string(count) + " elements");
  at::AutoDispatchBelowADInplaceOrView guard;
  const auto options = at::TensorOptions().dtype(stored);
  const auto make = [&]() -> at::Tensor {
    // a single number travels in the launch of the kernel that writes it
    if (count == 1 && !device.is_cpu() && (given == at::kFloat || given == at::kInt)) {
      const c10::Scalar number = given == at::kFloat ? c10::Scalar(*static_cast<const float*>(bytes.data)) : c10::Scalar(*static_cast<const int32_t*>(bytes.data));
      return at::full(sizes, number, options.device(device));
    }
    at::Tensor host = at::empty(sizes, options.pinned_memory(device.is_cuda()));
    if (given == stored) {
      if (bytes.length > 0) std::memcpy(host.data_ptr(), bytes.data, bytes.length);
    } else {
      host.copy_(at::from_blob(bytes.data, sizes, at::TensorOptions().dtype(given)));
    }
    return device.is_cpu() ? std::move(host) : host.to(device, stored, /*non_blocking=*/true);
  };
  const bool watched = state->uploads.mode != uploads::Mode::kOff;
  const uint64_t hash = watched ? uploads::hashOf(bytes.data, bytes.length, sizes, stored) : 0;
  return give(env, state, uploads::upload(state->uploads, hash, make));
}

/** toBytes(slot, typedArray, type of the bytes): copies out, converting, waiting for the device. */
napi_value toBytes(napi_env env, State* state, size_t, napi_value* args) {
  const at::Tensor& tensor = tensorAt(env, state, args[0], "toBytes");
  const Bytes bytes = bytesOf(env, args[1]);
  const auto wanted = static_cast<at::ScalarType>(toInt(env, args[2], "dtype"));
  if (static_cast<size_t>(tensor.numel()) * c10::elementSize(wanted) != bytes.length)
    fail("internal: " + std::to_string(bytes.length) + " bytes for a tensor of " + std::to_string(tensor.numel()) + " elements");
  at::AutoDispatchBelowADInplaceOrView guard;
  at::Tensor target = at::from_blob(bytes.data, tensor.sizes(), at::TensorOptions().dtype(wanted));
  target.copy_(tensor.detach());
  return undefined(env);
}

/** noteUploads(): what `fromBytes` uploads is noted, until `endUploads`. */
napi_value noteUploads(napi_env env, State* state, size_t, napi_value*) {
  uploads::begin(state->uploads, uploads::Mode::kNote);
  return undefined(env);
}

/** serveUploads(): `fromBytes` gives what was noted, in the same order, and copies nothing; it throws where it is asked for something else. */
napi_value serveUploads(napi_env env, State* state, size_t, napi_value*) {
  uploads::begin(state->uploads, uploads::Mode::kServe);
  return undefined(env);
}

/** endUploads(): a number for what was uploaded, the same for the same values in the same order. */
napi_value endUploads(napi_env env, State* state, size_t, napi_value*) {
  napi_value number;
  napi_create_double(env, uploads::end(state->uploads), &number);
  return number;
}

/** takeUploads(): the slots of all that was noted, which is forgotten. */
napi_value takeUploads(napi_env env, State* state, size_t, napi_value*) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t i = 0;
  for (uploads::Entry& entry : state->uploads.entries) napi_set_element(env, list, i++, makeInt(env, store(state, std::move(entry.tensor))));
  state->uploads.entries.clear();
  return list;
}

/** unowned(slot): the same memory in a new slot that does not keep it: for results in a graph's memory. */
napi_value unowned(napi_env env, State* state, size_t, napi_value* args) {
  const at::Tensor& tensor = tensorAt(env, state, args[0], "unowned");
  return give(env, state, at::from_blob(tensor.data_ptr(), tensor.sizes(), tensor.strides(), [](void*) {}, tensor.options(), tensor.device()));
}

}  // namespace
