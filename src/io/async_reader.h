// Reads in flight: one interface over io_uring, pread threads and the doubles that tests use.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/file.h"

namespace flexinfer {

enum class ReadState : uint8_t { kIdle, kInFlight, kDone, kFailed };

// One read. The caller owns it and its buffer; both must stay where they are while state is kInFlight. All
// fields belong to the reader from submit until state leaves kInFlight, which happens only inside a call on
// the reader.
struct ReadRequest {
  uint32_t file = 0;            // index into the reader's files
  uint64_t offset = 0;          // multiple of kPageBytes
  std::byte* buffer = nullptr;  // aligned to kPageBytes
  uint64_t length = 0;          // multiple of kPageBytes; may reach past the end of the file
  uint64_t required = 0;        // bytes that must arrive: fewer is an error (the file ends too early)
  // The buffer's pages may never have been touched. The system then has to find and clear them before it can
  // read there, which may take longer than the read: a reader does that off the owner's thread.
  bool untouched = false;

  ReadState state = ReadState::kIdle;
  uint64_t completed = 0;  // bytes that have arrived
  Error error;             // of kFailed: path, offset, errno
};

inline constexpr auto kUringName = "io_uring";

// Called by one thread at a time, the owner; it may be made in one thread and used in another. Short reads,
// EINTR and EAGAIN are handled inside; requests may complete in any order. The destructor returns when no
// read touches any buffer any more; requests still in flight then end as kFailed with kCancelled.
class AsyncReader {
 public:
  AsyncReader() = default;
  AsyncReader(const AsyncReader&) = delete;
  AsyncReader& operator=(const AsyncReader&) = delete;
  virtual ~AsyncReader() = default;

  // Starts a read; does not wait for the disk. Beyond `depth()` reads in flight, the rest wait inside for
  // their turn.
  virtual void submit(ReadRequest& request) = 0;
  // Hands submitted reads to the system where an implementation gathers them; submit may be lazy until then.
  virtual void flush() = 0;
  // Notes completions without waiting.
  virtual void poll() = 0;
  // Waits until at least one read in flight completes or the timeout passes. Returns at once where none is in
  // flight.
  virtual void wait(std::chrono::milliseconds timeout) = 0;

  virtual unsigned depth() const = 0;
  virtual unsigned in_flight() const = 0;
  // Bytes of all completed reads, the padding to page borders included.
  virtual uint64_t bytes_read() const = 0;
  virtual const char* name() const = 0;  // kUringName, "threads" ...
};

// The files must outlive the reader. `depth`, at least 1, is the largest number of reads that the system is
// given at once; depth() of the thread reader is at most 16, one thread each. kIo where the system refuses a
// ring or threads.
Result<std::unique_ptr<AsyncReader>> make_uring_reader(std::span<const File> files, unsigned depth);
Result<std::unique_ptr<AsyncReader>> make_thread_reader(std::span<const File> files, unsigned depth);

// io_uring where the system allows it, else threads; `note` (may be null) then says why in a line, and is
// empty else.
Result<std::unique_ptr<AsyncReader>> make_best_reader(std::span<const File> files, unsigned depth,
                                                      std::string* note);

}  // namespace flexinfer
