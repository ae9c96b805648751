#include "ops/attention.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace flexinfer {
namespace {

constexpr int64_t kGroupQueries = 64;    // that read a block of one kv head together
constexpr int64_t kMostSplitTokens = 4;  // a batch with more tokens has work enough for all threads

// A batch cut into groups: heads of one kv head, of a few tokens.
struct Groups {
  Groups(const AttentionShape& shape, int64_t n_tokens)
      : heads(std::min(shape.n_heads / shape.n_kv_heads, kGroupQueries)),
        tokens(kGroupQueries / heads),
        per_kv_head((shape.n_heads / shape.n_kv_heads + heads - 1) / heads),
        token_tiles((n_tokens + tokens - 1) / tokens),
        count(shape.n_kv_heads * per_kv_head * token_tiles) {}

  int64_t heads;   // of a group, at most
  int64_t tokens;  // of a group, at most
  int64_t per_kv_head;
  int64_t token_tiles;
  int64_t count;
};

// Groups, where there is one for each kv head, are too few and too long for threads to end together.
bool shares_out_blocks(int64_t n_tokens, int n_threads) {
  return n_threads > 1 && n_tokens <= kMostSplitTokens;
}

// What one query has seen of some blocks: head_dim sums of values, not yet divided; the greatest score, and
// the sum of the weights. In memory one after the other.
class Partial {
 public:
  static int64_t floats(int64_t head_dim) { return padded_cols(head_dim + 2); }
  Partial() = default;
  Partial(float* memory, int64_t head_dim) : out_(memory), head_dim_(head_dim) {}

  float* out() const { return out_; }
  float& greatest() const { return out_[head_dim_]; }
  float& sum() const { return out_[head_dim_ + 1]; }
  bool empty() const { return sum() == 0; }

  void merge(const KernelTable& kernels, const Partial& later) const {
    if (later.empty()) return;
    if (empty()) {
      std::copy_n(later.out_, head_dim_ + 2, out_);
      return;
    }
    const float most = std::max(greatest(), later.greatest());
    const float mine = std::exp(greatest() - most);
    const float its = std::exp(later.greatest() - most);
    kernels.blend(mine, later.out_, its, head_dim_, out_);
    sum() = sum() * mine + later.sum() * its;
    greatest() = most;
  }

  void finish(const KernelTable& kernels, const float* sink, float* out) const {
    float share = 1.0F / sum();
    if (sink != nullptr) {
      const float most = std::max(greatest(), *sink);
      const float mine = std::exp(greatest() - most);
      share = mine / (sum() * mine + std::exp(*sink - most));
    }
    std::copy_n(out_, head_dim_, out);
    kernels.scale(share, head_dim_, out);
  }

 private:
  float* out_ = nullptr;
  int64_t head_dim_ = 0;
};

// Up to kGroupQueries queries of one sequence that read the same kv head.
struct Query {
  int64_t token = 0;
  int64_t head = 0;
  int64_t first = 0;  // position it sees
  int64_t end = 0;
};
struct Group {
  std::array<Query, kGroupQueries> members = {};
  int64_t size = 0;
  int32_t sequence = 0;
  int64_t kv_head = 0;

  int64_t first_block() const {
    int64_t first = members[0].first;
    for (int64_t i = 1; i < size; ++i)
      first = std::min(first, members[i].first);
    return first / kAttentionBlock;
  }
  int64_t end_block() const {
    int64_t end = members[0].end;
    for (int64_t i = 1; i < size; ++i)
      end = std::max(end, members[i].end);
    return (end - 1) / kAttentionBlock + 1;
  }
};

// Blocks that tokens of a batch see.
struct BlockRange {
  int64_t first;
  int64_t count;
};

// A partial for each block and query of a batch, in the order in which threads write them.
struct BlockPartials {
  float* memory;
  const AttentionShape& shape;
  int64_t n_tokens;
  BlockRange blocks;

  Partial at(const Query& query, int64_t block) const {
    const int64_t index = ((block - blocks.first) * n_tokens + query.token) * shape.n_heads + query.head;
    return {memory + index * Partial::floats(shape.head_dim), shape.head_dim};
  }
};

class Attention {
 public:
  Attention(const Compute& compute, const AttentionShape& shape, std::span<const float> sinks,
            const TokenPlaces& places, const Rows& queries, const CacheLayer& cache, std::byte* scratch,
            const Rows& out)
      : compute_(compute),
        shape_(shape),
        sinks_(sinks),
        places_(places),
        queries_(queries),
        cache_(cache),
        scratch_(reinterpret_cast<float*>(scratch)),
        out_(out),
        groups_(shape, queries.n_rows) {}

  static int64_t worker_floats(int64_t head_dim) {
    return kGroupQueries * (kAttentionBlock + 2 * Partial::floats(head_dim));
  }

  void whole_groups() const;
  void shared_blocks() const;
  BlockRange blocks() const {
    const auto [least, most] = std::minmax_element(places_.positions.begin(), places_.positions.end());
    const int64_t first = first_seen(*least) / kAttentionBlock;
    return {first, *most / kAttentionBlock + 1 - first};
  }

 private:
  template <class Fn>
  void for_each_run(int64_t group, Fn fn) const;
  void attend_group(int64_t index, float* scratch) const;
  void attend_one_block(int64_t index, int64_t block, const BlockPartials& partials, float* scratch) const;
  void merge_group(int64_t index, const BlockPartials& partials) const;
  void attend_block(const Group& group, int64_t block, float* scores, const Partial* partials) const;
  void weigh(const Group& group, const Visible* visible, float* scores, const Partial* partials) const;
  void finish(const Query& query, const Partial& partial) const;
  int64_t n_seen() const {  // positions from the first that any token sees to the last
    const auto [least, most] = std::minmax_element(places_.positions.begin(), places_.positions.end());
    return *most + 1 - first_seen(*least);
  }
  int64_t elements_of_group(int64_t n_positions) const {
    return groups_.heads * std::min(groups_.tokens, queries_.n_rows) * n_positions * shape_.head_dim;
  }
  int64_t first_seen(int64_t position) const {
    return shape_.window == 0 ? 0 : std::max<int64_t>(0, position + 1 - shape_.window);
  }
  float* worker_scratch(int worker) const { return scratch_ + worker * worker_floats(shape_.head_dim); }

  const Compute& compute_;
  const AttentionShape& shape_;
  const std::span<const float> sinks_;
  const TokenPlaces& places_;
  const Rows& queries_;
  const CacheLayer& cache_;
  float* const scratch_;
  const Rows& out_;
  const Groups groups_;
};

// fn(Group) for each run of tokens of one sequence in a group of the batch.
template <class Fn>
void Attention::for_each_run(int64_t group, Fn fn) const {
  const int64_t heads_per_kv_head = shape_.n_heads / shape_.n_kv_heads;
  const int64_t tile = group % groups_.token_tiles;
  const int64_t head_tile = group / groups_.token_tiles;
  Group run;
  run.kv_head = head_tile / groups_.per_kv_head;
  const int64_t first_head = head_tile % groups_.per_kv_head * groups_.heads;
  const int64_t end_head = std::min(first_head + groups_.heads, heads_per_kv_head);
  const int64_t end_token = std::min((tile + 1) * groups_.tokens, queries_.n_rows);
  for (int64_t t = tile * groups_.tokens; t < end_token; ++t) {
    const auto token = static_cast<size_t>(t);
    if (run.size > 0 && places_.sequences[token] != run.sequence) {
      fn(run);
      run.size = 0;
    }
    run.sequence = places_.sequences[token];
    const int64_t end = places_.positions[token] + int64_t{1};
    const int64_t first = first_seen(end - 1);
    for (int64_t h = first_head; h < end_head; ++h)
      run.members[static_cast<size_t>(run.size++)] = {t, run.kv_head * heads_per_kv_head + h, first, end};
  }
  fn(run);
}

// What each query of the group sees of one block, as a partial of its own.
void Attention::attend_block(const Group& group, int64_t block, float* scores,
                             const Partial* partials) const {
  const int64_t first = block * kAttentionBlock;
  Visible visible[kGroupQueries];
  Visible any{kAttentionBlock, 0};
  const float* queries[kGroupQueries];
  float* out[kGroupQueries];
  for (int64_t i = 0; i < group.size; ++i) {
    const Query& query = group.members[static_cast<size_t>(i)];
    const int64_t begin = std::clamp<int64_t>(query.first - first, 0, kAttentionBlock);
    visible[i] = {begin, std::clamp<int64_t>(query.end - first, begin, kAttentionBlock)};
    if (visible[i].begin < visible[i].end) {
      any = {std::min(any.begin, visible[i].begin), std::max(any.end, visible[i].end)};
    }
    queries[i] = queries_.row(query.token) + query.head * shape_.head_dim;
    out[i] = partials[i].out();
  }
  const auto type = static_cast<size_t>(cache_.type);
  const CacheBlock rows = cache_block(cache_, group.sequence, group.kv_head, first);
  if (any.begin < any.end) {
    compute_.kernels.attention_scores[type]({queries, group.size, shape_.head_dim, rows.keys, any, scores});
  }
  weigh(group, visible, scores, partials);
  compute_.kernels.attention_values[type]({scores, visible, group.size, shape_.head_dim, rows.values, out});
}

// Scores of one block to the weights of a softmax over it.
void Attention::weigh(const Group& group, const Visible* visible, float* scores,
                      const Partial* partials) const {
  for (int64_t i = 0; i < group.size; ++i) {
    const int64_t n = visible[i].end - visible[i].begin;
    float* seen = scores + i * kAttentionBlock + visible[i].begin;
    SoftmaxSum softmax;
    if (n > 0) {
      if (shape_.soft_cap > 0) {
        compute_.kernels.soft_cap(shape_.scale, shape_.soft_cap, n, seen);
      } else {
        compute_.kernels.scale(shape_.scale, n, seen);
      }
      softmax = compute_.kernels.softmax_weights(seen, n);
    }
    partials[i].greatest() = softmax.greatest;
    partials[i].sum() = softmax.sum;
  }
}

void Attention::finish(const Query& query, const Partial& partial) const {
  const float* sink = sinks_.empty() ? nullptr : &sinks_[static_cast<size_t>(query.head)];
  partial.finish(compute_.kernels, sink, out_.row(query.token) + query.head * shape_.head_dim);
}

// One group from its first block to its last.
void Attention::attend_group(int64_t index, float* scratch) const {
  Partial so_far[kGroupQueries];
  Partial next[kGroupQueries];
  float* memory = scratch + kGroupQueries * kAttentionBlock;
  for (int64_t i = 0; i < kGroupQueries; ++i) {
    so_far[i] = {memory + 2 * i * Partial::floats(shape_.head_dim), shape_.head_dim};
    next[i] = {memory + (2 * i + 1) * Partial::floats(shape_.head_dim), shape_.head_dim};
  }
  for_each_run(index, [&](const Group& group) {
    const int64_t first = group.first_block();
    attend_block(group, first, scratch, so_far);
    for (int64_t block = first + 1; block < group.end_block(); ++block) {
      attend_block(group, block, scratch, next);
      for (int64_t i = 0; i < group.size; ++i)
        so_far[i].merge(compute_.kernels, next[i]);
    }
    for (int64_t i = 0; i < group.size; ++i)
      finish(group.members[static_cast<size_t>(i)], so_far[i]);
  });
}

void Attention::whole_groups() const {
  const int64_t elements = elements_of_group(n_seen());
  compute_.split_among_workers(groups_.count, elements, [&](int worker, int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index)
      attend_group(index, worker_scratch(worker));
  });
}

void Attention::attend_one_block(int64_t index, int64_t block, const BlockPartials& partials,
                                 float* scratch) const {
  for_each_run(index, [&](const Group& group) {
    if (block < group.first_block() || block >= group.end_block()) return;
    Partial of_block[kGroupQueries];
    for (int64_t i = 0; i < group.size; ++i)
      of_block[i] = partials.at(group.members[static_cast<size_t>(i)], block);
    attend_block(group, block, scratch, of_block);
  });
}

// The partials of a group's blocks, which several threads have computed, to one.
void Attention::merge_group(int64_t index, const BlockPartials& partials) const {
  for_each_run(index, [&](const Group& group) {
    for (int64_t i = 0; i < group.size; ++i) {
      const Query& query = group.members[static_cast<size_t>(i)];
      const Partial so_far = partials.at(query, group.first_block());
      for (int64_t block = group.first_block() + 1; block < group.end_block(); ++block)
        so_far.merge(compute_.kernels, partials.at(query, block));
      finish(query, so_far);
    }
  });
}

// The blocks of each group shared out among the threads, then merged. Block after block, as they lie in
// memory, so that a thread's share of them is read in one stream.
void Attention::shared_blocks() const {
  const BlockRange range = blocks();
  const BlockPartials partials{worker_scratch(compute_.pool.size()), shape_, queries_.n_rows, range};
  compute_.split_among_workers(groups_.count * range.count, elements_of_group(kAttentionBlock),
                               [&](int worker, int64_t begin, int64_t end) {
                                 for (int64_t index = begin; index < end; ++index)
                                   attend_one_block(index % groups_.count,
                                                    range.first + index / groups_.count, partials,
                                                    worker_scratch(worker));
                               });
  compute_.split(groups_.count, kGroupQueries * range.count * shape_.head_dim,
                 [&](int64_t begin, int64_t end) {
                   for (int64_t index = begin; index < end; ++index)
                     merge_group(index, partials);
                 });
}

}  // namespace

CacheBlock cache_block(const CacheLayer& cache, int32_t sequence, int64_t kv_head, int64_t position) {
  const int64_t first = position % cache.capacity / kAttentionBlock * kAttentionBlock;  // slot
  const int64_t slots = std::min(kAttentionBlock, cache.capacity - first);
  const int64_t rows_before = 2 * (first * cache.n_kv_heads + kv_head * slots);
  std::byte* keys = cache.data + static_cast<size_t>(sequence) * cache.sequence_bytes +
                    static_cast<size_t>(rows_before) * cache.row_bytes;
  return {keys, keys + static_cast<size_t>(slots) * cache.row_bytes};
}

int64_t cache_capacity(int64_t window, int64_t n_tokens, int64_t context_length) {
  if (window == 0 || window >= context_length) return context_length;
  const int64_t needed = window + n_tokens - 1;
  return std::min(context_length, (needed + kAttentionBlock - 1) / kAttentionBlock * kAttentionBlock);
}

void store_cache(const Compute& compute, const AttentionShape& shape, const TokenPlaces& places,
                 const Rows& keys, const Rows& values, const CacheLayer& cache) {
  const CacheStoreFn store = compute.kernels.cache_store[static_cast<size_t>(cache.type)];
  compute.split(keys.n_rows, 2 * keys.cols, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const auto token = static_cast<size_t>(t);
      const int64_t position = places.positions[token];
      const size_t offset =
          static_cast<size_t>(position % cache.capacity % kAttentionBlock) * cache.row_bytes;
      for (int64_t head = 0; head < shape.n_kv_heads; ++head) {
        const CacheBlock block = cache_block(cache, places.sequences[token], head, position);
        store(keys.row(t) + head * shape.head_dim, block.keys + offset, shape.head_dim);
        store(values.row(t) + head * shape.head_dim, block.values + offset, shape.head_dim);
      }
    }
  });
}

size_t attention_scratch_bytes(const AttentionShape& shape, int64_t n_tokens, int64_t context_length,
                               int n_threads) {
  int64_t floats = n_threads * Attention::worker_floats(shape.head_dim);
  if (const int64_t n = std::min(n_tokens, kMostSplitTokens); shares_out_blocks(n, n_threads)) {
    const int64_t n_blocks = (context_length + kAttentionBlock - 1) / kAttentionBlock;
    floats += n * shape.n_heads * n_blocks * Partial::floats(shape.head_dim);
  }
  return static_cast<size_t>(floats) * sizeof(float);
}

void attend(const Compute& compute, const AttentionShape& shape, std::span<const float> sinks,
            const TokenPlaces& places, const Rows& queries, const CacheLayer& cache, std::byte* scratch,
            const Rows& out) {
  const Attention attention(compute, shape, sinks, places, queries, cache, scratch, out);
  if (shares_out_blocks(queries.n_rows, compute.pool.size()) && attention.blocks().count > 1) {
    attention.shared_blocks();
  } else {
    attention.whole_groups();
  }
}

}  // namespace flexinfer
