// Result and Error as the modules use them, and the one macro they need: C++20 has no `?` operator.
#pragma once

#include "flexinfer/error.h"

// FLEX_TRY(auto x, f()): binds the value of a Result, or returns its error from the enclosing function.
// FLEX_CHECK(f()): the same for a Status. They are macros because only a macro can return from its caller.
#define FLEX_CONCAT_IMPL(a, b) a##b
#define FLEX_CONCAT(a, b) FLEX_CONCAT_IMPL(a, b)
#define FLEX_TRY_IMPL(tmp, decl, ...)                               \
  auto tmp = (__VA_ARGS__);                                         \
  if (!tmp) return tl::unexpected<::flexinfer::Error>(tmp.error()); \
  decl = std::move(*tmp)
#define FLEX_TRY(decl, ...) FLEX_TRY_IMPL(FLEX_CONCAT(flex_try_, __LINE__), decl, __VA_ARGS__)
#define FLEX_CHECK(...)                                               \
  do {                                                                \
    if (auto flex_status = (__VA_ARGS__); !flex_status)               \
      return tl::unexpected<::flexinfer::Error>(flex_status.error()); \
  } while (false)
