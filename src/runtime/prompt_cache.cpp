#include "runtime/prompt_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "gguf/output_file.h"
#include "io/file.h"

namespace flexinfer {
namespace {

constexpr std::array<char, 8> kMagic = {'F', 'l', 'e', 'x', 'K', 'V', '\n', '\x1a'};
constexpr uint64_t kVersion = 1;
constexpr uint64_t kBlockBytes = 256 * kKiB;  // of reads and writes

// A file is this header and a record for each position: its token, what the cache holds of it, and a hash of
// both and the hash before, the first of which is the header's.
struct PromptCacheHeader {
  std::array<char, 8> magic = kMagic;
  uint64_t version = kVersion;
  uint64_t identity = 0;
  uint64_t cache_type = 0;
  uint64_t n_tokens = 0;
};
static_assert(sizeof(PromptCacheHeader) == 40);

using TokenBytes = std::array<std::byte, sizeof(int32_t)>;

template <class T>
std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

uint64_t hash_after(uint64_t previous, std::span<const std::byte> bytes) {
  Hash hash;
  hash.add(previous);
  hash.add(bytes);
  return hash.value();
}

uint64_t records_bytes(const KvCacheShape& shape, uint64_t n_tokens) {
  return n_tokens * (sizeof(TokenBytes) + sizeof(uint64_t)) +
         shape.saved_bytes(static_cast<int64_t>(n_tokens));
}

// Reads a file from its beginning, block by block, and leaves nothing of it in the page cache.
class BlockReader {
 public:
  explicit BlockReader(const File& file) : file_(file), block_(kBlockBytes) {}

  Status read(std::span<std::byte> out) {
    while (!out.empty()) {
      if (used_ == filled_) FLEX_CHECK(fill());
      const uint64_t n = std::min<uint64_t>(out.size(), filled_ - used_);
      std::memcpy(out.data(), block_.data() + used_, n);
      used_ += n;
      out = out.subspan(n);
    }
    return {};
  }

 private:
  Status fill() {
    filled_ = std::min<uint64_t>(block_.size(), file_.size() - offset_);
    if (filled_ == 0) return tl::unexpected(file_.ends_early(offset_, 1, 0));
    FLEX_CHECK(file_.read_at(offset_, block_.data(), filled_));
    file_.drop_cache(offset_, filled_);
    offset_ += filled_;
    used_ = 0;
    return {};
  }

  const File& file_;
  std::vector<std::byte> block_;
  uint64_t offset_ = 0;
  uint64_t filled_ = 0;
  uint64_t used_ = 0;
};

tl::unexpected<Error> refuse(const File& file, ErrorCode code, std::string_view reason) {
  return make_error(code, fmt::format("{}: {}", file.path(), reason));
}

Status check_header(const File& file, const PromptCacheHeader& header, uint64_t identity,
                    const KvCacheShape& shape) {
  const auto unfit = [&](std::string_view reason) { return refuse(file, ErrorCode::kUnsupported, reason); };
  if (header.magic != kMagic) return refuse(file, ErrorCode::kUsage, "is no prompt cache");
  if (header.version != kVersion) return unfit("is a prompt cache of another version");
  if (header.cache_type != static_cast<uint64_t>(shape.type)) return unfit("holds another --cache-type");
  if (header.identity != identity) {
    return unfit("belongs to another model, or was made on another kind of processor");
  }
  const uint64_t size = file.size() - sizeof header - sizeof(uint64_t);
  const uint64_t most_tokens = std::min<uint64_t>(size / sizeof(TokenBytes), kMostPositions);
  if (header.n_tokens == 0 || header.n_tokens > most_tokens ||
      records_bytes(shape, header.n_tokens) != size) {
    return refuse(
        file, ErrorCode::kCorrupt,
        fmt::format("is cut short or damaged: {} tokens do not take {} bytes", header.n_tokens, file.size()));
  }
  const auto n_tokens = static_cast<int64_t>(header.n_tokens);
  if (n_tokens > shape.context_length && shape.is_windowed_at(n_tokens)) {
    return unfit(fmt::format("its {} tokens do not fit the context of {}", n_tokens, shape.context_length));
  }
  return {};
}

Status read_checked(const File& file, BlockReader& reader, std::span<std::byte> bytes, uint64_t& hash) {
  uint64_t stored = 0;
  FLEX_CHECK(reader.read(bytes));
  FLEX_CHECK(reader.read(bytes_of(stored)));
  hash = hash_after(hash, bytes);
  if (hash == stored) return {};
  return refuse(file, ErrorCode::kCorrupt, "is damaged: a hash differs");
}

}  // namespace

Status write_prompt_cache(const std::string& path, uint64_t identity, const KvCache& cache,
                          std::span<const int32_t> tokens) {
  const KvCacheShape& shape = cache.shape();
  const auto n_tokens = static_cast<int64_t>(tokens.size());
  PromptCacheHeader header;
  header.identity = identity;
  header.cache_type = static_cast<uint64_t>(shape.type);
  header.n_tokens = tokens.size();
  uint64_t hash = 0;
  const uint64_t size = sizeof header + sizeof hash + records_bytes(shape, tokens.size());
  FLEX_TRY(OutputFile file, OutputFile::create(path, size, kBlockBytes));
  const auto append = [&](std::span<const std::byte> bytes) -> Status {
    hash = hash_after(hash, bytes);
    FLEX_CHECK(file.append(bytes));
    return file.append(bytes_of(hash));
  };
  FLEX_CHECK(append(bytes_of(header)));
  std::vector<std::byte> record;
  for (int64_t position = 0; position < n_tokens; ++position) {
    record.resize(sizeof(TokenBytes) + shape.saved_bytes(position, n_tokens));
    std::memcpy(record.data(), &tokens[static_cast<size_t>(position)], sizeof(TokenBytes));
    cache.copy_position(position, n_tokens, std::span(record).subspan(sizeof(TokenBytes)));
    FLEX_CHECK(append(record));
  }
  return file.commit();
}

Result<std::vector<int32_t>> read_prompt_cache(const std::string& path, uint64_t identity, KvCache& cache) {
  FLEX_TRY(const File file, File::open_buffered(path));
  const KvCacheShape& shape = cache.shape();
  PromptCacheHeader header;
  uint64_t hash = 0;
  if (file.size() < sizeof header + sizeof hash) return refuse(file, ErrorCode::kUsage, "is no prompt cache");
  BlockReader reader(file);
  FLEX_CHECK(reader.read(bytes_of(header)));
  FLEX_CHECK(check_header(file, header, identity, shape));
  hash = hash_after(hash, bytes_of(header));
  uint64_t stored = 0;
  FLEX_CHECK(reader.read(bytes_of(stored)));
  if (hash != stored) return refuse(file, ErrorCode::kCorrupt, "is damaged: the hash of its header differs");

  const auto n_tokens = static_cast<int64_t>(header.n_tokens);
  std::vector<int32_t> tokens(static_cast<size_t>(std::min(n_tokens, shape.context_length)));
  std::vector<std::byte> record;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto position = static_cast<int64_t>(i);
    record.resize(sizeof(TokenBytes) + shape.saved_bytes(position, n_tokens));
    FLEX_CHECK(read_checked(file, reader, record, hash));
    std::memcpy(&tokens[i], record.data(), sizeof(TokenBytes));
    cache.set_position(position, n_tokens, std::span(record).subspan(sizeof(TokenBytes)));
  }
  return tokens;
}

}  // namespace flexinfer
