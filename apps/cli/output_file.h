// A file that appears whole or not at all.
#pragma once

#include <cstdio>
#include <memory>
#include <span>
#include <string>

namespace flexinfer::cli {

// Throws kUsage where the file exists, unless it may be replaced.
void refuse_existing(const std::string& path, bool may_replace);

// Written beside its own name as PATH.partial, renamed by commit(); without commit nothing is left behind. An
// existing regular file is replaced; anything else under that name is refused. Throws Failure.
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::span<const std::byte> bytes);
  void commit();

 private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  std::string partial_path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_;
};

}  // namespace flexinfer::cli
