// Reads pieces of a model's files one after the other, some of them ahead.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/function_ref.h"
#include "base/page_buffer.h"
#include "base/result.h"
#include "io/async_reader.h"
#include "io/file.h"

namespace flexinfer {

// Direct I/O into a ring of buffers. Used by one thread.
class PieceReader {
 public:
  static constexpr size_t kAhead = 4;  // pieces in memory at once

  // `paths`: the files that Extent::file counts; `pieces` are read in this order, each at most
  // `largest_bytes`.
  static Result<PieceReader> create(const std::vector<std::string>& paths, std::vector<Extent> pieces,
                                    uint64_t largest_bytes);

  // The bytes of the next piece, valid until the next call. `keep_waiting` is asked several times a second;
  // false ends the wait with kCancelled.
  Result<std::span<const std::byte>> next(FunctionRef<bool()> keep_waiting);

 private:
  PieceReader() = default;
  void submit(size_t piece);

  std::unique_ptr<std::vector<File>> files_;  // the reader keeps their place
  std::vector<Extent> pieces_;
  std::vector<PageBuffer> buffers_;
  std::vector<ReadRequest> requests_;
  std::unique_ptr<AsyncReader> reader_;  // ends before the buffers it reads into
  size_t n_submitted_ = 0;
  size_t n_taken_ = 0;
};

}  // namespace flexinfer
