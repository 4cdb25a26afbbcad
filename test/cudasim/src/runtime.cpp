// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "runtime.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "checks.hpp"
#include "environment.hpp"
#include "messages.hpp"
#include "stats.hpp"

namespace cudasim {
namespace {
enum Err {
  kInvalidValue = 1,
  kInvalidConfiguration = 9,
  kInvalidDeviceFunction = 98,
  kInvalidPtx = 218,
  kNoKernelImage = 209,
  kLaunchOutOfResources = 701,
  kCooperativeTooLarge = 720
};

std::string arch_list(const FatbinContents& f) {
  std::string s;
  for (auto& e : f.ptx) s += strf(" compute_%d (PTX)", e.arch);
  for (int a : f.sass_archs) s += strf(" sm_%d (machine code)", a);
  return s.empty() ? " nothing" : s;
}
}  // namespace

Runtime& Runtime::get() {
  static Runtime* r = new Runtime;
  return *r;
}

Runtime::Runtime() {
  std::atexit([] {
    std::fflush(stdout);
    stats::write();
    checks::at_exit();
  });
}

double Runtime::now_ms() const {
  using namespace std::chrono;
  return duration<double, std::milli>(steady_clock::now().time_since_epoch()).count();
}

Kernel* Runtime::kernel(const void* func) {
  if (auto it = kernels.find(func); it != kernels.end()) return it->second.get();
  if (auto it = handles.find(func); it != handles.end()) return it->second;
  return nullptr;
}

DeviceVar* Runtime::var(const void* symbol) {
  auto it = vars.find(symbol);
  if (it == vars.end()) return nullptr;
  return load(*it->second->module) && it->second->address ? it->second : nullptr;
}

Stream* Runtime::stream(void* handle) {
  u64 h = reinterpret_cast<u64>(handle);
  if (h <= 2) return &default_stream;  // null, legacy, per-thread
  auto it = streams.find(static_cast<Stream*>(handle));
  return it == streams.end() ? nullptr : it->second.get();
}

void Runtime::enqueue(Stream* s, Command c) {
  if (s && s->capture)
    s->capture->commands.push_back(std::move(c));
  else
    c();
}

bool Runtime::load(Module& m) {
  if (m.loaded) return m.failure.empty();
  m.loaded = true;
  FatbinContents f = read_fatbin(m.image);
  const PtxEntry* e = choose_ptx(f, Device::get().arch);
  if (!e) {
    m.failure = f.problem.empty() ? strf(
                                        "no PTX for sm_%d in this program (it contains:%s); "
                                        "compile with -gencode arch=compute_80,code=compute_80",
                                        Device::get().arch, arch_list(f).c_str())
                                  : f.problem;
    checks::report("the program has no usable PTX", m.failure);
    return false;
  }
  try {
    m.ptx = ptx::parse_module(e->text);
  } catch (const ptx::ParseError& err) {
    m.failure = err.what();
    checks::report("cannot parse the PTX", m.failure);
    return false;
  }
  Memory& mem = Memory::get();
  for (auto& v : m.ptx->vars) {
    if (v.space != ptx::Space::Global && v.space != ptx::Space::Const) continue;
    if (v.is_extern) continue;
    MemKind kind = v.managed                      ? MemKind::Managed
                   : v.space == ptx::Space::Const ? MemKind::Constant
                                                  : MemKind::Global;
    u64 a = mem.allocate(std::max<u64>(v.size, 1), kind, std::string(v.name));
    m.ptx->addresses[v.name] = a;
    std::memset(mem.host(a), 0, v.size);
    mem.mark_init(a, v.size);
  }
  for (auto& v : m.ptx->vars) {
    auto it = m.ptx->addresses.find(v.name);
    if (it == m.ptx->addresses.end()) continue;
    for (auto& in : v.init) {
      u64 value = in.value;
      if (!in.symbol.empty()) {
        if (auto s = m.ptx->addresses.find(in.symbol); s != m.ptx->addresses.end())
          value += s->second;
        else if (auto fn = m.ptx->by_name.find(in.symbol); fn != m.ptx->by_name.end()) {
          void publish_function(ptx::Function*);
          publish_function(fn->second);
          value += fn->second->address;
        } else
          message("unresolved symbol '%.*s' in the initialiser of '%.*s'",
                  static_cast<int>(in.symbol.size()), in.symbol.data(),
                  static_cast<int>(v.name.size()), v.name.data());
        value >>= in.shift;
      }
      std::memcpy(mem.host(it->second + in.offset), &value,
                  static_cast<size_t>(std::min(in.bytes, 8)));
    }
  }
  for (auto& v : m.vars) {
    auto it = m.ptx->addresses.find(v->name);
    if (it == m.ptx->addresses.end()) continue;  // optimised away
    v->address = it->second;
    if (v->managed_slot) *v->managed_slot = reinterpret_cast<void*>(it->second);
  }
  if (env_flag("CUDASIM_DECODE_ALL"))  // lint: report every kernel that could not be executed
    for (auto& f : m.ptx->functions) {
      if (!f->entry || !f->has_body) continue;
      try {
        decode_kernel(*f);
      } catch (const std::runtime_error& err) {
        checks::report("kernel cannot be executed", err.what());
      }
    }
  return true;
}

Program* Runtime::program(Kernel& k) {
  if (k.program) return k.program.get();
  if (!k.failure.empty()) return nullptr;
  if (!load(*k.module)) {
    k.failure = k.module->failure;
    return nullptr;
  }
  auto it = k.module->ptx->by_name.find(k.device_name);
  if (it == k.module->ptx->by_name.end() || !it->second->has_body) {
    k.failure = "kernel " + k.device_name + " is not in the PTX";
  } else {
    k.fn = it->second;
    k.display = demangle(k.device_name);
    try {
      k.program = decode_kernel(*k.fn);
    } catch (const std::runtime_error& e) {
      k.failure = e.what();
    }
  }
  if (!k.failure.empty()) {
    checks::report("kernel cannot be executed", k.failure);
    return nullptr;
  }
  return k.program.get();
}

int Runtime::launch(Kernel& k, const Launch& l, void** args, Stream* s) {
  if (sticky) {
    sticky_seen = true;
    return fail(sticky);
  }
  if (!load(*k.module)) return fail(kNoKernelImage);
  Program* p = program(k);
  if (!p) return fail(kInvalidPtx);
  const Device& d = Device::get();
  u64 threads = u64{l.block[0]} * l.block[1] * l.block[2];
  if (!threads || threads > 1024 || l.block[0] > 1024 || l.block[1] > 1024 || l.block[2] > 64 ||
      !l.grid[0] || !l.grid[1] || !l.grid[2] || l.grid[0] > 0x7fffffffu || l.grid[1] > 65535 ||
      l.grid[2] > 65535)
    return fail(kInvalidConfiguration);
  if (k.fn->maxntid && threads > static_cast<u64>(k.fn->maxntid))
    return fail(kLaunchOutOfResources);
  u32 limit = k.max_dynamic_shared ? static_cast<u32>(k.max_dynamic_shared)
                                   : (48u << 10) - std::min(48u << 10, p->static_shared);
  if (l.dynamic_shared > limit ||
      p->static_shared + l.dynamic_shared > static_cast<u32>(d.smem_optin))
    return fail(kInvalidValue);
  if (l.cooperative) {
    u64 blocks = u64{l.grid[0]} * l.grid[1] * l.grid[2];
    u64 per_sm = std::min<u64>(static_cast<u64>(d.max_blocks_sm),
                               static_cast<u64>(d.max_threads_sm) / ((threads + 31) / 32 * 32));
    if (blocks > per_sm * static_cast<u64>(d.sms)) return fail(kCooperativeTooLarge);
  }
  std::vector<u8> params(p->kernel_param_bytes + 64);
  for (size_t i = 0; i < p->kernel_params.size(); ++i)
    std::memcpy(params.data() + p->kernel_params[i].offset, args[i], p->kernel_params[i].size);
  params.resize(p->kernel_param_bytes);
  enqueue(s, [this, &k, l, params = std::move(params)] { execute(k, l, params); });
  return 0;
}

void Runtime::execute(Kernel& k, const Launch& l, std::vector<u8> params) {
  if (sticky) return;
  Program* p = k.program.get();
  const Device& d = Device::get();
  Grid g;
  g.prog = p;
  g.name = k.display;
  std::copy(l.grid, l.grid + 3, g.grid);
  std::copy(l.block, l.block + 3, g.block);
  g.dynamic_shared = l.dynamic_shared;
  g.shared_bytes = p->dynamic_shared_offset + l.dynamic_shared;
  if (!l.dynamic_shared) g.shared_bytes = p->static_shared;
  g.params = std::move(params);
  g.cooperative = l.cooperative;
  if (l.cooperative) {
    static u64 workspace =
        Memory::get().allocate(64, MemKind::Global, "cooperative grid workspace");
    std::memset(Memory::get().host(workspace), 0, 64);
    Memory::get().mark_init(workspace, 64);
    g.workspace = workspace;
  }
  g.race = env_flag("CUDASIM_RACECHECK");
  g.init = env_flag("CUDASIM_INITCHECK");
  g.seed = static_cast<u64>(env_int("CUDASIM_SEED", 0));
  g.rng = g.seed * 0x9e3779b97f4a7c15ull + ++launches_;
  g.id = launches_;
  g.limit = static_cast<u64>(env_int("CUDASIM_MAX_WARP_INSNS", 20000000000l));
  int per_sm = std::max(
      1,
      std::min(d.max_blocks_sm, d.max_threads_sm / static_cast<int>((g.threads() + 31) / 32 * 32)));
  g.resident_limit = per_sm * d.sms;
  if (stats::enabled()) {
    g.stats = &stats::for_kernel(k.display, g.grid, g.block);
    ++g.stats->launches;
    p->exec_warp.resize(p->code.size());
    p->exec_thread.resize(p->code.size());
  }
  bool trace = env_flag("CUDASIM_TRACE");
  double t0 = trace ? now_ms() : 0;
  try {
    run_grid(g);
  } catch (const KernelFault& f) {
    sticky = f.code;
    sticky_seen = false;
  } catch (const std::runtime_error& e) {
    checks::report("kernel cannot be executed", e.what());
    sticky = checks::kIllegalInstruction;
  }
  if (g.stats) g.stats->launch_done(*p);
  if (trace)
    message("launch %s grid (%u,%u,%u) block (%u,%u,%u) shared %u: %llu warp instructions, %.2f ms",
            k.display.c_str(), g.grid[0], g.grid[1], g.grid[2], g.block[0], g.block[1], g.block[2],
            g.shared_bytes, static_cast<unsigned long long>(g.executed), now_ms() - t0);
}

}  // namespace cudasim
