// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
#include "cuda/measure/card.hpp"

#include <cuda_runtime_api.h>

#include <limits>

#include "sparsellm/core/error.hpp"
#include "sparsellm/cuda/error.cuh"

namespace bench {
namespace {

// NVML's numbers of clocks.
constexpr int sm_clock = 1, memory_clock = 2;

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

card::card() {
  using sparsellm::cuda::check;
  int device = 0, version = 0;
  check(cudaGetDevice(&device), "device");
  cudaDeviceProp facts{};
  check(cudaGetDeviceProperties(&facts, device), "device");
  name_ = facts.name;
  capability_ = facts.major * 10 + facts.minor;
  multiprocessors_ = facts.multiProcessorCount;
  l2_bytes_ = static_cast<std::size_t>(facts.l2CacheSize);
  check(cudaMemGetInfo(&free_bytes_, &memory_bytes_), "memory");
  check(cudaDriverGetVersion(&version), "driver");
  driver_ = version_text(version);
  check(cudaRuntimeGetVersion(&version), "runtime");
  runtime_ = version_text(version);
  try {
    find_clocks(device);
  } catch (const sparsellm::error&) {
    clock_ = nullptr;  // a machine without the library, or a simulator
  }
}

void card::find_clocks(int device) {
  char bus[32] = "";
  sparsellm::cuda::check(cudaDeviceGetPCIBusId(bus, sizeof bus, device), "bus");
  management_ = std::make_unique<shared_library>(std::vector<std::string>{"libnvidia-ml.so.1"});
  int (*start)() = nullptr;
  int (*find)(const char*, void**) = nullptr;
  int (*driver)(char*, unsigned) = nullptr;
  management_->take(start, "nvmlInit_v2");
  management_->take(find, "nvmlDeviceGetHandleByPciBusId_v2");
  management_->take(driver, "nvmlSystemGetDriverVersion");
  management_->take(clock_, "nvmlDeviceGetClockInfo");
  sparsellm::require<sparsellm::error>(start() == 0 && find(bus, &handle_) == 0, "no clocks");
  char text[96] = "";
  if (driver(text, sizeof text) == 0) driver_ += std::string(" (") + text + ")";
}

double card::megahertz(int which) const {
  unsigned value = 0;
  const bool known = clock_ != nullptr && clock_(handle_, which, &value) == 0;
  return known ? value : std::numeric_limits<double>::quiet_NaN();
}

void card::sign(line& to) const {
  to.number("sm_mhz", megahertz(sm_clock)).number("memory_mhz", megahertz(memory_clock));
  to.text("card", name_).text("driver", driver_).text("runtime", runtime_);
}

void card::print() const {
  line facts("facts");
  facts.number("capability", capability_ / 10.0).number("multiprocessors", multiprocessors_);
  facts.count("l2_bytes", l2_bytes_).count("memory_bytes", memory_bytes_);
  facts.count("free_bytes", free_bytes_);
  sign(facts);
  facts.print();
}

}  // namespace bench
