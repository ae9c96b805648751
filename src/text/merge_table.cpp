#include "text/merge_table.h"

#include <fmt/format.h>

#include <string>
#include <type_traits>

#include "text/token_spelling.h"

namespace flexinfer {
namespace {

constexpr std::string_view kMergesKey = "tokenizer.ggml.merges";
constexpr size_t kMostMerges = size_t{1} << 21;  // four times what the largest vocabularies have

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
  if (merges->size() > kMostMerges) {
    return make_error(ErrorCode::kUnsupported, fmt::format("{} has {} entries: {} at most are read",
                                                           kMergesKey, merges->size(), kMostMerges));
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
    table.pairs_.push_back(pair);
    table.index_.insert(key(pair), static_cast<uint32_t>(rank),
                        [&](uint32_t other) { return table.pairs_[other] == pair; });
  }
  return table;
}

std::optional<uint32_t> MergeTable::rank(Token left, Token right) const {
  const Pair pair = {left, right};
  return index_.find(key(pair), [&](uint32_t rank) { return pairs_[rank] == pair; });
}

std::string_view MergeTable::key(const Pair& pair) {
  static_assert(std::has_unique_object_representations_v<Pair>);
  return {reinterpret_cast<const char*>(&pair), sizeof(pair)};
}

}  // namespace flexinfer
