#include "text/composed_form.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

namespace flexinfer {
namespace {

constexpr auto kOptions = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
constexpr size_t kLongestDecomposition = 4;  // of one character, canonically, in code points

int combining_class(utf8proc_int32_t code_point) {
  return utf8proc_get_property(code_point)->combining_class;
}

tl::unexpected<Error> not_composable(std::string_view text, utf8proc_ssize_t error) {
  return make_error(ErrorCode::kUsage,
                    fmt::format("a text of {} bytes cannot be brought to composed form (NFC): {}",
                                text.size(), utf8proc_errmsg(error)));
}

Result<std::vector<utf8proc_int32_t>> decompose(std::string_view text) {
  std::vector<utf8proc_int32_t> code_points;
  code_points.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  const auto n_bytes = static_cast<utf8proc_ssize_t>(text.size());
  for (utf8proc_ssize_t at = 0; at < n_bytes;) {
    utf8proc_int32_t code_point = 0;
    const utf8proc_ssize_t read = utf8proc_iterate(bytes + at, n_bytes - at, &code_point);
    if (read < 0) return not_composable(text, read);
    at += read;
    std::array<utf8proc_int32_t, kLongestDecomposition> parts{};
    int boundary_state = 0;
    const utf8proc_ssize_t n_parts =
        utf8proc_decompose_char(code_point, parts.data(), parts.size(), kOptions, &boundary_state);
    if (n_parts < 0) return not_composable(text, n_parts);
    code_points.insert(code_points.end(), parts.begin(), parts.begin() + n_parts);
  }
  return code_points;
}

// The canonical order: each run of combining marks sorted by their class. utf8proc_decompose does it too, but
// in quadratic time.
void order_marks(std::vector<utf8proc_int32_t>& code_points) {
  const auto is_mark = [](utf8proc_int32_t code_point) { return combining_class(code_point) != 0; };
  for (auto begin = code_points.begin(); begin != code_points.end();) {
    begin = std::find_if(begin, code_points.end(), is_mark);
    const auto end = std::find_if_not(begin, code_points.end(), is_mark);
    std::ranges::stable_sort(begin, end, std::less<>(), combining_class);
    begin = end;
  }
}

}  // namespace

bool may_need_composition(std::string_view text) {
  // Every character below U+0300 is composed already, and no two of them compose.
  constexpr uint8_t kFirstByteOfU0300 = 0xCC;
  return std::ranges::any_of(text, [](char byte) { return static_cast<uint8_t>(byte) >= kFirstByteOfU0300; });
}

Result<std::string> composed_form(std::string_view text) {
  FLEX_TRY(std::vector<utf8proc_int32_t> code_points, decompose(text));
  order_marks(code_points);
  // Writes the bytes, and a zero after them, over the code points.
  const auto n_code_points = static_cast<utf8proc_ssize_t>(code_points.size());
  code_points.push_back(0);
  const utf8proc_ssize_t n_bytes = utf8proc_reencode(code_points.data(), n_code_points, kOptions);
  if (n_bytes < 0) return not_composable(text, n_bytes);
  return std::string(reinterpret_cast<const char*>(code_points.data()), static_cast<size_t>(n_bytes));
}

}  // namespace flexinfer
