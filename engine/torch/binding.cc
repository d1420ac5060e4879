// libtorch for Node.js: slots that hold tensors, and one way to call any ATen operator by its name.
//
// A tensor is a slot number. `call` converts its arguments by the operator's schema and writes what it made into one shared
// Int32Array, `meta`, so that a call allocates nothing in JavaScript:
//   meta[0] = number of results, then a record of 10 numbers a result: slot, ScalarType, rank, sizes (at most 7). Record 0 stays true of
//   its slot until another is written, or the slot gets another tensor: its slot is then -1. A function that returns a slot writes it too.
// The ScalarType of every slot is in `types`, a shared Uint8Array.
// A result that is no tensor has slot -1 and its value in `scalars`, a shared Float64Array, at the result's index.
// All state belongs to one Node-API instance: jest loads the addon once a test file.

#include <ATen/ATen.h>
#include <ATen/DeviceAccelerator.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <node_api.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

#ifdef __GLIBC__
#include <malloc.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "cudaDriver.h"
#include "headLogProbs.h"
#include "heapAllocator.h"
#include "nucleusSampling.h"
#include "onePassUpdate.h"
#include "packedAttention.h"
#include "quantizedLinear.h"
#include "runsAttention.h"
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

// ---- small conversions; each throws std::runtime_error, which `guarded` turns into a JavaScript error ----

[[noreturn]] void fail(const std::string& message) { throw std::runtime_error(message); }

double toNumber(napi_env env, napi_value value, const char* what) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) fail(std::string(what) + " must be a number");
  return number;
}

int64_t toInt(napi_env env, napi_value value, const char* what) { return static_cast<int64_t>(toNumber(env, value, what)); }

bool toBool(napi_env env, napi_value value, const char* what) {
  bool flag;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) fail(std::string(what) + " must be true or false");
  return flag;
}

std::string toString(napi_env env, napi_value value, const char* what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) fail(std::string(what) + " must be a string");
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

bool isMissing(napi_env env, napi_value value) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  return type == napi_undefined || type == napi_null;
}

uint32_t listLength(napi_env env, napi_value value, const char* what) {
  uint32_t length = 0;
  if (napi_get_array_length(env, value, &length) != napi_ok) fail(std::string(what) + " must be an array");
  return length;
}

napi_value element(napi_env env, napi_value list, uint32_t i) {
  napi_value value;
  napi_get_element(env, list, i, &value);
  return value;
}

napi_value makeInt(napi_env env, int64_t number) {
  napi_value value;
  napi_create_int64(env, number, &value);
  return value;
}

napi_value undefined(napi_env env) {
  napi_value value;
  napi_get_undefined(env, &value);
  return value;
}

// ---- slots ----

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

// ---- operators ----

Kind kindOf(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::kTensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType:
    case c10::TypeKind::ScalarTypeType:
    case c10::TypeKind::LayoutType:
    case c10::TypeKind::MemoryFormatType: return Kind::kInt;
    case c10::TypeKind::FloatType: return Kind::kFloat;
    case c10::TypeKind::BoolType:
    case c10::TypeKind::SymBoolType: return Kind::kBool;
    case c10::TypeKind::NumberType: return Kind::kScalar;
    case c10::TypeKind::StringType: return Kind::kString;
    case c10::TypeKind::DeviceObjType: return Kind::kDevice;
    case c10::TypeKind::ListType: {
      const auto& inner = type->expectRef<c10::ListType>().getElementType();
      if (inner->kind() == c10::TypeKind::OptionalType) {
        const auto& item = inner->expectRef<c10::OptionalType>().getElementType();
        return item->kind() == c10::TypeKind::TensorType ? Kind::kOptionalTensorList : Kind::kEmptyList;
      }
      switch (kindOf(inner)) {
        case Kind::kTensor: return Kind::kTensorList;
        case Kind::kInt: return Kind::kIntList;
        case Kind::kFloat: return Kind::kFloatList;
        case Kind::kBool: return Kind::kBoolList;
        default: return Kind::kOther;
      }
    }
    default: return Kind::kOther;
  }
}

c10::Scalar toScalar(napi_env env, napi_value value, const char* what) {
  napi_valuetype type;
  napi_typeof(env, value, &type);
  if (type == napi_boolean) return c10::Scalar(toBool(env, value, what));
  const double number = toNumber(env, value, what);
  const int64_t whole = static_cast<int64_t>(number);
  return std::abs(number) < 9e15 && static_cast<double>(whole) == number ? c10::Scalar(whole) : c10::Scalar(number);
}

c10::IValue convert(napi_env env, State* state, const Argument& argument, napi_value value) {
  const char* what = argument.name.c_str();
  if (isMissing(env, value)) {
    if (argument.hasDefault) return argument.defaultValue;
    if (argument.optional) return c10::IValue();
    fail(std::string("argument ") + what + " is missing");
  }
  switch (argument.kind) {
    case Kind::kTensor:
    case Kind::kOptionalTensor: return tensorAt(env, state, value, what);
    case Kind::kTensorList: {
      const uint32_t length = listLength(env, value, what);
      std::vector<at::Tensor> list;
      list.reserve(length);
      for (uint32_t i = 0; i < length; i++) list.push_back(tensorAt(env, state, element(env, value, i), what));
      return list;
    }
    case Kind::kOptionalTensorList: {
      const uint32_t length = listLength(env, value, what);
      c10::List<std::optional<at::Tensor>> list;
      for (uint32_t i = 0; i < length; i++) {
        napi_value item = element(env, value, i);
        list.push_back(isMissing(env, item) ? std::optional<at::Tensor>() : tensorAt(env, state, item, what));
      }
      return list;
    }
    case Kind::kInt: return toInt(env, value, what);
    case Kind::kFloat: return toNumber(env, value, what);
    case Kind::kBool: return toBool(env, value, what);
    case Kind::kScalar: return toScalar(env, value, what);
    case Kind::kString: return toString(env, value, what);
    case Kind::kDevice: return c10::Device(toString(env, value, what));
    case Kind::kIntList: {
      const uint32_t length = listLength(env, value, what);
      std::vector<int64_t> list(length);
      for (uint32_t i = 0; i < length; i++) list[i] = toInt(env, element(env, value, i), what);
      return list;
    }
    case Kind::kFloatList: {
      const uint32_t length = listLength(env, value, what);
      std::vector<double> list(length);
      for (uint32_t i = 0; i < length; i++) list[i] = toNumber(env, element(env, value, i), what);
      return list;
    }
    case Kind::kBoolList: {
      const uint32_t length = listLength(env, value, what);
      c10::List<bool> list;
      for (uint32_t i = 0; i < length; i++) list.push_back(toBool(env, element(env, value, i), what));
      return list;
    }
    case Kind::kEmptyList: {
      if (listLength(env, value, what) != 0) fail(std::string("internal: argument ") + what + ": only an empty list is converted");
      return c10::impl::GenericList(argument.type->expectRef<c10::ListType>().getElementType());
    }
    default: fail(std::string("internal: argument ") + what + " is of a type that the binding does not convert");
  }
}

/** operator(name, overload): the number of an operator such as ("aten::add", "Tensor"). */
napi_value operatorNumber(napi_env env, State* state, size_t, napi_value* args) {
  const std::string name = toString(env, args[0], "name");
  const std::string overload = toString(env, args[1], "overload");
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle) fail("this libtorch has no operator " + name + (overload.empty() ? "" : "." + overload));
  Operator entry{*handle, overload.empty() ? name : name + "." + overload, {}};
  for (const auto& argument : handle->schema().arguments()) {
    c10::TypePtr type = argument.type();
    const bool optional = type->kind() == c10::TypeKind::OptionalType;
    if (optional) type = type->expectRef<c10::OptionalType>().getElementType();
    Kind kind = kindOf(type);
    if (kind == Kind::kTensor && optional) kind = Kind::kOptionalTensor;
    const auto& value = argument.default_value();
    entry.arguments.push_back({kind, type, optional, value.has_value(), value.value_or(c10::IValue()), entry.name + "(" + argument.name() + ")"});
  }
  state->operators.push_back(std::move(entry));
  return makeInt(env, static_cast<int64_t>(state->operators.size() - 1));
}

int pushResult(State* state, int index, c10::IValue& value) {
  if (index >= kMaxResults) fail("internal: an operator returned more than " + std::to_string(kMaxResults) + " values");
  if (value.isTensor()) {
    at::Tensor tensor = std::move(value).toTensor();
    if (!tensor.defined()) {
      state->meta[1 + index * kRecord] = -1;
      state->scalars[index] = 0;
      return index + 1;
    }
    describe(state, index, store(state, std::move(tensor)));
    return index + 1;
  }
  if (value.isTensorList()) {
    for (const at::Tensor& tensor : value.toTensorVector()) {
      c10::IValue item(tensor);
      index = pushResult(state, index, item);
    }
    return index;
  }
  state->meta[1 + index * kRecord] = -1;
  state->scalars[index] = value.isScalar() ? value.toScalar().toDouble() : value.isSymInt() ? static_cast<double>(value.toSymInt().expect_int()) : 0;
  return index + 1;
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
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

// The heap keeps what is freed (`initialise` says why). Batches of ever other sizes break it up into holes that fit nothing: once it
// stands at one and a half times the most that was ever in use, the holes' pages go back to the system.
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

/** call(operator, ...arguments): results go to `meta`; arguments left out take the schema's defaults. */
napi_value call(napi_env env, State* state, size_t count, napi_value* args) {
  tidyHeap(state);
  const int64_t number = toInt(env, args[0], "operator");
  if (number < 0 || number >= static_cast<int64_t>(state->operators.size())) fail("internal: no operator " + std::to_string(number));
  const Operator& op = state->operators[number];
  if (count - 1 > op.arguments.size()) fail("internal: too many arguments for " + op.name);
  torch::jit::Stack stack;
  stack.reserve(op.arguments.size());
  for (size_t i = 0; i < op.arguments.size(); i++) {
    if (i + 1 < count) {
      stack.push_back(convert(env, state, op.arguments[i], args[i + 1]));
    } else if (op.arguments[i].hasDefault) {
      stack.push_back(op.arguments[i].defaultValue);
    } else if (op.arguments[i].optional) {
      stack.emplace_back();
    } else {
      fail("internal: " + op.arguments[i].name + " is missing");
    }
  }
  if (at::GradMode::is_enabled()) {
    op.handle.callBoxed(stack);
  } else {
    // nothing is being recorded: skip autograd's kernels altogether
    at::AutoDispatchBelowADInplaceOrView guard;
    op.handle.callBoxed(stack);
  }
  int results = 0;
  for (c10::IValue& value : stack) results = pushResult(state, results, value);
  state->meta[0] = results;
  return undefined(env);
}

// ---- slots from JavaScript ----

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

struct Bytes {
  void* data;
  size_t length;
};

Bytes bytesOf(napi_env env, napi_value value) {
  bool typed = false;
  napi_is_typedarray(env, value, &typed);
  if (!typed) fail("internal: expected a typed array");
  napi_typedarray_type type;
  size_t length;
  void* data;
  napi_value buffer;
  size_t offset;
  napi_get_typedarray_info(env, value, &type, &length, &data, &buffer, &offset);
  static constexpr size_t kWidths[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8};
  return {data, length * kWidths[type]};
}

std::vector<int64_t> sizesOf(napi_env env, napi_value value) {
  std::vector<int64_t> sizes(listLength(env, value, "shape"));
  for (uint32_t i = 0; i < sizes.size(); i++) sizes[i] = toInt(env, element(env, value, i), "shape");
  return sizes;
}

c10::Device deviceOf(napi_env env, State* state, napi_value value) {
  char name[32];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, name, sizeof name, &length) != napi_ok) fail("device must be a string");
  if (state->deviceName != std::string_view(name, length)) {
    state->device = c10::Device(std::string(name, length));
    state->deviceName.assign(name, length);
    if (state->device.is_cuda()) at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
  }
  return state->device;
}

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

// ---- recordings ----

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

// ---- autograd ----

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

// ---- attention ----

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

// ---- the output head ----

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

// ---- weights in 4 bits ----

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

// ---- optimizers ----

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

// ---- the machine ----

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

// ---- registration ----

using Function = napi_value (*)(napi_env, State*, size_t, napi_value*);

template <Function f, size_t required>
napi_value guarded(napi_env env, napi_callback_info info) {
  size_t count = kMaxArguments;
  napi_value args[kMaxArguments];
  napi_get_cb_info(env, info, &count, args, nullptr, nullptr);
  std::string message;
  try {
    if (count < required) fail("internal: too few arguments");
    if (count > kMaxArguments) fail("internal: too many arguments");
    return f(env, stateOf(env), count, args);
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  }
  napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

template <Function f, size_t required>
void define(napi_env env, napi_value exports, const char* name) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded<f, required>, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

template <typename T>
T* shared(napi_env env, napi_value exports, const char* name, napi_typedarray_type type, size_t length, napi_ref* reference) {
  void* data = nullptr;
  napi_value buffer, array;
  napi_create_arraybuffer(env, length * sizeof(T), &data, &buffer);
  napi_create_typedarray(env, type, length, buffer, 0, &array);
  napi_create_reference(env, array, 1, reference);
  napi_set_named_property(env, exports, name, array);
  return static_cast<T*>(data);
}

napi_value initialise(napi_env env, napi_value exports) {
  State* state = new State();
  napi_set_instance_data(
      env, state, [](napi_env, void* data, void*) { delete static_cast<State*>(data); }, nullptr);
  state->meta = shared<int32_t>(env, exports, "meta", napi_int32_array, 1 + kMaxResults * kRecord, &state->metaRef);
  state->scalars = shared<double>(env, exports, "scalars", napi_float64_array, kMaxResults, &state->scalarsRef);
  state->types = shared<uint8_t>(env, exports, "types", napi_uint8_array, kMaxSlots, &state->typesRef);
  at::GradMode::set_enabled(false);
#ifdef __GLIBC__
  // Large tensors come and go every step: kept in the heap, they are not handed back to the system and faulted in again page by page.
  c10::SetCPUAllocator(new heap::Allocator(), 1);
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
  define<operatorNumber, 2>(env, exports, "operator");
  define<call, 1>(env, exports, "call");
  define<freeSlot, 1>(env, exports, "free");
  define<alias, 1>(env, exports, "alias");
  define<shape, 1>(env, exports, "shape");
  define<liveSlots, 0>(env, exports, "liveSlots");
  define<fromBytes, 5>(env, exports, "fromBytes");
  define<toBytes, 3>(env, exports, "toBytes");
  define<noteUploads, 0>(env, exports, "noteUploads");
  define<serveUploads, 0>(env, exports, "serveUploads");
  define<endUploads, 0>(env, exports, "endUploads");
  define<takeUploads, 0>(env, exports, "takeUploads");
  define<unowned, 1>(env, exports, "unowned");
  define<recording, 1>(env, exports, "recording");
  define<requiresGrad, 2>(env, exports, "requiresGrad");
  define<detach, 2>(env, exports, "detach");
  define<needsGrad, 1>(env, exports, "needsGrad");
  define<backward, 3>(env, exports, "backward");
  define<takeGrad, 1>(env, exports, "takeGrad");
  define<ensureGrad, 1>(env, exports, "ensureGrad");
  define<packedAttention, 11>(env, exports, "packedAttention");
  define<hasBlas, 0>(env, exports, "hasBlas");
  define<runsAttention, 10>(env, exports, "runsAttention");
  define<headForward, 3>(env, exports, "headForward");
  define<headBackward, 8>(env, exports, "headBackward");
  define<sampleNucleus, 6>(env, exports, "sampleNucleus");
  define<quantizedLinear, 9>(env, exports, "quantizedLinear");
  define<dequantized, 8>(env, exports, "dequantized");
  define<quantizedNorms, 11>(env, exports, "quantizedNorms");
  define<compileUpdate, 2>(env, exports, "compileUpdate");
  define<onePassUpdate, 7>(env, exports, "onePassUpdate");
  define<cudaDevices, 0>(env, exports, "cudaDevices");
  define<capability, 1>(env, exports, "capability");
  define<peakMemory, 1>(env, exports, "peakMemory");
  define<freeMemory, 1>(env, exports, "freeMemory");
  define<tf32, 1>(env, exports, "tf32");
  define<threads, 0>(env, exports, "threads");
  define<seed, 1>(env, exports, "seed");
  return exports;
}

}  // namespace

NAPI_MODULE(dpo_torch, initialise)
