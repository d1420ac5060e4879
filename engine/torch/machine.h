// Devices, their memory, threads and the seed.

#pragma once

#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>

#include "conversions.h"
#include "cudaDriver.h"

namespace {

napi_value cudaDevices(napi_env env, State*, size_t, napi_value*) {
  return makeInt(env, at::globalContext().hasCUDA() ? static_cast<int64_t>(at::detail::getCUDAHooks().deviceCount()) : 0);
}

/** capability(device): a GPU's compute capability times ten. */
napi_value capability(napi_env env, State* state, size_t, napi_value* args) {
  const c10::Device device = deviceOf(env, state, args[0]);
  return makeInt(env, cuda::capability(device.index() < 0 ? 0 : device.index()));
}

/** peakMemory(device): the most bytes that a GPU's tensors took at a time since the last call (torch's `max_memory_allocated`). */
napi_value peakMemory(napi_env env, State* state, size_t, napi_value* args) {
  const c10::Device device = deviceOf(env, state, args[0]);
  if (device.is_cpu()) fail("internal: only a GPU's memory is counted");
  const auto stats = at::accelerator::getDeviceStats(device.index());
  at::accelerator::resetPeakStats(device.index());
  return makeInt(env, stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak);
}

/** freeMemory(device): bytes that a GPU has left, with those that torch's allocator holds and no tensor uses. */
napi_value freeMemory(napi_env env, State* state, size_t, napi_value* args) {
  const c10::Device device = deviceOf(env, state, args[0]);
  if (device.is_cpu()) fail("internal: only a GPU's memory is counted");
  const auto stats = at::accelerator::getDeviceStats(device.index());
  constexpr size_t kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const int64_t unused = stats.reserved_bytes[kAll].current - stats.allocated_bytes[kAll].current;
  return makeInt(env, static_cast<int64_t>(at::accelerator::getMemoryInfo(device.index()).first) + unused);
}

/** tf32(on): whether a GPU's float32 matrix products may round their factors to 10 bits of mantissa. */
napi_value tf32(napi_env env, State*, size_t, napi_value* args) {
  at::globalContext().setAllowTF32CuBLAS(toBool(env, args[0], "on"));
  napi_value value;
  napi_get_boolean(env, at::globalContext().allowTF32CuBLAS(), &value);
  return value;
}

napi_value threads(napi_env env, State*, size_t count, napi_value* args) {
  if (count > 0) at::set_num_threads(static_cast<int>(toInt(env, args[0], "threads")));
  return makeInt(env, at::get_num_threads());
}

napi_value seed(napi_env env, State*, size_t, napi_value* args) {
  at::manual_seed(static_cast<uint64_t>(toInt(env, args[0], "seed")));
  return undefined(env);
}

}  // namespace
