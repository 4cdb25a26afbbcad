// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// The basis in which activations are large in few channels and small in most. The decomposition is
// Eigen's (3.4, MPL-2.0), which nothing but this header and reconstruct/gram_factor.hpp needs.
#pragma once

#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <cmath>
#include <cstddef>

#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/config.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/reconstruct/gram.hpp"
#include "sparsellm/rotate/axes.hpp"

namespace sparsellm::inline v0::inline SPARSELLM_BASELINE {

// The eigenvectors of XᵀX. The sign of an axis is that its largest component is positive. One
// thread's work, about 10 · channels³ operations; takes 20 · channels² bytes on the way. Throws
// value_error when an activation was not finite.
[[nodiscard]] inline axes_of_gram principal_axes(const gram& seen) {
  const auto n = static_cast<Eigen::Index>(seen.channels());
  Eigen::MatrixXd h(n, n);
  for (std::size_t j = 0; j < seen.channels(); ++j)
    for (std::size_t i = j; i < seen.channels(); ++i) {
      const double v = seen(i, j);
      require<value_error>(is_finite(static_cast<float>(v)), "principal_axes: channel ", i,
                           " had a value that is not finite");
      h(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = v;  // the lower triangle
    }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> found(h);
  require<value_error>(found.info() == Eigen::Success,
                       "principal_axes: the eigenvalues of the matrix of ", seen.channels(),
                       " channels did not converge");
  axes_of_gram result{seen.channels(), buffer<float>(seen.channels() * seen.channels()), {}};
  for (Eigen::Index j = n; j-- > 0;) {  // Eigen's rise
    const auto axis = found.eigenvectors().col(j);
    Eigen::Index largest = 0;
    axis.cwiseAbs().maxCoeff(&largest);
    const double sign = axis(largest) < 0 ? -1.0 : 1.0;
    float* const to = &result.axes[result.energies.size() * seen.channels()];
    for (Eigen::Index i = 0; i < n; ++i) to[i] = static_cast<float>(sign * axis(i));
    result.energies.push_back(found.eigenvalues()(j));
  }
  return result;
}

}  // namespace sparsellm::inline v0::inline SPARSELLM_BASELINE
