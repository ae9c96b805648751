// Errors are values. Every fallible function of the library returns Result<T>; nothing throws, prints or
// exits.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace flexinfer {

enum class ErrorCode {
  kIo,              // the operating system refused: open, read, write, mmap ...
  kCorrupt,         // the file contradicts itself or its format
  kUnsupported,     // well formed, but of a kind this version does not know
  kUsage,           // the caller asked for something impossible
  kBudgetTooSmall,  // the budget cannot hold what must be resident
  kCancelled,       // the caller cancelled the operation
};

// One error: one line, complete in itself. `message` names what failed, on which file (with the byte offset
// where one is known) or option, what was needed and available, and what would help.
struct Error {
  ErrorCode code = ErrorCode::kIo;
  std::string message;
};

template <class T>
using Result = tl::expected<T, Error>;

using Status = Result<void>;

inline tl::unexpected<Error> make_error(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace flexinfer
