#include "text/merge_table.h"

#include <fmt/format.h>

#include <limits>
#include <string>

#include "text/token_spelling.h"

namespace flexinfer {
namespace {

constexpr std::string_view kMergesKey = "tokenizer.ggml.merges";

tl::unexpected<Error> bad_merge(size_t index, std::string_view reason) {
  return make_error(ErrorCode::kCorrupt, fmt::format("{}: merge {} {}", kMergesKey, index, reason));
}

}  // namespace

Result<MergeTable> MergeTable::read(const Metadata& metadata, const TokenTable& vocabulary) {
  FLEX_TRY(const StringList* merges, metadata.texts(kMergesKey));
  if (merges == nullptr) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{} is missing: byte-level BPE cannot work without it", kMergesKey));
  }
  if (merges->size() > std::numeric_limits<int32_t>::max() / 2) {
    return make_error(ErrorCode::kCorrupt,
                      fmt::format("{} has {} entries, too many", kMergesKey, merges->size()));
  }
  MergeTable table;
  table.pairs_.reserve(merges->size());
  table.index_ = IndexTable(merges->size());
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    const std::string_view merge = (*merges)[rank];
    const size_t gap = merge.find(' ');  // never part of a token in this spelling
    if (gap == std::string_view::npos) return bad_merge(rank, "is not two tokens with a blank between them");
    const auto left = bytes_from_byte_level(merge.substr(0, gap));
    const auto right = bytes_from_byte_level(merge.substr(gap + 1));
    if (!left || !right) return bad_merge(rank, "is not written in the byte-level alphabet");
    const Pair pair = {vocabulary.find(*left), vocabulary.find(*right)};
    if (pair.left == kNoToken || pair.right == kNoToken || vocabulary.find(*left + *right) == kNoToken) {
      return bad_merge(rank, "names a token that the vocabulary does not have");
    }
    if (!table.rank(pair.left, pair.right)) table.index_.insert(hash(pair), static_cast<uint32_t>(rank));
    table.pairs_.push_back(pair);
  }
  return table;
}

std::optional<uint32_t> MergeTable::rank(Token left, Token right) const {
  const Pair pair = {left, right};
  return index_.find(hash(pair), [&](uint32_t rank) { return pairs_[rank] == pair; });
}

uint64_t MergeTable::hash(Pair pair) {
  return mix(
      mix(static_cast<uint64_t>(static_cast<uint32_t>(pair.left)) << 32 | static_cast<uint32_t>(pair.right)));
}

}  // namespace flexinfer
