// Memory of tensors on CPUs from malloc.
//
// libtorch asks glibc's posix_memalign, which looks for a block larger by alignment and bookkeeping and then cuts it: what a tensor leaves
// never fits the next one of its size, and the heap grows by holes. A request that is the same each time takes the same hole again.

#pragma once

#include <c10/core/CPUAllocator.h>

#include <cstdint>
#include <cstdlib>

namespace heap {

class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    const c10::Device cpu(c10::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &release, cpu};
    void* block = std::malloc(bytes + kAlignment);
    TORCH_CHECK(block, "not enough memory: a tensor of ", bytes, " bytes");
    // blocks lie at multiples of 16: there is room for the block's own address before
    void** aligned = reinterpret_cast<void**>((reinterpret_cast<uintptr_t>(block) / kAlignment + 1) * kAlignment);
    aligned[-1] = block;
    return {aligned, aligned, &release, cpu};
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  /** libtorch's own. */
  static constexpr size_t kAlignment = 64;

  static void release(void* data) {
    if (data) std::free(static_cast<void**>(data)[-1]);
  }
};

}  // namespace heap
