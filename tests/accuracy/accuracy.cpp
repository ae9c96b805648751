// How far the products of every weight type and instruction set are from doubles with the same weights, as a
// table in Markdown. Weights: rows that ggml's reference quantiser made (tests/data/quant). Activations:
// normally distributed. Errors are relative to the product of the two norms, |w| |x|.
//
// The bound of one product, from the data alone, is the deviation of an error that may be anything in reach:
//   quantised types  sqrt(sum (w_i s_i)^2 / 12): an activation is off by up to half a step s_i, the scale of
//                    its block, evenly distributed
//   float types      sqrt(n) 2^-24 |w| |x|: n roundings of sums no larger than |w| |x|
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/candidates.h"
#include "quant/dequantize.h"
#include "support/files.h"
#include "support/paths.h"

namespace flexinfer {
namespace {

constexpr int64_t kRows = 4;
constexpr int64_t kCols = 1024;
constexpr int64_t kTokens = 512;
constexpr double kMostBounds = 6;  // deviations that no error of a few thousand exceeds

struct WeightFile {
  GgmlType type;
  const char* name;
};

constexpr WeightFile kWeightFiles[] = {
    {GgmlType::kF32, "input.f32"},   {GgmlType::kF16, "f16.bin"},       {GgmlType::kBF16, "bf16.bin"},
    {GgmlType::kQ8_0, "q8_0.bin"},   {GgmlType::kQ4_0, "q4_0.bin"},     {GgmlType::kQ4_1, "q4_1.bin"},
    {GgmlType::kQ5_0, "q5_0.bin"},   {GgmlType::kQ5_1, "q5_1.bin"},     {GgmlType::kQ2_K, "q2_K.bin"},
    {GgmlType::kQ3_K, "q3_K.bin"},   {GgmlType::kQ4_K, "q4_K.bin"},     {GgmlType::kQ5_K, "q5_K.bin"},
    {GgmlType::kQ6_K, "q6_K.bin"},   {GgmlType::kIQ4_NL, "iq4_nl.bin"}, {GgmlType::kIQ4_XS, "iq4_xs.bin"},
    {GgmlType::kMXFP4, "mxfp4.bin"},
};

double norm(std::span<const float> values) {
  double squares = 0;
  for (const float value : values)
    squares += double{value} * value;
  return std::sqrt(squares);
}

struct alignas(64) Activations {
  float values[kCols];
};

struct alignas(64) QuantisedActivations {
  std::byte bytes[q8_row_bytes(kCols)];
};

std::vector<Activations> random_activations() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<Activations> tokens(kTokens);
  for (Activations& token : tokens)
    std::ranges::generate(token.values, [&] { return normal(random); });
  return tokens;
}

// The rows of a file, and what they mean.
struct Weights {
  explicit Weights(const WeightFile& file)
      : type(file.type), bytes(testing::read_bytes(testing::test_data(std::string("quant/") + file.name))) {
    for (size_t r = 0; r < kRows; r++) {
      rows.emplace_back(kCols);
      dequantize_row(type, data() + r * row_bytes(), kCols, rows.back().data());
    }
  }
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(bytes.data()); }
  size_t row_bytes() const { return bytes.size() / kRows; }

  GgmlType type;
  std::string bytes;
  std::vector<std::vector<float>> rows;
};

// What the products of one type and table are off by, all relative to |w| |x|.
struct Accuracy {
  double bound_squares = 0;
  double error_squares = 0;
  double most_bounds = 0;  // the largest error in bounds

  void add(double error, double bound, double norms) {
    bound_squares += bound / norms * (bound / norms);
    error_squares += error / norms * (error / norms);
    most_bounds = std::max(most_bounds, std::abs(error) / bound);
  }
  static double mean(double squares) { return std::sqrt(squares / (kRows * kTokens)); }
};

double bound_of(GgmlType type, std::span<const float> w, std::span<const float> x,
                const QuantisedActivations& quantised) {
  if (activation_kind(type) == ActivationKind::kF32)
    return std::sqrt(double{kCols}) * 0x1p-24 * norm(w) * norm(x);
  const ConstQ8Row row = q8_row_at(quantised.bytes, kCols);
  double variance = 0;
  for (size_t i = 0; i < w.size(); i++)
    variance += std::pow(double{w[i]} * row.scales[i / kActivationBlock], 2) / 12;
  return std::sqrt(variance);
}

Accuracy measure(const KernelTable& kernels, const Weights& weights, const std::vector<Activations>& tokens) {
  const bool takes_floats = activation_kind(weights.type) == ActivationKind::kF32;
  QuantisedActivations quantised{};
  Accuracy accuracy;
  for (const Activations& token : tokens) {
    const auto* floats = reinterpret_cast<const std::byte*>(token.values);
    kernels.quantise_row(token.values, kCols, q8_row_at(quantised.bytes, kCols));
    float out[kRows];
    kernels.find_matmul(weights.type)({.weights = weights.data(),
                                       .row_bytes = weights.row_bytes(),
                                       .n_rows = kRows,
                                       .cols = kCols,
                                       .activations = takes_floats ? floats : quantised.bytes,
                                       .n_tokens = 1,
                                       .out = out,
                                       .out_stride = kRows});
    for (size_t r = 0; r < kRows; r++) {
      const std::span<const float> w = weights.rows[r];
      double expected = 0;
      for (size_t i = 0; i < w.size(); i++)
        expected += double{w[i]} * token.values[i];
      const double bound = bound_of(weights.type, w, token.values, quantised);
      accuracy.add(out[r] - expected, bound, norm(w) * norm(token.values));
    }
  }
  return accuracy;
}

// One row of the table; false where an error leaves its bound.
bool print_row(const WeightFile& file, std::span<const KernelTable* const> tables,
               const std::vector<Activations>& tokens) {
  const Weights weights(file);
  std::string cells;
  Accuracy last;
  bool is_within = true;
  for (const KernelTable* table : tables) {
    last = measure(*table, weights, tokens);
    cells += fmt::format(" {:.2e} ({:.2f}) |", Accuracy::mean(last.error_squares), last.most_bounds);
    is_within = is_within && last.most_bounds <= kMostBounds;
  }
  fmt::print("| {} | {:.2e} |{}\n", ggml_type_info(file.type).name, Accuracy::mean(last.bound_squares),
             cells);
  return is_within;
}

int print_table() {
  std::vector<const KernelTable*> tables;
  std::string names;
  std::string rule;
  for (const KernelCandidate& candidate : kernel_candidates()) {
    if (!candidate.is_supported()) continue;
    tables.push_back(candidate.table);
    names += fmt::format(" {} |", candidate.table->name);
    rule += "---|";
  }
  fmt::print("| type | bound |{}\n|---|---|{}\n", names, rule);
  const std::vector<Activations> tokens = random_activations();
  int status = 0;
  for (const WeightFile& file : kWeightFiles) {
    if (!print_row(file, tables, tokens)) status = 1;
  }
  if (status != 0) fmt::print("an error is larger than {} bounds\n", kMostBounds);
  return status;
}

}  // namespace
}  // namespace flexinfer

int main() {
  return flexinfer::print_table();
}
