#include "text/template/loop.h"

#include "text/template/operators.h"

namespace flexinfer::jinja {
namespace {

Loop& loop_of(const Call& call) {
  return *std::get<Loop*>(call.self);
}

// loop.cycle('odd', 'even')
Result<Value> cycle(Call& call) {
  if (call.arguments.empty()) return make_error(ErrorCode::kUnsupported, "no items to go round");
  return call.arguments[loop_of(call).index % call.arguments.size()];
}

// Whether the arguments are others than in the last call.
Result<Value> changed(Call& call) {
  Loop& loop = loop_of(call);
  FLEX_TRY(const Value now, call.sandbox.list(call.arguments, ListKind::kTuple));
  bool is_same = false;
  if (loop.changed != nullptr) {
    FLEX_TRY(is_same, equal(*loop.changed, now, call.sandbox));
  }
  FLEX_TRY(loop.changed, call.sandbox.arena().make(now));
  return Value(!is_same);
}

}  // namespace

Result<Value> loop_attribute(Loop& loop, const Value& value, std::string_view name, Sandbox& sandbox) {
  const auto index = static_cast<int64_t>(loop.index);
  const auto length = static_cast<int64_t>(loop.items.size());
  if (name == "index") return Value(index + 1);
  if (name == "index0") return Value(index);
  if (name == "revindex") return Value(length - index);
  if (name == "revindex0") return Value(length - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == length);
  if (name == "length") return Value(length);
  if (name == "depth") return Value(loop.depth);
  if (name == "depth0") return Value(loop.depth - 1);
  if (name == "previtem" && index > 0) return loop.items[loop.index - 1];
  if (name == "nextitem" && index + 1 < length) return loop.items[loop.index + 1];
  if (name == "cycle") return sandbox.method(name, cycle, value);
  if (name == "changed") return sandbox.method(name, changed, value);
  return Value(Undefined{.name = name, .owner = type_name(value)});
}

}  // namespace flexinfer::jinja
