#include "text/template/arguments.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/template/operators.h"
#include "text/template/print.h"

namespace flexinfer::jinja {

Result<Arguments> Arguments::bind(const Call& call, std::initializer_list<std::string_view> parameters) {
  Arguments bound;
  std::ranges::copy(parameters, bound.names_.begin());
  if (call.arguments.size() > parameters.size()) {
    return make_error(ErrorCode::kUnsupported,
                      fmt::format("takes {} arguments, not {}", parameters.size(), call.arguments.size()));
  }
  for (size_t i = 0; i < call.arguments.size(); ++i)
    bound.values_[i] = &call.arguments[i];
  for (const Keyword& keyword : call.keywords) {
    const auto named = std::ranges::find(parameters, keyword.name);
    if (named == parameters.end()) {
      return make_error(ErrorCode::kUnsupported, fmt::format("takes no argument '{}'", keyword.name));
    }
    bound.values_[static_cast<size_t>(named - parameters.begin())] = &keyword.value;
  }
  return bound;
}

Result<Value> Arguments::require(size_t parameter) const {
  if (values_[parameter] != nullptr) return *values_[parameter];
  return make_error(ErrorCode::kUnsupported, fmt::format("needs the argument '{}'", names_[parameter]));
}

Result<int64_t> Arguments::integer(size_t parameter, int64_t otherwise) const {
  if (values_[parameter] == nullptr || is_none(*values_[parameter])) return otherwise;
  int64_t storage = 0;
  if (const int64_t* number = as_int(*values_[parameter], storage)) return *number;
  return make_error(ErrorCode::kUnsupported, fmt::format("the argument '{}' is a {}, not a whole number",
                                                         names_[parameter], type_name(*values_[parameter])));
}

Result<Text> Arguments::text(size_t parameter, const Text& otherwise) const {
  if (values_[parameter] == nullptr || is_none(*values_[parameter])) return otherwise;
  if (const Text* text = as_text(*values_[parameter])) return *text;
  return make_error(ErrorCode::kUnsupported, fmt::format("the argument '{}' is a {}, not a string",
                                                         names_[parameter], type_name(*values_[parameter])));
}

Result<bool> Arguments::boolean(size_t parameter, bool otherwise) const {
  return values_[parameter] == nullptr ? otherwise : is_true(*values_[parameter]);
}

Result<Text> self_text(const Call& call) {
  return to_text(call.self, call.sandbox);
}

Result<std::span<const Value>> self_items(const Call& call) {
  return iterate(call.self, call.sandbox);
}

}  // namespace flexinfer::jinja
