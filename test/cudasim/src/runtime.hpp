// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Process-wide runtime state behind the CUDA runtime API.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine.hpp"
#include "fatbin.hpp"

namespace cudasim {

struct Module;

struct Kernel {
  Module* module = nullptr;
  std::string device_name;
  ptx::Function* fn = nullptr;
  std::unique_ptr<Program> program;
  std::string failure;         // why it cannot be decoded
  int max_dynamic_shared = 0;  // opt-in limit; 0: default 48 KiB
  int carveout = -1;
  std::string display;  // demangled
};

struct DeviceVar {
  std::string name;
  Module* module = nullptr;
  u64 size = 0, address = 0;
  void** managed_slot = nullptr;
};

struct Module {
  const void* image = nullptr;
  bool loaded = false;
  std::string failure;
  std::unique_ptr<ptx::Module> ptx;
  std::vector<std::unique_ptr<DeviceVar>> vars;
};

using Command = std::function<void()>;

struct Graph {
  std::vector<Command> commands;
};
struct Stream {
  unsigned flags = 0;
  int priority = 0;
  u64 id = 0;
  Graph* capture = nullptr;
  bool capture_origin = false;
};
struct Event {
  bool recorded = false;
  unsigned flags = 0;
  double ms = 0;
  Graph* capture = nullptr;
};

struct Launch {
  u32 grid[3], block[3];
  u32 dynamic_shared = 0;
  bool cooperative = false;
};

class Runtime {
 public:
  static Runtime& get();

  int last_error = 0;
  int sticky = 0;  // a kernel fault: every later call fails
  bool sticky_seen = false;

  std::map<const void*, std::unique_ptr<Kernel>>
      kernels;  // by the address of the host function that nvcc makes for each
  std::map<const void*, Kernel*> handles;  // cudaKernel_t values
  std::map<const void*, DeviceVar*> vars;  // by host shadow address; modules own them
  std::vector<std::unique_ptr<Module>> modules;
  Stream default_stream;
  std::map<Stream*, std::unique_ptr<Stream>> streams;

  /// Record an error code as the last error and return it.
  int fail(int code) {
    if (code) last_error = code;
    return code;
  }
  Kernel* kernel(const void* func);
  DeviceVar* var(const void* symbol);
  bool load(Module& m);
  /// Decoded program of a kernel; null (and a message) on failure.
  Program* program(Kernel& k);
  /// Validate and start (or capture) a launch; returns a CUDA error code.
  int launch(Kernel& k, const Launch& l, void** args, Stream* s);
  void enqueue(Stream* s, Command c);
  Stream* stream(void* handle);
  double now_ms() const;

 private:
  Runtime();
  void execute(Kernel& k, const Launch& l, std::vector<u8> params);
  u64 launches_ = 0;
};

}  // namespace cudasim
