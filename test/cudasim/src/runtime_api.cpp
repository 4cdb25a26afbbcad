// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The exported CUDA runtime API. Work is carried out at once, in issue order.
#include <cstring>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "checks.hpp"
#include "environment.hpp"
#include "messages.hpp"
#include "runtime.hpp"

using namespace cudasim;

#define API extern "C" __attribute__((visibility("default")))
/// Also export NAME_ptsz / NAME_ptds (per-thread default stream): the same function here.
#define PTSZ(name) asm(".globl " #name "_ptsz\n.set " #name "_ptsz, " #name)
#define PTDS(name) asm(".globl " #name "_ptds\n.set " #name "_ptds, " #name)

namespace {

Runtime& rt() { return Runtime::get(); }
u64 U(const void* p) { return reinterpret_cast<u64>(p); }
void* P(u64 a) { return reinterpret_cast<void*>(a); }

cudaError_t ok() { return cudaSuccess; }
/// Result of a call: a pending kernel fault wins over the call's own code.
cudaError_t done(int code = 0) {
  if (rt().sticky) {
    rt().sticky_seen = true;
    rt().last_error = rt().sticky;
    return static_cast<cudaError_t>(rt().sticky);
  }
  return static_cast<cudaError_t>(rt().fail(code));
}
#define FAIL_IF_STICKY()            \
  do {                              \
    if (rt().sticky) return done(); \
  } while (0)
#define CHECK_STREAM(s)          \
  Stream* s##_ = rt().stream(s); \
  if (!s##_) return done(cudaErrorInvalidResourceHandle)

/// Device-side range check of an API pointer. True when [p, p+n) may be used.
bool valid_range(const void* p, size_t n, const char* api) {
  if (!n) return true;
  Memory& m = Memory::get();
  if (!m.in_arena(U(p))) return p != nullptr;
  const Alloc* a = m.find(U(p));
  if (a && a->live && U(p) + n <= a->end()) return true;
  checks::report(strf("%s: invalid range of %zu bytes at %p", api, n, p), m.describe(U(p)));
  return false;
}
bool is_device(const void* p) {
  const Alloc* a = Memory::get().find(U(p));
  return a && a->kind != MemKind::Registered;
}

cudaError_t copy(void* dst, const void* src, size_t n, cudaMemcpyKind kind, Stream* s,
                 const char* api) {
  FAIL_IF_STICKY();
  if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault)
    return done(cudaErrorInvalidMemcpyDirection);
  if (!n) return ok();
  if (!valid_range(dst, n, api) || !valid_range(src, n, api)) return done(cudaErrorInvalidValue);
  bool dst_dev = is_device(dst), src_dev = is_device(src);
  bool want_dst = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice,
       want_src = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if ((want_dst && !dst_dev) || (want_src && !src_dev)) {
    checks::report(strf("%s: direction and pointers disagree", api),
                   strf("destination %p is %s, source %p is %s", dst, dst_dev ? "device" : "host",
                        src, src_dev ? "device" : "host"));
    return done(cudaErrorInvalidValue);
  }
  auto host_only = [](const void* p) {
    const Alloc* a = Memory::get().find(U(p));
    return a && (a->kind == MemKind::Device || a->kind == MemKind::Global ||
                 a->kind == MemKind::Constant);
  };
  if ((kind == cudaMemcpyHostToDevice && host_only(src)) ||
      (kind == cudaMemcpyDeviceToHost && host_only(dst)) ||
      (kind == cudaMemcpyHostToHost && (host_only(src) || host_only(dst))))
    return done(cudaErrorInvalidValue);
  rt().enqueue(s, [=] {
    Memory& m = Memory::get();
    if (m.init_tracking()) {
      if (src_dev && m.in_arena(U(dst)))
        m.copy_init(U(dst), U(src), n);
      else
        m.mark_init(U(dst), n);
      if (!dst_dev && src_dev && !m.is_init(U(src), n))
        checks::report(strf("%s: copies uninitialised device memory to the host", api),
                       m.describe(U(src)));
    }
    std::memmove(m.host(U(dst)), m.host(U(src)), n);
  });
  return ok();
}

cudaError_t copy2d(void* dst, size_t dpitch, const void* src, size_t spitch, size_t width,
                   size_t height, cudaMemcpyKind kind, Stream* s, const char* api) {
  if (width > dpitch || width > spitch) return done(cudaErrorInvalidPitchValue);
  for (size_t y = 0; y < height; ++y)
    if (auto e = copy(static_cast<char*>(dst) + y * dpitch,
                      static_cast<const char*>(src) + y * spitch, width, kind, s, api))
      return e;
  return ok();
}

cudaError_t fill(void* p, int value, size_t n, Stream* s, const char* api) {
  FAIL_IF_STICKY();
  if (!n) return ok();
  if (!is_device(p) || !valid_range(p, n, api)) return done(cudaErrorInvalidValue);
  rt().enqueue(s, [=] {
    std::memset(Memory::get().host(U(p)), value, n);
    Memory::get().mark_init(U(p), n);
  });
  return ok();
}

cudaError_t allocate(void** p, size_t n, MemKind kind) {
  FAIL_IF_STICKY();
  if (!p) return done(cudaErrorInvalidValue);
  *p = nullptr;
  if (!n) return ok();
  u64 a = Memory::get().allocate(n, kind);
  if (!a) return done(cudaErrorMemoryAllocation);
  *p = P(a);
  return ok();
}
cudaError_t release(void* p, const char* api) {
  if (!p) return ok();
  auto r = Memory::get().release(U(p));
  if (r != Memory::FreeResult::Ok) {
    checks::report(strf("%s: %s", api,
                        r == Memory::FreeResult::DoubleFree ? "double free" : "not an allocation"),
                   Memory::get().describe(U(p)));
    return done(cudaErrorInvalidValue);
  }
  return done();
}

int threads_rounded(int t) { return (t + 31) / 32 * 32; }

int occupancy(Kernel& k, int block, size_t dynamic) {
  Program* p = rt().program(k);
  if (!p || block <= 0 || block > 1024) return 0;
  const Device& d = Device::get();
  if (k.fn->maxntid && block > k.fn->maxntid) return 0;
  size_t smem = p->static_shared + dynamic;
  if (smem > static_cast<size_t>(d.smem_optin)) return 0;
  int n = std::min(d.max_blocks_sm, d.max_threads_sm / threads_rounded(block));
  return std::min(n, static_cast<int>(static_cast<size_t>(d.smem_sm) / (smem + 1024)));
}

/// Live events and graphs: calls with anything else fail instead of crashing.
std::set<const void*>& live_handles() {
  static auto* s = new std::set<const void*>;
  return *s;
}
template <class T>
T* adopt(T* p) {
  live_handles().insert(p);
  return p;
}
template <class T>
T* live(const void* handle) {
  return live_handles().count(handle) ? static_cast<T*>(const_cast<void*>(handle)) : nullptr;
}
template <class T>
cudaError_t destroy(const void* handle) {
  T* p = live<T>(handle);
  if (!p) return done(cudaErrorInvalidResourceHandle);
  live_handles().erase(handle);
  delete p;
  return done();
}

struct ErrorText {
  int code;
  const char *name, *text;
};
const ErrorText kErrors[] = {
    {0, "cudaSuccess", "no error"},
    {1, "cudaErrorInvalidValue", "invalid argument"},
    {2, "cudaErrorMemoryAllocation", "out of memory"},
    {3, "cudaErrorInitializationError", "initialization error"},
    {4, "cudaErrorCudartUnloading", "driver shutting down"},
    {9, "cudaErrorInvalidConfiguration", "invalid configuration argument"},
    {12, "cudaErrorInvalidPitchValue", "invalid pitch argument"},
    {13, "cudaErrorInvalidSymbol", "invalid device symbol"},
    {16, "cudaErrorInvalidHostPointer", "invalid host pointer"},
    {17, "cudaErrorInvalidDevicePointer", "invalid device pointer"},
    {21, "cudaErrorInvalidMemcpyDirection", "invalid copy direction for memcpy"},
    {35, "cudaErrorInsufficientDriver",
     "CUDA driver version is insufficient for CUDA runtime version"},
    {52, "cudaErrorMissingConfiguration", "__global__ function call is not configured"},
    {98, "cudaErrorInvalidDeviceFunction", "invalid device function"},
    {100, "cudaErrorNoDevice", "no CUDA-capable device is detected"},
    {101, "cudaErrorInvalidDevice", "invalid device ordinal"},
    {200, "cudaErrorInvalidKernelImage", "device kernel image is invalid"},
    {209, "cudaErrorNoKernelImageForDevice",
     "no kernel image is available for execution on the device"},
    {218, "cudaErrorInvalidPtx", "a PTX JIT compilation failed"},
    {400, "cudaErrorInvalidResourceHandle", "invalid resource handle"},
    {401, "cudaErrorIllegalState", "the operation cannot be performed in the present state"},
    {500, "cudaErrorSymbolNotFound", "named symbol not found"},
    {600, "cudaErrorNotReady", "device not ready"},
    {700, "cudaErrorIllegalAddress", "an illegal memory access was encountered"},
    {701, "cudaErrorLaunchOutOfResources", "too many resources requested for launch"},
    {702, "cudaErrorLaunchTimeout", "the launch timed out and was terminated"},
    {704, "cudaErrorPeerAccessAlreadyEnabled", "peer access is already enabled"},
    {705, "cudaErrorPeerAccessNotEnabled", "peer access has not been enabled"},
    {710, "cudaErrorAssert", "device-side assert triggered"},
    {712, "cudaErrorHostMemoryAlreadyRegistered",
     "part or all of the requested memory range is already mapped"},
    {713, "cudaErrorHostMemoryNotRegistered",
     "pointer does not correspond to a registered memory region"},
    {715, "cudaErrorIllegalInstruction", "an illegal instruction was encountered"},
    {716, "cudaErrorMisalignedAddress", "misaligned address"},
    {719, "cudaErrorLaunchFailure", "unspecified launch failure"},
    {720, "cudaErrorCooperativeLaunchTooLarge", "too many blocks in cooperative launch"},
    {800, "cudaErrorNotPermitted", "operation not permitted"},
    {801, "cudaErrorNotSupported", "operation not supported"},
    {900, "cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"},
    {901, "cudaErrorStreamCaptureInvalidated",
     "operation failed due to a previous error during capture"},
    {999, "cudaErrorUnknown", "unknown error"},
};
const ErrorText* error_text(int code) {
  for (auto& e : kErrors)
    if (e.code == code) return &e;
  return nullptr;
}

struct CallConfig {
  dim3 grid, block;
  size_t shared;
  void* stream;
};
thread_local std::vector<CallConfig> call_configs;

cudaError_t launch(const void* func, dim3 g, dim3 b, void** args, size_t shared,
                   cudaStream_t stream, bool cooperative) {
  Kernel* k = rt().kernel(func);
  if (!k) return done(cudaErrorInvalidDeviceFunction);
  Stream* s = rt().stream(stream);
  if (!s) return done(cudaErrorInvalidResourceHandle);
  if (shared > 0xffffffffu) return done(cudaErrorInvalidValue);
  Launch l{{g.x, g.y, g.z}, {b.x, b.y, b.z}, static_cast<u32>(shared), cooperative};
  return static_cast<cudaError_t>(rt().launch(*k, l, args, s));
}

int attribute(cudaDeviceAttr a, bool& known) {
  const Device& d = Device::get();
  known = true;
  switch (a) {
    case cudaDevAttrMaxThreadsPerBlock: return 1024;
    case cudaDevAttrMaxBlockDimX:
    case cudaDevAttrMaxBlockDimY: return 1024;
    case cudaDevAttrMaxBlockDimZ: return 64;
    case cudaDevAttrMaxGridDimX: return 0x7fffffff;
    case cudaDevAttrMaxGridDimY:
    case cudaDevAttrMaxGridDimZ: return 65535;
    case cudaDevAttrMaxSharedMemoryPerBlock: return 48 << 10;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: return d.smem_optin;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: return d.smem_sm;
    case cudaDevAttrReservedSharedMemoryPerBlock: return 1024;
    case cudaDevAttrTotalConstantMemory: return 65536;
    case cudaDevAttrWarpSize: return 32;
    case cudaDevAttrMaxRegistersPerBlock:
    case cudaDevAttrMaxRegistersPerMultiprocessor: return d.regs_sm;
    case cudaDevAttrMultiProcessorCount: return d.sms;
    case cudaDevAttrMaxThreadsPerMultiProcessor: return d.max_threads_sm;
    case cudaDevAttrMaxBlocksPerMultiprocessor: return d.max_blocks_sm;
    case cudaDevAttrComputeCapabilityMajor: return d.arch / 10;
    case cudaDevAttrComputeCapabilityMinor: return d.arch % 10;
    case cudaDevAttrL2CacheSize: return 40 << 20;
    case cudaDevAttrMaxPersistingL2CacheSize: return 30 << 20;
    case cudaDevAttrMaxAccessPolicyWindowSize: return 128 << 20;
    case cudaDevAttrGlobalMemoryBusWidth: return 5120;
    case cudaDevAttrClockRate: return 1410000;
    case cudaDevAttrMemoryClockRate: return 1215000;
    case cudaDevAttrTextureAlignment: return 512;
    case cudaDevAttrTexturePitchAlignment: return 32;
    case cudaDevAttrMaxPitch: return 0x7fffffff;
    case cudaDevAttrConcurrentKernels:
    case cudaDevAttrUnifiedAddressing:
    case cudaDevAttrManagedMemory:
    case cudaDevAttrConcurrentManagedAccess:
    case cudaDevAttrCooperativeLaunch:
    case cudaDevAttrMemoryPoolsSupported:
    case cudaDevAttrStreamPrioritiesSupported:
    case cudaDevAttrCanMapHostMemory:
    case cudaDevAttrHostRegisterSupported:
    case cudaDevAttrCanUseHostPointerForRegisteredMem:
    case cudaDevAttrComputePreemptionSupported:
    case cudaDevAttrGlobalL1CacheSupported:
    case cudaDevAttrLocalL1CacheSupported:
    case cudaDevAttrGpuOverlap: return 1;
    case cudaDevAttrAsyncEngineCount: return 2;
    case cudaDevAttrIntegrated:
    case cudaDevAttrKernelExecTimeout:
    case cudaDevAttrEccEnabled:
    case cudaDevAttrTccDriver:
    case cudaDevAttrPciBusId:
    case cudaDevAttrPciDeviceId:
    case cudaDevAttrPciDomainId:
    case cudaDevAttrComputeMode:
    case cudaDevAttrPageableMemoryAccess:
    case cudaDevAttrPageableMemoryAccessUsesHostPageTables:
    case cudaDevAttrClusterLaunch:
    case cudaDevAttrIsMultiGpuBoard:
    case cudaDevAttrHostNativeAtomicSupported:
    case cudaDevAttrGPUDirectRDMASupported:
    case cudaDevAttrSparseCudaArraySupported: return 0;
    case cudaDevAttrSingleToDoublePrecisionPerfRatio: return 2;
    default: known = false; return 0;
  }
}

}  // namespace

// ---- registration ---------------------------------------------------------------------------

API void** __cudaRegisterFatBinary(void* image) {
  auto m = std::make_unique<Module>();
  m->image = image;
  rt().modules.push_back(std::move(m));
  return reinterpret_cast<void**>(rt().modules.back().get());
}
API void __cudaRegisterFatBinaryEnd(void**) {}
API void __cudaUnregisterFatBinary(void**) {}
API char __cudaInitModule(void** handle) { return rt().load(*reinterpret_cast<Module*>(handle)); }
API void __cudaRegisterFunction(void** handle, const char* host, char*, const char* name, int,
                                uint3*, uint3*, dim3*, dim3*, int*) {
  auto k = std::make_unique<Kernel>();
  k->module = reinterpret_cast<Module*>(handle);
  k->device_name = name;
  Kernel* kept = rt().kernels.emplace(host, std::move(k))
                     .first->second.get();  // in several files: the first one's
  rt().handles[kept] = kept;
}
static void register_var(void** handle, const void* host, const char* name, size_t size,
                         void** slot) {
  auto v = std::make_unique<DeviceVar>();
  v->name = name;
  v->module = reinterpret_cast<Module*>(handle);
  v->size = size;
  v->managed_slot = slot;
  rt().vars.emplace(host,
                    v.get());  // an inline variable of several files: the symbol is the first one's
  v->module->vars.push_back(std::move(v));
}
API void __cudaRegisterVar(void** handle, char* host, char*, const char* name, int, size_t size,
                           int, int) {
  register_var(handle, host, name, size, nullptr);
}
API void __cudaRegisterManagedVar(void** handle, void** slot, char*, const char* name, int,
                                  size_t size, int, int) {
  register_var(handle, slot, name, size, slot);
}
API void __cudaRegisterHostVar(void**, const char*, char*, size_t) {}

API unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void* stream) {
  call_configs.push_back({grid, block, shared, stream});
  return 0;
}
API cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block, size_t* shared, void* stream) {
  if (call_configs.empty()) return done(cudaErrorMissingConfiguration);
  auto c = call_configs.back();
  call_configs.pop_back();
  *grid = c.grid, *block = c.block, *shared = c.shared;
  *static_cast<void**>(stream) = c.stream;
  return ok();
}
API cudaError_t __cudaGetKernel(cudaKernel_t* out, const void* func) {
  Kernel* k = rt().kernel(func);
  *out = reinterpret_cast<cudaKernel_t>(k);
  return k ? ok() : cudaErrorInvalidDeviceFunction;
}
API cudaError_t cudaGetKernel(cudaKernel_t* out, const void* func) {
  return __cudaGetKernel(out, func);
}
API cudaError_t __cudaLaunchKernel(cudaKernel_t k, dim3 g, dim3 b, void** args, size_t shared,
                                   cudaStream_t s) {
  return launch(k, g, b, args, shared, s, false);
}
PTSZ(__cudaLaunchKernel);

// ---- execution ------------------------------------------------------------------------------

API cudaError_t cudaLaunchKernel(const void* f, dim3 g, dim3 b, void** args, size_t shared,
                                 cudaStream_t s) {
  return launch(f, g, b, args, shared, s, false);
}
PTSZ(cudaLaunchKernel);
API cudaError_t cudaLaunchCooperativeKernel(const void* f, dim3 g, dim3 b, void** args,
                                            size_t shared, cudaStream_t s) {
  return launch(f, g, b, args, shared, s, true);
}
PTSZ(cudaLaunchCooperativeKernel);
API cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t* c, const void* f, void** args) {
  bool cooperative = false;
  for (unsigned i = 0; i < c->numAttrs; ++i) {
    const auto& a = c->attrs[i];
    if (a.id == cudaLaunchAttributeCooperative)
      cooperative = a.val.cooperative;
    else if (a.id == cudaLaunchAttributeClusterDimension &&
             (a.val.clusterDim.x > 1 || a.val.clusterDim.y > 1 || a.val.clusterDim.z > 1)) {
      message("thread block clusters are not simulated (cluster of %u x %u x %u requested)",
              a.val.clusterDim.x, a.val.clusterDim.y, a.val.clusterDim.z);
      return done(cudaErrorNotSupported);
    }
  }
  return launch(f, c->gridDim, c->blockDim, args, c->dynamicSmemBytes, c->stream, cooperative);
}
PTSZ(cudaLaunchKernelExC);

API cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* f) {
  FAIL_IF_STICKY();
  Kernel* k = rt().kernel(f);
  if (!k || !a) return done(cudaErrorInvalidDeviceFunction);
  if (!rt().load(*k->module)) return done(cudaErrorNoKernelImageForDevice);
  Program* p = rt().program(*k);
  if (!p) return done(cudaErrorInvalidPtx);
  *a = {};
  a->sharedSizeBytes = p->static_shared;
  for (auto& fn : p->fns) a->localSizeBytes += fn.local_bytes;
  a->maxThreadsPerBlock = k->fn->maxntid ? k->fn->maxntid : 1024;
  a->numRegs = 32;
  a->ptxVersion = k->module->ptx->target;
  a->binaryVersion = Device::get().arch;
  a->maxDynamicSharedSizeBytes =
      k->max_dynamic_shared ? k->max_dynamic_shared
                            : (48 << 10) - static_cast<int>(std::min(48u << 10, p->static_shared));
  a->preferredShmemCarveout = k->carveout;
  return ok();
}
API cudaError_t cudaFuncSetAttribute(const void* f, cudaFuncAttribute a, int v) {
  FAIL_IF_STICKY();
  Kernel* k = rt().kernel(f);
  if (!k) return done(cudaErrorInvalidDeviceFunction);
  Program* p = rt().program(*k);
  if (!p) return done(cudaErrorInvalidPtx);
  if (a == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (v < 0 ||
        static_cast<u32>(v) + p->static_shared > static_cast<u32>(Device::get().smem_optin))
      return done(cudaErrorInvalidValue);
    k->max_dynamic_shared = v;
  } else if (a == cudaFuncAttributePreferredSharedMemoryCarveout)
    k->carveout = v;
  return ok();
}
API cudaError_t cudaFuncSetCacheConfig(const void*, cudaFuncCache) { return done(); }
API cudaError_t cudaFuncGetName(const char** name, const void* f) {
  Kernel* k = rt().kernel(f);
  if (!k) return done(cudaErrorInvalidDeviceFunction);
  *name = k->device_name.c_str();
  return ok();
}
API cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* n, const void* f,
                                                                       int block, size_t dyn,
                                                                       unsigned) {
  FAIL_IF_STICKY();
  Kernel* k = rt().kernel(f);
  if (!k) return done(cudaErrorInvalidDeviceFunction);
  if (!rt().program(*k)) return done(cudaErrorNoKernelImageForDevice);
  *n = occupancy(*k, block, dyn);
  return ok();
}
API cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* n, const void* f, int block,
                                                              size_t dyn) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(n, f, block, dyn, 0);
}
API cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(size_t* n, const void* f, int blocks,
                                                          int) {
  Kernel* k = rt().kernel(f);
  if (!k || !rt().program(*k)) return done(cudaErrorInvalidDeviceFunction);
  long s = Device::get().smem_sm / std::max(1, blocks) - 1024 -
           static_cast<long>(k->program->static_shared);
  *n = s > 0 ? static_cast<size_t>(std::min<long>(s, Device::get().smem_optin)) : 0;
  return ok();
}
API cudaError_t cudaOccupancyMaxPotentialClusterSize(int* n, const void*,
                                                     const cudaLaunchConfig_t*) {
  return *n = 1, ok();
}
API cudaError_t cudaProfilerStart() { return ok(); }
API cudaError_t cudaProfilerStop() { return ok(); }
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
API cudaError_t cudaGetDriverEntryPoint(const char*, void** f, unsigned long long,
                                        cudaDriverEntryPointQueryResult* st) {
  *f = nullptr;
  if (st) *st = cudaDriverEntryPointSymbolNotFound;
  return ok();
}
PTSZ(cudaGetDriverEntryPoint);
API cudaError_t cudaGetDriverEntryPointByVersion(const char* s, void** f, unsigned,
                                                 unsigned long long fl,
                                                 cudaDriverEntryPointQueryResult* st) {
  return cudaGetDriverEntryPoint(s, f, fl, st);
}
PTSZ(cudaGetDriverEntryPointByVersion);

// ---- errors ---------------------------------------------------------------------------------

API cudaError_t cudaGetLastError() {
  if (rt().sticky && rt().sticky_seen) return static_cast<cudaError_t>(rt().sticky);
  return static_cast<cudaError_t>(std::exchange(rt().last_error, 0));
}
API cudaError_t cudaPeekAtLastError() {
  if (rt().sticky && rt().sticky_seen) return static_cast<cudaError_t>(rt().sticky);
  return static_cast<cudaError_t>(rt().last_error);
}
API const char* cudaGetErrorName(cudaError_t e) {
  auto* t = error_text(e);
  return t ? t->name : "unrecognized error code";
}
API const char* cudaGetErrorString(cudaError_t e) {
  auto* t = error_text(e);
  return t ? t->text : "unrecognized error code";
}

// ---- device ---------------------------------------------------------------------------------

API cudaError_t cudaGetDeviceCount(int* n) { return *n = 1, ok(); }
API cudaError_t cudaGetDevice(int* d) { return *d = 0, ok(); }
API cudaError_t cudaSetDevice(int d) { return done(d == 0 ? 0 : cudaErrorInvalidDevice); }
API cudaError_t cudaInitDevice(int d, unsigned, unsigned) {
  return done(d == 0 ? 0 : cudaErrorInvalidDevice);
}
API cudaError_t cudaSetDeviceFlags(unsigned) { return done(); }
API cudaError_t cudaGetDeviceFlags(unsigned* f) { return *f = 0, ok(); }
API cudaError_t cudaChooseDevice(int* d, const cudaDeviceProp*) { return *d = 0, ok(); }
API cudaError_t cudaDeviceSynchronize() {
  std::fflush(stdout);
  return done();
}
API cudaError_t cudaDeviceReset() {
  rt().sticky = rt().last_error = 0;
  for (auto& a : Memory::get().all())
    if (a.live &&
        (a.kind == MemKind::Device || a.kind == MemKind::Managed || a.kind == MemKind::Pinned))
      Memory::get().release(a.base);
  for (auto& m : rt().modules)
    if (m->ptx) {  // device variables go back to their initial values on the next use
      for (auto& [name, address] : m->ptx->addresses) Memory::get().release(address);
      for (auto& [f, k] : rt().kernels)
        if (k->module == m.get())
          k->program.release(),
              k->fn = nullptr,
              k->failure.clear();  // the decoded code keeps referring to the old module
      m->ptx.release();
      m->loaded = false;
    }
  return ok();
}
API cudaError_t cudaDeviceGetAttribute(int* v, cudaDeviceAttr a, int d) {
  FAIL_IF_STICKY();
  if (d != 0) return done(cudaErrorInvalidDevice);
  bool known;
  *v = attribute(a, known);
  if (!known && !(static_cast<int>(a) > 0 && static_cast<int>(a) < cudaDevAttrMax))
    return done(cudaErrorInvalidValue);
  return ok();
}
API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int dev) {
  if (dev != 0) return done(cudaErrorInvalidDevice);
  const Device& d = Device::get();
  *p = {};
  std::snprintf(p->name, sizeof p->name, "cudasim sm_%d", d.arch);
  p->totalGlobalMem = Memory::get().total();
  p->sharedMemPerBlock = 48 << 10;
  p->regsPerBlock = p->regsPerMultiprocessor = d.regs_sm;
  p->warpSize = 32;
  p->memPitch = 0x7fffffff;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024, p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 0x7fffffff, p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->totalConstMem = 65536;
  p->major = d.arch / 10, p->minor = d.arch % 10;
  p->textureAlignment = 512, p->texturePitchAlignment = 32;
  p->multiProcessorCount = d.sms;
  p->canMapHostMemory = p->concurrentKernels = p->unifiedAddressing = p->managedMemory =
      p->concurrentManagedAccess = 1;
  p->asyncEngineCount = 2;
  p->memoryBusWidth = 5120;
  p->l2CacheSize = 40 << 20;
  p->persistingL2CacheMaxSize = 30 << 20;
  p->accessPolicyMaxWindowSize = 128 << 20;
  p->maxThreadsPerMultiProcessor = d.max_threads_sm;
  p->streamPrioritiesSupported = p->globalL1CacheSupported = p->localL1CacheSupported = 1;
  p->sharedMemPerMultiprocessor = static_cast<size_t>(d.smem_sm);
  p->computePreemptionSupported = p->canUseHostPointerForRegisteredMem = p->cooperativeLaunch = 1;
  p->sharedMemPerBlockOptin = static_cast<size_t>(d.smem_optin);
  p->maxBlocksPerMultiProcessor = d.max_blocks_sm;
  p->reservedSharedMemPerBlock = 1024;
  p->hostRegisterSupported = p->memoryPoolsSupported = p->unifiedFunctionPointers = 1;
  return ok();
}
API cudaError_t cudaDeviceGetLimit(size_t* v, cudaLimit l) {
  *v = l == cudaLimitStackSize        ? static_cast<size_t>(env_int("CUDASIM_STACK", 16384))
       : l == cudaLimitPrintfFifoSize ? 1 << 20
                                      : 8 << 20;
  return ok();
}
API cudaError_t cudaDeviceSetLimit(cudaLimit, size_t) { return done(); }
API cudaError_t cudaDeviceGetCacheConfig(cudaFuncCache* c) {
  return *c = cudaFuncCachePreferNone, ok();
}
API cudaError_t cudaDeviceSetCacheConfig(cudaFuncCache) { return done(); }
API cudaError_t cudaDeviceGetStreamPriorityRange(int* lo, int* hi) {
  if (lo) *lo = 0;
  if (hi) *hi = -5;
  return ok();
}
API cudaError_t cudaDeviceGetPCIBusId(char* s, int n, int) {
  return std::snprintf(s, static_cast<size_t>(n), "0000:00:00.0"), ok();
}
API cudaError_t cudaDeviceGetByPCIBusId(int* d, const char*) { return *d = 0, ok(); }
API cudaError_t cudaDeviceCanAccessPeer(int* v, int, int) { return *v = 0, ok(); }
API cudaError_t cudaCtxResetPersistingL2Cache() { return done(); }
API cudaError_t cudaDriverGetVersion(int* v) { return *v = CUDART_VERSION, ok(); }
API cudaError_t cudaRuntimeGetVersion(int* v) { return *v = CUDART_VERSION, ok(); }

// ---- memory ---------------------------------------------------------------------------------

API cudaError_t cudaMalloc(void** p, size_t n) { return allocate(p, n, MemKind::Device); }
API cudaError_t cudaMallocHost(void** p, size_t n) { return allocate(p, n, MemKind::Pinned); }
API cudaError_t cudaHostAlloc(void** p, size_t n, unsigned) {
  return allocate(p, n, MemKind::Pinned);
}
API cudaError_t cudaMallocManaged(void** p, size_t n, unsigned) {
  return allocate(p, n, MemKind::Managed);
}
API cudaError_t cudaMallocAsync(void** p, size_t n, cudaStream_t) {
  return allocate(p, n, MemKind::Device);
}
PTSZ(cudaMallocAsync);
API cudaError_t cudaMallocFromPoolAsync(void** p, size_t n, cudaMemPool_t, cudaStream_t) {
  return allocate(p, n, MemKind::Device);
}
PTSZ(cudaMallocFromPoolAsync);
API cudaError_t cudaMallocPitch(void** p, size_t* pitch, size_t w, size_t h) {
  *pitch = (w + 511) / 512 * 512;
  return allocate(p, *pitch * h, MemKind::Device);
}
API cudaError_t cudaMalloc3D(cudaPitchedPtr* p, cudaExtent e) {
  p->pitch = (e.width + 511) / 512 * 512, p->xsize = e.width, p->ysize = e.height;
  return allocate(&p->ptr, p->pitch * e.height * e.depth, MemKind::Device);
}
API cudaError_t cudaFree(void* p) { return release(p, "cudaFree"); }
API cudaError_t cudaFreeHost(void* p) { return release(p, "cudaFreeHost"); }
API cudaError_t cudaFreeAsync(void* p, cudaStream_t) { return release(p, "cudaFreeAsync"); }
PTSZ(cudaFreeAsync);
API cudaError_t cudaHostGetDevicePointer(void** d, void* h, unsigned) {
  const Alloc* a = Memory::get().find(U(h));
  if (!a || !a->live) return done(cudaErrorInvalidValue);
  return *d = h, ok();
}
API cudaError_t cudaHostGetFlags(unsigned* f, void*) { return *f = 0, ok(); }
API cudaError_t cudaHostRegister(void* p, size_t n, unsigned) {
  return Memory::get().register_host(U(p), n), done();
}
API cudaError_t cudaHostUnregister(void* p) {
  return done(Memory::get().unregister_host(U(p)) ? 0 : cudaErrorHostMemoryNotRegistered);
}
API cudaError_t cudaMemGetInfo(size_t* f, size_t* t) {
  *t = Memory::get().total(), *f = *t - Memory::get().used();
  return done();
}
API cudaError_t cudaMemcpy(void* d, const void* s, size_t n, cudaMemcpyKind k) {
  return copy(d, s, n, k, &rt().default_stream, "cudaMemcpy");
}
PTDS(cudaMemcpy);
API cudaError_t cudaMemcpyAsync(void* d, const void* s, size_t n, cudaMemcpyKind k,
                                cudaStream_t st) {
  CHECK_STREAM(st);
  return copy(d, s, n, k, st_, "cudaMemcpyAsync");
}
PTSZ(cudaMemcpyAsync);
API cudaError_t cudaMemcpyPeer(void* d, int, const void* s, int, size_t n) {
  return copy(d, s, n, cudaMemcpyDeviceToDevice, nullptr, "cudaMemcpyPeer");
}
API cudaError_t cudaMemcpy2D(void* d, size_t dp, const void* s, size_t sp, size_t w, size_t h,
                             cudaMemcpyKind k) {
  return copy2d(d, dp, s, sp, w, h, k, nullptr, "cudaMemcpy2D");
}
PTDS(cudaMemcpy2D);
API cudaError_t cudaMemcpy2DAsync(void* d, size_t dp, const void* s, size_t sp, size_t w, size_t h,
                                  cudaMemcpyKind k, cudaStream_t st) {
  CHECK_STREAM(st);
  return copy2d(d, dp, s, sp, w, h, k, st_, "cudaMemcpy2DAsync");
}
PTSZ(cudaMemcpy2DAsync);
static cudaError_t symbol_copy(bool to, const void* symbol, void* other, size_t n, size_t off,
                               cudaMemcpyKind kind, Stream* s, const char* api) {
  FAIL_IF_STICKY();
  DeviceVar* v = rt().var(symbol);
  if (!v) return done(cudaErrorInvalidSymbol);
  if (off + n > v->size) return done(cudaErrorInvalidValue);
  void* d = P(v->address + off);
  return to ? copy(d, other, n, kind, s, api) : copy(other, d, n, kind, s, api);
}
API cudaError_t cudaMemcpyToSymbol(const void* sym, const void* s, size_t n, size_t off,
                                   cudaMemcpyKind k) {
  return symbol_copy(true, sym, const_cast<void*>(s), n, off, k, nullptr, "cudaMemcpyToSymbol");
}
PTDS(cudaMemcpyToSymbol);
API cudaError_t cudaMemcpyFromSymbol(void* d, const void* sym, size_t n, size_t off,
                                     cudaMemcpyKind k) {
  return symbol_copy(false, sym, d, n, off, k, nullptr, "cudaMemcpyFromSymbol");
}
PTDS(cudaMemcpyFromSymbol);
API cudaError_t cudaMemcpyToSymbolAsync(const void* sym, const void* s, size_t n, size_t off,
                                        cudaMemcpyKind k, cudaStream_t st) {
  CHECK_STREAM(st);
  return symbol_copy(true, sym, const_cast<void*>(s), n, off, k, st_, "cudaMemcpyToSymbolAsync");
}
PTSZ(cudaMemcpyToSymbolAsync);
API cudaError_t cudaMemcpyFromSymbolAsync(void* d, const void* sym, size_t n, size_t off,
                                          cudaMemcpyKind k, cudaStream_t st) {
  CHECK_STREAM(st);
  return symbol_copy(false, sym, d, n, off, k, st_, "cudaMemcpyFromSymbolAsync");
}
PTSZ(cudaMemcpyFromSymbolAsync);
API cudaError_t cudaMemset(void* p, int v, size_t n) {
  return fill(p, v, n, nullptr, "cudaMemset");
}
PTDS(cudaMemset);
API cudaError_t cudaMemsetAsync(void* p, int v, size_t n, cudaStream_t st) {
  CHECK_STREAM(st);
  return fill(p, v, n, st_, "cudaMemsetAsync");
}
PTSZ(cudaMemsetAsync);
static cudaError_t fill2d(void* p, size_t pitch, int v, size_t w, size_t h, Stream* s) {
  for (size_t y = 0; y < h; ++y)
    if (auto e = fill(static_cast<char*>(p) + y * pitch, v, w, s, "cudaMemset2D")) return e;
  return ok();
}
API cudaError_t cudaMemset2D(void* p, size_t pitch, int v, size_t w, size_t h) {
  return fill2d(p, pitch, v, w, h, nullptr);
}
PTDS(cudaMemset2D);
API cudaError_t cudaMemset2DAsync(void* p, size_t pitch, int v, size_t w, size_t h,
                                  cudaStream_t st) {
  CHECK_STREAM(st);
  return fill2d(p, pitch, v, w, h, st_);
}
PTSZ(cudaMemset2DAsync);
API cudaError_t cudaGetSymbolAddress(void** p, const void* sym) {
  FAIL_IF_STICKY();
  DeviceVar* v = rt().var(sym);
  if (!v) return done(cudaErrorInvalidSymbol);
  return *p = P(v->address), ok();
}
API cudaError_t cudaGetSymbolSize(size_t* n, const void* sym) {
  DeviceVar* v = rt().var(sym);
  if (!v) return done(cudaErrorInvalidSymbol);
  return *n = v->size, ok();
}
API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
  const Alloc* al = Memory::get().find(U(p));
  *a = {};
  a->type = cudaMemoryTypeUnregistered;
  a->device = -2;
  if (!al || !al->live) {
    a->hostPointer = const_cast<void*>(p);
    return ok();
  }
  a->device = 0;
  bool dev =
      al->kind == MemKind::Device || al->kind == MemKind::Global || al->kind == MemKind::Constant;
  a->type = dev                            ? cudaMemoryTypeDevice
            : al->kind == MemKind::Managed ? cudaMemoryTypeManaged
                                           : cudaMemoryTypeHost;
  a->devicePointer = const_cast<void*>(p);
  a->hostPointer = dev ? nullptr : const_cast<void*>(p);
  return ok();
}
API cudaError_t cudaMemPrefetchAsync(const void*, size_t, cudaMemLocation, unsigned, cudaStream_t) {
  return done();
}
PTSZ(cudaMemPrefetchAsync);
API cudaError_t cudaMemAdvise(const void*, size_t, cudaMemoryAdvise, cudaMemLocation) {
  return done();
}

// Memory pools: one default pool; attributes are accepted.
static int default_pool;
static cudaMemPool_t pool() { return reinterpret_cast<cudaMemPool_t>(&default_pool); }
API cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t* p, int) { return *p = pool(), done(); }
API cudaError_t cudaDeviceGetMemPool(cudaMemPool_t* p, int) { return *p = pool(), done(); }
API cudaError_t cudaDeviceSetMemPool(int, cudaMemPool_t) { return done(); }
API cudaError_t cudaMemPoolCreate(cudaMemPool_t* p, const cudaMemPoolProps*) {
  return *p = pool(), done();
}
API cudaError_t cudaMemPoolDestroy(cudaMemPool_t) { return done(); }
API cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return done(); }
API cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return done(); }
API cudaError_t cudaMemPoolGetAttribute(cudaMemPool_t, cudaMemPoolAttr a, void* v) {
  if (a <= cudaMemPoolReuseAllowInternalDependencies)
    *static_cast<int*>(v) = 1;
  else
    *static_cast<u64*>(v) =
        a == cudaMemPoolAttrUsedMemCurrent || a == cudaMemPoolAttrReservedMemCurrent
            ? Memory::get().used()
            : 0;
  return done();
}
API cudaError_t cudaMemPoolSetAccess(cudaMemPool_t, const cudaMemAccessDesc*, size_t) {
  return done();
}

// ---- streams --------------------------------------------------------------------------------

API cudaError_t cudaStreamCreateWithPriority(cudaStream_t* s, unsigned flags, int priority) {
  FAIL_IF_STICKY();
  static u64 serial = 1;
  auto p = std::make_unique<Stream>();
  p->flags = flags, p->priority = priority, p->id = ++serial;
  *s = reinterpret_cast<cudaStream_t>(p.get());
  rt().streams[p.get()] = std::move(p);
  return ok();
}
API cudaError_t cudaStreamCreate(cudaStream_t* s) { return cudaStreamCreateWithPriority(s, 0, 0); }
API cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned f) {
  return cudaStreamCreateWithPriority(s, f, 0);
}
API cudaError_t cudaStreamDestroy(cudaStream_t s) {
  return done(rt().streams.erase(reinterpret_cast<Stream*>(s)) ? 0
                                                               : cudaErrorInvalidResourceHandle);
}
API cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  CHECK_STREAM(s);
  if (s_->capture) return done(cudaErrorStreamCaptureUnsupported);
  std::fflush(stdout);
  return done();
}
PTSZ(cudaStreamSynchronize);
API cudaError_t cudaStreamQuery(cudaStream_t s) {
  CHECK_STREAM(s);
  return done();
}
PTSZ(cudaStreamQuery);
API cudaError_t cudaStreamGetFlags(cudaStream_t s, unsigned* f) {
  CHECK_STREAM(s);
  return *f = s_->flags, ok();
}
PTSZ(cudaStreamGetFlags);
API cudaError_t cudaStreamGetPriority(cudaStream_t s, int* p) {
  CHECK_STREAM(s);
  return *p = s_->priority, ok();
}
PTSZ(cudaStreamGetPriority);
API cudaError_t cudaStreamGetId(cudaStream_t s, unsigned long long* id) {
  CHECK_STREAM(s);
  return *id = s_->id, ok();
}
PTSZ(cudaStreamGetId);
API cudaError_t cudaStreamGetDevice(cudaStream_t, int* d) { return *d = 0, ok(); }
PTSZ(cudaStreamGetDevice);
API cudaError_t cudaStreamAttachMemAsync(cudaStream_t, void*, size_t, unsigned) { return done(); }
API cudaError_t cudaStreamSetAttribute(cudaStream_t, cudaStreamAttrID, const cudaStreamAttrValue*) {
  return done();
}
PTSZ(cudaStreamSetAttribute);
API cudaError_t cudaStreamGetAttribute(cudaStream_t, cudaStreamAttrID, cudaStreamAttrValue* v) {
  return *v = {}, done();
}
PTSZ(cudaStreamGetAttribute);
API cudaError_t cudaLaunchHostFunc(cudaStream_t s, cudaHostFn_t f, void* data) {
  CHECK_STREAM(s);
  rt().enqueue(s_, [=] { f(data); });
  return done();
}
PTSZ(cudaLaunchHostFunc);
API cudaError_t cudaStreamAddCallback(cudaStream_t s, cudaStreamCallback_t f, void* data,
                                      unsigned) {
  CHECK_STREAM(s);
  rt().enqueue(s_, [=] { f(s, static_cast<cudaError_t>(rt().sticky), data); });
  return done();
}
PTSZ(cudaStreamAddCallback);

// ---- events ---------------------------------------------------------------------------------

API cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned f) {
  FAIL_IF_STICKY();
  auto* ev = adopt(new Event);
  ev->flags = f;
  *e = reinterpret_cast<cudaEvent_t>(ev);
  return ok();
}
API cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, 0); }
API cudaError_t cudaEventDestroy(cudaEvent_t e) { return destroy<Event>(e); }
API cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  CHECK_STREAM(s);
  auto* ev = live<Event>(e);
  if (!ev) return done(cudaErrorInvalidResourceHandle);
  ev->capture = s_->capture;
  rt().enqueue(s_, [e] {
    if (auto* ev = live<Event>(e)) ev->recorded = true, ev->ms = rt().now_ms();
  });
  return done();
}
PTSZ(cudaEventRecord);
API cudaError_t cudaEventRecordWithFlags(cudaEvent_t e, cudaStream_t s, unsigned) {
  return cudaEventRecord(e, s);
}
PTSZ(cudaEventRecordWithFlags);
API cudaError_t cudaEventQuery(cudaEvent_t e) {
  return done(live<Event>(e) ? 0 : cudaErrorInvalidResourceHandle);
}
API cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  return done(live<Event>(e) ? 0 : cudaErrorInvalidResourceHandle);
}
API cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t a, cudaEvent_t b) {
  auto *x = live<Event>(a), *y = live<Event>(b);
  if (!x || !y || !x->recorded || !y->recorded || ((x->flags | y->flags) & cudaEventDisableTiming))
    return done(cudaErrorInvalidResourceHandle);
  *ms = static_cast<float>(y->ms - x->ms);  // host time spent simulating
  return done();
}
API cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  CHECK_STREAM(s);
  auto* ev = live<Event>(e);
  if (!ev) return done(cudaErrorInvalidResourceHandle);
  if (ev->capture && !s_->capture && s_ != &rt().default_stream)
    s_->capture = ev->capture;  // the stream joins the capture
  return done();
}
PTSZ(cudaStreamWaitEvent);

// ---- stream capture and graphs --------------------------------------------------------------
// A graph is the recorded sequence of commands; launching replays it in recording order.

API cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  CHECK_STREAM(s);
  if (s_->capture || s_ == &rt().default_stream) return done(cudaErrorStreamCaptureUnsupported);
  s_->capture = adopt(new Graph);
  s_->capture_origin = true;
  return done();
}
PTSZ(cudaStreamBeginCapture);
API cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g) {
  CHECK_STREAM(s);
  if (!s_->capture || !s_->capture_origin) return done(cudaErrorIllegalState);
  Graph* graph = s_->capture;
  for (auto& [k, st] : rt().streams)
    if (st->capture == graph) st->capture = nullptr, st->capture_origin = false;
  *g = reinterpret_cast<cudaGraph_t>(graph);
  return done();
}
PTSZ(cudaStreamEndCapture);
API cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* st) {
  CHECK_STREAM(s);
  *st = s_->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return done();
}
PTSZ(cudaStreamIsCapturing);
API cudaError_t cudaStreamGetCaptureInfo(cudaStream_t s, cudaStreamCaptureStatus* st,
                                         unsigned long long* id, cudaGraph_t* g,
                                         const cudaGraphNode_t** deps,
                                         const cudaGraphEdgeData** edges, size_t* n) {
  CHECK_STREAM(s);
  *st = s_->capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  if (id) *id = s_->capture ? s_->id : 0;
  if (g) *g = reinterpret_cast<cudaGraph_t>(s_->capture);
  if (deps) *deps = nullptr;
  if (edges) *edges = nullptr;
  if (n) *n = 0;
  return done();
}
PTSZ(cudaStreamGetCaptureInfo);
API cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* m) {
  return *m = cudaStreamCaptureModeGlobal, done();
}
API cudaError_t cudaGraphCreate(cudaGraph_t* g, unsigned) {
  return *g = reinterpret_cast<cudaGraph_t>(adopt(new Graph)), done();
}
API cudaError_t cudaGraphDestroy(cudaGraph_t g) { return destroy<Graph>(g); }
API cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  Graph* source = live<Graph>(g);
  if (!source) return done(cudaErrorInvalidResourceHandle);
  *e = reinterpret_cast<cudaGraphExec_t>(adopt(new Graph(*source)));
  return done();
}
API cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t* e, cudaGraph_t g,
                                              unsigned long long f) {
  return cudaGraphInstantiate(e, g, f);
}
API cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) { return destroy<Graph>(e); }
API cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return done(); }
PTSZ(cudaGraphUpload);
API cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s) {
  CHECK_STREAM(s);
  Graph* graph = live<Graph>(e);
  if (!graph) return done(cudaErrorInvalidResourceHandle);
  for (auto& c : graph->commands) rt().enqueue(s_, c);
  return done();
}
PTSZ(cudaGraphLaunch);
API cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t* nodes, size_t* n) {
  if (nodes) return done(cudaErrorNotSupported);
  Graph* graph = live<Graph>(g);
  if (!graph) return done(cudaErrorInvalidResourceHandle);
  return *n = graph->commands.size(), done();
}
