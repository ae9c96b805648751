// Further copies of a model on other disks.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "gguf/gguf_file.h"

namespace flexinfer {

// The files of a copy of `model` whose first file is `path`, in the model's order; the other parts of a split
// set are found by its name. A copy must have the same sizes and, up to the first tensor, the same bytes.
// What the tensors hold is not compared: that would take reading everything twice. kUsage where it is another
// model, or the model's own file.
Result<std::vector<std::string>> mirror_paths(const GgufFile& model, const std::string& path);

}  // namespace flexinfer
