#include "ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "quant/dequantize.h"
#include "unit/ops/ops_fixture.h"

namespace flexinfer {
namespace {

constexpr int64_t kContext = 600;  // more than two blocks of positions
constexpr int32_t kSequences = 2;
constexpr AttentionShape kShape = {.n_heads = 6, .n_kv_heads = 2, .head_dim = 64, .scale = 0.125F};

AttentionShape with_window(int64_t window) {
  AttentionShape shape = kShape;
  shape.window = window;
  return shape;
}

// The tensor type whose rows a cache's rows are.
GgmlType tensor_type(CacheType type) {
  if (type == CacheType::kF32) return GgmlType::kF32;
  return type == CacheType::kF16 ? GgmlType::kF16 : GgmlType::kQ8_0;
}

std::string cache_name(CacheType type) {
  if (type == CacheType::kF32) return "f32";
  return type == CacheType::kF16 ? "f16" : "q8_0";
}

// The memory of one layer that keeps so many positions.
class Cache {
 public:
  explicit Cache(CacheType type, int64_t capacity = kContext) {
    layer_.type = type;
    layer_.capacity = capacity;
    layer_.n_kv_heads = kShape.n_kv_heads;
    layer_.row_bytes = cache_row_bytes(type, kShape.head_dim);
    layer_.sequence_bytes = cache_sequence_bytes(capacity, kShape.n_kv_heads, layer_.row_bytes);
    memory_.resize(kSequences * layer_.sequence_bytes);
    layer_.data = memory_.data();
  }
  const CacheLayer& layer() const { return layer_; }

 private:
  CacheLayer layer_;
  std::vector<std::byte> memory_;
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
void attend_part(const Compute& compute, const AttentionShape& shape, std::span<const float> sinks,
                 const Tokens& tokens, int64_t first, int64_t n, const Cache& cache, const Matrix& out) {
  const auto begin = static_cast<size_t>(first);
  const auto count = static_cast<size_t>(n);
  const TokenPlaces places{std::span(tokens.positions).subspan(begin, count),
                           std::span(tokens.sequences).subspan(begin, count)};
  std::vector<std::byte> scratch(attention_scratch_bytes(shape, n, kContext, compute.pool.size()));
  store_cache(compute, shape, places, tokens.keys.part(first, n), tokens.values.part(first, n),
              cache.layer());
  attend(compute, shape, sinks, places, tokens.queries.part(first, n), cache.layer(), scratch.data(),
         out.part(first, n));
}

class Attention : public testing::TestWithParam<std::tuple<const KernelTable*, CacheType>> {
 protected:
  const KernelTable& kernels() const { return *std::get<0>(GetParam()); }
  CacheType type() const { return std::get<1>(GetParam()); }

  // How the tokens of a test are attended to.
  struct Way {
    int64_t chunk = 0;        // tokens of a batch; 0: all
    int64_t first_chunk = 0;  // of the first one, where it is another
    int n_threads = 1;
    int64_t capacity = kContext;
    AttentionShape shape = kShape;
    std::vector<float> sinks = {};
  };
  Matrix attend_to(const Tokens& tokens, const Way& way) const {
    const Workers workers(kernels(), way.n_threads);
    const Cache cache(type(), way.capacity);
    const int64_t chunk = way.chunk == 0 ? tokens.size() : way.chunk;
    Matrix out(tokens.size(), kShape.n_heads * kShape.head_dim);
    for (int64_t first = 0; first < tokens.size();) {
      const int64_t wanted = first == 0 && way.first_chunk > 0 ? way.first_chunk : chunk;
      const int64_t n = std::min(wanted, tokens.size() - first);
      attend_part(workers.compute(), way.shape, way.sinks, tokens, first, n, cache, out);
      first += n;
    }
    return out;
  }
  Matrix attend_together(const Tokens& tokens) const { return attend_to(tokens, {}); }

  // One head's vector as the cache keeps it.
  std::vector<float> kept(const Matrix& rows, int64_t token, int64_t head) const {
    const GgmlType as = tensor_type(type());
    std::vector<std::byte> row(cache_row_bytes(type(), kShape.head_dim));
    std::vector<float> values(static_cast<size_t>(kShape.head_dim));
    EXPECT_TRUE(quantize_row(as, rows.row(token) + head * kShape.head_dim, kShape.head_dim, row.data()));
    dequantize_row(as, row.data(), kShape.head_dim, values.data());
    return values;
  }

  void expect_doubles(const Tokens& tokens, const Way& way, const std::vector<int64_t>& at);

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

// The chunks cut blocks of positions and groups of queries.
TEST_P(Attention, BitsDependOnHowTokensAreChunked) {
  const Tokens tokens = run_of_tokens(random_, 530);
  const std::vector<float> sinks = normal_floats(random_, 6);
  AttentionShape shape = with_window(300);
  shape.soft_cap = 5.0F;
  const Matrix together = attend_to(tokens, {.shape = shape, .sinks = sinks});
  for (int64_t chunk : {1, 3, 20, 256}) {
    const Matrix chunked =
        attend_to(tokens, {.chunk = chunk, .first_chunk = 245, .shape = shape, .sinks = sinks});
    EXPECT_TRUE(same_bits(chunked.values(), together.values())) << "chunks of " << chunk;
  }
}

// Few tokens: threads share out the blocks of a head. Many: they share out tokens and heads.
TEST_P(Attention, BitsDependOnTheNumberOfThreads) {
  const Tokens tokens = run_of_tokens(random_, 520);
  const Matrix alone = attend_together(tokens);
  for (int n_threads : kThreadCounts) {
    for (int64_t chunk : {1, 3, 100}) {
      const Matrix out = attend_to(tokens, {.chunk = chunk, .first_chunk = 500, .n_threads = n_threads});
      EXPECT_TRUE(same_bits(out.values(), alone.values())) << n_threads << " threads, chunks of " << chunk;
    }
  }
}

TEST_P(Attention, RingForgetsWhatAWindowStillSees) {
  const Tokens tokens = run_of_tokens(random_, 580);
  for (int64_t window : {1, 200, 256}) {
    const AttentionShape shape = with_window(window);
    const Matrix expected = attend_to(tokens, {.shape = shape});
    for (int64_t chunk : {19, 57}) {
      const int64_t capacity = cache_capacity(window, chunk, kContext);
      for (int n_threads : {1, 2}) {
        const Matrix out =
            attend_to(tokens, {.chunk = chunk, .n_threads = n_threads, .capacity = capacity, .shape = shape});
        EXPECT_TRUE(same_bits(out.values(), expected.values()))
            << "window " << window << ", chunks of " << chunk << ", " << n_threads << " threads";
      }
    }
  }
}

TEST_P(Attention, TokenSeesPositionsBeforeItsWindow) {
  const Tokens tokens = run_of_tokens(random_, 300);
  const AttentionShape shape = with_window(260);
  const Matrix before = attend_to(tokens, {.shape = shape});
  for (int64_t t = 0; t < 9; ++t)
    std::fill_n(tokens.values.row(t), 2 * kShape.head_dim, 100.0F);
  const Matrix after = attend_to(tokens, {.shape = shape});
  EXPECT_FALSE(same_token(after, 267, before, 267));  // 267 - 260 < 8
  EXPECT_TRUE(same_token(after, 268, before, 268));
  EXPECT_TRUE(same_token(after, 299, before, 299));
}

// A number of the cache that no token may see is not even multiplied by zero.
TEST_P(Attention, InfinityOfALaterTokenReachesAnEarlierOne) {
  const Tokens tokens = run_of_tokens(random_, 7);
  for (float* last : {tokens.keys.row(6), tokens.values.row(6)})
    std::fill_n(last, 64, std::numeric_limits<float>::infinity());
  const Matrix out = attend_together(tokens);
  for (int64_t t = 0; t < 6; ++t)
    EXPECT_TRUE(std::isfinite(out.at(t, 0))) << "token " << t;
  EXPECT_TRUE(std::isnan(out.at(6, 0)));
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
      attend_part(workers.compute(), kShape, {}, tokens, t, 1, cache, out);
      EXPECT_TRUE(same_token(out, t, together, t)) << "sequence " << sequence << ", token " << t;
    }
  }
}

// Doubles over what the cache keeps. A score's error is at most `n` roundings of its terms; the weights of
// the softmax are wrong by twice that and some roundings of their own; the outputs add as many roundings as
// there are positions.
void Attention::expect_doubles(const Tokens& tokens, const Way& way, const std::vector<int64_t>& at) {
  const Matrix out = attend_to(tokens, way);
  const AttentionShape& shape = way.shape;
  for (int64_t t : at) {
    for (int64_t head = 0; head < kShape.n_heads; ++head) {
      const float* query = tokens.queries.row(t) + head * kShape.head_dim;
      const int64_t first = shape.window == 0 ? 0 : std::max<int64_t>(0, t - shape.window + 1);
      std::vector<double> weights;
      double score_error = 0;
      double sum = way.sinks.empty() ? 0 : std::exp(way.sinks[static_cast<size_t>(head)]);
      for (int64_t p = first; p <= t; ++p) {
        const std::vector<float> key = kept(tokens.keys, p, head / 3);
        double score = 0;
        double terms = 0;
        for (size_t d = 0; d < key.size(); ++d) {
          const double product = static_cast<double>(query[d]) * static_cast<double>(key[d]);
          score += product * shape.scale;
          terms += std::fabs(product) * shape.scale;
        }
        if (shape.soft_cap > 0) score = shape.soft_cap * std::tanh(score / shape.soft_cap);
        score_error = std::max(score_error, static_cast<double>(kShape.head_dim + 16) * kRounding * terms);
        weights.push_back(std::exp(score));
        sum += weights.back();
      }
      for (int64_t d = 0; d < kShape.head_dim; ++d) {
        double expected = 0;
        double terms = 0;
        for (int64_t p = first; p <= t; ++p) {
          const double value = kept(tokens.values, p, head / 3)[static_cast<size_t>(d)];
          expected += weights[static_cast<size_t>(p - first)] / sum * value;
          terms += weights[static_cast<size_t>(p - first)] / sum * std::fabs(value);
        }
        const double tolerance = (2 * score_error + static_cast<double>(t + 24) * kRounding) * terms;
        EXPECT_NEAR(out.at(t, head * kShape.head_dim + d), expected, tolerance)
            << "token " << t << ", head " << head;
      }
    }
  }
}

TEST_P(Attention, DiffersFromDoubles) {
  expect_doubles(run_of_tokens(random_, 33), {}, {0, 1, 15, 32});
}

TEST_P(Attention, OfSeveralBlocksDiffersFromDoubles) {
  expect_doubles(run_of_tokens(random_, 520), {.chunk = 260}, {255, 256, 519});
}

TEST_P(Attention, OfAWindowDiffersFromDoubles) {
  expect_doubles(run_of_tokens(random_, 290), {.shape = with_window(40)}, {20, 39, 40, 270});
}

TEST_P(Attention, WithCappedScoresDiffersFromDoubles) {
  AttentionShape shape = kShape;
  shape.soft_cap = 2.0F;
  expect_doubles(run_of_tokens(random_, 33), {.shape = shape}, {0, 32});
}

TEST_P(Attention, WithSinksDiffersFromDoubles) {
  expect_doubles(run_of_tokens(random_, 300), {.sinks = {-2.0F, 0.0F, 1.0F, 8.0F, -50.0F, 3.0F}},
                 {0, 32, 299});
}

}  // namespace
}  // namespace flexinfer
