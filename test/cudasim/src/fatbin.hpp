// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Fat binary container: finds the PTX entries nvcc embedded in the host program.
#pragma once
#include <string>
#include <vector>

namespace cudasim {

struct PtxEntry {
  int arch = 0;      // 80 for compute_80
  std::string text;  // decompressed PTX
};

struct FatbinContents {
  std::vector<PtxEntry> ptx;
  std::vector<int> sass_archs;  // machine-code entries (not executable here), for error messages
  std::string problem;          // why a PTX entry could not be read
};

/// `image` is a fatbin (or the wrapper struct passed to __cudaRegisterFatBinary).
FatbinContents read_fatbin(const void* image);

/// The PTX with the highest arch not above `arch`; null when there is none.
const PtxEntry* choose_ptx(const FatbinContents& f, int arch);

}  // namespace cudasim
