// File names of the parts of a split model: PREFIX-00001-of-00003.gguf.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flexinfer::gguf {

struct SplitName {
  std::string prefix;   // the path up to the numbers
  uint64_t number = 0;  // of this part, from 1
  uint64_t count = 0;

  std::string path_of(uint64_t part_number) const;
};

// nullopt where the path does not end as a part's name does.
std::optional<SplitName> parse_split_name(std::string_view path);

}  // namespace flexinfer::gguf
