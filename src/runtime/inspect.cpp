#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "base/processors.h"
#include "flexinfer/tools.h"
#include "gguf/gguf_file.h"
#include "kernels/kernel_table.h"
#include "runtime/machine.h"

namespace flexinfer {
namespace {

constexpr size_t kShownElements = 8;
constexpr size_t kShownCharacters = 200;

std::string shorten(std::string_view text) {
  if (text.size() <= kShownCharacters) return std::string(text);
  return fmt::format("{}... ({} bytes)", text.substr(0, kShownCharacters), text.size());
}

template <class List, class Show>
std::string show_list(const List& list, Show show) {
  std::string text = "[";
  for (size_t i = 0; i < std::min<size_t>(list.size(), kShownElements); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", show(list[i]));
  }
  if (list.size() > kShownElements) text += fmt::format(", ... {} in all", list.size());
  return text + "]";
}

std::string show(const MetadataValue& value) {
  return std::visit(
      [](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return shorten(v);
        } else if constexpr (std::is_same_v<T, StringList>) {
          return show_list(v, [](std::string_view s) { return fmt::format("\"{}\"", shorten(s)); });
        } else if constexpr (std::is_same_v<T, NestedArray>) {
          return fmt::format("[{} lists]", v.n_elements);
        } else if constexpr (std::is_arithmetic_v<T>) {
          return fmt::format("{}", v);
        } else {
          return show_list(v, [](auto number) { return fmt::format("{}", number); });
        }
      },
      value);
}

}  // namespace

Result<ModelInfo> inspect_model(const std::string& path) {
  FLEX_TRY(const GgufFile file, GgufFile::open(path));
  ModelInfo info;
  info.files = file.paths();
  info.file_bytes = file.file_bytes();
  info.version = file.version();
  info.alignment = file.alignment();
  for (const auto& [key, value] : file.metadata().values())
    info.metadata.emplace_back(key, show(value));
  for (const TensorInfo& tensor : file.tensors()) {
    ModelInfo::Tensor shown;
    shown.name = tensor.name;
    shown.type = ggml_type_info(tensor.type).name;
    shown.dims.assign(tensor.dims.begin(), tensor.dims.begin() + tensor.n_dims);
    shown.file = tensor.extent.file;
    shown.offset = tensor.extent.offset;
    shown.size_bytes = tensor.extent.size;
    info.n_parameters += tensor.cols() * tensor.rows();
    info.tensors.push_back(std::move(shown));
  }
  return info;
}

MachineInfo describe_machine() {
  MachineInfo info;
  info.cpu = cpu_name();
  info.n_threads = available_cores();
  info.memory_bytes = memory_state().total_bytes;
  const auto kernels = choose_kernels();
  info.kernels = kernels ? (*kernels)->name : "unknown";
  return info;
}

}  // namespace flexinfer
