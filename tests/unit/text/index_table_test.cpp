#include "text/index_table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flexinfer {
namespace {

TEST(IndexTable, FindsEveryKeyAndNoOther) {
  constexpr uint32_t kCount = 20000;
  std::vector<std::string> keys;
  IndexTable table(kCount);
  for (uint32_t i = 0; i < kCount; ++i) {
    keys.push_back(std::string(i % 23, 'x') + std::to_string(i));
    table.insert(hash_bytes(keys[i]), i);
  }
  const auto find = [&](const std::string& key) {
    return table.find(hash_bytes(key), [&](uint32_t index) { return keys[index] == key; });
  };
  for (uint32_t i = 0; i < kCount; ++i) {
    ASSERT_EQ(find(keys[i]), i);
    ASSERT_EQ(find(keys[i] + "y"), std::nullopt);
  }
}

TEST(IndexTable, TellsKeysOfTheSameHashApart) {
  const std::vector<std::string> keys = {"one", "two", "three"};
  for (const uint64_t hash : {uint64_t{0}, ~uint64_t{0}}) {
    IndexTable table(keys.size());
    for (uint32_t i = 0; i < keys.size(); ++i)
      table.insert(hash, i);
    const auto find = [&](const std::string& key) {
      return table.find(hash, [&](uint32_t index) { return keys[index] == key; });
    };
    EXPECT_EQ(find("one"), 0);
    EXPECT_EQ(find("three"), 2);
    EXPECT_EQ(find("four"), std::nullopt);
  }
}

TEST(IndexTable, HoldsNothingBeforeAnythingIsInserted) {
  const auto always = [](uint32_t) { return true; };
  EXPECT_EQ(IndexTable().find(1, always), std::nullopt);
  EXPECT_EQ(IndexTable(0).find(1, always), std::nullopt);
  EXPECT_EQ(IndexTable(5).find(~uint64_t{0}, always), std::nullopt);
}

TEST(HashBytes, DependsOnEveryByteAndOnTheLength) {
  const std::string text = "0123456789abcdefXYZ";
  for (size_t n = 0; n <= text.size(); ++n) {
    const std::string prefix = text.substr(0, n);
    EXPECT_NE(hash_bytes(prefix), hash_bytes(prefix + std::string(1, '\0')));
    for (size_t i = 0; i < n; ++i) {
      std::string changed = prefix;
      changed[i] ^= 1;
      EXPECT_NE(hash_bytes(prefix), hash_bytes(changed));
    }
  }
}

}  // namespace
}  // namespace flexinfer
