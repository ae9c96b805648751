#include "base/result.h"

#include <gtest/gtest.h>

#include <memory>

namespace flexinfer {
namespace {

Result<std::unique_ptr<int>> make(bool fails) {
  if (fails) return make_error(ErrorCode::kCorrupt, "no number");
  return std::make_unique<int>(20);
}

Status check(bool fails) {
  if (fails) return make_error(ErrorCode::kCancelled, "checked");
  return {};
}

Result<int> add(bool first_fails, bool second_fails, bool check_fails) {
  FLEX_TRY(const auto first, make(first_fails));
  FLEX_TRY(const auto second, make(second_fails));
  FLEX_CHECK(check(check_fails));
  return *first + *second;
}

TEST(FlexTry, BindsValuesThatCanOnlyBeMoved) {
  EXPECT_EQ(add(false, false, false).value(), 40);
}

TEST(FlexTry, ReturnsTheFirstErrorUnchanged) {
  for (const auto& failed : {add(true, false, true), add(false, true, true)}) {
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(failed.error().message, "no number");
  }
}

TEST(FlexCheck, ReturnsTheErrorOfAStatus) {
  const Result<int> failed = add(false, false, true);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(failed.error().message, "checked");
}

}  // namespace
}  // namespace flexinfer
