// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the file is silent, the defaults are those of llama.cpp (src/llama-vocab.cpp, MIT).
#include <algorithm>
#include <limits>

#include "files/vocabulary.hpp"
#include "sparsellm/core/error.hpp"

namespace llama {

using sparsellm::concat;
using sparsellm::format_error;
using sparsellm::raise;
using sparsellm::require;

namespace {

// Tokens that end a text by their name, whatever the file says of them.
constexpr const char* ending_texts[] = {"<|eot_id|>",
                                        "<|im_end|>",
                                        "<|end|>",
                                        "<|return|>",
                                        "<|call|>",
                                        "<|flush|>",
                                        "<|calls|>",
                                        "</s>",
                                        "<end_of_turn>",
                                        "<|endoftext|>",
                                        "<|eom_id|>",
                                        "<EOT>",
                                        "_<EOT>",
                                        "[EOT]",
                                        "[EOS]",
                                        "<|end_of_text|>",
                                        "<eos>",
                                        "<turn|>",
                                        "<|tool_response>",
                                        "<end_of_utterance>",
                                        "<\xef\xbd\x9c"
                                        "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>",
                                        "[e~["};

void read_tokens(const model_file& file, vocabulary& v) {
  v.texts = file.array<std::string>("tokenizer.ggml.tokens");
  require<format_error>(!v.texts.empty() && v.texts.size() <= 0x7fffffff,
                        "tokenizer: a vocabulary of ", v.texts.size(), " tokens");
  v.kinds.assign(v.texts.size(), token_kind::normal);
  const auto check_size = [&](std::size_t n, const char* what) {
    require<format_error>(n == v.texts.size(), "tokenizer: ", v.texts.size(), " tokens, ", n, " ",
                          what, ": one each expected");
  };
  if (file.value("tokenizer.ggml.token_type") != nullptr) {
    const auto& types = file.array<std::int64_t>("tokenizer.ggml.token_type");
    check_size(types.size(), "types");
    for (std::size_t i = 0; i < types.size(); ++i) {
      require<format_error>(types[i] >= 0 && types[i] <= 6, "tokenizer: token ", i,
                            " has the type ", types[i], ", 1 to 6 expected");
      // 0 is what files of old have for none.
      v.kinds[i] = types[i] == 0 ? token_kind::normal : static_cast<token_kind>(types[i]);
    }
  }
  if (v.model != "llama") return;
  v.scores.emplace(v.texts.size(), 0.0f);
  if (file.value("tokenizer.ggml.scores") == nullptr) return;
  const auto& scores = file.array<double>("tokenizer.ggml.scores");
  check_size(scores.size(), "scores");
  for (std::size_t i = 0; i < scores.size(); ++i) {
    require<format_error>(scores[i] == scores[i], "tokenizer: the score of token ", i, " is NaN");
    (*v.scores)[i] = static_cast<float>(scores[i]);
  }
}

void read_ids(const model_file& file, vocabulary& v) {
  const bool characters = v.model == "llama";
  const auto id_of = [&](const char* name, std::int32_t otherwise) {
    const std::uint64_t id = file.whole(std::string("tokenizer.ggml.") + name + "_token_id",
                                        std::numeric_limits<std::uint64_t>::max());
    if (id < v.texts.size()) return static_cast<std::int32_t>(id);
    return otherwise >= 0 && static_cast<std::size_t>(otherwise) < v.texts.size() ? otherwise : -1;
  };
  v.bos = id_of("bos", characters ? 1 : 11);
  v.unknown = id_of("unknown", characters ? 0 : -1);
  const auto add_stop = [&](std::int32_t id) {
    if (id >= 0 && std::find(v.stops.begin(), v.stops.end(), id) == v.stops.end())
      v.stops.push_back(id);
  };
  add_stop(id_of("eos", characters ? 2 : 11));
  for (const char* name : {"eot", "eom", "fim_pad", "fim_rep", "fim_sep"})
    add_stop(id_of(name, -1));
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    if (std::find(std::begin(ending_texts), std::end(ending_texts), v.texts[i]) !=
        std::end(ending_texts))
      add_stop(static_cast<std::int32_t>(i));
}

void read_merges(const model_file& file, vocabulary& v) {
  for (const std::string& m : file.array<std::string>("tokenizer.ggml.merges")) {
    const std::size_t space = m.find(' ', 1);
    require<format_error>(space != std::string::npos, "tokenizer: the merge '", m,
                          "' is not two pieces");
    v.merges.emplace_back(m.substr(0, space), m.substr(space + 1));
  }
}

}  // namespace

vocabulary gguf_vocabulary(const model_file& file) {
  vocabulary v;
  v.model = file.text("tokenizer.ggml.model");
  if (v.model != "gpt2" && v.model != "llama")
    raise<format_error>(
        concat("tokenizer: the model '", v.model, "' is not known; gpt2 and llama are"));
  const bool characters = v.model == "llama";
  read_tokens(file, v);
  read_ids(file, v);
  bool adds_bos = characters;
  if (characters) {
    v.byte_fallback = v.replaces_spaces = v.prefix_is_normalization = true;
    if (file.flag("tokenizer.ggml.add_space_prefix", true)) v.prefix = space_prefix::every;
  } else {
    v.pre = file.text("tokenizer.ggml.pre", "default");
    v.steps = pretokenizer::steps_of(v.pre);
    adds_bos = v.ignore_merges = v.pre == "llama-bpe" || v.pre == "llama3" || v.pre == "llama-v3";
    read_merges(file, v);
  }
  v.add_bos = file.flag("tokenizer.ggml.add_bos_token", adds_bos) && v.bos >= 0;
  for (const char* key : {"tokenizer.ggml.add_eos_token", "tokenizer.ggml.add_sep_token"})
    require<format_error>(!file.flag(key, false), "GGUF: '", key, "' true is not supported");
  for (std::size_t i = 0; i < v.texts.size(); ++i)
    if ((v.kinds[i] == token_kind::control || v.kinds[i] == token_kind::user_defined ||
         v.kinds[i] == token_kind::unknown) &&
        !v.texts[i].empty())
      v.added.push_back({static_cast<std::int32_t>(i)});
  return v;
}

}  // namespace llama
