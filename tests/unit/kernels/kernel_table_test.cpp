#include <cstdlib>
#include <optional>

#include "quant/dequantize.h"
#include "unit/kernels/kernel_fixture.h"

namespace flexinfer {
namespace {

constexpr const char* kVariable = "FLEXINFER_KERNELS";

// Sets the variable, or removes it, for as long as it lives.
class Environment {
 public:
  explicit Environment(const char* value) {
    if (const char* before = std::getenv(kVariable)) before_ = before;
    set(value);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { set(before_ ? before_->c_str() : nullptr); }

 private:
  static void set(const char* value) {
    if (value != nullptr) {
      setenv(kVariable, value, 1);
    } else {
      unsetenv(kVariable);
    }
  }

  std::optional<std::string> before_;
};

TEST(ChooseKernels, ObeysTheEnvironment) {
  for (const KernelTable* table : available_tables()) {
    const Environment environment(table->name);
    const Result<const KernelTable*> chosen = choose_kernels();
    ASSERT_TRUE(chosen) << chosen.error().message;
    EXPECT_EQ(*chosen, table);
  }
}

TEST(ChooseKernels, TakesTheBestWhereNothingIsAsked) {
  for (const char* nothing : {static_cast<const char*>(nullptr), ""}) {
    const Environment environment(nothing);
    const Result<const KernelTable*> chosen = choose_kernels();
    ASSERT_TRUE(chosen) << chosen.error().message;
    EXPECT_EQ(*chosen, available_tables().back());
  }
}

TEST(ChooseKernels, RefusesAnUnknownName) {
  for (const char* name : {"avx1024", "AVX2", "generic ", "gen"}) {
    const Environment environment(name);
    const Result<const KernelTable*> chosen = choose_kernels();
    ASSERT_FALSE(chosen) << name;
    EXPECT_EQ(chosen.error().code, ErrorCode::kUsage);
    EXPECT_NE(chosen.error().message.find(name), std::string::npos) << chosen.error().message;
    EXPECT_NE(chosen.error().message.find("generic"), std::string::npos) << chosen.error().message;
  }
}

TEST(FindKernels, KnowsPlainKernelsEverywhereAndNothingElseByAnotherName) {
  ASSERT_NE(find_kernels("generic"), nullptr);
  EXPECT_STREQ(find_kernels("generic")->name, "generic");
  EXPECT_EQ(find_kernels(""), nullptr);
  EXPECT_EQ(find_kernels("neon512"), nullptr);
}

TEST(KernelTable, MultipliesEveryComputableTypeAndNoOther) {
  for (const KernelTable* table : available_tables()) {
    for (uint32_t id = 0; id < 64; id++) {
      const GgmlTypeInfo* type = find_ggml_type(id);
      if (type == nullptr) continue;
      EXPECT_EQ(table->find_matmul(type->type) != nullptr, is_computable(type->type))
          << table->name << " " << type->name;
    }
  }
}

TEST(KernelTable, TakesFloatsForFloatWeightsAndIntegersForAllOthers) {
  for (GgmlType type : {GgmlType::kF32, GgmlType::kF16, GgmlType::kBF16}) {
    EXPECT_EQ(activation_kind(type), ActivationKind::kF32);
  }
  for (GgmlType type : {GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ2_K, GgmlType::kQ6_K}) {
    EXPECT_EQ(activation_kind(type), ActivationKind::kQ8);
  }
}

}  // namespace
}  // namespace flexinfer
