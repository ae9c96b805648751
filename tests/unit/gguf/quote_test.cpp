#include "gguf/quote.h"

#include <gtest/gtest.h>

namespace flexinfer {
namespace {

TEST(Quote, LeavesPlainTextAsItIs) {
  EXPECT_EQ(quote("blk.0.attn_q.weight"), "'blk.0.attn_q.weight'");
}

TEST(Quote, EscapesWhatWouldBreakALineOrSteerATerminal) {
  EXPECT_EQ(quote("a\nb\x1b[2J\x7f"), "'a\\x0ab\\x1b[2J\\x7f'");
  EXPECT_EQ(quote("it's \\"), "'it\\x27s \\x5c'");
  EXPECT_EQ(quote("\xc2\x85"), "'\\xc2\\x85'");
}

TEST(Quote, CutsALongText) {
  EXPECT_EQ(quote(std::string(64, 'x')), "'" + std::string(64, 'x') + "'");
  EXPECT_EQ(quote(std::string(65, 'x')), "'" + std::string(64, 'x') + "...'");
}

}  // namespace
}  // namespace flexinfer
