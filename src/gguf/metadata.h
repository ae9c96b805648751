// The key-value part of a GGUF file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace flexinfer {

// Many strings in two allocations: a vocabulary has some hundred thousand.
class StringList {
 public:
  void add(std::string_view text);
  void reserve(size_t n_strings, size_t n_bytes);
  void shrink_to_fit();
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t index) const;

 private:
  std::string bytes_;
  std::vector<uint64_t> ends_;
};

// Numbers are widened when read: unsigned and bool to uint64_t, signed to int64_t, floats to double.
// An array of arrays keeps only its length (no known key uses one), after its nesting has been checked.
struct NestedArray {
  uint64_t n_elements = 0;
};
using MetadataValue = std::variant<bool, uint64_t, int64_t, double, std::string, std::vector<uint64_t>,
                                   std::vector<int64_t>, std::vector<double>, StringList, NestedArray>;

// Immutable after reading; thread-safe for readers. Keys are unique; the order is alphabetical.
class Metadata {
 public:
  void set(std::string key, MetadataValue value) {
    values_.insert_or_assign(std::move(key), std::move(value));
  }

  const MetadataValue* find(std::string_view key) const;
  const std::map<std::string, MetadataValue, std::less<>>& values() const { return values_; }

  // A number, string or list under a key, converted where nothing is lost (a uint32 3 is a float 3.0; an
  // int32 5 is an unsigned 5). nullopt / nullptr where the key is absent; kCorrupt, naming the key, where it
  // holds another kind.
  Result<std::optional<uint64_t>> unsigned_number(std::string_view key) const;
  Result<std::optional<double>> number(std::string_view key) const;
  Result<std::optional<bool>> boolean(std::string_view key) const;
  Result<const std::string*> text(std::string_view key) const;
  Result<const StringList*> texts(std::string_view key) const;
  Result<std::optional<std::vector<double>>> numbers(std::string_view key) const;
  Result<std::optional<std::vector<int64_t>>> integers(std::string_view key) const;

 private:
  std::map<std::string, MetadataValue, std::less<>> values_;
};

}  // namespace flexinfer
