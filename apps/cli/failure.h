// How a command fails: the Error of the library, thrown, and caught once in main.
#pragma once

#include <exception>
#include <string>
#include <type_traits>
#include <utility>

#include "flexinfer/error.h"

namespace flexinfer::cli {

class Failure : public std::exception {
 public:
  explicit Failure(Error error) : error_(std::move(error)) {}
  Failure(ErrorCode code, std::string message) : error_{code, std::move(message)} {}

  const Error& error() const { return error_; }
  const char* what() const noexcept override { return error_.message.c_str(); }

 private:
  Error error_;
};

// The value of a result; throws its error.
template <class T>
T unwrap(Result<T> result) {
  if (!result) throw Failure(std::move(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace flexinfer::cli
