// What an instance of the addon knows: slots that hold tensors, operators, and the arrays that it shares with JavaScript.
//
// A tensor is a slot number. `call` converts its arguments by the operator's schema and writes what it made into one shared
// Int32Array, `meta`, so that a call allocates nothing in JavaScript:
//   meta[0] = number of results, then a record of 10 numbers a result: slot, ScalarType, rank, sizes (at most 7). Record 0 stays true of
//   its slot until another is written, or the slot gets another tensor: its slot is then -1. A function that returns a slot writes it too.
// The ScalarType of every slot is in `types`, a shared Uint8Array.
// A result that is no tensor has slot -1 and its value in `scalars`, a shared Float64Array, at the result's index.
// All state belongs to one Node-API instance: jest loads the addon once a test file.

#pragma once

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <node_api.h>

#include <chrono>
#include <string>
#include <vector>

#include "onePassUpdate.h"
#include "uploads.h"

namespace {

constexpr int kMaxResults = 4096;
constexpr size_t kMaxSlots = size_t{1} << 20;
constexpr int kRecord = 10;
constexpr int kMaxRank = 7;
constexpr size_t kMaxArguments = 24;

// How one argument of an operator is converted, worked out once an operator.
enum class Kind { kTensor, kOptionalTensor, kTensorList, kOptionalTensorList, kInt, kIntList, kFloat, kFloatList, kBool, kBoolList, kScalar, kString, kDevice, kEmptyList, kOther };

struct Argument {
  Kind kind;
  c10::TypePtr type;
  bool optional;
  bool hasDefault;
  c10::IValue defaultValue;
  std::string name;
};

struct Operator {
  c10::OperatorHandle handle;
  std::string name;
  std::vector<Argument> arguments;
};

struct State {
  std::vector<at::Tensor> slots;
  std::vector<int32_t> freeSlots;
  std::vector<Operator> operators;
  int32_t* meta = nullptr;
  double* scalars = nullptr;
  uint8_t* types = nullptr;
  napi_ref metaRef = nullptr;
  napi_ref scalarsRef = nullptr;
  napi_ref typesRef = nullptr;
  update::Kernels updateKernels;
  uploads::Log uploads;
  int64_t live = 0;
  int64_t calls = 0;
  // the device named last: naming it again parses nothing
  std::string deviceName = "cpu";
  c10::Device device = c10::Device(c10::DeviceType::CPU);
  // bytes of the heap: the most in use when looked at, and what was resident after the last trim
  std::chrono::steady_clock::time_point lastLook;
  size_t mostInUse = 0;
  size_t afterTrim = 0;
};

State* stateOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<State*>(data);
}

}  // namespace
