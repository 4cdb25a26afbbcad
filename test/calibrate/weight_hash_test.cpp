// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/calibrate/weight_hash.hpp"

#include <set>
#include <string>
#include <vector>

#include "catch2_any.hpp"

using namespace sparsellm;

namespace {
std::uint64_t hash(const std::vector<std::string>& tensors) {
  weight_hash h;
  for (const std::string& t : tensors) h.add(t.data(), t.size());
  return h.value();
}
}  // namespace

TEST_CASE("weight_hash: every byte, the length and the borders between tensors count") {
  std::string data(100, 'x');
  std::set<std::uint64_t> seen{hash({data}), hash({data, ""}), hash({""}),
                               hash({data.substr(0, 50), data.substr(50)}), hash({data + '\0'})};
  for (char& c : data) {
    c = 'y';
    seen.insert(hash({data}));
    c = 'x';
  }
  CHECK(seen.size() == 105);
}

TEST_CASE("weight_hash: is the same on every machine") {
  // A change of this value makes every threshold table in the field unreadable: bump the format.
  CHECK(hash({"sparsellm", std::string(64, 'w')}) == 0x76992016e95bee8au);
}
