vcpkg_download_distfile(archive
    URLS "@ARCHIVES@/sparsellm-${VERSION}.tar.gz"
    FILENAME "sparsellm-${VERSION}.tar.gz"
    SHA512 @SHA512@
)
vcpkg_extract_source_archive(SOURCE_PATH ARCHIVE "${archive}")

vcpkg_check_features(OUT_FEATURE_OPTIONS feature_options
    FEATURES
        compiled SPARSELLM_BUILD_COMPILED
)
if("compiled" IN_LIST FEATURES)
    set(config_path lib/cmake/sparsellm)
else()
    set(config_path share/cmake/sparsellm)
    set(VCPKG_BUILD_TYPE release)  # header-only: debug would be the same
endif()

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        ${feature_options}
        -DSPARSELLM_BUILD_TESTS=OFF
        -DSPARSELLM_BUILD_EXAMPLES=OFF
        -DSPARSELLM_BUILD_BENCHMARKS=OFF
        -DSPARSELLM_BUILD_GGML_PLUGIN=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH "${config_path}")
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE
    "${CURRENT_PACKAGES_DIR}/debug/include"
    "${CURRENT_PACKAGES_DIR}/debug/share"
    "${CURRENT_PACKAGES_DIR}/share/licenses"
)
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
