// Launches updateKernel.cu: compiled by NVRTC on GPUs, and compiled into this addon for CPUs.

#pragma once

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <c10/core/DeviceGuard.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "cudaDriver.h"

namespace update {

struct Place {
  unsigned x = 0;
};
inline thread_local Place blockIdx, threadIdx;

#include "updateKernel.cu"

/** The compiled kernel of each GPU. */
using Kernels = std::map<int, void*>;

/** Compiles the kernel for a GPU. @throws std::runtime_error where it cannot be */
inline void* compiled(const std::string& source, const c10::Device& device) {
  const std::vector<char> image = cuda::compile(source, cuda::capability(device.index()));
  void *module = nullptr, *function = nullptr;
  cuda::check(cuda::library().moduleLoadData(&module, image.data()), "cuModuleLoadData");
  cuda::check(cuda::library().moduleGetFunction(&function, module, "updateWeights"), "cuModuleGetFunction");
  return function;
}

/** The lists' tensors by weight; a list that is empty, or a tensor that is not defined, means that there is none. */
struct Tensors {
  std::vector<at::Tensor> masters, gradients, firsts, seconds, copies;
};

inline void* dataOf(const std::vector<at::Tensor>& list, size_t i, const at::Tensor& master, at::ScalarType type) {
  if (list.empty() || !list[i].defined()) return nullptr;
  if (list[i].numel() != master.numel() || list[i].scalar_type() != type || !list[i].is_contiguous() || list[i].device() != master.device())
    throw std::runtime_error("internal: a tensor of the optimizer does not fit its weight");
  return list[i].data_ptr();
}

inline bool isAligned(const Item& item) {
  const auto at = [](const void* pointer, size_t bytes) { return reinterpret_cast<uintptr_t>(pointer) % bytes == 0; };
  return at(item.master, 16) && at(item.first, 16) && at(item.second, 16) && at(item.copy, 8) && at(item.gradient, item.bf16Gradient ? 8 : 16);
}

/** @throws std::runtime_error where the tensors do not fit each other, or the launch fails */
inline void run(Tensors tensors, const at::Tensor& norm, Settings settings, const Kernels& kernels) {
  std::vector<Item> items;
  long long blocks = 0;
  for (size_t i = 0; i < tensors.masters.size(); i++) {
    const at::Tensor& master = tensors.masters[i];
    if (master.numel() == 0) continue;
    at::Tensor& gradient = tensors.gradients.at(i);
    gradient = gradient.contiguous();
    Item item{};
    item.master = static_cast<float*>(dataOf(tensors.masters, i, master, at::kFloat));
    item.bf16Gradient = gradient.scalar_type() == at::kBFloat16;
    item.gradient = dataOf(tensors.gradients, i, master, item.bf16Gradient ? at::kBFloat16 : at::kFloat);
    item.first = static_cast<float*>(dataOf(tensors.firsts, i, master, at::kFloat));
    item.second = static_cast<float*>(dataOf(tensors.seconds, i, master, at::kFloat));
    item.copy = static_cast<unsigned short*>(dataOf(tensors.copies, i, master, at::kBFloat16));
    item.size = master.numel();
    item.firstBlock = blocks;
    item.aligned = isAligned(item);
    blocks += (item.size + BLOCK_ELEMENTS - 1) / BLOCK_ELEMENTS;
    items.push_back(item);
  }
  if (items.empty()) return;
  if (blocks > std::numeric_limits<int32_t>::max()) throw std::runtime_error("internal: more weights than one launch takes");
  int count = static_cast<int>(items.size());
  const float* total = norm.const_data_ptr<float>();
  const c10::Device device = norm.device();
  if (device.is_cpu()) {
    at::parallel_for(0, blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; block++) {
        blockIdx.x = static_cast<unsigned>(block);
        for (threadIdx.x = 0; threadIdx.x < BLOCK_THREADS; threadIdx.x++) updateWeights(items.data(), count, total, settings);
      }
    });
    return;
  }
  const c10::DeviceGuard guard(device);
  const int64_t bytes = static_cast<int64_t>(items.size() * sizeof(Item));
  at::Tensor host = at::empty({bytes}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
  std::memcpy(host.data_ptr(), items.data(), bytes);
  // freed on return and used again by later work on the same stream alone
  const at::Tensor table = host.to(device, at::kByte, /*non_blocking=*/true);
  void* tablePointer = table.data_ptr();
  void* parameters[] = {&tablePointer, &count, &total, &settings};
  void* stream = at::accelerator::getCurrentStream(device.index()).native_handle();
  cuda::check(cuda::library().launchKernel(kernels.at(device.index()), static_cast<unsigned>(blocks), 1, 1, BLOCK_THREADS, 1, 1, 0, stream,
                                           parameters, nullptr),
              "cuLaunchKernel");
}

}  // namespace update
