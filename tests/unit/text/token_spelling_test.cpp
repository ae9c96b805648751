#include "text/token_spelling.h"

#include <gtest/gtest.h>

#include "unit/text/small_vocabularies.h"

namespace flexinfer {
namespace {

TEST(TokenSpelling, ByteLevelGivesBackEveryByte) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    EXPECT_EQ(bytes_from_byte_level(byte_level(bytes)), bytes) << byte;
  }
  // As these stand in every published byte-level vocabulary.
  EXPECT_EQ(bytes_from_byte_level("\u0120the"), " the");
  EXPECT_EQ(bytes_from_byte_level("\u010A\u0109\u0100\u0121\u0142\u0143"),
            std::string("\n\t\0\x7F\xA0\xAD", 6));
}

TEST(TokenSpelling, ByteLevelRefusesCharactersThatStandForNoByte) {
  for (const char* text : {" ", "a b", "\n", "\u0144", "\u00AD", "\u4E2D", "\xFF", "\xC4"}) {
    EXPECT_EQ(bytes_from_byte_level(text), std::nullopt) << text;
  }
}

TEST(TokenSpelling, OnlyTheBlankSymbolBecomesABlank) {
  EXPECT_EQ(blanks_from_symbols("\u2581the\u2581\u2581"), " the  ");
  EXPECT_EQ(blanks_from_symbols("\u2580\xE2\x96"), "\u2580\xE2\x96");
  EXPECT_EQ(blanks_from_symbols(""), "");
}

TEST(TokenSpelling, ByteTokensAreReadOnlyInTheirExactForm) {
  EXPECT_EQ(parse_byte_token("<0x00>"), 0x00);
  EXPECT_EQ(parse_byte_token("<0xAf>"), 0xAF);
  for (const char* text :
       {"", "<0x0>", "<0x000>", "<0xG0>", "<0x0G>", "0x00", "<0x-1>", "<0x 1>", "(0x00>", "<0x00)"}) {
    EXPECT_EQ(parse_byte_token(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace flexinfer
