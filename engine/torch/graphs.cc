// CUDA graphs for Node.js: the work that one step queues, recorded once and launched again as a whole.
//
// An addon of its own beside binding.cc, since torch's graphs need CUDA's headers, which not every machine has: without it everything
// else works. Both share libtorch, and so its streams and its allocator. Numbers name graphs; nothing here knows of slots.

#include <ATen/core/CachingHostAllocator.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>
#include <node_api.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "nodeApi.h"

namespace {

struct Recorded {
  // null once it is released
  std::unique_ptr<at::cuda::CUDAGraph> graph;
  // its recording ended well
  bool whole = false;
};

struct State {
  std::vector<Recorded> graphs;
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

Recorded& recordedAt(State* state, int number) {
  if (number < 0 || static_cast<size_t>(number) >= state->graphs.size() || !state->graphs[number].graph)
    throw std::runtime_error("internal: no graph " + std::to_string(number));
  return state->graphs[number];
}

/** How many graphs hold the pool's memory. */
int wholeGraphs(const State* state) {
  return static_cast<int>(std::count_if(state->graphs.begin(), state->graphs.end(), [](const Recorded& recorded) { return recorded.graph && recorded.whole; }));
}

template <typename F>
void quietly(F f) {
  try {
    f();
  } catch (const std::exception&) {
    // the error that led here says more
  }
}

/**
 * Undoes what is left of a recording that broke off. torch before 2.14 leaves its allocators recording, which then refuse the next one and give
 * nothing back to the device, and the pool in use for ever (pytorch/pytorch#180395, #190348).
 */
void unwind(State* state, at::cuda::CUDAGraph& graph) {
  quietly([&] { graph.reset(); });
  const auto device = c10::cuda::current_device();
  // where torch did it itself, the allocators say that they record nothing
  quietly([&] { c10::cuda::CUDACachingAllocator::endAllocateToPool(device, state->pool); });
  quietly([&] { at::getHostAllocator(at::kCUDA)->end_allocate_to_pool(state->pool); });
  quietly([&] {
    const auto allocator = c10::cuda::CUDACachingAllocator::get();
    for (int uses = allocator->getPoolUseCount(device, state->pool); uses > wholeGraphs(state); uses--) allocator->releasePool(device, state->pool);
  });
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
  // torch takes no pool again that all its graphs have left
  if (wholeGraphs(state) == 0) state->pool = at::cuda::graph_pool_handle();
  auto graph = std::make_unique<at::cuda::CUDAGraph>();
  try {
    graph->capture_begin(state->pool, cudaStreamCaptureModeThreadLocal);
  } catch (const std::exception&) {
    unwind(state, *graph);
    throw;
  }
  state->graphs.push_back({std::move(graph)});
  state->capturing = true;
  napi_value number;
  napi_create_int32(env, static_cast<int32_t>(state->graphs.size()) - 1, &number);
  return number;
}

/** end(graph): ends the recording. */
napi_value end(napi_env env, State* state, napi_value* args) {
  Recorded& recorded = recordedAt(state, toInt(env, args[0]));
  state->capturing = false;
  recorded.graph->capture_end();
  recorded.whole = true;
  return nullptr;
}

/** launch(graph): queues the recorded work. */
napi_value launch(napi_env env, State* state, napi_value* args) {
  recordedAt(state, toInt(env, args[0])).graph->replay();
  return nullptr;
}

/** release(graph): frees it, in whatever state it is. */
napi_value release(napi_env env, State* state, napi_value* args) {
  const int number = toInt(env, args[0]);
  Recorded& recorded = recordedAt(state, number);
  if (state->capturing && static_cast<size_t>(number) + 1 == state->graphs.size()) {
    state->capturing = false;
    quietly([&] { recorded.graph->capture_end(); });
  }
  if (!recorded.whole) unwind(state, *recorded.graph);
  // a graph that is still running must not lose its memory
  c10::cuda::device_synchronize();
  recorded.graph.reset();
  return nullptr;
}

using Function = napi_value (*)(napi_env, State*, napi_value*);

template <Function f>
napi_value guarded(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value args[1];
  napi_get_cb_info(env, info, &count, args, nullptr, nullptr);
  return throwing(env, [&] { return f(env, stateOf(env), args); });
}

template <Function f>
void define(napi_env env, napi_value exports, const char* name) {
  defineFunction(env, exports, name, guarded<f>);
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
