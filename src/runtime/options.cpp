#include "flexinfer/options.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace flexinfer {
namespace {

template <class T, size_t N>
using Names = std::array<std::pair<T, std::string_view>, N>;

constexpr Names<IoMode, 5> kIoModes = {{{IoMode::kAuto, "auto"},
                                        {IoMode::kUring, "uring"},
                                        {IoMode::kThreads, "threads"},
                                        {IoMode::kSync, "sync"},
                                        {IoMode::kMmap, "mmap"}}};
constexpr Names<LockPolicy, 3> kLockPolicies = {
    {{LockPolicy::kBalanced, "balanced"}, {LockPolicy::kPrefix, "prefix"}, {LockPolicy::kNone, "none"}}};
constexpr Names<Preservation, 3> kPreservations = {{{Preservation::kFlexible, "flexible"},
                                                    {Preservation::kAttention, "attention"},
                                                    {Preservation::kFfn, "ffn"}}};
constexpr Names<CacheType, 3> kCacheTypeNames = {
    {{CacheType::kF32, "f32"}, {CacheType::kF16, "f16"}, {CacheType::kQ8_0, "q8_0"}}};

template <class T, size_t N>
std::string_view name_of(const Names<T, N>& names, T value) {
  for (const auto& [candidate, name] : names) {
    if (candidate == value) return name;
  }
  return "";
}

template <class T, size_t N>
Result<T> value_of(const Names<T, N>& names, std::string_view wanted, std::string_view what) {
  std::string known;
  for (const auto& [candidate, name] : names) {
    if (name == wanted) return candidate;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", name);
  }
  return make_error(ErrorCode::kUsage, fmt::format("'{}' is no {}: choose from {}", wanted, what, known));
}

}  // namespace

std::string_view to_string(IoMode mode) {
  return name_of(kIoModes, mode);
}
std::string_view to_string(LockPolicy policy) {
  return name_of(kLockPolicies, policy);
}
std::string_view to_string(Preservation preservation) {
  return name_of(kPreservations, preservation);
}
std::string_view to_string(CacheType type) {
  return name_of(kCacheTypeNames, type);
}

Result<IoMode> parse_io_mode(std::string_view name) {
  return value_of(kIoModes, name, "way of reading");
}
Result<LockPolicy> parse_lock_policy(std::string_view name) {
  return value_of(kLockPolicies, name, "lock policy");
}
Result<Preservation> parse_preservation(std::string_view name) {
  return value_of(kPreservations, name, "preservation");
}
Result<CacheType> parse_cache_type(std::string_view name) {
  return value_of(kCacheTypeNames, name, "cache type");
}

}  // namespace flexinfer
