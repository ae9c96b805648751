// printf-style formatting: "%5.2f" % x.
#include <fmt/format.h>

#include "text/template/characters.h"
#include "text/template/operators.h"
#include "text/template/print.h"

namespace flexinfer::jinja {
namespace {

constexpr int kWidest = 10'000;

struct Conversion {
  bool is_left = false;
  bool has_zeros = false;
  bool has_plus = false;
  int width = 0;
  int precision = -1;
  char kind = '\0';
};

int read_number(std::string_view format, size_t& at) {
  int number = 0;
  for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at)
    number = std::min(number * 10 + (format[at] - '0'), kWidest);
  return number;
}

// What follows a '%' at `at`, which is moved past it.
Conversion read_conversion(std::string_view format, size_t& at) {
  Conversion conversion;
  for (; at < format.size(); ++at) {
    if (format[at] == '-') {
      conversion.is_left = true;
    } else if (format[at] == '0') {
      conversion.has_zeros = true;
    } else if (format[at] == '+') {
      conversion.has_plus = true;
    } else {
      break;
    }
  }
  conversion.width = read_number(format, at);
  if (at < format.size() && format[at] == '.') {
    ++at;
    conversion.precision = read_number(format, at);
  }
  if (at < format.size()) conversion.kind = format[at++];
  return conversion;
}

Result<Text> convert_number(const Conversion& conversion, const Value& value, Sandbox& sandbox) {
  int64_t storage = 0;
  const int64_t* integer = as_int(value, storage);
  const auto* real = std::get_if<double>(&value);
  if (integer == nullptr && real == nullptr) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("%{} takes a number, not a {}", conversion.kind, type_name(value)));
  }
  std::string digits;
  const double number = real != nullptr ? *real : static_cast<double>(*integer);
  const int precision = conversion.precision < 0 ? 6 : conversion.precision;
  switch (conversion.kind) {
    case 'f':
    case 'F':
      digits = fmt::format("{:.{}f}", number, precision);
      break;
    case 'e':
      digits = fmt::format("{:.{}e}", number, precision);
      break;
    case 'g':
      digits = fmt::format("{:.{}g}", number, precision);
      break;
    case 'x':
      digits = fmt::format("{:x}", integer == nullptr ? 0 : *integer);
      break;
    default:
      digits = integer != nullptr ? fmt::format("{}", *integer) : fmt::format("{:.0f}", std::trunc(*real));
  }
  if (conversion.has_plus && !digits.starts_with('-')) digits.insert(0, 1, '+');
  const auto width = static_cast<size_t>(conversion.width);
  if (conversion.has_zeros && !conversion.is_left && digits.size() < width) {
    digits.insert(digits.starts_with('-') || digits.starts_with('+') ? 1 : 0, width - digits.size(), '0');
  }
  FLEX_TRY(const Value text, sandbox.text(digits, true));
  return *as_text(text);
}

Result<Text> convert(const Conversion& conversion, const Value& value, Sandbox& sandbox) {
  if (std::string_view("difFegxu").find(conversion.kind) != std::string_view::npos) {
    return convert_number(conversion, value, sandbox);
  }
  if (conversion.kind != 's' && conversion.kind != 'r') {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("the conversion %{} is not supported", conversion.kind));
  }
  TextBuilder out(sandbox);
  FLEX_CHECK(conversion.kind == 's' ? print(value, sandbox, out) : print_quoted(value, sandbox, out));
  FLEX_TRY(const Text text, out.finish(sandbox));
  if (conversion.precision < 0) return text;
  return text.part(0, bytes_of_characters(text.bytes(), conversion.precision));
}

void append_padded(const Text& text, const Conversion& conversion, TextBuilder& out) {
  const auto n_blanks = std::max<int64_t>(conversion.width - n_characters(text.bytes()), 0);
  const std::string blanks(static_cast<size_t>(n_blanks), ' ');
  if (!conversion.is_left) out.append(blanks, true);
  out.append(text);
  if (conversion.is_left) out.append(blanks, true);
}

}  // namespace

Result<Value> format_percent(const Text& format, std::span<const Value> arguments, Sandbox& sandbox) {
  TextBuilder out(sandbox);
  size_t n_used = 0;
  for (size_t at = 0; at < format.size() && !out.is_full();) {
    FLEX_CHECK(sandbox.charge(1));
    const size_t percent = std::min(format.bytes().find('%', at), format.size());
    out.append(format.part(at, percent - at));
    if (percent == format.size()) break;
    at = percent + 1;
    const Conversion conversion = read_conversion(format.bytes(), at);
    if (conversion.kind == '%') {
      out.append('%', format.is_trusted(percent));
      continue;
    }
    if (n_used == arguments.size())
      return make_error(ErrorCode::kUnsupported, "too few arguments for the format");
    FLEX_TRY(const Text text, convert(conversion, arguments[n_used++], sandbox));
    FLEX_CHECK(sandbox.charge_bytes(static_cast<uint64_t>(conversion.width)));
    append_padded(text, conversion, out);
  }
  if (n_used < arguments.size())
    return make_error(ErrorCode::kUnsupported, "too many arguments for the format");
  FLEX_TRY(const Text text, out.finish(sandbox));
  return Value(text);
}

}  // namespace flexinfer::jinja
