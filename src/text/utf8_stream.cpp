#include "text/utf8_stream.h"

#include "text/utf8.h"

namespace flexinfer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  held_.append(bytes);
  std::string out;
  std::string_view rest = held_;
  while (!rest.empty()) {
    const Utf8Unit unit = first_utf8_unit(rest);
    if (unit.state == Utf8State::kIncomplete) break;
    out.append(unit.state == Utf8State::kCharacter ? rest.substr(0, unit.n_bytes) : kReplacement);
    rest.remove_prefix(unit.n_bytes);
  }
  held_.erase(0, held_.size() - rest.size());
  return out;
}

std::string Utf8Stream::flush() {
  // What is held is the beginning of one character, so one replacement stands for all of it.
  const bool holds_bytes = !held_.empty();
  held_.clear();
  return std::string(holds_bytes ? kReplacement : std::string_view());
}

}  // namespace flexinfer
