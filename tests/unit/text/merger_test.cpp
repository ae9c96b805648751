#include "text/merger.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace flexinfer {
namespace {

// Joins two pieces where their text together is in `ranks`.
std::vector<std::string> merge(const std::string& text, const std::map<std::string, uint32_t>& ranks) {
  Merger merger;
  merger.clear();
  for (size_t i = 0; i < text.size(); ++i)
    merger.add(1, kNoToken);
  merger.run([&](const Piece& left, const Piece& right) -> std::optional<Merge> {
    EXPECT_EQ(left.end(), right.begin);
    const auto found = ranks.find(text.substr(left.begin, left.n_bytes + right.n_bytes));
    if (found == ranks.end()) return std::nullopt;
    return Merge{found->second, static_cast<Token>(found->second)};
  });
  std::vector<std::string> pieces;
  merger.for_each([&](const Piece& piece) { pieces.push_back(text.substr(piece.begin, piece.n_bytes)); });
  return pieces;
}

using Pieces = std::vector<std::string>;

TEST(Merger, JoinsTheLowestRankFirst) {
  EXPECT_EQ(merge("abc", {{"ab", 2}, {"bc", 1}}), (Pieces{"a", "bc"}));
  EXPECT_EQ(merge("abc", {{"ab", 1}, {"bc", 2}}), (Pieces{"ab", "c"}));
}

TEST(Merger, JoinsTheLeftmostOfEquals) {
  EXPECT_EQ(merge("aaa", {{"aa", 0}}), (Pieces{"aa", "a"}));
  EXPECT_EQ(merge("abcab", {{"ab", 5}, {"bc", 5}, {"ca", 5}}), (Pieces{"ab", "ca", "b"}));
}

TEST(Merger, GoesOnWithWhatItHasJoined) {
  EXPECT_EQ(merge("aaaaa", {{"aa", 1}, {"aaaa", 2}}), (Pieces{"aaaa", "a"}));
  EXPECT_EQ(merge("xabx", {{"ab", 9}, {"xab", 1}, {"xabx", 1}}), (Pieces{"xabx"}));
}

// "bc" was found first, but by its turn "b" is part of "ab".
TEST(Merger, ForgetsPairsThatNoLongerStand) {
  EXPECT_EQ(merge("abcd", {{"ab", 1}, {"bc", 2}, {"cd", 3}}), (Pieces{"ab", "cd"}));
  EXPECT_EQ(merge("abcabc", {{"ca", 1}, {"ab", 2}, {"bc", 3}}), (Pieces{"ab", "ca", "bc"}));
}

TEST(Merger, LeavesNothingOfTheTextBefore) {
  Merger merger;
  const auto join_all = [](const Piece&, const Piece&) { return std::optional<Merge>(Merge{0, 1}); };
  for (const uint32_t n_pieces : {5U, 0U, 1U, 3U}) {
    merger.clear();
    for (uint32_t i = 0; i < n_pieces; ++i)
      merger.add(2, kNoToken);
    merger.run(join_all);
    uint32_t n_bytes = 0;
    int n_left = 0;
    merger.for_each([&](const Piece& piece) {
      n_bytes += piece.n_bytes;
      ++n_left;
    });
    EXPECT_EQ(n_bytes, 2 * n_pieces);
    EXPECT_EQ(n_left, n_pieces > 0 ? 1 : 0);
  }
}

// Every pair is looked at when a text begins, and two more for each that is joined.
TEST(Merger, LooksAtPairsMoreOftenThanItJoins) {
  const auto by_length = [](const Piece& left, const Piece& right) {
    return Merge{left.n_bytes + right.n_bytes, 1};
  };
  const auto from_the_left = [](const Piece& left, const Piece& /*right*/) { return Merge{left.begin, 1}; };
  const auto one_grows = [](const Piece& left, const Piece& /*right*/) {
    return Merge{left.begin == 0 ? 0U : 1U, 1};
  };
  constexpr uint64_t kPieces = 100'000;
  for (const auto rate : {+by_length, +from_the_left, +one_grows}) {
    Merger merger;
    for (uint64_t i = 0; i < kPieces; ++i)
      merger.add(1, kNoToken);
    uint64_t n_looks = 0;
    merger.run([&](const Piece& left, const Piece& right) {
      ++n_looks;
      return std::optional<Merge>(rate(left, right));
    });
    EXPECT_LE(n_looks, 3 * kPieces);
  }
}

}  // namespace
}  // namespace flexinfer
