// CUDA's run-time, driver and BLAS without a card, to be preloaded before libtorch: memory is the host's, kernels do nothing, and what a stream
// capture forbids breaks it and is said on stderr. It shows whether work can be recorded, not what it computes.
// cc -shared -fPIC -Wl,-soname,libcuda.so.1 -I HEADERS_OF_CUDA -o fakeCuda.so fakeCuda.c -lpthread

#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DONE return cudaSuccess
static const size_t MEMORY = 4ull << 30;

static struct { char *begin; size_t bytes; enum cudaMemoryType type; } blocks[1 << 16];
static int blockCount;
static size_t taken;
static int capturing, broken;
static unsigned long long captures;
static long recorded;
static cudaStream_t captured;
static pthread_t thread;
static __thread enum cudaStreamCaptureMode mode;

static void *keep(size_t bytes, enum cudaMemoryType type) {
  char *begin = aligned_alloc(512, (bytes + 511) / 512 * 512);
  memset(begin, 0, bytes);
  int i = 0;
  while (i < blockCount && blocks[i].begin) i++;
  if (i == blockCount) blockCount++;
  blocks[i].begin = begin, blocks[i].bytes = bytes, blocks[i].type = type;
  return begin;
}
static int find(const void *p) {
  for (int i = 0; i < blockCount; i++)
    if (blocks[i].begin && (char *)p >= blocks[i].begin && (char *)p < blocks[i].begin + blocks[i].bytes) return i;
  return -1;
}
static size_t drop(void *p) {
  const int i = find(p);
  const size_t bytes = i < 0 ? 0 : blocks[i].bytes;
  if (i >= 0) blocks[i].begin = NULL;
  free(p);
  return bytes;
}
static enum cudaMemoryType typeOf(const void *p) { return find(p) < 0 ? cudaMemoryTypeUnregistered : blocks[find(p)].type; }

static void breaks(const char *what) {
  broken = 1;
  fprintf(stderr, "capture broken by %s\n", what);
}
// forbidden to the thread that captures, unless it has said that it knows
static void watched(const char *what) {
  if (capturing && mode != cudaStreamCaptureModeRelaxed && pthread_equal(pthread_self(), thread)) breaks(what);
}
static void queued(cudaStream_t stream, const char *what) {
  if (!capturing) return;
  if (stream == captured) recorded++;
  else breaks(what);
}
/** For tests. */
long fakeRecorded(void) { return recorded; }

cudaError_t cudaGetDeviceCount(int *n) { *n = 1; DONE; }
cudaError_t cudaGetDevice(int *d) { *d = 0; DONE; }
cudaError_t cudaSetDevice(int d) { DONE; }
cudaError_t cudaDriverGetVersion(int *v) { *v = CUDART_VERSION; DONE; }
cudaError_t cudaRuntimeGetVersion(int *v) { *v = CUDART_VERSION; DONE; }
cudaError_t cudaDeviceCanAccessPeer(int *v, int a, int b) { *v = 0; DONE; }
cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int d) {
  memset(p, 0, sizeof *p);
  p->major = 9, p->multiProcessorCount = 132, p->maxThreadsPerMultiProcessor = 2048, p->maxThreadsPerBlock = 1024, p->warpSize = 32;
  p->totalGlobalMem = MEMORY, p->maxBlocksPerMultiProcessor = 32, p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->sharedMemPerBlock = 49152, p->sharedMemPerBlockOptin = 232448, p->sharedMemPerMultiprocessor = 233472, p->l2CacheSize = 50 << 20;
  p->maxGridSize[0] = 0x7fffffff, p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  DONE;
}
cudaError_t cudaDeviceGetAttribute(int *v, enum cudaDeviceAttr a, int d) {
  *v = a == cudaDevAttrComputeCapabilityMajor ? 9 : a == cudaDevAttrMultiProcessorCount ? 132 : a == cudaDevAttrMaxSharedMemoryPerBlockOptin ? 232448
     : a == cudaDevAttrMaxSharedMemoryPerBlock ? 49152 : a == cudaDevAttrWarpSize ? 32 : a == cudaDevAttrMaxThreadsPerBlock ? 1024 : 0;
  DONE;
}

cudaError_t cudaMalloc(void **p, size_t bytes) {
  watched("cudaMalloc");
  if (taken + bytes > MEMORY) return cudaErrorMemoryAllocation;
  taken += bytes;
  *p = keep(bytes, cudaMemoryTypeDevice);
  DONE;
}
cudaError_t cudaFree(void *p) { watched("cudaFree"); if (p) taken -= drop(p); DONE; }
cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned flags) { watched("cudaHostAlloc"); *p = keep(bytes, cudaMemoryTypeHost); DONE; }
cudaError_t cudaFreeHost(void *p) { drop(p); DONE; }
cudaError_t cudaMemGetInfo(size_t *left, size_t *all) { *all = MEMORY; *left = MEMORY - taken; DONE; }
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) { memset(a, 0, sizeof *a); a->type = typeOf(p); DONE; }
cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind) { watched("cudaMemcpy"); memmove(to, from, bytes); DONE; }
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream) {
  queued(stream, "cudaMemcpyAsync on another stream");
  // torch may record a copy from the host; a launch would copy what is there by then
  if (capturing && (typeOf(to) != cudaMemoryTypeDevice || typeOf(from) != cudaMemoryTypeDevice)) breaks("a copy from or to the host");
  memmove(to, from, bytes);
  DONE;
}
cudaError_t cudaMemset(void *p, int v, size_t bytes) { watched("cudaMemset"); memset(p, v, bytes); DONE; }
cudaError_t cudaMemsetAsync(void *p, int v, size_t bytes, cudaStream_t stream) { queued(stream, "cudaMemsetAsync"); memset(p, v, bytes); DONE; }

cudaError_t cudaDeviceGetStreamPriorityRange(int *least, int *most) { *least = 0; *most = -5; DONE; }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *s, unsigned flags, int priority) { static size_t next = 100; *s = (cudaStream_t)next++; DONE; }
cudaError_t cudaStreamQuery(cudaStream_t s) { DONE; }
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  if (!capturing || s != captured) DONE;
  breaks("cudaStreamSynchronize");
  return cudaErrorStreamCaptureUnsupported;
}
cudaError_t cudaDeviceSynchronize(void) {
  if (!capturing) DONE;
  breaks("cudaDeviceSynchronize");
  return cudaErrorStreamCaptureUnsupported;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned flags) { queued(s, "cudaStreamWaitEvent"); DONE; }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *e, unsigned flags) { *e = (cudaEvent_t)1; DONE; }
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) { queued(s, "cudaEventRecord"); DONE; }
cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned flags) { queued(s, "cudaEventRecord"); DONE; }
cudaError_t cudaEventQuery(cudaEvent_t e) { watched("cudaEventQuery"); DONE; }
cudaError_t cudaEventDestroy(cudaEvent_t e) { DONE; }

cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode m) {
  capturing = 1, broken = 0, captured = s, thread = pthread_self(), captures++;
  DONE;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph) {
  capturing = 0;
  *graph = broken ? NULL : (cudaGraph_t)1;
  return broken ? cudaErrorStreamCaptureInvalidated : cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t s, enum cudaStreamCaptureStatus *status) {
  const int here = capturing && s == captured;
  *status = !here ? cudaStreamCaptureStatusNone : broken ? cudaStreamCaptureStatusInvalidated : cudaStreamCaptureStatusActive;
  DONE;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s, enum cudaStreamCaptureStatus *status, unsigned long long *id, cudaGraph_t *graph,
                                     const cudaGraphNode_t **nodes, const cudaGraphEdgeData **edges, size_t *count) {
  if (id) *id = captures;
  if (graph) *graph = (cudaGraph_t)1;
  if (count) *count = 0;
  return cudaStreamIsCapturing(s, status);
}
cudaError_t cudaThreadExchangeStreamCaptureMode(enum cudaStreamCaptureMode *m) { const enum cudaStreamCaptureMode old = mode; mode = *m; *m = old; DONE; }
cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t *nodes, size_t *count) { *count = 1; DONE; }
cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *x, cudaGraph_t g, unsigned long long flags) { *x = (cudaGraphExec_t)1; DONE; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t x, cudaStream_t s) { DONE; }
cudaError_t cudaGraphDestroy(cudaGraph_t g) { DONE; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t x) { DONE; }

cudaError_t cudaGetLastError(void) { DONE; }
cudaError_t cudaPeekAtLastError(void) { DONE; }
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *f) { memset(a, 0, sizeof *a); a->maxThreadsPerBlock = 1024; a->binaryVersion = 90; DONE; }
cudaError_t cudaFuncSetAttribute(const void *f, enum cudaFuncAttribute a, int v) { DONE; }
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *n, const void *f, int threads, size_t shared, unsigned flags) { *n = 2; DONE; }
cudaError_t __cudaGetKernel(void **kernel, const void *f) { *kernel = (void *)f; DONE; }
cudaError_t __cudaLaunchKernel(const void *f, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t s) { queued(s, "a kernel on another stream"); DONE; }
cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *c, const void *f, void **args) { queued(c->stream, "a kernel on another stream"); DONE; }

// ---- BLAS: a handle is its stream ----

int cublasCreate_v2(void **h) { watched("cublasCreate"); *h = calloc(1, sizeof(cudaStream_t)); return 0; }
int cublasSetStream_v2(void *h, cudaStream_t s) { *(cudaStream_t *)h = s; return 0; }
int cublasSetWorkspace_v2(void *h, void *p, size_t bytes) { return 0; }
int cublasSetMathMode(void *h, int m) { return 0; }
int cublasGetMathMode(void *h, int *m) { *m = 0; return 0; }
int cublasSetPointerMode_v2(void *h, int m) { return 0; }
int cublasGetPointerMode_v2(void *h, int *m) { *m = 0; return 0; }
static int product(void *h) { queued(*(cudaStream_t *)h, "a product on another stream"); return 0; }
int cublasSgemm_v2(void *h) { return product(h); }
int cublasGemmEx(void *h) { return product(h); }
int cublasSgemmStridedBatched(void *h) { return product(h); }
int cublasGemmStridedBatchedEx(void *h) { return product(h); }
int cublasSgemv_v2(void *h) { return product(h); }
int cublasSdot_v2(void *h) { return product(h); }
static int made(void **p) { *p = calloc(1, 64); return 0; }
static int gone(void *p) { free(p); return 0; }
int cublasLtMatmulDescCreate(void **p) { return made(p); }
int cublasLtMatmulDescDestroy(void *p) { return gone(p); }
int cublasLtMatmulDescSetAttribute(void *p) { return 0; }
int cublasLtMatrixLayoutCreate(void **p) { return made(p); }
int cublasLtMatrixLayoutDestroy(void *p) { return gone(p); }
int cublasLtMatrixLayoutSetAttribute(void *p) { return 0; }
int cublasLtMatmulPreferenceCreate(void **p) { return made(p); }
int cublasLtMatmulPreferenceDestroy(void *p) { return gone(p); }
int cublasLtMatmulPreferenceSetAttribute(void *p) { return 0; }
int cublasLtMatmulAlgoGetHeuristic(void *h, void *d, void *a, void *b, void *c, void *e, void *p, int most, void *results, int *count) { *count = 1; return 0; }
int cublasLtMatmul(void *h, void *d, void *alpha, void *a, void *al, void *b, void *bl, void *beta, void *c, void *cl, void *e, void *el, void *algorithm,
                   void *workspace, size_t bytes, cudaStream_t s) {
  queued(s, "a product on another stream");
  return 0;
}

// ---- the driver ----

int cuCtxGetCurrent(void **c) { *c = (void *)1; return 0; }
int cuDevicePrimaryCtxGetState(int d, unsigned *flags, int *active) { *flags = 0; *active = 1; return 0; }
int cuDeviceGet(int *d, int ordinal) { *d = 0; return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) { *v = a == 75 ? 9 : 0; return 0; }
int cuModuleLoadData(void **m, const void *image) { *m = (void *)1; return 0; }
int cuModuleGetFunction(void **f, void *m, const char *name) { *f = (void *)1; return 0; }
int cuGetErrorString(int e, const char **s) { *s = "an error"; return 0; }
// never called: torch's shim is loaded with all of its names
#define STUB(name) int name(void) { return 1; }
STUB(cuCtxSetCurrent) STUB(cuDevicePrimaryCtxRetain) STUB(cuFuncGetAttribute) STUB(cuFuncSetAttribute) STUB(cuFuncSetCacheConfig)
STUB(cuLaunchCooperativeKernel) STUB(cuLaunchKernel) STUB(cuLinkAddData_v2) STUB(cuLinkComplete) STUB(cuLinkCreate_v2) STUB(cuModuleLoad)
STUB(cuModuleLoadDataEx) STUB(cuModuleUnload) STUB(cuOccupancyMaxActiveBlocksPerMultiprocessor) STUB(cuPointerGetAttribute)
STUB(cuTensorMapEncodeTiled)
