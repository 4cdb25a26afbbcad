// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// All stages and the CPU backend.
#pragma once

#include "sparsellm/calibrate/calibrator.hpp"
#include "sparsellm/calibrate/table_json.hpp"
#include "sparsellm/calibrate/threshold_table.hpp"
#include "sparsellm/calibrate/uniform.hpp"
#include "sparsellm/calibrate/weight_hash.hpp"
#include "sparsellm/core/buffer.hpp"
#include "sparsellm/core/error.hpp"
#include "sparsellm/core/executor.hpp"
#include "sparsellm/core/scalar.hpp"
#include "sparsellm/core/views.hpp"
#include "sparsellm/cpu/executor.hpp"
#include "sparsellm/cpu/multiply.hpp"
#include "sparsellm/model/sparse_linear.hpp"
#include "sparsellm/multiply/multiply.hpp"
#include "sparsellm/multiply/reference.hpp"
#include "sparsellm/observe/channel_stats.hpp"
#include "sparsellm/observe/histogram.hpp"
#include "sparsellm/observe/observer.hpp"
#include "sparsellm/pack/channel_major.hpp"
#include "sparsellm/pack/choose.hpp"
#include "sparsellm/pack/format.hpp"
#include "sparsellm/pack/panel.hpp"
#include "sparsellm/pack/row_major.hpp"
#include "sparsellm/sparsify/active_set.hpp"
#include "sparsellm/sparsify/score.hpp"
#include "sparsellm/sparsify/selector.hpp"
#include "sparsellm/sparsify/sparsifier.hpp"
#include "sparsellm/version.hpp"
