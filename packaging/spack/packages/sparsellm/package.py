# SPDX-License-Identifier: Apache-2.0

from spack_repo.builtin.build_systems.cmake import CMakePackage

from spack.package import *


class Sparsellm(CMakePackage):
    """Training-free sparsity for large language models, and fast sparse products on CPUs."""

    homepage = "@HOME@"
    url = "@ARCHIVES@/sparsellm-0.1.0.tar.gz"

    license("Apache-2.0")

    version("0.1.0", sha256="@SHA256@")

    variant("compiled", default=True, description="The library of the products of every format")
    variant("shared", default=True, when="+compiled", description="Build that library as a shared one")
    variant("reconstruct", default=False, description="With Eigen, for reconstruction of pruned weights")

    depends_on("cxx", type="build")
    depends_on("cmake@3.22:", type="build")
    depends_on("eigen@3.3:", when="+reconstruct", type=("build", "link"))

    conflicts("%gcc@:11", msg="C++20 as g++ 12 has it is needed")
    conflicts("%clang@:13", msg="C++20 as clang 14 has it is needed")
    conflicts("platform=windows", msg="MSVC cannot compile the kernels")

    def cmake_args(self):
        args = [
            self.define_from_variant("SPARSELLM_BUILD_COMPILED", "compiled"),
            self.define("SPARSELLM_BUILD_TESTS", False),
            self.define("SPARSELLM_BUILD_EXAMPLES", False),
            self.define("SPARSELLM_BUILD_BENCHMARKS", False),
            self.define("SPARSELLM_BUILD_GGML_PLUGIN", False),
        ]
        if self.spec.satisfies("+compiled"):
            args.append(self.define_from_variant("BUILD_SHARED_LIBS", "shared"))
        return args
