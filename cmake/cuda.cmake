# Defines sparsellm::cuda when CCCL is there; CUDAToolkit has been found. Shared by the installed package
# and by builds below another project.
# No version in the call: CCCL's version file accepts only its own major.
find_package(CCCL QUIET CONFIG HINTS "${CUDAToolkit_LIBRARY_DIR}/cmake"
             "${CUDAToolkit_LIBRARY_ROOT}/lib64/cmake")
if(CCCL_FOUND AND NOT TARGET sparsellm::cuda)
  add_library(sparsellm::cuda INTERFACE IMPORTED GLOBAL)
  target_link_libraries(sparsellm::cuda INTERFACE sparsellm::sparsellm CUDA::cudart CCCL::CCCL)
endif()
