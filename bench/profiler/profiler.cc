// libtorch's own profiler (kineto) from JavaScript, for bench/ours/profileStep.ts: an addon beside the engine's, on the same libtorch.
#include <node_api.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include <memory>
#include <set>
#include <sstream>
#include <string>

namespace {

using namespace torch::autograd::profiler;
namespace impl = torch::profiler::impl;

/** start(gpu): records operators, and kernels too where `gpu` is true. */
napi_value start(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  bool gpu = false;
  napi_get_value_bool(env, argument, &gpu);
  std::set<impl::ActivityType> activities{impl::ActivityType::CPU};
  if (gpu) activities.insert(impl::ActivityType::CUDA);
  const impl::ProfilerConfig config(impl::ProfilerState::KINETO);
  try {
    prepareProfiler(config, activities);
    enableProfiler(config, activities, {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION});
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  }
  return nullptr;
}

/** stop(): what was recorded, in JSON: a list of [name, on the GPU (0 or 1), thread, start, end], times in nanoseconds. */
napi_value stop(napi_env env, napi_callback_info) {
  std::ostringstream json;
  json << '[';
  try {
    const std::unique_ptr<ProfilerResult> result = disableProfiler();
    bool first = true;
    for (const KinetoEvent& event : result->events()) {
      std::string name;
      for (const char letter : event.name())
        if (letter != '"' && letter != '\\' && static_cast<unsigned char>(letter) >= ' ') name += letter;
      json << (first ? "" : ",") << "[\"" << name << "\"," << (event.deviceType() == c10::DeviceType::CUDA ? 1 : 0) << ','
           << event.startThreadId() << ',' << event.startNs() << ',' << event.startNs() + event.durationNs() << ']';
      first = false;
    }
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
  json << ']';
  const std::string text = json.str();
  napi_value value;
  napi_create_string_utf8(env, text.c_str(), text.size(), &value);
  return value;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "start", NAPI_AUTO_LENGTH, start, nullptr, &function);
  napi_set_named_property(env, exports, "start", function);
  napi_create_function(env, "stop", NAPI_AUTO_LENGTH, stop, nullptr, &function);
  napi_set_named_property(env, exports, "stop", function);
  return exports;
}
