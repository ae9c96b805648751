#include "gguf/split_name.h"

#include <fmt/format.h>

#include <charconv>

namespace flexinfer::gguf {
namespace {

constexpr std::string_view kShape = "-00000-of-00000.gguf";  // a 0 stands for any digit

bool has_shape(std::string_view text) {
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool is_digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !is_digit : text[i] != kShape[i]) return false;
  }
  return true;
}

uint64_t number_at(std::string_view text, size_t position) {
  uint64_t number = 0;
  std::from_chars(text.data() + position, text.data() + position + 5, number);
  return number;
}

}  // namespace

std::string SplitName::path_of(uint64_t part_number) const {
  return fmt::format("{}-{:05}-of-{:05}.gguf", prefix, part_number, count);
}

std::optional<SplitName> parse_split_name(std::string_view path) {
  if (path.size() < kShape.size()) return std::nullopt;
  const std::string_view prefix = path.substr(0, path.size() - kShape.size());
  const std::string_view numbers = path.substr(prefix.size());
  if (!has_shape(numbers)) return std::nullopt;
  return SplitName{std::string(prefix), number_at(numbers, 1), number_at(numbers, 10)};
}

}  // namespace flexinfer::gguf
