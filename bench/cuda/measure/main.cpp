// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Measures the device's products, one JSON object a line on standard output:
//   measure [--tiny] [--no-peers] [--histograms=FOLDER] [--shapes=N] PART...
// --tiny: shapes that a simulator bears, few repetitions. --shapes: of each part, the first N.
// PART: facts, copy, cublaslt, teal, nm, gemm, formats, block, choices. Ends with 3 where there is
// no GPU, with 2 for arguments it does not know. bench/cuda/run.sh runs it on a GPU.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <map>
#include <string>

#include "activations.hpp"
#include "cuda/measure/environment.hpp"
#include "sparsellm/core/error.hpp"

namespace bench {

std::vector<projection> environment::shapes(const std::vector<std::size_t>& which) const {
  const projection larger{"Llama-2-70B gate, up", {28672, 8192}, "mlp-h1"};
  std::vector<projection> of;
  for (const std::size_t i : which) {
    if (of.size() == most_shapes) break;
    of.push_back(i < projections.size() ? projections[i] : larger);
    if (tiny) of.back().shape = i % 2 == 0 ? extents{256, 128} : extents{128, 256};
  }
  return of;
}

void report_failure(const std::string& part, const std::string& name, const std::string& why) {
  line("failed").text("part", part).text("name", name).text("why", why).print();
}

namespace {

void print_facts(environment& env) {
  env.card.print();
  for (const auto make : {make_cublaslt, make_cusparselt}) {
    const char* const name = make == make_cublaslt ? "cublaslt" : "cusparselt";
    line peer("peer");
    peer.text("name", name);
    try {
      peer.text("version", make()->version());
    } catch (const sparsellm::error& e) {
      peer.text("absent", e.what());
    }
    peer.print();
  }
  line("activations").text("from", activation_source()).print();
}

const std::map<std::string, void (*)(environment&)> parts{
    {"facts", print_facts},       {"copy", measure_copy},   {"cublaslt", measure_cublaslt},
    {"teal", measure_teal},       {"nm", measure_nm},       {"gemm", measure_gemm},
    {"formats", measure_formats}, {"block", measure_block}, {"choices", measure_choices}};

struct options {
  bool tiny = false, peers = true;
  std::size_t shapes = 6;
};

int measure(const options& o, const std::vector<std::string>& wanted) {
  environment env;
  env.tiny = o.tiny;
  env.peers = o.peers;
  env.most_shapes = o.shapes;
  if (!o.tiny) {
    env.least_graph_seconds = 2.5e-3;
    env.warm_up_seconds = 0.2;
    env.rounds = 31;
  }
  if (wanted != std::vector<std::string>{"facts"}) find_copy_bandwidth(env);
  for (const std::string& part : wanted) {
    try {
      parts.at(part)(env);
    } catch (const std::exception& e) {
      report_failure(part, "all that was left of it", e.what());
    }
  }
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  bench::take_histograms(argc, argv);
  bench::options o;
  std::vector<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--tiny") {
      o.tiny = true;
    } else if (argument == "--no-peers") {
      o.peers = false;
    } else if (argument.rfind("--shapes=", 0) == 0) {
      o.shapes = std::strtoul(argv[i] + 9, nullptr, 10);
    } else if (bench::parts.count(argument) != 0) {
      wanted.push_back(argument);
    } else {
      std::fprintf(stderr, "measure: unknown argument '%s'\n", argv[i]);
      return 2;
    }
  }
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0) {
    bench::line("no_gpu").text("why", cudaGetErrorString(status)).print();
    return 3;
  }
  try {
    return bench::measure(o, wanted);
  } catch (const std::exception& e) {
    bench::report_failure("measure", "the device", e.what());
    return 1;
  }
}
