// Tensors in slots: how they get there, how they are described, and what JavaScript does with slots alone.

#pragma once

#include "conversions.h"

namespace {

int32_t store(State* state, at::Tensor tensor) {
  int32_t slot = static_cast<int32_t>(state->slots.size());
  const auto type = static_cast<uint8_t>(tensor.scalar_type());
  if (state->freeSlots.empty()) {
    if (state->slots.size() == kMaxSlots) fail("internal: more than " + std::to_string(kMaxSlots) + " tensors at a time");
    state->slots.push_back(std::move(tensor));
  } else {
    slot = state->freeSlots.back();
    state->freeSlots.pop_back();
    state->slots[slot] = std::move(tensor);
  }
  state->live++;
  state->types[slot] = type;
  // record 0 may tell of what the slot held before
  if (state->meta[1] == slot) state->meta[1] = -1;
  return slot;
}

at::Tensor& slotAt(State* state, int64_t slot, const char* what) {
  if (slot < 0 || slot >= static_cast<int64_t>(state->slots.size()) || !state->slots[slot].defined())
    fail(std::string("internal: ") + what + ": no tensor in slot " + std::to_string(slot));
  return state->slots[slot];
}

at::Tensor& tensorAt(napi_env env, State* state, napi_value value, const char* what) { return slotAt(state, toInt(env, value, what), what); }

void describe(State* state, int index, int32_t slot) {
  const at::Tensor& tensor = state->slots[slot];
  int32_t* record = state->meta + 1 + index * kRecord;
  record[0] = slot;
  record[1] = static_cast<int32_t>(tensor.scalar_type());
  if (tensor.dim() > kMaxRank) fail("internal: a tensor of rank " + std::to_string(tensor.dim()));
  record[2] = static_cast<int32_t>(tensor.dim());
  for (int64_t i = 0; i < tensor.dim(); i++) record[3 + i] = static_cast<int32_t>(tensor.size(i));
}

/** A tensor's new slot, as a function returns it. */
napi_value give(napi_env env, State* state, at::Tensor tensor) {
  const int32_t slot = store(state, std::move(tensor));
  describe(state, 0, slot);
  return makeInt(env, slot);
}

napi_value freeSlot(napi_env env, State* state, size_t, napi_value* args) {
  const int64_t slot = toInt(env, args[0], "slot");
  slotAt(state, slot, "free").reset();
  state->freeSlots.push_back(static_cast<int32_t>(slot));
  state->live--;
  return undefined(env);
}

/** alias(slot): a second slot for the same tensor. */
napi_value alias(napi_env env, State* state, size_t, napi_value* args) {
  at::Tensor tensor = tensorAt(env, state, args[0], "alias");
  return give(env, state, std::move(tensor));
}

/** shape(slot): writes the slot's record to meta as result 0. */
napi_value shape(napi_env env, State* state, size_t, napi_value* args) {
  const int64_t slot = toInt(env, args[0], "slot");
  slotAt(state, slot, "shape");
  describe(state, 0, static_cast<int32_t>(slot));
  return undefined(env);
}

napi_value liveSlots(napi_env env, State* state, size_t, napi_value*) { return makeInt(env, state->live); }

}  // namespace
