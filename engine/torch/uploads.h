// What a piece of work uploads, noted while it runs and given to it again while it is recorded: a recording must not copy from the host,
// whose memory holds something else by the time it is launched.

#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace uploads {

enum class Mode { kOff, kNote, kServe };

struct Entry {
  at::Tensor tensor;
  uint64_t hash;
};

struct Log {
  Mode mode = Mode::kOff;
  std::vector<Entry> entries;
  size_t next = 0;
};

/** FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv) over bytes, going on from `hash`. */
inline uint64_t hashed(const void* data, size_t length, uint64_t hash = 0xcbf29ce484222325ull) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x100000001b3ull;
  return hash;
}

/** @param type of the stored values, which the same bytes may become */
inline uint64_t hashOf(const void* data, size_t length, const std::vector<int64_t>& sizes, at::ScalarType type) {
  const uint64_t content = hashed(sizes.data(), sizes.size() * sizeof(int64_t), hashed(data, length));
  return hashed(&type, sizeof type, content);
}

inline void begin(Log& log, Mode mode) {
  if (log.mode != Mode::kOff) throw std::runtime_error("internal: uploads are watched already");
  log.mode = mode;
  log.next = 0;
  if (mode == Mode::kNote) log.entries.clear();
}

/** Uploads by `make`, or gives what the noted work uploaded at this place. @throws where that was something else */
template <typename Make>
at::Tensor upload(Log& log, uint64_t hash, Make make) {
  if (log.mode == Mode::kOff) return make();
  if (log.mode == Mode::kNote) {
    log.entries.push_back({make(), hash});
    return log.entries.back().tensor;
  }
  if (log.next >= log.entries.size() || log.entries[log.next].hash != hash) throw std::runtime_error("it uploads other values when it is run again");
  return log.entries[log.next++].tensor;
}

/** @returns a number of 53 bits: the same for the same uploads. @throws where fewer were asked for than had been noted */
inline double end(Log& log) {
  const Mode mode = std::exchange(log.mode, Mode::kOff);
  if (mode == Mode::kServe && log.next != log.entries.size()) throw std::runtime_error("it uploads less when it is run again");
  uint64_t all = hashed(nullptr, 0);
  for (const Entry& entry : log.entries) all = hashed(&entry.hash, sizeof entry.hash, all);
  return static_cast<double>(all >> 11);
}

}  // namespace uploads
