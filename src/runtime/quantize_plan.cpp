#include "runtime/quantize_plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "gguf/quote.h"
#include "quant/dequantize.h"

namespace flexinfer {
namespace {

using enum GgmlType;

std::string_view name_of(GgmlType type) {
  return ggml_type_info(type).name;
}

bool is_float(GgmlType type) {
  return ggml_type_info(type).block_elements == 1 && is_computable(type);
}

bool is_matrix_of_weights(const TensorInfo& tensor) {
  const std::string_view name = tensor.name;
  return tensor.n_dims >= 2 && name.ends_with(".weight") && !name.ends_with("_norm.weight") &&
         name.find(".ffn_gate_inp") == std::string_view::npos;
}

bool is_head(const GgufFile& file, const TensorInfo& tensor) {
  const TensorInfo* output = file.find_tensor("output.weight");
  return output != nullptr ? &tensor == output : tensor.name == "token_embd.weight";
}

bool is_smaller_than_q6_k(GgmlType type) {
  return type == kQ4_0 || type == kQ4_1 || type == kQ5_0 || type == kQ5_1 || type == kQ4_K || type == kQ5_K;
}

// The type to try next where rows are not whole blocks of this one.
GgmlType fallback_of(GgmlType type) {
  if (type == kQ4_K) return kQ5_0;
  if (type == kQ5_K) return kQ5_1;
  if (type == kQ6_K) return kQ8_0;
  return kF16;
}

GgmlType fitting(GgmlType type, uint64_t cols) {
  while (!row_bytes(type, cols))
    type = fallback_of(type);
  return type;
}

// "a, b, c, ..."
std::string some_of(const std::vector<std::string>& names) {
  constexpr size_t kShown = 3;
  const size_t n = std::min(names.size(), kShown);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<ptrdiff_t>(n), ", "),
                     names.size() > n ? ", ..." : "");
}

// The type that a tensor is written in; notes those that do not get the one asked for.
class TypeChooser {
 public:
  TypeChooser(const GgufFile& file, GgmlType type) : file_(file), type_(type) {}

  GgmlType choose(const TensorInfo& tensor) {
    if (!is_matrix_of_weights(tensor)) return is_float(tensor.type) ? kF32 : tensor.type;
    const bool is_better = is_head(file_, tensor) && is_smaller_than_q6_k(type_);
    const GgmlType wanted = is_better ? kQ6_K : type_;
    const GgmlType chosen = fitting(wanted, tensor.cols());
    if (is_better)
      notes_.push_back(
          fmt::format("{}: written in {}, being the output head", quote(tensor.name), name_of(chosen)));
    if (!is_better && chosen != wanted) fallbacks_[chosen].push_back(quote(tensor.name));
    if (chosen != tensor.type && !is_float(tensor.type)) lossy_sources_.insert(name_of(tensor.type));
    return chosen;
  }

  std::vector<std::string> notes() const {
    std::vector<std::string> notes = notes_;
    for (const auto& [chosen, names] : fallbacks_) {
      notes.push_back(
          fmt::format("{} written in {}, because the rows are not whole blocks of {}: {}",
                      names.size() == 1 ? "a tensor is" : fmt::format("{} tensors are", names.size()),
                      name_of(chosen), name_of(type_), some_of(names)));
    }
    if (!lossy_sources_.empty()) {
      notes.push_back(fmt::format(
          "made from {}: what was lost there stays lost, a model of F16 or BF16 gives a better one",
          fmt::join(lossy_sources_, ", ")));
    }
    return notes;
  }

 private:
  const GgufFile& file_;
  GgmlType type_;
  std::vector<std::string> notes_;
  std::map<GgmlType, std::vector<std::string>> fallbacks_;
  std::set<std::string_view> lossy_sources_;
};

Status check_source(const GgufFile& file, const QuantizedTensor& tensor) {
  const TensorInfo& source = *tensor.source;
  if (source.type == tensor.type || is_computable(source.type)) return {};
  return make_error(ErrorCode::kUnsupported,
                    fmt::format("{}: tensor {} is in {}, which cannot be turned into other types",
                                file.paths()[source.extent.file], quote(source.name), name_of(source.type)));
}

}  // namespace

Result<QuantizePlan> plan_quantize(const GgufFile& file, GgmlType type) {
  if (!is_quantizable(type)) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("models are not written in {}: try Q4_K or Q8_0", name_of(type)));
  }
  QuantizePlan plan;
  TypeChooser chooser(file, type);
  for (const TensorInfo& source : file.tensors()) {
    plan.tensors.push_back({&source, chooser.choose(source)});
    FLEX_CHECK(check_source(file, plan.tensors.back()));
  }
  plan.notes = chooser.notes();
  return plan;
}

}  // namespace flexinfer
