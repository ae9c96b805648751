#include "text/composed_form.h"

#include <gtest/gtest.h>

namespace flexinfer {
namespace {

// Examples of Unicode Standard Annex 15 and of its NormalizationTest.txt.
TEST(ComposedForm, MatchesTheExamplesOfTheStandard) {
  const std::pair<const char*, const char*> kExamples[] = {
      {"", ""},
      {"plain", "plain"},
      {"A\u030A", "\u00C5"},
      {"\u212B\u2126\u212A", "\u00C5\u03A9K"},  // singletons
      {"\u1E0B\u0323", "\u1E0D\u0307"},         // marks change places
      {"D\u0307\u0323", "\u1E0C\u0307"},
      {"e\u0302\u0323", "\u1EC7"},
      {"\u0958", "\u0915\u093C"},                                // excluded from composition
      {"\u1112\u1161\u11AB\u1100\u1173\u11AF", "\uD55C\uAE00"},  // Hangul
      {"a\u0315\u0300\u05AE\u0300b", "\u00E0\u05AE\u0300\u0315b"},
      {"\uFB01\u00B2", "\uFB01\u00B2"},  // compatibility characters stay
  };
  for (const auto& [text, expected] : kExamples) {
    const auto composed = composed_form(text);
    ASSERT_TRUE(composed);
    EXPECT_EQ(*composed, expected) << text;
    EXPECT_EQ(*composed_form(*composed), expected) << text;
    EXPECT_TRUE(may_need_composition(text) || std::string_view(text) == expected) << text;
  }
}

TEST(ComposedForm, TheCheapTestLetsLatinTextPass) {
  EXPECT_FALSE(may_need_composition("plain ASCII, caf\u00E9 and \u02FF"));
}

// Quadratic reordering would take longer than a test may run.
TEST(ComposedForm, OrdersLongRunsOfMarksInLittleTime) {
  constexpr size_t kPairs = 1000000;
  std::string text = "x";
  std::string below;
  std::string above;
  for (size_t i = 0; i < kPairs; ++i) {
    text += "\u0301\u0323";
    below += "\u0323";
    above += "\u0301";
  }
  const auto composed = composed_form(text);
  ASSERT_TRUE(composed);
  EXPECT_TRUE(*composed == "x" + below + above) << composed->size();
}

}  // namespace
}  // namespace flexinfer
