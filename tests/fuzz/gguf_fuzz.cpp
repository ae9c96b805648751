// Any bytes as a GGUF file: the reader refuses them or returns a header that holds together.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "gguf/gguf_file.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// A file in memory, gone with the object.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t n_bytes) : fd_(memfd_create("fuzz", MFD_CLOEXEC)) {
    require(fd_ >= 0 && write(fd_, data, n_bytes) == static_cast<ssize_t>(n_bytes));
  }
  ~MemoryFile() { close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t n_bytes) {
  const MemoryFile memory(data, n_bytes);
  const auto file = flexinfer::GgufFile::open(memory.path());
  if (!file) {
    require(!file.error().message.empty());
    return 0;
  }
  for (const flexinfer::TensorInfo& tensor : file->tensors()) {
    require(tensor.extent.offset <= n_bytes && tensor.extent.size <= n_bytes - tensor.extent.offset);
    require(file->find_tensor(tensor.name) != nullptr);
  }
  for (const auto& [key, value] : file->metadata().values())
    require(file->metadata().find(key) == &value);
  return 0;
}
