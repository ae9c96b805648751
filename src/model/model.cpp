#include "model/model.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "gguf/quote.h"
#include "model/families.h"

namespace flexinfer {
namespace {

struct Architecture {
  std::string_view name;  // general.architecture
  Result<Model> (*read)(const GgufFile&, MetadataReader&);
};

constexpr std::array kArchitectures = {
    Architecture{"llama", read_llama},   Architecture{"mistral3", read_mistral3},
    Architecture{"qwen2", read_qwen2},   Architecture{"qwen3", read_qwen3},
    Architecture{"phi3", read_phi3},     Architecture{"gemma2", read_gemma2},
    Architecture{"gemma3", read_gemma3}, Architecture{"qwen3moe", read_qwen3moe},
    Architecture{"olmoe", read_olmoe},   Architecture{"gpt-oss", read_gpt_oss},
};

}  // namespace

Result<Model> read_model(const GgufFile& file) {
  FLEX_TRY(const std::string* name, file.metadata().text("general.architecture"));
  if (name == nullptr) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{}: the key general.architecture is missing", file.paths().front()));
  }
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name != *name) continue;
    MetadataReader metadata(file, *name);
    return architecture.read(file, metadata);
  }
  std::vector<std::string_view> known;
  for (const Architecture& architecture : kArchitectures)
    known.push_back(architecture.name);
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{}: architecture {} is not supported (known: {})", file.paths().front(),
                                quote(*name), fmt::join(known, ", ")));
}

}  // namespace flexinfer
