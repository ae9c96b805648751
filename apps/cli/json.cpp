#include "json.h"

#include "terminal.h"

namespace flexinfer::cli {

Json to_json(const PlanSummary& plan) {
  Json layers = Json::array();
  for (const LayerPlan& layer : plan.layers) {
    layers.push_back({{"layer", layer.layer},
                      {"locked_bytes", layer.locked_bytes},
                      {"streamed_bytes", layer.streamed_bytes}});
  }
  Json roles = Json::array();
  for (const RolePlan& role : plan.roles) {
    roles.push_back({{"layer", role.layer},
                     {"role", role.role},
                     {"locked_bytes", role.locked_bytes},
                     {"streamed_bytes", role.total_bytes - role.locked_bytes}});
  }
  return {{"model_bytes", plan.model_bytes},
          {"budget_bytes", plan.budget_bytes},
          {"minimum_budget_bytes", plan.minimum_budget_bytes},
          {"full_budget_bytes", plan.full_budget_bytes},
          {"locked_bytes", plan.locked_bytes},
          {"slot_bytes", plan.slot_bytes},
          {"kv_cache_bytes", plan.kv_cache_bytes},
          {"activation_bytes", plan.activation_bytes},
          {"process_bytes", plan.process_bytes},
          {"streamed_bytes_per_sweep", plan.streamed_bytes_per_sweep},
          {"swept_bytes", plan.swept_bytes},
          {"n_experts", plan.n_experts},
          {"n_experts_used", plan.n_experts_used},
          {"locked_expert_share", plan.locked_expert_share},
          {"context_length", plan.context_length},
          {"context_reduced", plan.context_reduced},
          {"batch", plan.batch},
          {"limit", plan.limit},
          {"predicted_decode_tok_s", plan.predicted_decode_tok_s},
          {"bound_decode_tok_s", plan.bound_decode_tok_s},
          {"predicted_first_token_seconds", plan.predicted_first_token_seconds},
          {"profile_measured", plan.profile_measured},
          {"layers", std::move(layers)},
          {"roles", std::move(roles)}};
}

Json to_json(const SessionStats& stats, const PlanSummary& plan) {
  return {{"load_seconds", stats.load_seconds},
          {"first_token_seconds", stats.first_token_seconds},
          {"prefill_tokens", stats.prefill_tokens},
          {"prefill_seconds", stats.prefill_seconds},
          {"decode_tokens", stats.decode_tokens},
          {"decode_seconds", stats.decode_seconds},
          {"decode_tok_s", stats.decode_tok_s()},
          {"bytes_read", stats.bytes_read},
          {"bytes_read_per_token", stats.bytes_read_per_token()},
          {"cache_bytes_per_token", stats.cache_bytes_per_token()},
          {"cache_share_of_memory_reads", stats.cache_share(plan.swept_bytes)},
          {"decode_expert_hits", stats.decode_expert_hits},
          {"decode_expert_misses", stats.decode_expert_misses},
          {"stall_seconds", stats.stall_seconds},
          {"decode_stall_seconds", stats.decode_stall_seconds},
          {"peak_resident_bytes", stats.peak_resident_bytes},
          {"budget_bytes", plan.budget_bytes},
          {"locked_bytes", plan.locked_bytes},
          {"streamed_bytes_per_sweep", plan.streamed_bytes_per_sweep},
          {"sweeps", stats.sweeps},
          {"predicted_decode_tok_s", stats.predicted_decode_tok_s},
          {"bound_decode_tok_s", stats.bound_decode_tok_s}};
}

Json engine_json(const Engine& engine, const Session& session) {
  const EngineOptions& options = engine.options();
  return {{"io", to_string(session.io())},
          {"lock", to_string(options.lock)},
          {"preserve", to_string(options.preserve)},
          {"threads", options.n_threads},
          {"context_length", options.context_length},
          {"batch", options.batch},
          {"cache_type", to_string(options.cache_type)}};
}

Json to_json(const std::vector<CopyStats>& copies) {
  Json json = Json::array();
  for (const CopyStats& copy : copies) {
    json.push_back(
        {{"path", copy.path}, {"bytes_read", copy.bytes_read}, {"bytes_per_second", copy.bytes_per_second}});
  }
  return json;
}

Json to_json(const MachineInfo& machine) {
  return {{"cpu", machine.cpu},
          {"n_threads", machine.n_threads},
          {"memory_bytes", machine.memory_bytes},
          {"kernels", machine.kernels}};
}

Json to_json(const ModelInfo& model) {
  Json metadata = Json::object();
  for (const auto& [key, value] : model.metadata)
    metadata[key] = value;
  Json tensors = Json::array();
  for (const ModelInfo::Tensor& tensor : model.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"type", tensor.type},
                       {"dims", tensor.dims},
                       {"file", tensor.file},
                       {"offset", tensor.offset},
                       {"size_bytes", tensor.size_bytes}});
  }
  return {
      {"files", model.files},         {"file_bytes", model.file_bytes},     {"version", model.version},
      {"alignment", model.alignment}, {"n_parameters", model.n_parameters}, {"metadata", std::move(metadata)},
      {"tensors", std::move(tensors)}};
}

std::string json_text(const Json& json, int indentation) {
  return json.dump(indentation, ' ', false, Json::error_handler_t::replace);
}

void print_json(const Json& json) {
  write_stdout(json_text(json, 2) + "\n");
}

}  // namespace flexinfer::cli
