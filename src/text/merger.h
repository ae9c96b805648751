// Joins neighbouring pieces of a text, the best pair first, until no pair can be joined: what every kind of
// byte-pair encoding does. They differ in how a pair is rated.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "text/tokenizer.h"

namespace flexinfer {

struct Piece {
  uint32_t begin = 0;    // offset in the text
  uint32_t n_bytes = 0;  // 0: joined to the piece before it
  uint32_t previous = 0;
  uint32_t next = 0;
  Token token = kNoToken;

  uint32_t end() const { return begin + n_bytes; }
};

struct Merge {
  uint32_t rank = 0;  // the lowest goes first; among equals the leftmost
  Token token = kNoToken;
};

// Usage: clear, add all pieces of a text from left to right, run, for_each. Reusing one saves allocations.
// Time is n log n in the number of pieces.
class Merger {
 public:
  // What joining two neighbours would give; nullopt where they cannot be joined. The same pair has the same
  // answer.
  using FindMerge = FunctionRef<std::optional<Merge>(const Piece& left, const Piece& right)>;

  void clear();
  void add(uint32_t n_bytes, Token token);
  void run(FindMerge find_merge);
  void for_each(FunctionRef<void(const Piece&)> visit) const;

 private:
  // A pair that can be joined, as it was when it was found: either piece may have grown or gone since.
  struct Candidate {
    uint64_t order;    // the rank, then the place: what goes first is lowest
    uint32_t n_bytes;  // of both together
    Token token;

    uint32_t left() const { return static_cast<uint32_t>(order); }
  };
  // A type, so that the heap compares without a call.
  struct GoesLater {
    bool operator()(const Candidate& a, const Candidate& b) const { return a.order > b.order; }
  };
  bool is_current(const Candidate& candidate) const;
  bool find_candidate(uint32_t left,
                      FindMerge find_merge);  // whether one was added at the back of candidates_
  void push_candidate(uint32_t left, FindMerge find_merge);
  void join(const Candidate& candidate);

  std::vector<Piece> pieces_;
  std::vector<Candidate> candidates_;  // a heap, the best at the front
};

}  // namespace flexinfer
