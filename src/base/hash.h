// A hash that tells whether bytes are the same as before: no defence against those who would forge them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace flexinfer {

// Words of eight bytes are mixed in by multiplication with an odd number (as in FNV-1a, which takes single
// bytes) and a rotation that brings the upper bits down. The value depends on how the bytes were cut into
// calls.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) {
    mix(bytes.size());
    size_t at = 0;
    for (; at + sizeof(uint64_t) <= bytes.size(); at += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + at, sizeof word);
      mix(word);
    }
    uint64_t rest = 0;
    if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
    mix(rest);
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }
  void add(const std::string& text) { add(std::string_view(text)); }
  template <class T>
  requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void add(T value) { add(std::as_bytes(std::span(&value, 1))); }

  uint64_t value() const { return state_ ^ state_ >> 32; }

 private:
  void mix(uint64_t word) {
    state_ = (state_ ^ word) * 0x100000001b3;
    state_ = state_ << 29 | state_ >> 35;
  }

  uint64_t state_ = 0xcbf29ce484222325;
};

}  // namespace flexinfer
