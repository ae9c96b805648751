#include "runtime/piece_reader.h"

#include <chrono>
#include <utility>

#include "base/bytes.h"
#include "residency/planner.h"

namespace flexinfer {

Result<PieceReader> PieceReader::create(const std::vector<std::string>& paths, std::vector<Extent> pieces,
                                        uint64_t largest_bytes) {
  PieceReader reader;
  reader.files_ = std::make_unique<std::vector<File>>();
  for (const std::string& path : paths) {
    FLEX_TRY(File file, File::open_direct(path));
    reader.files_->push_back(std::move(file));
  }
  reader.pieces_ = std::move(pieces);
  for (size_t i = 0; i < kAhead; ++i) {
    FLEX_TRY(PageBuffer buffer, PageBuffer::allocate(align_up(largest_bytes, kPageBytes) + kPageBytes));
    reader.buffers_.push_back(std::move(buffer));
  }
  reader.requests_.resize(kAhead);
  FLEX_TRY(reader.reader_, make_best_reader(*reader.files_, kAhead, nullptr));
  return reader;
}

void PieceReader::submit(size_t piece) {
  const Extent& extent = pieces_[piece];
  const Extent cover = page_cover(extent);
  ReadRequest& request = requests_[piece % kAhead];
  request = {};
  request.file = extent.file;
  request.offset = cover.offset;
  request.buffer = buffers_[piece % kAhead].data();
  request.length = cover.size;
  request.required = extent.end() - cover.offset;
  reader_->submit(request);
}

Result<std::span<const std::byte>> PieceReader::next(FunctionRef<bool()> keep_waiting) {
  // The piece before this one has been used: its buffer is free.
  while (n_submitted_ < pieces_.size() && n_submitted_ < n_taken_ + kAhead)
    submit(n_submitted_++);
  reader_->flush();
  const ReadRequest& request = requests_[n_taken_ % kAhead];
  while (request.state == ReadState::kInFlight) {
    reader_->wait(std::chrono::milliseconds(50));
    if (!keep_waiting()) return make_error(ErrorCode::kCancelled, "cancelled");
  }
  if (request.state == ReadState::kFailed) return tl::unexpected(request.error);
  const Extent& extent = pieces_[n_taken_++];
  return std::span<const std::byte>(request.buffer + (extent.offset - request.offset), extent.size);
}

}  // namespace flexinfer
