// CUDA graphs for Node.js: the work that one step queues, recorded once and launched again as a whole.
//
// An addon of its own beside binding.cc, since torch's graphs need CUDA's headers, which not every machine has: without it everything
// else works. Both share libtorch, and so its streams and its allocator. Numbers name graphs; nothing here knows of slots.

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <node_api.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct State {
  std::vector<std::unique_ptr<at::cuda::CUDAGraph>> graphs;
  // all graphs take memory from one pool: what one has freed when its recording ends, the next may use, since none runs beside another
  at::cuda::MempoolId_t pool{0, 0};
  bool capturing = false;
};

State* stateOf(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return static_cast<State*>(data);
}

int toInt(napi_env env, napi_value value) {
  int32_t number;
  if (napi_get_value_int32(env, value, &number) != napi_ok) throw std::runtime_error("internal: expected a number");
  return number;
}

at::cuda::CUDAGraph& graphAt(State* state, int number) {
  if (number < 0 || static_cast<size_t>(number) >= state->graphs.size() || !state->graphs[number])
    throw std::runtime_error("internal: no graph " + std::to_string(number));
  return *state->graphs[number];
}

/** useOwnStream(device): from here on this thread queues on a stream of its own, since the default one cannot be recorded. */
napi_value useOwnStream(napi_env env, State*, napi_value* args) {
  const auto device = static_cast<c10::DeviceIndex>(toInt(env, args[0]));
  c10::cuda::set_device(device);
  // what the default stream was given comes first
  c10::cuda::device_synchronize();
  c10::cuda::setCurrentCUDAStream(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device));
  return nullptr;
}

/** begin(): what this thread's stream is given from here on is recorded and does not run. @returns the graph's number */
napi_value begin(napi_env env, State* state, napi_value*) {
  if (state->capturing) throw std::runtime_error("internal: a recording inside a recording");
  // what earlier steps left in the allocator goes to the graphs' pool
  c10::cuda::CUDACachingAllocator::emptyCache();
  if (state->pool == at::cuda::MempoolId_t{0, 0}) state->pool = at::cuda::graph_pool_handle();
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  graph->capture_begin(state->pool, cudaStreamCaptureModeThreadLocal);
  state->graphs.push_back(std::move(graph));
  state->capturing = true;
  napi_value number;
  napi_create_int32(env, static_cast<int32_t>(state->graphs.size()) - 1, &number);
  return number;
}

/** end(graph): ends the recording. */
napi_value end(napi_env env, State* state, napi_value* args) {
  state->capturing = false;
  graphAt(state, toInt(env, args[0])).capture_end();
  return nullptr;
}

/** launch(graph): queues the recorded work. */
napi_value launch(napi_env env, State* state, napi_value* args) {
  graphAt(state, toInt(env, args[0])).replay();
  return nullptr;
}

/** release(graph): frees it, in whatever state it is. */
napi_value release(napi_env env, State* state, napi_value* args) {
  const int number = toInt(env, args[0]);
  graphAt(state, number);
  if (state->capturing && static_cast<size_t>(number) + 1 == state->graphs.size()) {
    state->capturing = false;
    try {
      graphAt(state, number).capture_end();
    } catch (const std::exception&) {
      // the recording was broken off: that it cannot end well is known
    }
  }
  // a graph that is still running must not lose its memory
  c10::cuda::device_synchronize();
  state->graphs[number].reset();
  return nullptr;
}

using Function = napi_value (*)(napi_env, State*, napi_value*);

template <Function f>
napi_value guarded(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value args[1];
  napi_get_cb_info(env, info, &count, args, nullptr, nullptr);
  std::string message;
  try {
    return f(env, stateOf(env), args);
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  }
  napi_throw_error(env, nullptr, message.c_str());
  return nullptr;
}

template <Function f>
void define(napi_env env, napi_value exports, const char* name) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, guarded<f>, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

napi_value initialise(napi_env env, napi_value exports) {
  napi_set_instance_data(
      env, new State(), [](napi_env, void* data, void*) { delete static_cast<State*>(data); }, nullptr);
  define<useOwnStream>(env, exports, "useOwnStream");
  define<begin>(env, exports, "begin");
  define<end>(env, exports, "end");
  define<launch>(env, exports, "launch");
  define<release>(env, exports, "release");
  return exports;
}

}  // namespace

NAPI_MODULE(dpo_torch_graphs, initialise)
