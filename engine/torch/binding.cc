// libtorch for Node.js: what JavaScript may call. A tensor is a slot number (state.h), any ATen operator is called by its name (operators.h),
// and some kernels are the engine's own (ownKernels.h). The headers from state.h on are parts of this one file: what is in no other is inlined
// where it is called once, and calls between them take no detour by the linker's table.

#include <node_api.h>

#include "autograd.h"
#include "machine.h"
#include "nodeApi.h"
#include "operators.h"
#include "ownKernels.h"
#include "slots.h"
#include "transfers.h"

namespace {

using Function = napi_value (*)(napi_env, State*, size_t, napi_value*);

template <Function f, size_t required>
napi_value guarded(napi_env env, napi_callback_info info) {
  size_t count = kMaxArguments;
  napi_value args[kMaxArguments];
  napi_get_cb_info(env, info, &count, args, nullptr, nullptr);
  return throwing(env, [&] {
    if (count < required) fail("internal: too few arguments");
    if (count > kMaxArguments) fail("internal: too many arguments");
    return f(env, stateOf(env), count, args);
  });
}

template <Function f, size_t required>
void define(napi_env env, napi_value exports, const char* name) {
  defineFunction(env, exports, name, guarded<f, required>);
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
  keepHeap();
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
