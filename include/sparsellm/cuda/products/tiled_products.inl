// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The products on tensor cores of the shipped formats (cuda/products/product_instance.cuh), and
// what of them knows no sparsifier.
#define SPARSELLM_TILES(...)                                                                       \
  SPARSELLM_INSTANCE void multiply_tiles<__VA_ARGS__>(cuda::executor&, const __VA_ARGS__::weight&, \
                                                      const tiled_job&)
SPARSELLM_TILES(brick_tiles<half>);
SPARSELLM_TILES(brick_tiles<bfloat16>);
SPARSELLM_TILES(row_tiles<half>);
SPARSELLM_TILES(row_tiles<bfloat16>);
SPARSELLM_TILES(level_tiles<8, false>);
SPARSELLM_TILES(level_tiles<4, false>);
SPARSELLM_TILES(level_tiles<4, true>);
SPARSELLM_TILES(nm_tiles<half>);
SPARSELLM_TILES(nm_tiles<bfloat16>);
SPARSELLM_TILES(nm_tiles<std::int8_t>);
SPARSELLM_TILES(bitmap_tiles<half>);
SPARSELLM_TILES(bitmap_tiles<bfloat16>);
SPARSELLM_TILES(bitmap_tiles<std::int8_t>);
#undef SPARSELLM_TILES
SPARSELLM_PRODUCT(brick_weight<half>, tiled_product);
SPARSELLM_PRODUCT(brick_weight<bfloat16>, tiled_product);
SPARSELLM_PRODUCT(row_weight<half>, tiled_product);
SPARSELLM_PRODUCT(row_weight<bfloat16>, tiled_product);
using quantized_8_tiles = quantized_weight<8, false>;
using quantized_4_tiles = quantized_weight<4, false>;
using affine_4_tiles = quantized_weight<4, true>;
SPARSELLM_PRODUCT(quantized_8_tiles, tiled_product);
SPARSELLM_PRODUCT(quantized_4_tiles, tiled_product);
SPARSELLM_PRODUCT(affine_4_tiles, tiled_product);
SPARSELLM_PRODUCT(nm_weight<half>, tiled_product);
SPARSELLM_PRODUCT(nm_weight<bfloat16>, tiled_product);
SPARSELLM_PRODUCT(nm_weight<std::int8_t>, tiled_product);
SPARSELLM_PRODUCT(bitmap_weight<half>, tiled_product);
SPARSELLM_PRODUCT(bitmap_weight<bfloat16>, tiled_product);
SPARSELLM_PRODUCT(bitmap_weight<std::int8_t>, tiled_product);
