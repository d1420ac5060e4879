// NVIDIA's driver and run-time compiler (NVRTC), of which torch's CUDA builds carry what they need: loaded when asked for, declared
// here by hand, so that neither headers nor libraries of CUDA are needed to build.

#pragma once

#include <dlfcn.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace cuda {

using Result = int;  // of the driver and of NVRTC: 0 is success

struct Library {
  Result (*deviceGet)(int* device, int ordinal);
  Result (*deviceGetAttribute)(int* value, int attribute, int device);
  Result (*moduleLoadData)(void** module, const void* image);
  Result (*moduleGetFunction)(void** function, void* module, const char* name);
  Result (*launchKernel)(void* function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX, unsigned blockY, unsigned blockZ,
                         unsigned sharedBytes, void* stream, void** parameters, void** extra);
  Result (*createProgram)(void** program, const char* source, const char* name, int headers, const char* const* texts, const char* const* names);
  Result (*compileProgram)(void* program, int count, const char* const* options);
  Result (*logSize)(void* program, size_t* size);
  Result (*log)(void* program, char* text);
  Result (*cubinSize)(void* program, size_t* size);
  Result (*cubin)(void* program, char* image);
  Result (*destroyProgram)(void** program);
};

/** @throws std::runtime_error with the loader's words where this machine or this torch has no CUDA */
inline const Library& library() {
  static const Library loaded = [] {
    // torch's own shim, in torch/lib: it is linked against both, by the paths where torch's packages put them
    void* handle = dlopen("libcaffe2_nvrtc.so", RTLD_NOW | RTLD_LOCAL);
    if (!handle) throw std::runtime_error(dlerror());
    Library library;
    const auto find = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle, name));
      if (!function) throw std::runtime_error(std::string("CUDA's libraries lack ") + name);
    };
    find(library.deviceGet, "cuDeviceGet");
    find(library.deviceGetAttribute, "cuDeviceGetAttribute");
    find(library.moduleLoadData, "cuModuleLoadData");
    find(library.moduleGetFunction, "cuModuleGetFunction");
    find(library.launchKernel, "cuLaunchKernel");
    find(library.createProgram, "nvrtcCreateProgram");
    find(library.compileProgram, "nvrtcCompileProgram");
    find(library.logSize, "nvrtcGetProgramLogSize");
    find(library.log, "nvrtcGetProgramLog");
    find(library.cubinSize, "nvrtcGetCUBINSize");
    find(library.cubin, "nvrtcGetCUBIN");
    find(library.destroyProgram, "nvrtcDestroyProgram");
    return library;
  }();
  return loaded;
}

inline void check(Result result, const char* what) {
  if (result != 0) throw std::runtime_error(std::string("CUDA: ") + what + " gave error " + std::to_string(result));
}

/** Compute capability times ten: 80 for an A100, 90 for an H100. @param ordinal as torch counts devices */
inline int capability(int ordinal) {
  constexpr int kMajor = 75, kMinor = 76;
  int device, major, minor;
  check(library().deviceGet(&device, ordinal), "cuDeviceGet");
  check(library().deviceGetAttribute(&major, kMajor, device), "cuDeviceGetAttribute");
  check(library().deviceGetAttribute(&minor, kMinor, device), "cuDeviceGetAttribute");
  return 10 * major + minor;
}

/** Compiles CUDA C++ for a compute capability. @throws std::runtime_error with the compiler's words */
inline std::vector<char> compile(const std::string& source, int capability) {
  const Library& nvrtc = library();
  void* program = nullptr;
  check(nvrtc.createProgram(&program, source.c_str(), "dpo.cu", 0, nullptr, nullptr), "nvrtcCreateProgram");
  const std::string architecture = "--gpu-architecture=sm_" + std::to_string(capability);
  const char* options[] = {architecture.c_str(), "--std=c++17"};
  const Result result = nvrtc.compileProgram(program, 2, options);
  std::vector<char> image;
  std::string log;
  size_t size = 0;
  if (result == 0 && nvrtc.cubinSize(program, &size) == 0) {
    image.resize(size);
    nvrtc.cubin(program, image.data());
  } else if (nvrtc.logSize(program, &size) == 0) {
    log.resize(size);
    nvrtc.log(program, log.data());
  }
  nvrtc.destroyProgram(&program);
  if (image.empty()) throw std::runtime_error("NVRTC did not compile a kernel for " + architecture + ": " + log);
  return image;
}

}  // namespace cuda
