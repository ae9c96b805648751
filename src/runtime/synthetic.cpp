#include <fmt/format.h>

#include "base/ggml_type.h"
#include "base/result.h"
#include "flexinfer/tools.h"
#include "runtime/synth.h"

namespace flexinfer {

std::vector<std::pair<std::string, uint64_t>> synthetic_shapes() {
  std::vector<std::pair<std::string, uint64_t>> shapes;
  for (const SynthShape& shape : synth_shapes())
    shapes.emplace_back(shape.name, shape.n_parameters());
  return shapes;
}

Status write_synthetic(std::string_view shape_name, std::string_view type_name, const std::string& path,
                       uint64_t seed, const std::function<bool(uint64_t, uint64_t)>& on_progress) {
  const SynthShape* shape = find_synth_shape(shape_name);
  if (shape == nullptr) {
    return make_error(ErrorCode::kUsage, fmt::format("'{}' is no known shape: see --list", shape_name));
  }
  const GgmlTypeInfo* type = find_ggml_type(type_name);
  if (type == nullptr) {
    return make_error(ErrorCode::kUsage, fmt::format("'{}' is no known weight type", type_name));
  }
  auto progress = [&](uint64_t done, uint64_t total) { return !on_progress || on_progress(done, total); };
  return write_synthetic_model(*shape, type->type, path, seed, progress);
}

}  // namespace flexinfer
