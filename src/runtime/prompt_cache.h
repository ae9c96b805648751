// The state of a sequence in a file: its tokens, and the keys and values computed from them.
//
// Layout, little-endian: PromptCacheHeader and its hash; then for each position its token (int32), what
// KvCache::copy_position gives, and a hash of both and of the hash before. Of layers with a sliding window
// only the positions are there that later tokens can see.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/kv_cache.h"

namespace flexinfer {

// Writes the first sequence's positions [0, tokens.size()), of which `tokens` are the tokens. `identity`
// stands for all that the numbers depend on beside tokens and the cache's shape. The file appears whole or
// not at all; some hundred KiB of memory are used. kIo.
Status write_prompt_cache(const std::string& path, uint64_t identity, const KvCache& cache,
                          std::span<const int32_t> tokens);

// Fills the cache's first positions and returns their tokens: as many of the file's as the cache has room
// for. kUsage where the file is no prompt cache, kCorrupt where it is damaged, kUnsupported where it belongs
// to another model, another version or another type of cache: the cache's positions are undefined then. kIo.
Result<std::vector<int32_t>> read_prompt_cache(const std::string& path, uint64_t identity, KvCache& cache);

}  // namespace flexinfer
