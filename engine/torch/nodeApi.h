// What every addon of the engine does alike.

#pragma once

#include <c10/util/Exception.h>
#include <node_api.h>

#include <exception>
#include <string>

namespace {

/** Runs `f`; what it throws becomes a JavaScript error. */
template <typename F>
napi_value throwing(napi_env env, F f) {
  std::string message;
  try {
    return f();
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  }
  napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

void defineFunction(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace
