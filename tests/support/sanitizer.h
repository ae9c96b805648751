// Whether the tests and the program are built with a sanitizer.
#pragma once

namespace flexinfer::testing {

// Its own memory counts as the process's, differs from run to run and is part of no budget.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace flexinfer::testing
