// A small model that a test can make one of any architecture, or spoil, before it is written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/gguf_file.h"
#include "model/model.h"
#include "support/files.h"

namespace flexinfer {

// Of the llama architecture: 2 layers, 4 heads of 16 over 2 kv heads, 64 hidden, 96 feed-forward and 40
// words, without any optional part. Weights are pseudo-random and depend on the tensor's name alone.
class ModelFile {
 public:
  struct Tensor {
    GgmlType type = GgmlType::kF32;
    std::vector<uint64_t> dims;
  };

  ModelFile();

  // Given without the architecture before them.
  std::map<std::string, uint32_t> integers;
  std::map<std::string, float> numbers;
  std::map<std::string, std::string> texts;
  std::string architecture = "llama";
  std::map<std::string, Tensor> tensors;

  // Adds to every layer, as many as block_count says.
  void add_to_layers(const std::string& name, std::vector<uint64_t> dims, GgmlType type = GgmlType::kF32);
  // Takes from every layer.
  void remove_from_layers(const std::string& name);
  void add(const std::string& name, std::vector<uint64_t> dims, GgmlType type = GgmlType::kF32) {
    tensors[name] = {type, std::move(dims)};
  }
  Result<GgufFile> open() const;  // writes it first
  Result<Model> read() const;     // the same, and reads the model
  std::string path() const { return directory_.path("model.gguf"); }

 private:
  Status write() const;

  testing::TempDirectory directory_;
};

// The error of what must fail; an empty one where it did not.
template <class T>
Error error_of(const Result<T>& result) {
  return result ? Error{} : result.error();
}

}  // namespace flexinfer
