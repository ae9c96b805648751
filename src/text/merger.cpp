#include "text/merger.h"

#include <algorithm>
#include <limits>

namespace flexinfer {
namespace {

constexpr uint32_t kNone = std::numeric_limits<uint32_t>::max();  // no neighbour on this side

}  // namespace

void Merger::clear() {
  pieces_.clear();
}

void Merger::add(uint32_t n_bytes, Token token) {
  const auto index = static_cast<uint32_t>(pieces_.size());
  uint32_t begin = 0;
  if (index > 0) {
    begin = pieces_.back().end();
    pieces_.back().next = index;
  }
  pieces_.push_back({begin, n_bytes, index > 0 ? index - 1 : kNone, kNone, token});
}

void Merger::run(FindMerge find_merge) {
  candidates_.clear();
  for (uint32_t left = 0; left + 1 < pieces_.size(); ++left)
    find_candidate(left, find_merge);
  std::make_heap(candidates_.begin(), candidates_.end(), GoesLater());
  while (!candidates_.empty()) {
    const Candidate best = candidates_.front();
    std::pop_heap(candidates_.begin(), candidates_.end(), GoesLater());
    candidates_.pop_back();
    if (!is_current(best)) continue;
    join(best);
    push_candidate(pieces_[best.left()].previous, find_merge);
    push_candidate(best.left(), find_merge);
  }
}

void Merger::for_each(FunctionRef<void(const Piece&)> visit) const {
  for (uint32_t index = pieces_.empty() ? kNone : 0; index != kNone; index = pieces_[index].next) {
    visit(pieces_[index]);
  }
}

// Pieces only ever grow, so two neighbours of the same total length are the two that were found.
bool Merger::is_current(const Candidate& candidate) const {
  const Piece& left = pieces_[candidate.left()];
  return left.n_bytes > 0 && left.next != kNone &&
         left.n_bytes + pieces_[left.next].n_bytes == candidate.n_bytes;
}

bool Merger::find_candidate(uint32_t left, FindMerge find_merge) {
  if (left == kNone || pieces_[left].next == kNone) return false;
  const Piece& first = pieces_[left];
  const Piece& second = pieces_[first.next];
  const std::optional<Merge> merge = find_merge(first, second);
  if (!merge) return false;
  const uint64_t order = uint64_t{merge->rank} << 32 | left;
  candidates_.push_back({order, first.n_bytes + second.n_bytes, merge->token});
  return true;
}

void Merger::push_candidate(uint32_t left, FindMerge find_merge) {
  if (find_candidate(left, find_merge)) std::push_heap(candidates_.begin(), candidates_.end(), GoesLater());
}

void Merger::join(const Candidate& candidate) {
  Piece& left = pieces_[candidate.left()];
  Piece& right = pieces_[left.next];
  left.n_bytes = candidate.n_bytes;
  left.token = candidate.token;
  left.next = right.next;
  right.n_bytes = 0;
  if (left.next != kNone) pieces_[left.next].previous = candidate.left();
}

}  // namespace flexinfer
