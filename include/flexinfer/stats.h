// What was planned, and what was measured. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace flexinfer {

// The matrices of one layer that do the same: "attention_q", "ffn_gate", "output_head" ...
struct RolePlan {
  int layer = 0;  // as in LayerPlan; the embedding's is 0
  std::string role;
  uint64_t total_bytes = 0;
  uint64_t locked_bytes = 0;
};

struct LayerPlan {
  int layer = 0;  // the output head is the last one
  uint64_t locked_bytes = 0;
  uint64_t streamed_bytes = 0;  // for each token; of experts, the share that a token chooses
};

// The memory of a run and what it means for its speed. The parts add up to at most budget_bytes.
struct PlanSummary {
  uint64_t model_bytes = 0;  // all tensors
  uint64_t budget_bytes = 0;
  uint64_t minimum_budget_bytes = 0;  // the smallest budget that works with these options
  uint64_t full_budget_bytes = 0;     // from here on nothing streams
  uint64_t locked_bytes = 0;          // weights kept in memory
  uint64_t slot_bytes = 0;            // buffers of reads in flight
  uint64_t kv_cache_bytes = 0;
  uint64_t activation_bytes = 0;
  uint64_t process_bytes = 0;             // program, libraries, tokenizer, page tables
  uint64_t streamed_bytes_per_sweep = 0;  // for a token; of experts, what it can be expected to choose
  uint64_t swept_bytes = 0;               // of weights that a token uses, streamed or not; experts likewise
  int64_t n_experts = 0;                  // of each layer; 0: it has none
  int64_t n_experts_used = 0;             // by a token
  double locked_expert_share = 0;         // of all experts
  int64_t context_length = 0;
  int64_t batch = 0;
  // Below the model's length, so that the KV cache fits its share of the budget.
  bool context_reduced = false;
  std::string limit;  // "disk", "memory" or "compute": what bounds decoding
  double predicted_decode_tok_s = 0;
  double bound_decode_tok_s = 0;  // no engine could beat this with this budget on this machine
  double predicted_first_token_seconds = 0;
  bool profile_measured = false;  // whether the machine's speeds were measured or are assumptions
  std::vector<LayerPlan> layers;
  std::vector<RolePlan> roles;  // of all layers, in the order of use; an embedding of its own is the last
};

// One copy of the model, among several.
struct CopyStats {
  std::string path;
  uint64_t bytes_read = 0;
  double bytes_per_second = 0;  // as measured of late; 0 before anything was read
};

// Times and bytes of a session since it was made.
struct SessionStats {
  double load_seconds = 0;         // from opening the model to the first sweep
  double first_token_seconds = 0;  // from opening the model to the first sampled token
  int64_t prefill_tokens = 0;
  double prefill_seconds = 0;
  int64_t decode_tokens = 0;
  double decode_seconds = 0;
  uint64_t bytes_read = 0;            // everything read from disk, padding included
  uint64_t decode_bytes_read = 0;     // the part of it read while decoding
  uint64_t decode_cache_bytes = 0;    // keys and values that decoded tokens read from the KV cache
  uint64_t decode_expert_hits = 0;    // experts that decoding chose and found in memory
  uint64_t decode_expert_misses = 0;  // and those that it had to read
  double stall_seconds = 0;           // compute waited for a read
  double decode_stall_seconds = 0;
  int64_t sweeps = 0;
  uint64_t peak_resident_bytes = 0;  // of the whole process
  // As in PlanSummary, with the disk's speed as the sweeps of this session have measured it; the bound with
  // the keys and values that decoding has read for each token.
  double predicted_decode_tok_s = 0;
  double bound_decode_tok_s = 0;

  double decode_tok_s() const {
    return decode_seconds > 0 ? static_cast<double>(decode_tokens) / decode_seconds : 0;
  }
  double prefill_tok_s() const {
    return prefill_seconds > 0 ? static_cast<double>(prefill_tokens) / prefill_seconds : 0;
  }
  double expert_hit_share() const {
    const uint64_t all = decode_expert_hits + decode_expert_misses;
    return all > 0 ? static_cast<double>(decode_expert_hits) / static_cast<double>(all) : 0;
  }
  uint64_t bytes_read_per_token() const {
    return decode_tokens > 0 ? decode_bytes_read / static_cast<uint64_t>(decode_tokens) : 0;
  }
  uint64_t cache_bytes_per_token() const {
    return decode_tokens > 0 ? decode_cache_bytes / static_cast<uint64_t>(decode_tokens) : 0;
  }
  // Of the bytes that a decoded token reads from memory, how much keys and values are.
  double cache_share(uint64_t swept_bytes) const {
    const auto cache = static_cast<double>(cache_bytes_per_token());
    return cache > 0 ? cache / (cache + static_cast<double>(swept_bytes)) : 0;
  }
};

}  // namespace flexinfer
