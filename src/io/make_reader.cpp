#include <fmt/format.h>

#include "io/async_reader.h"

namespace flexinfer {

Result<std::unique_ptr<AsyncReader>> make_best_reader(std::span<const File> files, unsigned depth,
                                                      std::string* note) {
  auto reader = make_uring_reader(files, depth);
  if (note != nullptr) note->clear();
  if (reader) return reader;
  if (note != nullptr) *note = fmt::format("reading with threads: {}", reader.error().message);
  return make_thread_reader(files, depth);
}

}  // namespace flexinfer
