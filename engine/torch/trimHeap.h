// The heap's memory on CPUs: large tensors come and go every step, and what is freed is kept for the next, unless it is too much.

#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "heapAllocator.h"
#include "state.h"

#ifdef __GLIBC__
#include <malloc.h>
#include <unistd.h>
// not beside the question whether it is glibc: elsewhere this macro is an error
#if __GLIBC_PREREQ(2, 33)
#define DPO_TRIMS_HEAP
#endif
#endif

namespace {

/** Keeps what is freed in the heap: it is not handed back to the system and faulted in again page by page. */
void keepHeap() {
#ifdef __GLIBC__
  c10::SetCPUAllocator(new heap::Allocator(), 1);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
}

#ifdef DPO_TRIMS_HEAP
constexpr int64_t kCallsBetweenLooks = 256;
// a look walks the heap's holes: never more than a hundredth of the time
constexpr auto kTimeBetweenLooks = std::chrono::milliseconds(20);
constexpr size_t kSlack = size_t{1} << 30;

// Bytes of this process in memory; 0 where the system does not say.
size_t residentBytes() {
  size_t total = 0, resident = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  if (!file) return 0;
  const int read = std::fscanf(file, "%zu %zu", &total, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

// The heap keeps what is freed. Batches of ever other sizes break it up into holes that fit nothing: once it stands at
// one and a half times the most that was ever in use, the holes' pages go back to the system.
void tidyHeap(State* state) {
  if (++state->calls % kCallsBetweenLooks != 0) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - state->lastLook < kTimeBetweenLooks) return;
  state->lastLook = now;
  state->mostInUse = std::max(state->mostInUse, static_cast<size_t>(mallinfo2().uordblks));
  const size_t resident = residentBytes();
  const size_t allowed = state->mostInUse + state->mostInUse / 2 + kSlack;
  // memory that is not the heap's must not make it trim again and again
  if (resident <= std::max(allowed, state->afterTrim + state->mostInUse / 2)) return;
  malloc_trim(0);
  state->afterTrim = residentBytes();
}
#else
void tidyHeap(State*) {}
#endif

}  // namespace
