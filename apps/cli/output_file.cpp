#include "output_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "failure.h"

namespace flexinfer::cli {

void refuse_existing(const std::string& path, bool may_replace) {
  std::error_code ignored;
  if (may_replace || !std::filesystem::exists(path, ignored)) return;
  throw Failure(ErrorCode::kUsage, fmt::format("{}: exists already; --force replaces it", path));
}

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)), partial_path_(path_ + ".partial"), file_(nullptr, std::fclose) {
  std::error_code ignored;
  if (std::filesystem::exists(path_, ignored) && !std::filesystem::is_regular_file(path_, ignored)) {
    throw Failure(ErrorCode::kUsage,
                  fmt::format("{}: is not a regular file, and will not be replaced", path_));
  }
  file_.reset(std::fopen(partial_path_.c_str(), "wb"));
  if (!file_) fail("create");
}

OutputFile::~OutputFile() {
  if (file_) std::remove(partial_path_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) fail("write");
}

void OutputFile::commit() {
  if (std::fflush(file_.get()) != 0 || fsync(fileno(file_.get())) != 0) fail("write");
  if (std::rename(partial_path_.c_str(), path_.c_str()) != 0) fail("rename");
  file_.reset();
}

void OutputFile::fail(const char* what) const {
  const int error = errno;
  throw Failure(ErrorCode::kIo, fmt::format("{}: cannot {}: {}", partial_path_, what, std::strerror(error)));
}

}  // namespace flexinfer::cli
