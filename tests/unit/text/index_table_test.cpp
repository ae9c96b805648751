#include "text/index_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flexinfer {
namespace {

TEST(IndexTable, FindsEveryKeyAndNoOther) {
  constexpr uint32_t kCount = 20000;
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < kCount; ++i)
    keys.push_back(std::string(i % 23, 'x') + std::to_string(i));
  IndexTable table(kCount);
  const auto is = [&](const std::string& key) { return [&](uint32_t index) { return keys[index] == key; }; };
  for (uint32_t i = 0; i < kCount; ++i)
    ASSERT_EQ(table.insert(keys[i], i, is(keys[i])), std::nullopt);
  for (uint32_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(table.find(keys[i], is(keys[i])), i);
    const std::string other = keys[i] + "y";
    ASSERT_EQ(table.find(other, is(other)), std::nullopt);
  }
}

TEST(IndexTable, KeepsTheFirstOfEqualKeys) {
  IndexTable table(2);
  const auto always = [](uint32_t) { return true; };
  EXPECT_EQ(table.insert("key", 1, always), std::nullopt);
  EXPECT_EQ(table.insert("key", 0, always), 1);
  EXPECT_EQ(table.find("key", always), 1);
}

// An owner that denies that keys are equal makes them keys of the same hash.
TEST(IndexTable, TellsKeysOfTheSameHashApart) {
  constexpr uint32_t kCount = 5;
  IndexTable table(kCount);
  for (uint32_t i = 0; i < kCount; ++i)
    table.insert("key", i, [](uint32_t) { return false; });
  for (uint32_t i = 0; i < kCount; ++i)
    EXPECT_EQ(table.find("key", [&](uint32_t index) { return index == i; }), i);
  EXPECT_EQ(table.find("key", [](uint32_t) { return false; }), std::nullopt);
}

TEST(IndexTable, HoldsNothingBeforeAnythingIsInserted) {
  const auto always = [](uint32_t) { return true; };
  EXPECT_EQ(IndexTable().find("key", always), std::nullopt);
  EXPECT_EQ(IndexTable(0).find("key", always), std::nullopt);
  EXPECT_EQ(IndexTable(5).find("key", always), std::nullopt);
}

std::string counting_bytes(size_t n) {
  std::string bytes;
  for (size_t i = 0; i < n; ++i)
    bytes.push_back(static_cast<char>(i));
  return bytes;
}

// The values of another implementation of SipHash-1-3: CPython 3.11's hash(bytes(range(n))) with
// PYTHONHASHSEED=0.
TEST(SipHash, DiffersFromOtherImplementations) {
  const std::pair<size_t, uint64_t> values[] = {
      {1, 0x68a914128e01e473},  {5, 0x5abe2169dff36275},  {7, 0x2f098ab0c751325a},
      {8, 0xead411e67ebe2eea},  {9, 0x75927f9d95124362},  {15, 0xf30eb725bb91c9ea},
      {16, 0x8972188433a5c5b7}, {19, 0x091f4a3329f87d19}, {63, 0x385d3e39e5f37359}};
  for (const auto& [n, value] : values)
    EXPECT_EQ(SipHash(HashKey{})(counting_bytes(n)), value) << n;
}

TEST(SipHash, IsTheSameUnderEveryKey) {
  const std::string text = counting_bytes(11);
  EXPECT_NE(SipHash({0, 0})(text), SipHash({1, 0})(text));
  EXPECT_NE(SipHash({0, 0})(text), SipHash({0, 1})(text));
  const HashKey key = process_hash_key();
  EXPECT_NE(key.low | key.high, 0u);
}

}  // namespace
}  // namespace flexinfer
