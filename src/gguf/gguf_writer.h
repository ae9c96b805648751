// Writes GGUF version 3: first the whole header and directory, then each tensor's bytes in order, streaming.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ggml_type.h"
#include "base/result.h"

namespace flexinfer {

// Usage: set_* and add_tensor in any order; begin_data; then append the bytes of the tensors, in the order
// they were added, in pieces of any size; finish. The file appears under its own name only at finish (written
// as PATH.partial beside it): a failed or abandoned writer leaves nothing behind. Writes go in large blocks
// and are pushed out of the page cache as they go, so that a file larger than memory is written at the disk's
// speed. A wrong call (a key or tensor given twice or without a name, a row that is not whole blocks, a
// dimension of zero, an alignment that is not a power of two from 8 on) is remembered and refused by
// begin_data with kUsage. Used by one thread.
class GgufWriter {
 public:
  explicit GgufWriter(std::string path, uint64_t alignment = 32);
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;

  void set_u32(std::string_view key, uint32_t value);
  void set_f32(std::string_view key, float value);
  void set_bool(std::string_view key, bool value);
  void set_text(std::string_view key, std::string_view value);
  void set_texts(std::string_view key, std::span<const std::string> values);
  void set_f32s(std::string_view key, std::span<const float> values);
  void set_i32s(std::string_view key, std::span<const int32_t> values);

  // A value as it lies in a file: its type, then its bytes. For copies of what a reader has checked.
  void set_encoded(std::string_view key, std::span<const std::byte> value);

  // dims[0] is the row length.
  void add_tensor(std::string_view name, GgmlType type, std::span<const uint64_t> dims);

  // Creates the file and writes the header. kIo also where the disk has less room than the whole file takes.
  Status begin_data();
  // kUsage beyond the last tensor's end, and before begin_data.
  Status append(std::span<const std::byte> bytes);
  // kUsage where the bytes appended are not exactly those of the tensors added.
  Status finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace flexinfer
