#include "text/template/text_functions.h"

#include "text/template/characters.h"
#include "text/template/print.h"

namespace flexinfer::jinja {
namespace {

bool ends_line(uint32_t code_point) {
  return (code_point >= '\n' && code_point <= '\r') || (code_point >= 0x1C && code_point <= 0x1E) ||
         code_point == 0x85 || code_point == 0x2028 || code_point == 0x2029;
}

void append_cased(const Text& text, size_t at, const Character& character, bool upper, TextBuilder& out) {
  std::string changed;
  append_in_case(character.code_point, upper ? Case::kUpper : Case::kLower, changed);
  out.append(changed, text.is_trusted(at));
}

}  // namespace

Result<Text> replace(const Text& text, const Text& old, const Text& with, int64_t n, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge(1 + text.size() / 2));
  TextBuilder out(sandbox);
  size_t done = 0;
  for (size_t from = 0; n != 0 && from <= text.size() && !out.is_full(); --n) {
    const size_t found = find_bytes(text.bytes(), old.bytes(), from);
    if (found == std::string_view::npos) break;
    FLEX_CHECK(sandbox.charge_bytes(with.size()));
    out.append(text.part(done, found - done));
    out.append(with);
    done = found + old.size();
    from = done;
    if (!old.empty()) continue;  // an empty text stands before every character and at the end
    const size_t n_bytes = done < text.size() ? first_character(text.bytes().substr(done)).n_bytes : 1;
    out.append(text.part(done, std::min(n_bytes, text.size() - done)));
    done = std::min(done + n_bytes, text.size());
    from += n_bytes;
  }
  out.append(text.part(done));
  return out.finish(sandbox);
}

Result<Text> in_case(const Text& text, bool upper, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge(1 + text.size() / 2));
  TextBuilder out(sandbox);
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.bytes().substr(at));
    append_cased(text, at, character, upper, out);
    at += character.n_bytes;
  }
  return out.finish(sandbox);
}

Result<Text> capitalized(const Text& text, Sandbox& sandbox) {
  return titled(
      text, [](uint32_t before) { return before == 0; }, sandbox);
}

Result<Text> titled(const Text& text, bool (*begins_word)(uint32_t before), Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge(1 + text.size() / 2));
  TextBuilder out(sandbox);
  uint32_t before = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.bytes().substr(at));
    append_cased(text, at, character, begins_word(before), out);
    before = character.code_point == 0 ? 1 : character.code_point;
    at += character.n_bytes;
  }
  return out.finish(sandbox);
}

Result<std::vector<Text>> split_lines(const Text& text, bool keep_ends, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge(1 + text.size()));
  std::vector<Text> lines;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const Character character = first_character(text.bytes().substr(at));
    const size_t end = at;
    at += character.n_bytes;
    if (!ends_line(character.code_point)) continue;
    if (character.code_point == '\r' && at < text.size() && text.bytes()[at] == '\n') ++at;
    lines.push_back(text.part(begin, (keep_ends ? at : end) - begin));
    begin = at;
    if (lines.size() * sizeof(Value) > sandbox.arena().left_bytes()) break;  // list_of() will say so
  }
  if (begin < text.size()) lines.push_back(text.part(begin));
  return lines;
}

Result<Text> join(std::span<const Value> items, const Text& separator, Sandbox& sandbox) {
  TextBuilder out(sandbox);
  for (size_t i = 0; i < items.size(); ++i) {
    FLEX_CHECK(sandbox.charge_bytes(separator.size()));
    if (i > 0) out.append(separator);
    FLEX_CHECK(print(items[i], sandbox, out));
    if (out.is_full()) break;
  }
  return out.finish(sandbox);
}

Result<Value> list_of(const std::vector<Text>& texts, Sandbox& sandbox) {
  FLEX_CHECK(sandbox.charge(texts.size()));
  FLEX_TRY(const std::span<Value> items, sandbox.arena().array<Value>(texts.size()));
  std::ranges::copy(texts, items.begin());
  FLEX_TRY(const List* list, sandbox.arena().make(List{items, ListKind::kList}));
  return Value(list);
}

}  // namespace flexinfer::jinja
