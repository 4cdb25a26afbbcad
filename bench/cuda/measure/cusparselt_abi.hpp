// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What cuSPARSELt's functions take: the part of its interface that has been the same from 0.6 to
// 0.10 and that the peer uses, written down here, so that a build needs no package of it.
#pragma once

#include <cuda_runtime_api.h>
#include <library_types.h>

#include <cstddef>
#include <cstdint>

namespace bench::cusparselt_abi {

using status = int;  // 0: success
inline constexpr int oldest_minor = 6, newest_minor = 10;

// Handle, descriptors, algorithm and plan are all bytes of the library's own: 13,072 in 0.6, fewer
// since then.
struct opaque {
  alignas(16) std::uint8_t bytes[16384];
};

inline constexpr int not_transposed = 0;
inline constexpr int column_order = 1, row_order = 2;
inline constexpr int half_of_values = 0;                    // CUSPARSELT_SPARSITY_50_PERCENT
inline constexpr int compute_32f = 2;                       // CUSPARSE_COMPUTE_32F
inline constexpr int default_algorithm = 0;                 // CUSPARSELT_MATMUL_ALG_DEFAULT
inline constexpr int prune_strip = 1;                       // CUSPARSELT_PRUNE_SPMMA_STRIP
inline constexpr int major_version = 0, minor_version = 1;  // libraryPropertyType

using init = status (*)(opaque* handle);
using destroy = status (*)(const opaque* handle);
using get_version = status (*)(const opaque* handle, int* version);
using get_property = status (*)(int which, int* value);
using dense_descriptor = status (*)(const opaque* handle, opaque* to, std::int64_t rows,
                                    std::int64_t cols, std::int64_t stride, std::uint32_t alignment,
                                    cudaDataType type, int order);
using structured_descriptor = status (*)(const opaque* handle, opaque* to, std::int64_t rows,
                                         std::int64_t cols, std::int64_t stride,
                                         std::uint32_t alignment, cudaDataType type, int order,
                                         int sparsity);
using destroy_descriptor = status (*)(const opaque* descriptor);
using product_descriptor = status (*)(const opaque* handle, opaque* to, int operation_a,
                                      int operation_b, const opaque* a, const opaque* b,
                                      const opaque* c, const opaque* d, int compute);
using select_algorithm = status (*)(const opaque* handle, opaque* to, const opaque* product,
                                    int algorithm);
using make_plan = status (*)(const opaque* handle, opaque* to, const opaque* product,
                             const opaque* algorithm);
using destroy_plan = status (*)(const opaque* plan);
using get_workspace = status (*)(const opaque* handle, const opaque* plan, std::size_t* bytes);
using prune = status (*)(const opaque* handle, const opaque* product, const void* in, void* out,
                         int how, cudaStream_t stream);
using compressed_size = status (*)(const opaque* handle, const opaque* plan, std::size_t* bytes,
                                   std::size_t* scratch_bytes);
using compress = status (*)(const opaque* handle, const opaque* plan, const void* dense,
                            void* compressed, void* scratch, cudaStream_t stream);
using search = status (*)(const opaque* handle, opaque* plan, const void* alpha, const void* a,
                          const void* b, const void* beta, const void* c, void* d, void* workspace,
                          cudaStream_t* streams, std::int32_t count);
using multiply = status (*)(const opaque* handle, const opaque* plan, const void* alpha,
                            const void* a, const void* b, const void* beta, const void* c, void* d,
                            void* workspace, cudaStream_t* streams, std::int32_t count);

}  // namespace bench::cusparselt_abi
