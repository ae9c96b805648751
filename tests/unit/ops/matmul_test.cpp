#include "ops/matmul.h"

#include <algorithm>
#include <cmath>

#include "quant/dequantize.h"
#include "unit/ops/ops_fixture.h"

namespace flexinfer {
namespace {

constexpr GgmlType kTypes[] = {GgmlType::kF32,  GgmlType::kF16,  GgmlType::kBF16, GgmlType::kQ8_0,
                               GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0, GgmlType::kQ5_1};

// A weight as it lies in a file, and what its rows mean.
struct Weight {
  Weight(std::mt19937& random, GgmlType weight_type, int64_t rows, int64_t cols_of_row)
      : type(weight_type),
        n_rows(rows),
        cols(cols_of_row),
        row_size(*row_bytes(weight_type, static_cast<uint64_t>(cols_of_row))),
        bytes(row_size * static_cast<size_t>(rows)) {
    for (int64_t r = 0; r < n_rows; ++r) {
      const std::vector<float> values = normal_floats(random, static_cast<size_t>(cols), 0.1f);
      EXPECT_TRUE(quantize_row(type, values.data(), cols, row(r)));
    }
  }
  std::byte* row(int64_t r) { return bytes.data() + static_cast<size_t>(r) * row_size; }
  std::vector<float> meaning(int64_t r) {
    std::vector<float> values(static_cast<size_t>(cols));
    dequantize_row(type, row(r), cols, values.data());
    return values;
  }

  GgmlType type;
  int64_t n_rows;
  int64_t cols;
  size_t row_size;
  std::vector<std::byte> bytes;
};

// Multiplies one weight after the other with the same input, each in runs of so many rows.
class Multiplier {
 public:
  Multiplier(const Compute& compute, const Matrix& in)
      : in_(in),
        scratch_(1, static_cast<int64_t>(matmul_scratch_bytes(in.rows().n_rows, in.rows().cols) / 4)),
        input_(compute, in.rows(), reinterpret_cast<std::byte*>(scratch_.row(0))) {}

  void make_rows(GgmlType type, FunctionRef<void(int64_t)> make_row) { input_.make_rows(type, make_row); }

  std::vector<float> multiply(Weight& weight, int64_t run) {
    const Matrix out(in_.rows().n_rows, weight.n_rows);
    for (int64_t row = 0; row < weight.n_rows; row += run) {
      const int64_t n = std::min(run, weight.n_rows - row);
      const Rows part{out.row(0) + row, out.rows().n_rows, n, out.rows().stride};
      const MatrixProduct product{weight.type, weight.row(row), weight.row_size, RowLayout::kStored, part};
      input_.multiply({&product, 1});
    }
    return out.values();
  }
  std::vector<float> multiply(Weight& weight) { return multiply(weight, weight.n_rows); }

  std::vector<std::vector<float>> multiply_together(const std::vector<Weight*>& weights) {
    std::vector<Matrix> outs;
    std::vector<MatrixProduct> products;
    for (const Weight* weight : weights)
      outs.emplace_back(in_.rows().n_rows, weight->n_rows);
    for (size_t i = 0; i < weights.size(); ++i) {
      Weight& weight = *weights[i];
      products.push_back({weight.type, weight.row(0), weight.row_size, RowLayout::kStored, outs[i].rows()});
    }
    input_.multiply(products);
    std::vector<std::vector<float>> values;
    for (const Matrix& out : outs)
      values.push_back(out.values());
    return values;
  }

 private:
  const Matrix& in_;
  Matrix scratch_;
  MatmulInput input_;
};

std::vector<float> multiply(const Compute& compute, const Matrix& in, Weight& weight) {
  return Multiplier(compute, in).multiply(weight);
}

using Matmul = OpsTest;
INSTANTIATE_TEST_SUITE_P(Ops, Matmul, testing::ValuesIn(available_tables()), table_name);

TEST_P(Matmul, BitsDependOnHowRowsAreCut) {
  for (GgmlType type : kTypes) {
    for (int64_t n_tokens : {1, 3, 17}) {
      Weight weight(random_, type, 70, 96);
      const Matrix in(random_, n_tokens, 96);
      const std::vector<float> whole = multiply(compute(), in, weight);
      for (int64_t run : {1, 7, 16, 33, 69}) {
        EXPECT_TRUE(same_bits(Multiplier(compute(), in).multiply(weight, run), whole))
            << ggml_type_info(type).name << ", runs of " << run;
      }
    }
  }
}

TEST_P(Matmul, TakesRowsOfOneProductForAnothers) {
  Weight first(random_, GgmlType::kQ4_0, 70, 96);
  Weight second(random_, GgmlType::kF16, 33, 96);
  Weight third(random_, GgmlType::kQ8_0, 101, 96);
  const Matrix in(random_, 2, 96);
  for (int n_threads : kThreadCounts) {
    const Workers workers(kernels(), n_threads);
    const std::vector<std::vector<float>> together =
        Multiplier(workers.compute(), in).multiply_together({&first, &second, &third});
    EXPECT_TRUE(same_bits(together[0], multiply(compute(), in, first)));
    EXPECT_TRUE(same_bits(together[1], multiply(compute(), in, second)));
    EXPECT_TRUE(same_bits(together[2], multiply(compute(), in, third)));
  }
}

TEST_P(Matmul, MissesARowOfAnInputThatIsMade) {
  Weight quantised(random_, GgmlType::kQ4_0, 70, 96);
  Weight plain(random_, GgmlType::kF16, 33, 96);
  const Matrix in(random_, 1000, 96);
  for (Weight* first : {&quantised, &plain}) {
    for (int n_threads : kThreadCounts) {
      const Workers workers(kernels(), n_threads);
      const Matrix made(in.rows().n_rows, 96);
      Multiplier multiplier(workers.compute(), made);
      multiplier.make_rows(first->type, [&](int64_t t) { std::copy_n(in.row(t), 96, made.row(t)); });
      EXPECT_TRUE(same_bits(multiplier.multiply(quantised), multiply(compute(), in, quantised)));
      EXPECT_TRUE(same_bits(multiplier.multiply(plain), multiply(compute(), in, plain)));
    }
  }
}

TEST_P(Matmul, BitsDependOnTheNumberOfThreads) {
  for (GgmlType type : kTypes) {
    Weight weight(random_, type, 101, 64);
    const Matrix in(random_, 5, 64);
    const std::vector<float> alone = multiply(compute(), in, weight);
    for (int n_threads : kThreadCounts) {
      const Workers workers(kernels(), n_threads);
      EXPECT_TRUE(same_bits(multiply(workers.compute(), in, weight), alone))
          << ggml_type_info(type).name << ", " << n_threads << " threads";
    }
  }
}

TEST_P(Matmul, BitsOfATokenDependOnItsBatch) {
  for (GgmlType type : kTypes) {
    Weight weight(random_, type, 35, 64);
    const Matrix in(random_, 9, 64);
    const std::vector<float> together = multiply(compute(), in, weight);
    for (int64_t t = 0; t < 9; ++t) {
      Matrix token(1, 64);
      std::copy_n(in.row(t), 64, token.row(0));
      const std::span<const float> expected(together.data() + t * 35, 35);
      EXPECT_TRUE(same_bits(multiply(compute(), token, weight), expected)) << "token " << t;
    }
  }
}

// How far 8-bit activations may be from the floats: half a step of their block of 32, a hair more for ties.
double activation_error(GgmlType type, const Matrix& in, int64_t t, int64_t col) {
  if (activation_kind(type) == ActivationKind::kF32) return 0;
  const float* block = in.row(t) + col / 32 * 32;
  double greatest = 0;
  for (int i = 0; i < 32; ++i)
    greatest = std::max(greatest, std::fabs(static_cast<double>(block[i])));
  return greatest / 127 * (0.5 + 1e-4);
}

TEST_P(Matmul, DiffersFromDoubles) {
  for (GgmlType type : kTypes) {
    Weight weight(random_, type, 33, 160);
    const Matrix in(random_, 4, 160);
    const std::vector<float> out = multiply(compute(), in, weight);
    for (int64_t t = 0; t < 4; ++t) {
      for (int64_t r = 0; r < 33; ++r) {
        const std::vector<float> w = weight.meaning(r);
        double expected = 0;
        double tolerance = 0;
        for (int64_t c = 0; c < 160; ++c) {
          const auto value = static_cast<double>(w[static_cast<size_t>(c)]);
          expected += value * in.at(t, c);
          // Every product takes part in at most as many roundings as there are additions.
          tolerance += std::fabs(value) *
                       (activation_error(type, in, t, c) + 170 * kRounding * std::fabs(in.at(t, c)));
        }
        EXPECT_NEAR(out[static_cast<size_t>(t * 33 + r)], expected, tolerance) << ggml_type_info(type).name;
      }
    }
  }
}

TEST_P(Matmul, QuantisesTheSameInputTwice) {
  Weight first(random_, GgmlType::kQ4_0, 16, 64);
  Weight second(random_, GgmlType::kQ8_0, 16, 64);
  Weight plain(random_, GgmlType::kF16, 16, 64);
  const Matrix in(random_, 3, 64);
  const Matrix changed(random_, 3, 64);
  const std::vector<float> expected = multiply(compute(), in, second);
  const std::vector<float> expected_plain = multiply(compute(), changed, plain);

  // The rows change behind the input's back: what was quantised before shows whether it is again.
  Multiplier multiplier(compute(), in);
  multiplier.multiply(first);
  for (int64_t t = 0; t < 3; ++t)
    std::copy_n(changed.row(t), 64, in.row(t));
  EXPECT_TRUE(same_bits(multiplier.multiply(second), expected));
  EXPECT_TRUE(same_bits(multiplier.multiply(plain), expected_plain));
}

TEST(MatmulTypes, ClaimsATypeWithoutAKernel) {
  for (const KernelTable* table : available_tables()) {
    for (uint32_t id = 0; id < 64; ++id) {
      const GgmlTypeInfo* info = find_ggml_type(id);
      if (info == nullptr) continue;
      EXPECT_EQ(can_multiply(info->type), table->find_matmul(info->type) != nullptr)
          << info->name << " in " << table->name;
    }
  }
}

}  // namespace
}  // namespace flexinfer
