// A hash whose collisions cannot be prepared: the texts of a file may be chosen by somebody who wants a table
// of them to be slow.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace flexinfer {

struct HashKey {
  uint64_t low = 0;
  uint64_t high = 0;
};

// The key of this process: the random bytes that the kernel hands to every program it starts. No output
// depends on it.
HashKey process_hash_key();

// SipHash-1-3 (Aumasson and Bernstein): one round for each word, three at the end. Hashes one text, once.
class SipHash {
 public:
  explicit SipHash(HashKey key)
      : v0_(key.low ^ 0x736f6d6570736575),
        v1_(key.high ^ 0x646f72616e646f6d),
        v2_(key.low ^ 0x6c7967656e657261),
        v3_(key.high ^ 0x7465646279746573) {}

  uint64_t operator()(std::string_view bytes) {
    uint64_t last = static_cast<uint64_t>(bytes.size()) << 56;
    for (; bytes.size() >= sizeof(uint64_t); bytes.remove_prefix(sizeof(uint64_t))) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), sizeof(word));
      add(word);
    }
    for (size_t i = 0; i < bytes.size(); ++i)
      last |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[i])) << (8 * i);
    add(last);
    v2_ ^= 0xff;
    for (int i = 0; i < 3; ++i)
      round();
    return v0_ ^ v1_ ^ v2_ ^ v3_;
  }

 private:
  void add(uint64_t word) {
    v3_ ^= word;
    round();
    v0_ ^= word;
  }

  void round() {
    v0_ += v1_;
    v2_ += v3_;
    v1_ = std::rotl(v1_, 13) ^ v0_;
    v3_ = std::rotl(v3_, 16) ^ v2_;
    v0_ = std::rotl(v0_, 32) + v3_;
    v2_ += v1_;
    v3_ = std::rotl(v3_, 21) ^ v0_;
    v1_ = std::rotl(v1_, 17) ^ v2_;
    v2_ = std::rotl(v2_, 32);
  }

  uint64_t v0_;
  uint64_t v1_;
  uint64_t v2_;
  uint64_t v3_;
};

}  // namespace flexinfer
