// A compact hash table over things that are numbered.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

namespace flexinfer {

inline uint64_t mix(uint64_t hash) {
  hash *= 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 32);
}

inline uint64_t hash_bytes(std::string_view bytes) {
  uint64_t hash = mix(bytes.size() + 1);
  for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), sizeof(word));
    hash = mix(hash ^ word);
  }
  uint64_t tail = 0;
  if (!bytes.empty()) std::memcpy(&tail, bytes.data(), bytes.size());
  return mix(mix(hash ^ tail));
}

// Open addressing with 32-bit slots. The table holds indices only; the keys stay with the owner, who compares
// them. The bits of a slot that an index does not need carry a piece of its hash, so that most unequal keys
// are told apart without being looked at. Thread-safe for readers.
class IndexTable {
 public:
  IndexTable() = default;

  // Room for n_entries entries, each an index below n_entries. n_entries is below 2^31.
  explicit IndexTable(size_t n_entries)
      : slots_(n_entries + n_entries / 2 + 1, kEmpty),
        index_mask_((uint32_t{1} << std::bit_width(n_entries)) - 1) {}

  // The index that was inserted under this hash and for which equals(index) holds.
  template <class Equals>
  std::optional<uint32_t> find(uint64_t hash, Equals equals) const {
    if (slots_.empty()) return std::nullopt;
    const uint32_t tag = tag_of(hash);
    for (size_t slot = first_slot(hash); slots_[slot] != kEmpty; slot = next_slot(slot)) {
      const uint32_t index = slots_[slot] & index_mask_;
      if ((slots_[slot] & ~index_mask_) == tag && equals(index)) return index;
    }
    return std::nullopt;
  }

  // The caller sees to it that an equal key is not inserted twice.
  void insert(uint64_t hash, uint32_t index) {
    size_t slot = first_slot(hash);
    while (slots_[slot] != kEmpty)
      slot = next_slot(slot);
    slots_[slot] = tag_of(hash) | index;
  }

  uint64_t resident_bytes() const { return slots_.capacity() * sizeof(uint32_t); }

 private:
  // Never a real slot: an index is below n_entries, so its bits are not all set.
  static constexpr uint32_t kEmpty = std::numeric_limits<uint32_t>::max();

  uint32_t tag_of(uint64_t hash) const { return static_cast<uint32_t>(hash) & ~index_mask_; }
  size_t first_slot(uint64_t hash) const { return static_cast<size_t>(((hash >> 32) * slots_.size()) >> 32); }
  size_t next_slot(size_t slot) const { return slot + 1 == slots_.size() ? 0 : slot + 1; }

  std::vector<uint32_t> slots_;
  uint32_t index_mask_ = 0;
};

}  // namespace flexinfer
