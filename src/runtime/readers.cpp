#include "runtime/readers.h"

#include <fmt/format.h>

namespace flexinfer {

Result<std::vector<File>> open_files(std::span<const std::string> paths, IoMode io,
                                     std::vector<std::string>& notes) {
  std::vector<File> files;
  const bool mapped = io == IoMode::kMmap;
  for (const std::string& path : paths) {
    FLEX_TRY(File file, mapped ? File::open_buffered(path) : File::open_direct(path));
    if (!mapped && !file.direct()) {
      notes.push_back(fmt::format(
          "{}: the filesystem refuses direct I/O; reading through the page cache, dropping what was read",
          path));
    }
    files.push_back(std::move(file));
  }
  return files;
}

Result<std::unique_ptr<AsyncReader>> make_reader(IoMode io, std::span<const File> files, unsigned depth,
                                                 std::vector<std::string>* notes) {
  if (io == IoMode::kThreads) return make_thread_reader(files, depth);
  if (io == IoMode::kUring) return make_uring_reader(files, depth);
  std::string note;
  auto reader = make_best_reader(files, depth, &note);
  if (!note.empty() && notes != nullptr) notes->push_back(note);
  return reader;
}

}  // namespace flexinfer
