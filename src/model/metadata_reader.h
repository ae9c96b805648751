// An architecture's numbers out of a file's metadata, each checked to lie in its range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gguf/gguf_file.h"

namespace flexinfer {

// Keys are given without their architecture prefix. The first error is kept (status()); after it, or where a
// key is wrong, readers return the least value in range, so that reading on is harmless. Errors name the file
// and the key.
class MetadataReader {
 public:
  MetadataReader(const GgufFile& file, std::string_view architecture) : file_(file), prefix_(architecture) {}

  int64_t integer(std::string_view key, int64_t least, int64_t most);
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t least, int64_t most);
  double positive(std::string_view key);
  double positive_or(std::string_view key, double fallback);
  double not_negative_or(std::string_view key, double fallback);
  std::string text_or(std::string_view key, std::string_view fallback);
  // kCorrupt where the file lacks the tensor.
  Status require_tensor(std::string_view tensor) const;
  // Rows of the embedding tensor: the size of the vocabulary that the model computes with.
  Result<int64_t> vocabulary_rows(std::string_view tensor) const;

  Status status() const;
  tl::unexpected<Error> unsupported(std::string_view key, std::string_view value) const;
  tl::unexpected<Error> contradiction(std::string_view what) const;

 private:
  std::string full_key(std::string_view key) const;
  void fail(ErrorCode code, const std::string& message);
  std::optional<int64_t> find_integer(std::string_view key, int64_t least, int64_t most);
  std::optional<double> find_positive(std::string_view key);

  const GgufFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

}  // namespace flexinfer
