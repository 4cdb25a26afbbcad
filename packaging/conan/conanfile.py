import os

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, get, rmdir

required_conan_version = ">=2.0"


class SparsellmConan(ConanFile):
    name = "sparsellm"
    version = "0.1.0"
    description = "Training-free sparsity for large language models, and fast sparse products on CPUs"
    license = "Apache-2.0"
    homepage = "@HOME@"
    topics = ("llm", "sparsity", "pruning", "quantization", "simd")
    package_type = "library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "compiled": [True, False],  # sparsellm::compiled, a library of the products; without it headers alone
        "reconstruct": [True, False],  # sparsellm::reconstruct, which needs Eigen
        "shared": [True, False],
        "fPIC": [True, False],
    }
    default_options = {"compiled": True, "reconstruct": False, "shared": False, "fPIC": True}

    def configure(self):
        if not self.options.compiled:
            self.package_type = "header-library"
            self.options.rm_safe("shared")
        if self.options.get_safe("shared", True):
            self.options.rm_safe("fPIC")

    def package_id(self):
        if not self.info.options.compiled:
            self.info.settings.clear()

    def layout(self):
        cmake_layout(self, src_folder="src")

    def requirements(self):
        if self.options.reconstruct:
            self.requires("eigen/[>=3.3 <6]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def source(self):
        get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["SPARSELLM_BUILD_COMPILED"] = bool(self.options.compiled)
        for option in ("SPARSELLM_BUILD_TESTS", "SPARSELLM_BUILD_EXAMPLES", "SPARSELLM_BUILD_BENCHMARKS",
                       "SPARSELLM_BUILD_GGML_PLUGIN"):
            toolchain.cache_variables[option] = False
        toolchain.generate()
        CMakeDeps(self).generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        CMake(self).install()
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        # Conan writes the files by which CMake and pkg-config find the package.
        for folder in ("lib/cmake", "lib/pkgconfig", "share"):
            rmdir(self, os.path.join(self.package_folder, folder))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "sparsellm")
        headers = self.cpp_info.components["headers"]
        headers.set_property("cmake_target_name", "sparsellm::sparsellm")
        headers.set_property("pkg_config_name", "sparsellm")
        headers.bindirs = []
        headers.libdirs = []
        if self.settings.get_safe("os") in ("Linux", "FreeBSD"):
            headers.system_libs = ["pthread"]
        if self.options.compiled:
            compiled = self.cpp_info.components["compiled"]
            compiled.set_property("cmake_target_name", "sparsellm::compiled")
            compiled.set_property("pkg_config_name", "sparsellm-compiled")
            compiled.libs = ["sparsellm_compiled"]
            compiled.defines = ["SPARSELLM_COMPILED"]
            compiled.requires = ["headers"]
        if self.options.reconstruct:
            reconstruct = self.cpp_info.components["reconstruct"]
            reconstruct.set_property("cmake_target_name", "sparsellm::reconstruct")
            reconstruct.bindirs = []
            reconstruct.libdirs = []
            reconstruct.requires = ["headers", "eigen::eigen"]
