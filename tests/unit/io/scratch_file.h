// A file of known contents for the tests of src/io.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace flexinfer {

inline std::vector<std::byte> random_bytes(uint64_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes)
    byte = static_cast<std::byte>(random());
  return bytes;
}

// Made in `folder`, by default where the tests run; removed with the object.
class ScratchFile {
 public:
  explicit ScratchFile(std::span<const std::byte> contents, const std::string& folder = ".")
      : path_(folder + "/scratch-XXXXXX") {
    const int descriptor = ::mkstemp(path_.data());
    const ssize_t written = ::write(descriptor, contents.data(), contents.size());
    EXPECT_EQ(written, static_cast<ssize_t>(contents.size())) << path_;
    EXPECT_EQ(::fsync(descriptor), 0) << path_;
    ::close(descriptor);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() { std::remove(path_.c_str()); }

  const std::string& path() const { return path_; }
  void truncate(uint64_t size) const { EXPECT_EQ(::truncate(path_.c_str(), static_cast<off_t>(size)), 0); }

 private:
  std::string path_;
};

}  // namespace flexinfer
