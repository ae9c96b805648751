#include "text/utf8_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "text/utf8.h"

namespace flexinfer {
namespace {

std::string pass(std::string_view text) {
  Utf8Stream stream;
  std::string out = stream.push(text);
  return out + stream.flush();
}

// With '?' for U+FFFD.
std::string shown(std::string text) {
  const std::string replacement = "\uFFFD";
  for (size_t at = text.find(replacement); at != std::string::npos; at = text.find(replacement)) {
    text.replace(at, replacement.size(), "?");
  }
  return text;
}

// One to four bytes a character, and bytes that belong to none.
const std::string kMixed =
    "a\xC3\xA9\xE6\xBC\xA2\xF0\x9F\x98\x80"
    "\xFF"
    "b\xC3"
    "c\xE6\xBC"
    "\xED\xA0\x80"
    "d\xF0\x9F";
const std::string kMixedShown = "a\u00E9\u6F22\U0001F600?b?c????d?";

TEST(Utf8Stream, GivesTheSameTextWhereverTheBytesAreCut) {
  for (size_t first = 0; first <= kMixed.size(); ++first) {
    for (size_t second = first; second <= kMixed.size(); ++second) {
      Utf8Stream stream;
      std::string out = stream.push(kMixed.substr(0, first));
      out += stream.push(kMixed.substr(first, second - first));
      out += stream.push(kMixed.substr(second));
      out += stream.flush();
      ASSERT_EQ(shown(out), kMixedShown) << "cut at " << first << " and " << second;
    }
  }
}

TEST(Utf8Stream, LetsEveryCharacterOutWithItsLastByte) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("\xF0"), "");
  EXPECT_EQ(stream.push("\x9F\x98"), "");
  EXPECT_EQ(stream.push("\x80x"), "\xF0\x9F\x98\x80x");
  EXPECT_EQ(stream.flush(), "");
}

TEST(Utf8Stream, FlushGivesOneReplacementForABrokenOffCharacterAndOnlyOnce) {
  Utf8Stream stream;
  EXPECT_EQ(stream.push("ok\xF0\x9F\x98"), "ok");
  EXPECT_EQ(stream.flush(), "\uFFFD");
  EXPECT_EQ(stream.flush(), "");
}

// The examples of The Unicode Standard, tables 3-8 to 3-11.
TEST(Utf8Stream, ReplacesMaximalSubparts) {
  EXPECT_EQ(shown(pass("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41")), "????????A");
  EXPECT_EQ(shown(pass("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41")), "????????A");
  EXPECT_EQ(shown(pass("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42")), "?????A??B");
  EXPECT_EQ(shown(pass("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41")), "????A");
}

TEST(Utf8Stream, KeepsTheFirstAndLastCharactersOfEveryLength) {
  const std::string edges(
      "\0\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF"
      "\xBF",
      26);
  EXPECT_EQ(pass(edges), edges);
}

TEST(Utf8Stream, MakesValidTextOfAnyBytes) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    // Half of them continuation bytes, so that long characters and their fragments are common.
    for (char& byte : bytes)
      byte = static_cast<char>(random() % 2 == 0 ? 0x80 + random() % 64 : random());
    const std::string out = pass(bytes);
    EXPECT_EQ(valid_utf8_prefix(out), out.size());
  }
}

}  // namespace
}  // namespace flexinfer
