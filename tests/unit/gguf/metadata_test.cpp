#include "gguf/metadata.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace flexinfer {
namespace {

Metadata with(MetadataValue value) {
  Metadata metadata;
  metadata.set("key", std::move(value));
  return metadata;
}

template <class T>
void expect_corrupt(const Result<T>& result, std::string_view part_of_message) {
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(result.error().message.find("'key'"), std::string::npos) << result.error().message;
  EXPECT_NE(result.error().message.find(part_of_message), std::string::npos) << result.error().message;
}

TEST(Metadata, AnAbsentKeyIsNoError) {
  const Metadata metadata;
  EXPECT_EQ(metadata.find("key"), nullptr);
  EXPECT_FALSE(metadata.unsigned_number("key")->has_value());
  EXPECT_FALSE(metadata.number("key")->has_value());
  EXPECT_FALSE(metadata.boolean("key")->has_value());
  EXPECT_EQ(metadata.text("key").value(), nullptr);
  EXPECT_EQ(metadata.texts("key").value(), nullptr);
  EXPECT_FALSE(metadata.numbers("key")->has_value());
  EXPECT_FALSE(metadata.integers("key")->has_value());
}

TEST(Metadata, ConvertsNumbersThatLoseNothing) {
  EXPECT_EQ(with(int64_t{5}).unsigned_number("key")->value(), 5u);
  EXPECT_EQ(with(3.0).unsigned_number("key")->value(), 3u);
  EXPECT_EQ(with(uint64_t{3}).number("key")->value(), 3.0);
  EXPECT_EQ(with(int64_t{-3}).number("key")->value(), -3.0);
  EXPECT_EQ(with(uint64_t{1} << 60).number("key")->value(), 0x1p60);
  EXPECT_EQ(with(UINT64_MAX).unsigned_number("key")->value(), UINT64_MAX);
  EXPECT_TRUE(std::isnan(with(std::nan("")).number("key")->value()));
}

TEST(Metadata, RefusesNumbersThatWouldChange) {
  expect_corrupt(with(int64_t{-1}).unsigned_number("key"), "-1");
  expect_corrupt(with(0.5).unsigned_number("key"), "0.5");
  expect_corrupt(with(-1.0).unsigned_number("key"), "-1");
  expect_corrupt(with(0x1p64).unsigned_number("key"), "whole number");
  expect_corrupt(with(std::nan("")).unsigned_number("key"), "nan");
  expect_corrupt(with(std::numeric_limits<double>::infinity()).unsigned_number("key"), "inf");
  expect_corrupt(with(UINT64_MAX).number("key"), "18446744073709551615");
  expect_corrupt(with(std::numeric_limits<int64_t>::max()).number("key"), "9223372036854775807");
}

TEST(Metadata, RefusesAnotherKind) {
  expect_corrupt(with(true).unsigned_number("key"), "true");
  expect_corrupt(with(uint64_t{1}).boolean("key"), "true or false");
  expect_corrupt(with(std::string("a\nb")).number("key"), "'a\\x0ab'");
  expect_corrupt(with(uint64_t{1}).text("key"), "a text");
  expect_corrupt(with(std::string("one")).texts("key"), "a list of texts");
  expect_corrupt(with(StringList{}).numbers("key"), "a list of 0 texts");
  expect_corrupt(with(NestedArray{3}).integers("key"), "a list of 3 lists");
  expect_corrupt(with(std::vector<double>{1, 2}).unsigned_number("key"), "a list of 2 numbers");
}

TEST(Metadata, ConvertsListsAsWhole) {
  EXPECT_EQ(with(std::vector<uint64_t>{1, 2}).numbers("key")->value(), (std::vector<double>{1, 2}));
  EXPECT_EQ(with(std::vector<double>{1, -2}).integers("key")->value(), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(with(std::vector<int64_t>{INT64_MIN}).integers("key")->value(), std::vector<int64_t>{INT64_MIN});
  expect_corrupt(with(std::vector<double>{1, 2.5}).integers("key"), "a list of 2 numbers");
  expect_corrupt(with(std::vector<uint64_t>{1, UINT64_MAX}).integers("key"), "whole numbers");
}

TEST(Metadata, GivesTextsAndBools) {
  EXPECT_EQ(*with(std::string("llama")).text("key").value(), "llama");
  EXPECT_EQ(with(false).boolean("key")->value(), false);
}

TEST(StringList, KeepsTextsApartEvenWhenEmpty) {
  StringList list;
  for (const char* text : {"", "ab", "", "c", ""})
    list.add(text);
  list.shrink_to_fit();
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(list[0], "");
  EXPECT_EQ(list[1], "ab");
  EXPECT_EQ(list[2], "");
  EXPECT_EQ(list[3], "c");
  EXPECT_EQ(list[4], "");
}

}  // namespace
}  // namespace flexinfer
