#include "model/model.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "model/llama.h"

namespace flexinfer {
namespace {

struct Architecture {
  std::string_view name;  // general.architecture
  Result<Model> (*read)(const GgufFile&);
};

constexpr std::array kArchitectures = {Architecture{"llama", read_llama}};

}  // namespace

Result<Model> read_model(const GgufFile& file) {
  FLEX_TRY(const std::string* name, file.metadata().text("general.architecture"));
  if (name == nullptr) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{}: the key general.architecture is missing", file.paths().front()));
  }
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == *name) return architecture.read(file);
  }
  return make_error(
      ErrorCode::kUnsupported,
      fmt::format("{}: architecture '{}' is not supported (known: llama)", file.paths().front(), *name));
}

}  // namespace flexinfer
