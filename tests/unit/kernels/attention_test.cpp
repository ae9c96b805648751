#include <algorithm>
#include <cmath>
#include <cstring>
#include <tuple>

#include "quant/dequantize.h"
#include "unit/kernels/kernel_fixture.h"

namespace flexinfer {
namespace {

GgmlType tensor_type(CacheType type) {
  if (type == CacheType::kF32) return GgmlType::kF32;
  return type == CacheType::kF16 ? GgmlType::kF16 : GgmlType::kQ8_0;
}

class Attention : public testing::TestWithParam<std::tuple<const KernelTable*, CacheType>> {
 protected:
  const KernelTable& kernels() const { return *std::get<0>(GetParam()); }
  CacheType type() const { return std::get<1>(GetParam()); }
  CacheStoreFn store() const { return kernels().cache_store[static_cast<size_t>(type())]; }
  AttentionScoresFn scores() const { return kernels().attention_scores[static_cast<size_t>(type())]; }
  AttentionValuesFn values() const { return kernels().attention_values[static_cast<size_t>(type())]; }

  std::vector<int64_t> head_dims() const {
    if (type() == CacheType::kQ8_0) return {32, 64, 96, 128, 256};
    return {1, 8, 13, 16, 64, 80, 100, 128};
  }

  // n rows of a cache, made by the scalar reference; they end where memory ends.
  void fill_cache(int64_t n, int64_t head_dim, const GuardedBuffer& cache) {
    const std::vector<float> rows = normal_floats(random_, static_cast<size_t>(n * head_dim));
    ASSERT_TRUE(quantize_row(tensor_type(type()), rows.data(), n * head_dim, cache.data()));
  }

  // Rows of kAttentionBlock scores, one a query.
  std::vector<float> scores_of(const std::vector<const float*>& queries, const GuardedBuffer& keys,
                               Visible positions, int64_t head_dim) const {
    std::vector<float> out(queries.size() * kAttentionBlock);
    scores()({.queries = queries.data(),
              .n_queries = static_cast<int64_t>(queries.size()),
              .head_dim = head_dim,
              .keys = keys.data(),
              .positions = positions,
              .scores = out.data()});
    return out;
  }

  // Rows of head_dim sums, one for each element of `visible`, for as many rows of weights.
  std::vector<float> values_of(const std::vector<float>& weights, const std::vector<Visible>& visible,
                               const GuardedBuffer& cache, int64_t head_dim) const {
    std::vector<float> out(visible.size() * static_cast<size_t>(head_dim), -1.0f);
    std::vector<float*> rows;
    for (size_t q = 0; q < visible.size(); q++)
      rows.push_back(out.data() + q * static_cast<size_t>(head_dim));
    values()({.weights = weights.data(),
              .visible = visible.data(),
              .n_queries = static_cast<int64_t>(visible.size()),
              .head_dim = head_dim,
              .values = cache.data(),
              .out = rows.data()});
    return out;
  }

  size_t cache_bytes(int64_t n, int64_t head_dim) const {
    return static_cast<size_t>(n) * cache_row_bytes(type(), head_dim);
  }

  std::vector<float> row_of(const GuardedBuffer& cache, int64_t p, int64_t head_dim) const {
    std::vector<float> row(static_cast<size_t>(head_dim));
    dequantize_row(tensor_type(type()), cache.data() + cache_bytes(p, head_dim), head_dim, row.data());
    return row;
  }

  std::mt19937 random_{11};
};

TEST_P(Attention, StoresTheBytesOfTheReference) {
  for (int64_t head_dim : head_dims()) {
    for (float deviation : {1e-6f, 0.01f, 1.0f, 300.0f, 3e5f}) {
      const GuardedFloats in(normal_floats(random_, static_cast<size_t>(head_dim), deviation));
      const size_t bytes = cache_bytes(1, head_dim);
      const GuardedBuffer row(bytes);
      std::vector<std::byte> expected(bytes);
      ASSERT_TRUE(quantize_row(tensor_type(type()), in.data(), head_dim, expected.data()));
      store()(in.data(), row.data(), head_dim);
      EXPECT_EQ(std::memcmp(row.data(), expected.data(), bytes), 0)
          << head_dim << ", deviation " << deviation;
    }
  }
}

// Ways of rounding differ where a value lies in the middle of two, or a hair beside it: n + 0.5 for integers,
// odd n above 2048 for halves.
TEST_P(Attention, StoresTiesAsTheReference) {
  const GuardedFloats in(256);
  for (size_t i = 0; i < 128; i++)
    in[i] = static_cast<float>(i) - 63.5f;
  for (size_t block = 0; block < 128; block += 32) {
    in[block] = 127.0f;  // the scale of the block is 1
    in[block + 1] = std::nextafter(0.5f, 0.0f);
    in[block + 2] = std::nextafter(-1.5f, 0.0f);
  }
  for (size_t i = 128; i < 256; i++)
    in[i] = static_cast<float>(2048 + i);
  std::vector<std::byte> row(cache_bytes(1, 256));
  std::vector<std::byte> expected(row.size());
  ASSERT_TRUE(quantize_row(tensor_type(type()), in.data(), 256, expected.data()));
  store()(in.data(), row.data(), 256);
  EXPECT_EQ(row, expected);
}

TEST_P(Attention, StoresZeros) {
  const std::vector<float> zeros(64, 0.0f);
  std::vector<std::byte> row(cache_bytes(1, 64), std::byte{0xff});
  store()(zeros.data(), row.data(), 64);
  EXPECT_EQ(row, std::vector<std::byte>(row.size()));
}

TEST_P(Attention, ScoresAgreeWithDoubles) {
  for (int64_t head_dim : head_dims()) {
    for (int64_t n : {1, 3, 4, 17, 50}) {
      const GuardedBuffer keys(cache_bytes(n, head_dim));
      ASSERT_NO_FATAL_FAILURE(fill_cache(n, head_dim, keys));
      const GuardedFloats q(normal_floats(random_, static_cast<size_t>(head_dim)));
      const std::vector<float> out = scores_of({q.data()}, keys, {0, n}, head_dim);
      for (int64_t p = 0; p < n; p++) {
        const std::vector<float> key = row_of(keys, p, head_dim);
        double expected = 0;
        double magnitude = 0;
        for (size_t d = 0; d < key.size(); d++) {
          expected += static_cast<double>(q[d]) * static_cast<double>(key[d]);
          magnitude += std::fabs(static_cast<double>(q[d]) * static_cast<double>(key[d]));
        }
        ASSERT_NEAR(out[static_cast<size_t>(p)], expected, 5e-7 * magnitude)
            << head_dim << ", position " << p;
      }
    }
  }
}

TEST_P(Attention, AScoreDependsOnItsNeighboursOrOnOtherQueries) {
  constexpr int64_t kPositions = 23;
  for (int64_t head_dim : head_dims()) {
    const GuardedBuffer keys(cache_bytes(kPositions, head_dim));
    ASSERT_NO_FATAL_FAILURE(fill_cache(kPositions, head_dim, keys));
    const std::vector<float> memory = normal_floats(random_, static_cast<size_t>(7 * head_dim));
    std::vector<const float*> queries;
    for (int64_t q = 0; q < 7; q++)
      queries.push_back(memory.data() + q * head_dim);
    const std::vector<float> all = scores_of(queries, keys, {0, kPositions}, head_dim);
    for (size_t q = 0; q < queries.size(); q++) {
      for (int64_t first = 0; first < kPositions; first++) {
        const int64_t end = std::min<int64_t>(first + 1 + first % 6, kPositions);
        const std::vector<float> some = scores_of({queries[q]}, keys, {first, end}, head_dim);
        const auto begin = static_cast<size_t>(first);
        const auto n = static_cast<size_t>(end - first);
        ASSERT_TRUE(same_bits(std::span(some).subspan(begin, n),
                              std::span(all).subspan(q * kAttentionBlock + begin, n)))
            << head_dim << ", query " << q << " from " << first;
      }
    }
  }
}

TEST_P(Attention, ValuesAgreeWithDoubles) {
  for (int64_t head_dim : head_dims()) {
    for (int64_t n : {1, 2, 7, 200}) {
      const GuardedBuffer cache(cache_bytes(n, head_dim));
      ASSERT_NO_FATAL_FAILURE(fill_cache(n, head_dim, cache));
      const std::vector<float> weights = normal_floats(random_, kAttentionBlock);
      const std::vector<float> out = values_of(weights, {{0, n}}, cache, head_dim);
      std::vector<double> expected(out.size());
      std::vector<double> magnitude(out.size());
      for (int64_t p = 0; p < n; p++) {
        const std::vector<float> row = row_of(cache, p, head_dim);
        for (size_t d = 0; d < row.size(); d++) {
          const double term =
              static_cast<double>(weights[static_cast<size_t>(p)]) * static_cast<double>(row[d]);
          expected[d] += term;
          magnitude[d] += std::fabs(term);
        }
      }
      for (size_t d = 0; d < out.size(); d++) {
        ASSERT_NEAR(out[d], expected[d], 1e-6 * magnitude[d]) << head_dim << ", element " << d << " of " << n;
      }
    }
  }
}

// Each query alone, and along with others that see more, less or nothing of the block.
TEST_P(Attention, ValuesDependOnWhatOtherQueriesSee) {
  const std::vector<Visible> visible = {{0, 40}, {3, 40}, {0, 0}, {39, 40}, {0, 17}, {20, 23}, {5, 31}};
  const auto n_queries = static_cast<int64_t>(visible.size());
  for (int64_t head_dim : head_dims()) {
    const GuardedBuffer cache(cache_bytes(40, head_dim));
    ASSERT_NO_FATAL_FAILURE(fill_cache(40, head_dim, cache));
    const std::vector<float> weights =
        normal_floats(random_, static_cast<size_t>(n_queries * kAttentionBlock));
    for (int64_t n = 1; n <= n_queries; n++) {
      const auto count = static_cast<size_t>(n);
      const std::vector<float> together =
          values_of(weights, {visible.begin(), visible.begin() + n}, cache, head_dim);
      for (size_t q = 0; q < count; q++) {
        const std::vector<float> alone =
            values_of({weights.begin() + static_cast<std::ptrdiff_t>(q * kAttentionBlock), weights.end()},
                      {visible[q]}, cache, head_dim);
        ASSERT_TRUE(same_bits(alone, std::span(together).subspan(q * alone.size(), alone.size())))
            << head_dim << ", query " << q << " of " << n;
      }
    }
  }
}

constexpr std::array kCaches = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0};

INSTANTIATE_TEST_SUITE_P(Tables, Attention,
                         testing::Combine(testing::ValuesIn(available_tables()), testing::ValuesIn(kCaches)),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)->name) + "_" +
                                  std::string(ggml_type_info(tensor_type(std::get<1>(test.param))).name);
                         });

}  // namespace
}  // namespace flexinfer
