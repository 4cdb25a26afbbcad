// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model makes of a text, by libllama: llama.cpp's programs round logits or print none.
// Backends are loaded as those programs load them (GGML_BACKEND_PATH).
//
// usage: evaluate MODEL.gguf TEXT TOKENS WRITE BATCH THREADS CONTEXTS LOADS [LOGITS]
//   The text's first TOKENS tokens are read BATCH at a time, then WRITE more are written, the
//   likeliest each. CONTEXTS of the model do so at once, each on THREADS threads; the model is
//   loaded LOADS times, one after the other. stdout: JSON, a list with an object for each load and
//   context: "ids", "written" (text), "nll" (of each token but the first), "best" (after each token
//   the two likeliest, [id, logit] each). LOGITS: a file for all logits of the first of them,
//   floats [tokens][vocabulary].
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ggml-backend.h"
#include "llama.h"

namespace {

struct options {
  std::string model, text, logits;
  int tokens, write, batch, threads, contexts, loads;
};

struct candidate {
  llama_token id;
  float logit;
};

struct reading {
  std::vector<llama_token> ids;
  std::string written;
  std::vector<double> nll;
  std::vector<candidate> best;  // two for each token
  std::vector<float> logits;    // of all tokens, where asked for
};

struct model_deleter {
  void operator()(llama_model* m) const { llama_model_free(m); }
};
struct context_deleter {
  void operator()(llama_context* c) const { llama_free(c); }
};
using model_ptr = std::unique_ptr<llama_model, model_deleter>;
using context_ptr = std::unique_ptr<llama_context, context_deleter>;

std::vector<llama_token> tokens_of(const llama_vocab* vocab, const options& o) {
  std::ifstream file(o.text, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<llama_token> ids(text.size() + 2);
  const int count = llama_tokenize(vocab, text.data(), static_cast<int>(text.size()), ids.data(),
                                   static_cast<int>(ids.size()), true, false);
  if (count < o.tokens)
    throw std::runtime_error(o.text + ": " + std::to_string(o.tokens) + " tokens expected, got " +
                             std::to_string(count));
  ids.resize(static_cast<std::size_t>(o.tokens));
  return ids;
}

class reader {
 public:
  reader(llama_model* model, const options& o, bool keep)
      : vocab_(llama_model_get_vocab(model)), options_(o), keep_(keep) {
    llama_context_params p = llama_context_default_params();
    p.n_ctx = static_cast<std::uint32_t>(o.tokens + o.write);
    p.n_batch = p.n_ubatch = static_cast<std::uint32_t>(o.batch);
    p.n_threads = p.n_threads_batch = o.threads;
    // Caches of halfs, and ggml's flash attention, turn differences in a product's last bit into
    // thousandths.
    p.type_k = p.type_v = GGML_TYPE_F32;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    context_.reset(llama_init_from_model(model, p));
    if (context_ == nullptr) throw std::runtime_error("no context");
    result_.ids = tokens_of(vocab_, o);
  }

  reading read() {
    for (int at = 0; at < options_.tokens; at += options_.batch)
      decode(at, std::min(options_.batch, options_.tokens - at));
    for (int n = 0; n < options_.write; ++n) {
      const llama_token next = result_.best[result_.best.size() - 2].id;
      result_.ids.push_back(next);
      char piece[256];
      const int length = llama_token_to_piece(vocab_, next, piece, sizeof piece, 0, true);
      result_.written.append(piece, static_cast<std::size_t>(std::max(length, 0)));
      decode(options_.tokens + n, 1);
    }
    return std::move(result_);
  }

 private:
  void decode(int first, int count) {
    llama_batch batch = llama_batch_init(count, 0, 1);
    batch.n_tokens = count;
    for (int i = 0; i < count; ++i) {
      batch.token[i] = result_.ids[static_cast<std::size_t>(first + i)];
      batch.pos[i] = first + i;
      batch.n_seq_id[i] = 1;
      batch.seq_id[i][0] = 0;
      batch.logits[i] = true;
    }
    const int failed = llama_decode(context_.get(), batch);
    llama_batch_free(batch);
    if (failed != 0) throw std::runtime_error("llama_decode failed");
    for (int i = 0; i < count; ++i) take(first + i, llama_get_logits_ith(context_.get(), i));
  }

  void take(int at, const float* logits) {
    const int size = llama_vocab_n_tokens(vocab_);
    candidate first{0, -INFINITY}, second = first;
    for (int id = 0; id < size; ++id)
      if (logits[id] > first.logit) {
        second = first;
        first = {id, logits[id]};
      } else if (logits[id] > second.logit) {
        second = {id, logits[id]};
      }
    result_.best.push_back(first);
    result_.best.push_back(second);
    if (const auto next = static_cast<std::size_t>(at) + 1; next < result_.ids.size()) {
      double sum = 0;
      for (int id = 0; id < size; ++id)
        sum += std::exp(static_cast<double>(logits[id] - first.logit));
      result_.nll.push_back(std::log(sum) +
                            static_cast<double>(first.logit - logits[result_.ids[next]]));
    }
    if (keep_) result_.logits.insert(result_.logits.end(), logits, logits + size);
  }

  const llama_vocab* vocab_;
  const options& options_;
  bool keep_;
  context_ptr context_;
  reading result_;
};

std::vector<reading> read_at_once(const options& o, bool keep) {
  llama_model_params p = llama_model_default_params();
  const model_ptr model(llama_model_load_from_file(o.model.c_str(), p));
  if (model == nullptr) throw std::runtime_error(o.model + ": not loaded");
  std::vector<std::unique_ptr<reader>> readers;
  for (int c = 0; c < o.contexts; ++c)
    readers.push_back(std::make_unique<reader>(model.get(), o, keep && c == 0));
  std::vector<reading> results(readers.size());
  std::vector<std::thread> threads;
  for (std::size_t c = 0; c < readers.size(); ++c)
    threads.emplace_back([&, c] { results[c] = readers[c]->read(); });
  for (std::thread& t : threads) t.join();
  return results;
}

template <class List, class Print>
void print_list(const char* name, const List& list, const Print& print) {
  std::printf("\"%s\": [", name);
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i != 0) std::printf(", ");
    print(list[i]);
  }
  std::printf("]");
}

void print(const reading& r) {
  std::printf("{");
  print_list("ids", r.ids, [](llama_token id) { std::printf("%d", id); });
  std::printf(", ");
  // A list of bytes: what is written may end inside a character.
  print_list("written", r.written,
             [](char c) { std::printf("%d", static_cast<unsigned char>(c)); });
  std::printf(", ");
  print_list("nll", r.nll, [](double v) { std::printf("%.9g", v); });
  std::printf(", ");
  print_list("best", r.best,
             [](candidate c) { std::printf("[%d, %.9g]", c.id, static_cast<double>(c.logit)); });
  std::printf("}");
}

void run(const options& o) {
  std::printf("[");
  for (int load = 0; load < o.loads; ++load) {
    const std::vector<reading> results = read_at_once(o, !o.logits.empty() && load == 0);
    for (std::size_t c = 0; c < results.size(); ++c) {
      if (load != 0 || c != 0) std::printf(",\n");
      print(results[c]);
    }
    if (results[0].logits.empty()) continue;
    std::ofstream file(o.logits, std::ios::binary);
    file.write(reinterpret_cast<const char*>(results[0].logits.data()),
               static_cast<std::streamsize>(results[0].logits.size() * sizeof(float)));
  }
  std::printf("]\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9 && argc != 10) {
    std::fprintf(stderr,
                 "usage: evaluate MODEL TEXT TOKENS WRITE BATCH THREADS CONTEXTS LOADS [LOGITS]\n");
    return 2;
  }
  const auto number = [&](int i) { return std::atoi(argv[i]); };
  try {
    ggml_backend_load_all();
    llama_backend_init();
    run({argv[1], argv[2], argc == 10 ? argv[9] : "", number(3), number(4), number(5), number(6),
         number(7), number(8)});
  } catch (const std::exception& e) {
    std::fprintf(stderr, "evaluate: %s\n", e.what());
    return 1;
  }
}
