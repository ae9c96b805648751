// A model's files, opened as a way of reading wants them, and the reader over them.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "flexinfer/options.h"
#include "io/async_reader.h"
#include "io/file.h"

namespace flexinfer {

// For direct reads, or buffered for IoMode::kMmap. A line in `notes` for each file that cannot be read
// directly.
Result<std::vector<File>> open_files(std::span<const std::string> paths, IoMode io,
                                     std::vector<std::string>& notes);

// The reader that `io` names; for kAuto and kSync the best that the system allows, with a line in `notes`
// (may be null) where that is not the first choice. Not for kMmap.
Result<std::unique_ptr<AsyncReader>> make_reader(IoMode io, std::span<const File> files, unsigned depth,
                                                 std::vector<std::string>* notes);

}  // namespace flexinfer
