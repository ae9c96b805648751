#include "ops/attention.h"

#include <algorithm>
#include <cmath>

#include "quant/dequantize.h"
#include "unit/ops/ops_fixture.h"

namespace flexinfer {
namespace {

constexpr int64_t kContext = 40;
constexpr int32_t kSequences = 2;
constexpr AttentionShape kShape = {.n_heads = 6, .n_kv_heads = 2, .head_dim = 64};

// The tensor type whose rows a cache's rows are.
GgmlType tensor_type(CacheType type) {
  if (type == CacheType::kF32) return GgmlType::kF32;
  return type == CacheType::kF16 ? GgmlType::kF16 : GgmlType::kQ8_0;
}

std::string cache_name(CacheType type) {
  if (type == CacheType::kF32) return "f32";
  return type == CacheType::kF16 ? "f16" : "q8_0";
}

// The memory of one layer.
class Cache {
 public:
  explicit Cache(CacheType type) {
    layer_.type = type;
    layer_.head_bytes = kContext * cache_row_bytes(type, kShape.head_dim);
    layer_.sequence_bytes = kShape.n_kv_heads * layer_.head_bytes;
    keys_.resize(kSequences * layer_.sequence_bytes);
    values_.resize(keys_.size());
    layer_.keys = keys_.data();
    layer_.values = values_.data();
  }
  const CacheLayer& layer() const { return layer_; }

 private:
  CacheLayer layer_;
  std::vector<std::byte> keys_;
  std::vector<std::byte> values_;
};

// Tokens with what a layer computes of them.
struct Tokens {
  Tokens(std::mt19937& random, std::vector<int32_t> at_positions, std::vector<int32_t> of_sequences)
      : positions(std::move(at_positions)),
        sequences(std::move(of_sequences)),
        queries(random, size(), kShape.n_heads * kShape.head_dim),
        keys(random, size(), kShape.n_kv_heads * kShape.head_dim),
        values(random, size(), kShape.n_kv_heads * kShape.head_dim) {}

  int64_t size() const { return static_cast<int64_t>(positions.size()); }

  std::vector<int32_t> positions;
  std::vector<int32_t> sequences;
  Matrix queries;
  Matrix keys;
  Matrix values;
};

Tokens run_of_tokens(std::mt19937& random, int32_t n) {
  std::vector<int32_t> positions(static_cast<size_t>(n));
  for (int32_t t = 0; t < n; ++t)
    positions[static_cast<size_t>(t)] = t;
  return {random, positions, std::vector<int32_t>(static_cast<size_t>(n), 0)};
}

// Attends with tokens [first, first + n) as one batch.
void attend_part(const Compute& compute, const Tokens& tokens, int64_t first, int64_t n, const Cache& cache,
                 const Matrix& out) {
  const auto begin = static_cast<size_t>(first);
  const auto count = static_cast<size_t>(n);
  const TokenPlaces places{std::span(tokens.positions).subspan(begin, count),
                           std::span(tokens.sequences).subspan(begin, count)};
  const Matrix scores(compute.pool.size(), kContext);
  store_cache(compute, kShape, places, tokens.keys.part(first, n), tokens.values.part(first, n),
              cache.layer());
  attend(compute, kShape, places, tokens.queries.part(first, n), cache.layer(), scores.rows(),
         out.part(first, n));
}

class Attention : public testing::TestWithParam<std::tuple<const KernelTable*, CacheType>> {
 protected:
  const KernelTable& kernels() const { return *std::get<0>(GetParam()); }
  CacheType type() const { return std::get<1>(GetParam()); }

  // The outputs of all tokens, in batches of so many.
  Matrix attend_in_chunks(const Tokens& tokens, int64_t chunk, int n_threads = 1) const {
    const Workers workers(kernels(), n_threads);
    const Cache cache(type());
    Matrix out(tokens.size(), kShape.n_heads * kShape.head_dim);
    for (int64_t first = 0; first < tokens.size(); first += chunk) {
      attend_part(workers.compute(), tokens, first, std::min(chunk, tokens.size() - first), cache, out);
    }
    return out;
  }
  Matrix attend_together(const Tokens& tokens) const { return attend_in_chunks(tokens, tokens.size()); }

  // One head's vector as the cache keeps it.
  std::vector<float> kept(const Matrix& rows, int64_t token, int64_t head) const {
    const GgmlType as = tensor_type(type());
    std::vector<std::byte> row(cache_row_bytes(type(), kShape.head_dim));
    std::vector<float> values(static_cast<size_t>(kShape.head_dim));
    EXPECT_TRUE(quantize_row(as, rows.row(token) + head * kShape.head_dim, kShape.head_dim, row.data()));
    dequantize_row(as, row.data(), kShape.head_dim, values.data());
    return values;
  }

  std::mt19937 random_{17};
};

INSTANTIATE_TEST_SUITE_P(Ops, Attention,
                         testing::Combine(testing::ValuesIn(available_tables()),
                                          testing::Values(CacheType::kF32, CacheType::kF16,
                                                          CacheType::kQ8_0)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)->name) + "_" +
                                  cache_name(std::get<1>(test.param));
                         });

bool same_token(const Matrix& a, int64_t token_of_a, const Matrix& b, int64_t token_of_b) {
  const auto n = static_cast<size_t>(a.rows().cols);
  return static_cast<bool>(same_bits({a.row(token_of_a), n}, {b.row(token_of_b), n}));
}

TEST_P(Attention, LaterTokenChangesAnEarlierOne) {
  const Tokens tokens = run_of_tokens(random_, 7);
  const Matrix before = attend_together(tokens);
  for (float* last : {tokens.keys.row(6), tokens.values.row(6)})
    std::fill_n(last, 64, 3.0f);
  const Matrix after = attend_together(tokens);
  for (int64_t t = 0; t < 6; ++t)
    EXPECT_TRUE(same_token(after, t, before, t)) << "token " << t;
  EXPECT_FALSE(same_token(after, 6, before, 6));
}

TEST_P(Attention, BitsDependOnHowTokensAreChunked) {
  const Tokens tokens = run_of_tokens(random_, 13);
  const Matrix together = attend_together(tokens);
  for (int64_t chunk : {1, 2, 5, 8, 12}) {
    EXPECT_TRUE(same_bits(attend_in_chunks(tokens, chunk).values(), together.values()))
        << "chunks of " << chunk;
  }
}

TEST_P(Attention, BitsDependOnTheNumberOfThreads) {
  const Tokens tokens = run_of_tokens(random_, 13);
  const Matrix alone = attend_together(tokens);
  for (int n_threads : kThreadCounts) {
    EXPECT_TRUE(same_bits(attend_in_chunks(tokens, 4, n_threads).values(), alone.values()))
        << n_threads << " threads";
  }
}

TEST_P(Attention, HeadReadsTheKeysOfAnotherGroup) {
  const Tokens tokens = run_of_tokens(random_, 5);
  for (int64_t t = 0; t < tokens.size(); ++t) {
    for (int64_t head = 0; head < kShape.n_kv_heads; ++head) {
      std::fill_n(tokens.values.row(t) + head * kShape.head_dim, kShape.head_dim,
                  static_cast<float>(head + 1));
    }
  }
  const Matrix out = attend_together(tokens);
  for (int64_t head = 0; head < kShape.n_heads; ++head) {
    // All values are the same, so their mean is too; a half keeps 11 bits of the scale that q8_0 needs.
    const auto expected = static_cast<double>(head / 3 + 1);
    EXPECT_NEAR(out.at(4, head * kShape.head_dim), expected, expected * 0x1p-10) << "head " << head;
  }
}

TEST_P(Attention, SequencesMix) {
  const Tokens tokens(random_, {0, 0, 1, 1, 2, 2, 3, 3}, {0, 1, 1, 0, 0, 1, 1, 0});
  const Matrix together = attend_together(tokens);
  for (int32_t sequence = 0; sequence < kSequences; ++sequence) {
    const Workers workers(kernels(), 1);
    const Cache cache(type());
    const Matrix out(tokens.size(), kShape.n_heads * kShape.head_dim);
    for (int64_t t = 0; t < tokens.size(); ++t) {
      if (tokens.sequences[static_cast<size_t>(t)] != sequence) continue;
      attend_part(workers.compute(), tokens, t, 1, cache, out);
      EXPECT_TRUE(same_token(out, t, together, t)) << "sequence " << sequence << ", token " << t;
    }
  }
}

// Doubles over what the cache keeps. A score's error is at most `n` roundings of its terms; the weights of
// the softmax are wrong by twice that and some roundings of their own; the outputs add as many roundings as
// there are positions.
TEST_P(Attention, DiffersFromDoubles) {
  const Tokens tokens = run_of_tokens(random_, 33);
  const Matrix out = attend_together(tokens);
  const double scale = 1.0 / std::sqrt(static_cast<double>(kShape.head_dim));
  for (int64_t t : {0, 1, 15, 32}) {
    for (int64_t head = 0; head < kShape.n_heads; ++head) {
      const float* query = tokens.queries.row(t) + head * kShape.head_dim;
      std::vector<double> weights;
      double score_error = 0;
      for (int64_t p = 0; p <= t; ++p) {
        const std::vector<float> key = kept(tokens.keys, p, head / 3);
        double score = 0;
        double terms = 0;
        for (size_t d = 0; d < key.size(); ++d) {
          const double product = static_cast<double>(query[d]) * static_cast<double>(key[d]);
          score += product;
          terms += std::fabs(product);
        }
        score_error =
            std::max(score_error, static_cast<double>(kShape.head_dim + 4) * kRounding * terms * scale);
        weights.push_back(std::exp(score * scale));
      }
      double sum = 0;
      for (double weight : weights)
        sum += weight;
      for (int64_t d = 0; d < kShape.head_dim; ++d) {
        double expected = 0;
        double terms = 0;
        for (int64_t p = 0; p <= t; ++p) {
          const double value = kept(tokens.values, p, head / 3)[static_cast<size_t>(d)];
          expected += weights[static_cast<size_t>(p)] / sum * value;
          terms += weights[static_cast<size_t>(p)] / sum * std::fabs(value);
        }
        const double tolerance = (2 * score_error + static_cast<double>(t + 16) * kRounding) * terms;
        EXPECT_NEAR(out.at(t, head * kShape.head_dim + d), expected, tolerance)
            << "token " << t << ", head " << head;
      }
    }
  }
}

}  // namespace
}  // namespace flexinfer
