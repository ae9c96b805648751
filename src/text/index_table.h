// A compact hash table over things that are numbered.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "text/keyed_hash.h"

namespace flexinfer {

// Open addressing with 32-bit slots. The table holds indices only; the keys, each some bytes, stay with the
// owner, who compares them: equals(index) says whether the key of that index is the one that is looked for.
// The bits of a slot that an index does not need carry a piece of its key's hash, so that most unequal keys
// are told apart without being looked at. The hash is keyed, so no choice of keys makes it slow. Thread-safe
// for readers.
class IndexTable {
 public:
  IndexTable() = default;

  // Room for n_entries entries, each an index below n_entries. n_entries is below 2^31.
  explicit IndexTable(size_t n_entries)
      : slots_(n_entries + n_entries / 2 + 1, kEmpty),
        index_mask_((uint32_t{1} << std::bit_width(n_entries)) - 1) {}

  template <class Equals>
  std::optional<uint32_t> find(std::string_view key, Equals equals) const {
    if (slots_.empty()) return std::nullopt;
    const uint32_t found = slots_[slot_of(hash(key), equals)];
    if (found == kEmpty) return std::nullopt;
    return found & index_mask_;
  }

  // Inserts an index unless its key is there already; then that key's index is returned.
  template <class Equals>
  std::optional<uint32_t> insert(std::string_view key, uint32_t index, Equals equals) {
    const uint64_t hash = this->hash(key);
    uint32_t& slot = slots_[slot_of(hash, equals)];
    if (slot != kEmpty) return slot & index_mask_;
    slot = tag_of(hash) | index;
    return std::nullopt;
  }

  uint64_t resident_bytes() const { return slots_.capacity() * sizeof(uint32_t); }

 private:
  // Never a real slot: an index is below n_entries, so its bits are not all set.
  static constexpr uint32_t kEmpty = std::numeric_limits<uint32_t>::max();

  // The slot that holds the key, or the empty one where it belongs.
  template <class Equals>
  size_t slot_of(uint64_t hash, Equals equals) const {
    const uint32_t tag = tag_of(hash);
    size_t slot = static_cast<size_t>(((hash >> 32) * slots_.size()) >> 32);
    while (slots_[slot] != kEmpty) {
      if ((slots_[slot] & ~index_mask_) == tag && equals(slots_[slot] & index_mask_)) break;
      slot = slot + 1 == slots_.size() ? 0 : slot + 1;
    }
    return slot;
  }

  uint64_t hash(std::string_view key) const { return SipHash(key_)(key); }
  uint32_t tag_of(uint64_t hash) const { return static_cast<uint32_t>(hash) & ~index_mask_; }

  HashKey key_ = process_hash_key();
  std::vector<uint32_t> slots_;
  uint32_t index_mask_ = 0;
};

}  // namespace flexinfer
