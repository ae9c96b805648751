// What a caller may choose. Every field has a default that is the best known; zero means "choose for me".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flexinfer/error.h"

namespace flexinfer {

// How weights reach memory. kAuto is io_uring where the system allows it, else reading threads.
enum class IoMode : uint8_t { kAuto, kUring, kThreads, kSync, kMmap };
// Which weights stay in memory: the same residual read time in every layer, the first layers whole, or none.
enum class LockPolicy : uint8_t { kBalanced, kPrefix, kNone };
// Which tensors of a layer stay first (the paper's flexible tensor preservation, and its two fixed forms).
enum class Preservation : uint8_t { kFlexible, kAttention, kFfn };
// Element type of the KV cache.
enum class CacheType : uint8_t { kF32, kF16, kQ8_0 };
inline constexpr int kCacheTypes = 3;

struct EngineOptions {
  uint64_t budget_bytes = 0;  // all memory of the process; 0: what is free on this machine or in this cgroup
  // Positions of the KV cache; 0: the model's, at most 4096, at most a quarter of the budget.
  int64_t context_length = 0;
  int n_threads = 0;  // compute threads; 0: the cores available to the process
  int64_t batch = 0;  // prompt tokens per sweep; 0: as many as save time, within what the budget allows
  // Whether logits of every position of a batch are wanted (needs memory for them).
  bool logits_everywhere = false;
  CacheType cache_type = CacheType::kF16;
  IoMode io = IoMode::kAuto;
  LockPolicy lock = LockPolicy::kBalanced;
  Preservation preserve = Preservation::kFlexible;
  uint64_t slot_bytes = 0;  // memory for reads in flight; 0: chosen from the budget
  // Further copies of the model on other disks (of a split set the first files): what each of them reads is
  // in proportion to its measured speed.
  std::vector<std::string> mirrors;
};

struct SamplingOptions {
  float temperature = 0.8F;     // 0: greedy
  int top_k = 40;               // 0: off
  float top_p = 0.95F;          // 1: off
  float min_p = 0.05F;          // 0: off
  float repeat_penalty = 1.0F;  // 1: off; over the last 64 tokens
  uint64_t seed = 0;
};

// The names that the command line and JSON use ("uring", "balanced", "flexible", "f16").
std::string_view to_string(IoMode mode);
std::string_view to_string(LockPolicy policy);
std::string_view to_string(Preservation preservation);
std::string_view to_string(CacheType type);
Result<IoMode> parse_io_mode(std::string_view name);
Result<LockPolicy> parse_lock_policy(std::string_view name);
Result<Preservation> parse_preservation(std::string_view name);
Result<CacheType> parse_cache_type(std::string_view name);

// "4GiB", "500MB", "1.5G", "4096": powers of 1024 for B K M G T and KiB..TiB, of 1000 for KB..TB. kUsage
// otherwise.
Result<uint64_t> parse_size(std::string_view text);

// "3.83 GiB", "512 KiB", "17 B": for people, three significant digits.
std::string format_bytes(uint64_t bytes);

}  // namespace flexinfer
