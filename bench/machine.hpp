// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The pool that benchmarks run on, and what the machine shows while they do: its read bandwidth and
// the time of a fork and join, for a virtual machine changes both from minute to minute.
#pragma once

#include <benchmark/benchmark.h>

#include <string>

#include "shapes.hpp"
#include "sparsellm/cpu/executors/executor.hpp"

namespace bench {

[[nodiscard]] sparsellm::cpu::executor& pool();

// Registers "read_bandwidth" and "fork_join".
void register_machine();

// Every peer's product of one token, as "PREFIXname/shape".
void register_peers(const std::string& prefix, const projection& p);

// bytes: of one iteration.
void set_bytes(benchmark::State& state, double bytes);

// Takes what activations.hpp takes out of the arguments, and registers the machine's own entries.
// The projection to measure.
[[nodiscard]] const projection& begin(int& argc, char** argv);

// Instruction set, threads, peers' versions, where activations come from.
void add_context();

// Runs what is registered for p.
void run(int argc, char** argv, const projection& p);

}  // namespace bench
