// From JavaScript to C++ and back. Each throws std::runtime_error where it finds something else, which `guarded` turns into a JavaScript error.

#pragma once

#include <stdexcept>
#include <string_view>

#include "state.h"

namespace {

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

}  // namespace
