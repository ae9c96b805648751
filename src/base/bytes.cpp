#include "base/bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdlib>

namespace flexinfer {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kUnits[] = {
    {"", 1},       {"b", 1},        {"k", 0x1p10},   {"kib", 0x1p10}, {"kb", 1e3},
    {"m", 0x1p20}, {"mib", 0x1p20}, {"mb", 1e6},     {"g", 0x1p30},   {"gib", 0x1p30},
    {"gb", 1e9},   {"t", 0x1p40},   {"tib", 0x1p40}, {"tb", 1e12},
};

tl::unexpected<Error> bad_size(std::string_view text) {
  return make_error(
      ErrorCode::kUsage,
      fmt::format("'{}' is not a size: give a number with an optional unit, such as 4GiB or 500MB", text));
}

}  // namespace

Result<uint64_t> parse_size(std::string_view text) {
  const std::string copy(text);
  if (copy.empty() || (std::isdigit(static_cast<unsigned char>(copy[0])) == 0 && copy[0] != '.')) {
    return bad_size(text);
  }
  const size_t digits = std::min(copy.find_first_not_of("0123456789."), copy.size());
  const std::string number = copy.substr(0, digits);
  char* end = nullptr;
  const double value = std::strtod(number.c_str(), &end);
  if (end != number.c_str() + number.size()) return bad_size(text);
  size_t unit_begin = digits;
  while (unit_begin < copy.size() && copy[unit_begin] == ' ')
    ++unit_begin;
  std::string unit = copy.substr(unit_begin);
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Unit& candidate : kUnits) {
    if (candidate.name != unit) continue;
    const double bytes = value * candidate.factor;
    if (bytes >= 0x1p63) return bad_size(text);
    // To the nearest: 1.001KB is 1001 bytes, though the product in floating point is just below.
    return static_cast<uint64_t>(std::round(bytes));
  }
  return bad_size(text);
}

std::string format_bytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kNames = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < kNames.size()) {  // 999.5 would be shown as 1000
    value /= 1024.0;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  const int decimals = value < 0.9995 ? 3 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kNames[unit]);
}

}  // namespace flexinfer
