// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Defaults where a file is silent are llama.cpp's.
#include "files/rotary.hpp"

#include <algorithm>
#include <cmath>

#include "files/dequantize.hpp"
#include "files/finite.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::format_error;
using sparsellm::require;

namespace {

constexpr double pi = 3.14159265358979323846;

double frequency(double base, std::size_t i, std::size_t size) {
  return std::pow(base, -static_cast<double>(i) / static_cast<double>(size));
}

yarn_scaling read_yarn(const model_file& file, const std::string& prefix, std::size_t context) {
  const yarn_scaling s{file.real(prefix + "factor"),
                       static_cast<double>(file.whole(prefix + "original_context_length", context)),
                       file.real(prefix + "yarn_beta_fast", 32.0),
                       file.real(prefix + "yarn_beta_slow", 1.0)};
  require<format_error>(s.factor >= 1 && std::isfinite(s.factor) && s.context >= 1 &&
                            s.beta_slow > 0 && s.beta_fast > s.beta_slow,
                        "model: the numbers of '", prefix, "*' do not fit together");
  for (const auto& [key, supported] :
       {std::pair{"yarn_ext_factor", 1.0}, {"yarn_attn_factor", 1.0}, {"yarn_log_multiplier", 0.0}})
    require<format_error>(file.real(prefix + key, supported) == supported, "model: '", prefix, key,
                          "' other than ", supported, " is not supported");
  return s;
}

}  // namespace

std::vector<float> llama3_divisors(const llama3_scaling& s, double base, std::size_t head_size) {
  std::vector<float> divisors;
  for (std::size_t i = 0; i < head_size; i += 2) {
    const double turns = s.context * frequency(base, i, head_size) / (2 * pi);
    const double share =
        std::clamp((turns - s.low_frequency) / (s.high_frequency - s.low_frequency), 0.0, 1.0);
    divisors.push_back(static_cast<float>(1.0 / ((1.0 - share) / s.factor + share)));
  }
  return divisors;
}

std::vector<float> yarn_divisors(const yarn_scaling& s, double base, std::size_t head_size) {
  const auto size = static_cast<double>(head_size);
  // The place, in pairs, of the frequency that turns so often in the original context.
  const auto place = [&](double turns) {
    return size * std::log(s.context / (turns * 2 * pi)) / (2 * std::log(base));
  };
  const double first = std::max(std::floor(place(s.beta_fast)), 0.0);
  const double last = std::min(std::ceil(place(s.beta_slow)), size - 1);
  const double between = last == first ? 0.001 : last - first;
  std::vector<float> divisors;
  for (std::size_t i = 0; i < head_size / 2; ++i) {
    const double divided = std::clamp((static_cast<double>(i) - first) / between, 0.0, 1.0);
    divisors.push_back(static_cast<float>(1.0 / (divided / s.factor + (1.0 - divided))));
  }
  return divisors;
}

double yarn_magnitude(double factor) noexcept {
  return factor <= 1 ? 1.0 : 0.1 * std::log(factor) + 1.0;
}

rotary read_rotary(const model_file& file, const std::string& architecture, std::size_t head_size,
                   std::size_t context) {
  const std::string prefix = architecture + ".rope.", scaling_prefix = prefix + "scaling.";
  rotary r;
  r.size = static_cast<std::size_t>(file.whole(prefix + "dimension_count", head_size));
  require<format_error>(r.size == head_size, "model: rotary embedding over ", r.size, " of ",
                        head_size, " is not supported");
  r.base = file.real(prefix + "freq_base", 10000.0);
  require<format_error>(r.base > 1.0, "model: rotary base ", r.base);
  r.magnitude = file.real(scaling_prefix + "attn_factor", 1.0);
  require<format_error>(r.magnitude > 0.0 && std::isfinite(r.magnitude), "model: '", scaling_prefix,
                        "attn_factor' is ", r.magnitude, ", a number above 0 expected");
  const std::string scaling = file.text(scaling_prefix + "type", "linear");
  require<format_error>(scaling == "none" || scaling == "linear" || scaling == "yarn",
                        "model: rotary scaling '", scaling,
                        "'; none, linear, yarn and Llama 3's are known");
  if (scaling == "yarn") {
    r.yarn = read_yarn(file, scaling_prefix, context);
    r.magnitude *= yarn_magnitude(r.yarn->factor);
    return r;
  }
  const double factor =
      file.real(scaling_prefix + "factor", file.real(prefix + "scale_linear", 0.0));
  r.scale = scaling == "linear" && factor != 0.0 ? factor : 1.0;
  require<format_error>(r.scale > 0.0 && std::isfinite(r.scale), "model: rotary scaling factor ",
                        r.scale);
  return r;
}

std::vector<double> rotary_frequencies(const model_file& file, const rotary& r) {
  std::vector<double> frequencies(r.size / 2);
  for (std::size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = frequency(r.base, 2 * i, r.size) / r.scale;
  const auto divide = [&](const std::vector<float>& divisors) {
    for (std::size_t i = 0; i < frequencies.size(); ++i)
      frequencies[i] /= static_cast<double>(divisors[i]);
  };
  if (r.yarn.has_value()) divide(yarn_divisors(*r.yarn, r.base, r.size));
  if (const tensor* given = file.find("rope_freqs.weight"); given != nullptr) {
    std::vector<float> divisors(frequencies.size());
    dequantize_row(*given, 0, divisors);
    require_finite(file, *given, 0, sparsellm::vector_view<const float>(divisors));
    for (const float d : divisors)
      require<format_error>(d > 0.0f, "model: 'rope_freqs.weight' holds ", d,
                            ", numbers above 0 expected");
    divide(divisors);
  }
  return frequencies;
}

}  // namespace llama
