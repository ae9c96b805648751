#include "text/template/json_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace flexinfer::jinja {
namespace {

constexpr auto kRoles = std::to_array<std::string_view>(
    {"system", "developer", "user", "assistant", "tool", "function", "ipython", "model", "context"});
constexpr size_t kDeepest = 200;

// Called by the parser for everything in the text, in order; returns false to end it.
class ValueMaker {
 public:
  explicit ValueMaker(Sandbox& sandbox) : sandbox_(sandbox) {}

  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  bool null() { return add(Value(None{})); }
  bool boolean(bool value) { return add(Value(value)); }
  bool number_integer(number_integer_t value) { return add(Value(int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) {
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return add(Value(static_cast<double>(value)));
    }
    return add(Value(static_cast<int64_t>(value)));
  }
  bool number_float(number_float_t value, const string_t& /*text*/) { return add(Value(value)); }
  bool string(string_t& value) {
    const bool is_role = !open_.empty() && !open_.back().keys.empty() &&
                         as_text(open_.back().keys.back())->bytes() == "role" &&
                         std::ranges::find(kRoles, value) != kRoles.end();
    return add(sandbox_.text(value, is_role));
  }
  bool binary(binary_t& /*value*/) { return false; }

  bool start_object(size_t /*n*/) { return open(); }
  bool start_array(size_t /*n*/) { return open(); }
  bool key(string_t& name) {
    auto text = sandbox_.text(name, false);
    if (!text) return fail(std::move(text.error()));
    open_.back().keys.push_back(*text);
    return true;
  }
  bool end_object() {
    Open done = close();
    std::vector<DictEntry> entries;
    for (size_t i = 0; i < done.keys.size(); ++i)
      entries.push_back({done.keys[i], done.values[i]});
    return add(sandbox_.dict(std::move(entries)));
  }
  bool end_array() { return add(sandbox_.list(close().values)); }
  bool parse_error(size_t position, const std::string& /*token*/,
                   const nlohmann::json::exception& /*error*/) {
    return fail({ErrorCode::kUsage, fmt::format("not JSON at byte {}", position)});
  }

  Result<Value> result() {
    if (error_) return tl::unexpected(std::move(*error_));
    return root_;
  }

 private:
  struct Open {
    std::vector<Value> keys;  // of an object
    std::vector<Value> values;
  };

  bool fail(Error error) {
    error_ = std::move(error);
    return false;
  }
  bool open() {
    if (open_.size() == kDeepest) {
      return fail({ErrorCode::kUsage, fmt::format("nested more than {} levels deep", kDeepest)});
    }
    open_.emplace_back();
    return true;
  }
  Open close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    return done;
  }
  bool add(Result<Value> value) {
    if (!value) return fail(std::move(value.error()));
    if (open_.empty()) {
      root_ = *value;
    } else {
      open_.back().values.push_back(*value);
    }
    return true;
  }

  Sandbox& sandbox_;
  std::vector<Open> open_;
  Value root_;
  std::optional<Error> error_;
};

}  // namespace

Result<Value> read_json(std::string_view text, Sandbox& sandbox) {
  ValueMaker maker(sandbox);
  nlohmann::json::sax_parse(text, &maker);
  return maker.result();
}

}  // namespace flexinfer::jinja
