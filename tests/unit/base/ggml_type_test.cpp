#include "base/ggml_type.h"

#include <gtest/gtest.h>

#include <limits>

namespace flexinfer {
namespace {

// Bits per weight as the formats are described, and ids as the GGUF specification numbers them.
struct KnownType {
  uint32_t id;
  const char* name;
  double bits_per_weight;
};

constexpr KnownType kKnown[] = {
    {0, "F32", 32},          {1, "F16", 16},        {2, "Q4_0", 4.5},        {3, "Q4_1", 5},
    {6, "Q5_0", 5.5},        {7, "Q5_1", 6},        {8, "Q8_0", 8.5},        {9, "Q8_1", 9},
    {10, "Q2_K", 2.625},     {11, "Q3_K", 3.4375},  {12, "Q4_K", 4.5},       {13, "Q5_K", 5.5},
    {14, "Q6_K", 6.5625},    {15, "Q8_K", 9.125},   {16, "IQ2_XXS", 2.0625}, {17, "IQ2_XS", 2.3125},
    {18, "IQ3_XXS", 3.0625}, {19, "IQ1_S", 1.5625}, {20, "IQ4_NL", 4.5},     {21, "IQ3_S", 3.4375},
    {22, "IQ2_S", 2.5625},   {23, "IQ4_XS", 4.25},  {24, "I8", 8},           {25, "I16", 16},
    {26, "I32", 32},         {27, "I64", 64},       {28, "F64", 64},         {29, "IQ1_M", 1.75},
    {30, "BF16", 16},        {34, "TQ1_0", 1.6875}, {35, "TQ2_0", 2.0625},   {39, "MXFP4", 4.25},
};

TEST(GgmlType, HasTheIdNameAndSizeOfEveryKnownType) {
  for (const KnownType& known : kKnown) {
    const GgmlTypeInfo* info = find_ggml_type(known.id);
    ASSERT_NE(info, nullptr) << known.name;
    EXPECT_EQ(info->name, known.name);
    EXPECT_EQ(info->block_bytes * 8.0 / info->block_elements, known.bits_per_weight) << known.name;
    EXPECT_EQ(find_ggml_type(std::string_view(known.name)), info);
    EXPECT_EQ(&ggml_type_info(static_cast<GgmlType>(known.id)), info);
  }
}

TEST(GgmlType, IsFoundByNameInAnyCase) {
  ASSERT_NE(find_ggml_type("q4_k"), nullptr);
  EXPECT_EQ(find_ggml_type("q4_k")->type, GgmlType::kQ4_K);
  EXPECT_EQ(find_ggml_type("q4"), nullptr);
  EXPECT_EQ(find_ggml_type(""), nullptr);
}

TEST(GgmlType, IsUnknownWhereGgmlRemovedIt) {
  for (const uint32_t id : {4U, 5U, 31U, 32U, 33U, 36U, 37U, 38U}) {
    EXPECT_EQ(find_ggml_type(id), nullptr) << id;
    EXPECT_FALSE(removed_ggml_type(id).empty()) << id;
  }
  EXPECT_EQ(find_ggml_type(uint32_t{1000}), nullptr);
  EXPECT_TRUE(removed_ggml_type(1000).empty());
  EXPECT_TRUE(removed_ggml_type(static_cast<uint32_t>(GgmlType::kQ4_0)).empty());
}

TEST(RowBytes, CountsWholeBlocksOnly) {
  EXPECT_EQ(row_bytes(GgmlType::kQ4_0, 4096), 2304U);
  EXPECT_EQ(row_bytes(GgmlType::kQ6_K, 512), 420U);
  EXPECT_EQ(row_bytes(GgmlType::kF32, 3), 12U);
  EXPECT_EQ(row_bytes(GgmlType::kQ4_0, 0), 0U);
  EXPECT_EQ(row_bytes(GgmlType::kQ4_0, 33), std::nullopt);
  EXPECT_EQ(row_bytes(GgmlType::kQ6_K, 128), std::nullopt);
}

TEST(RowBytes, NoticesOverflow) {
  EXPECT_EQ(row_bytes(GgmlType::kF32, std::numeric_limits<uint64_t>::max()), std::nullopt);
}

}  // namespace
}  // namespace flexinfer
