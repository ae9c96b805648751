#include "gguf/quote.h"

#include <fmt/format.h>

#include <iterator>

namespace flexinfer {
namespace {

constexpr size_t kLongestQuote = 64;

bool is_plain(char c) {
  return c >= ' ' && c <= '~' && c != '\'' && c != '\\';
}

}  // namespace

std::string quote(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, kLongestQuote)) {
    if (is_plain(c)) {
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  if (text.size() > kLongestQuote) out += "...";
  return out + "'";
}

}  // namespace flexinfer
