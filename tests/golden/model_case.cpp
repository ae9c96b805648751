#include "golden/model_case.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "flexinfer/tools.h"
#include "support/files.h"
#include "support/paths.h"

namespace flexinfer::testing {
namespace {

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

std::vector<float> read_floats(const std::string& path) {
  const std::string bytes = read_bytes(path);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

}  // namespace

ModelCase load_golden(const std::string& name) {
  const std::string stem = test_data("golden/" + name);
  const auto json = nlohmann::json::parse(read_bytes(stem + ".json"));
  return {.model_path = stem + ".gguf",
          .prompt = json.at("prompt"),
          .greedy = json.at("greedy"),
          .greedy_margin = json.at("greedy_margin"),
          .logits = read_floats(stem + ".logits.f32"),
          .n_vocab = json.at("vocab")};
}

EngineOptions options_for(const ModelCase& model) {
  EngineOptions options;
  options.context_length = static_cast<int64_t>(model.prompt.size() + model.greedy.size());
  options.n_threads = 2;
  options.cache_type = CacheType::kF32;
  options.logits_everywhere = true;
  return options;
}

std::vector<float> prompt_logits(const ModelCase& model, const EngineOptions& options, size_t piece_tokens) {
  const Engine engine = value_of(Engine::open(model.model_path, options));
  Session session = value_of(engine.new_session());
  std::vector<float> logits;
  const auto keep = [&logits](size_t, std::span<const float> row) {
    logits.insert(logits.end(), row.begin(), row.end());
    return Status{};
  };
  for (size_t at = 0; at < model.prompt.size(); at += piece_tokens) {
    const std::span piece =
        std::span(model.prompt).subspan(at, std::min(piece_tokens, model.prompt.size() - at));
    value_of(session.append_with_logits(piece, keep));
  }
  return logits;
}

std::vector<float> prompt_logits(const ModelCase& model, const EngineOptions& options) {
  return prompt_logits(model, options, model.prompt.size());
}

std::vector<Token> greedy_continuation(const ModelCase& model, const EngineOptions& options) {
  const Engine engine = value_of(Engine::open(model.model_path, options));
  Session session = value_of(engine.new_session());
  GenerateRequest request{.prompt = model.prompt,
                          .n_predict = static_cast<int64_t>(model.greedy.size()),
                          .ignore_eos = true,
                          .sampling = {}};
  request.sampling.temperature = 0;
  return value_of(session.generate(request)).tokens;
}

double normalised_square_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0;
  double power = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    error += difference * difference;
    power += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return error / power;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return largest;
}

bool kernels_are_missing() {
  const char* wanted = std::getenv("FLEXINFER_KERNELS");
  return wanted != nullptr && describe_machine().kernels != wanted;
}

}  // namespace flexinfer::testing
