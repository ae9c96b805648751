// What a builtin is given, by the names of its parameters.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>

#include "text/template/sandbox.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

class Arguments {
 public:
  // kUnsupported where there are more arguments than parameters, or one of another name.
  static Result<Arguments> bind(const Call& call, std::initializer_list<std::string_view> parameters);

  // nullptr where the caller left it out.
  const Value* find(size_t parameter) const { return values_[parameter]; }
  Value get(size_t parameter, const Value& otherwise) const {
    return values_[parameter] == nullptr ? otherwise : *values_[parameter];
  }
  // Errors name the parameter.
  Result<Value> require(size_t parameter) const;
  Result<int64_t> integer(size_t parameter, int64_t otherwise) const;
  Result<Text> text(size_t parameter, const Text& otherwise) const;
  Result<bool> boolean(size_t parameter, bool otherwise) const;

 private:
  static constexpr size_t kMost = 6;
  std::array<const Value*, kMost> values_ = {};
  std::array<std::string_view, kMost> names_ = {};
};

// str(self); an undefined value is empty.
Result<Text> self_text(const Call& call);
// The items of what stands before the bar.
Result<std::span<const Value>> self_items(const Call& call);

}  // namespace flexinfer::jinja
