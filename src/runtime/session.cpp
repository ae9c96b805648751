#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/hash.h"
#include "residency/mapped_source.h"
#include "residency/weight_store.h"
#include "runtime/forecast.h"
#include "runtime/machine.h"
#include "runtime/model_identity.h"
#include "runtime/prompt_cache.h"
#include "runtime/readers.h"
#include "runtime/session_impl.h"

namespace flexinfer {
namespace {

constexpr uint64_t kTellingBytes = 64 * kMiB;  // fewer say little about a disk's speed

// One reader over the files of all copies, and before it what spreads the reads over them.
std::unique_ptr<MirrorReader> spread_reads(std::unique_ptr<AsyncReader> reader, const Engine::Impl& engine,
                                           std::vector<std::string>& notes) {
  const auto n_copies = static_cast<uint32_t>(engine.paths.size()) / engine.n_files;
  const auto on_failure = [&notes](const Error& error) {
    notes.push_back(fmt::format("reading another copy of the model instead: {}", error.message));
  };
  return std::make_unique<MirrorReader>(std::move(reader), engine.n_files, n_copies, on_failure);
}

}  // namespace

// Replaces an `io` of kAuto by what it has become.
Result<std::unique_ptr<WeightSource>> Session::Impl::make_source() {
  const WeightSchedule& schedule = engine->model.schedule;
  const IoMode mode = engine->plan.options.io;
  if (mode == IoMode::kMmap) {
    return MappedSource::create(schedule, std::span(files).first(engine->n_files));
  }
  const ResidencyPlan& plan = engine->plan.residency;
  FLEX_TRY(auto reader, make_reader(mode, files, reader_depth(plan), &notes));
  const bool is_ring = std::string_view(reader->name()) == kUringName;
  if (io == IoMode::kAuto) io = is_ring ? IoMode::kUring : IoMode::kThreads;
  if (files.size() > engine->n_files) {
    auto spread = spread_reads(std::move(reader), *engine, notes);
    mirrors = spread.get();
    reader = std::move(spread);
  }
  const Lookahead lookahead = mode == IoMode::kSync ? Lookahead::kNone : Lookahead::kSweep;
  return WeightStore::create(schedule, plan, files, std::move(reader), lookahead, layout.get());
}

Result<std::unique_ptr<Session::Impl>> Session::Impl::create(std::shared_ptr<const Engine::Impl> engine) {
  const MemoryPlan& plan = engine->plan;
  auto impl = std::make_unique<Impl>(engine, plan.options.n_threads);
  FLEX_TRY(impl->files, open_files(engine->paths, plan.options.io, impl->notes));
  FLEX_TRY(impl->cache, KvCache::allocate(plan.cache));
  impl->io = plan.options.io;
  const Compute compute{*engine->kernels, impl->pool};
  FLEX_TRY(impl->layout, PanelLayout::create(engine->model.schedule, compute));
  FLEX_TRY(impl->weights, impl->make_source());
  impl->notes.insert(impl->notes.end(), impl->weights->notes().begin(), impl->weights->notes().end());
  FLEX_TRY(impl->transformer,
           Transformer::create(engine->model, plan.batch, compute, *impl->weights, impl->cache));
  impl->profile = engine->inputs.profile;
  impl->bounds = find_bounds(engine->model, plan.residency, impl->profile);
  impl->stats.predicted_decode_tok_s = plan.summary.predicted_decode_tok_s;
  impl->tokens.reserve(static_cast<size_t>(plan.options.context_length));
  impl->batch.reserve(static_cast<size_t>(plan.batch.n_tokens));
  impl->stats.load_seconds = seconds_since(engine->opened_ns);
  return impl;
}

Session::Impl::Meter Session::Impl::start_meter() const {
  return {now_ns(), weights->stats()};
}

Status Session::Impl::check(std::span<const Token> added) const {
  const int64_t vocab_size = engine->model.hyperparameters.vocab_size;
  for (Token token : added) {
    if (token < 0 || token >= vocab_size) {
      return make_error(ErrorCode::kUsage,
                        fmt::format("token {} is outside the vocabulary of {} tokens", token, vocab_size));
    }
  }
  const int64_t context_length = engine->plan.options.context_length;
  const int64_t n_then = n_tokens() + static_cast<int64_t>(added.size());
  if (n_then > context_length) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("{} tokens do not fit the context of {}: raise --ctx (and --budget)",
                                  n_then, context_length));
  }
  return {};
}

Result<std::span<const float>> Session::Impl::forward(std::span<const Token> added, bool all_logits,
                                                      bool last_logits, bool another_follows,
                                                      const std::function<void(double)>& on_progress) {
  batch.clear();
  for (size_t i = 0; i < added.size(); ++i) {
    const bool wanted = all_logits || (last_logits && i + 1 == added.size());
    batch.push_back({added[i], static_cast<int32_t>(tokens.size() + i), 0, wanted});
  }
  n_written = std::max(n_written, n_tokens() + static_cast<int64_t>(added.size()));
  const Meter meter = start_meter();
  FLEX_TRY(const std::span<const float> logits, transformer->forward(batch, another_follows, on_progress));
  tokens.insert(tokens.end(), added.begin(), added.end());
  ++stats.sweeps;
  learn_disk_speed(meter);
  return logits;
}

void Session::Impl::clear() {
  tokens.clear();
  n_written = 0;
  earliest = 0;
}

int64_t Session::Impl::earliest_resume() const {
  return std::max(earliest, cache.shape().earliest_resume(n_written));
}

Status Session::Impl::rewind(int64_t length) {
  if (length < 0 || length > n_tokens()) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("a session of {} tokens cannot be cut back to {}", n_tokens(), length));
  }
  if (length > 0 && length < earliest_resume()) {
    return make_error(
        ErrorCode::kUsage,
        fmt::format("layers with a sliding window hold what is needed from token {} on, not from "
                    "{}: clear the session and append from the start",
                    earliest_resume(), length));
  }
  tokens.resize(static_cast<size_t>(length));
  if (length == 0) clear();
  return {};
}

// Where the disk was not calibrated, what a sweep has read in its time, the disk can do. One that waited for
// the disk most of its time says how fast the disk is: the first such sweep makes the prediction.
void Session::Impl::learn_disk_speed(const Meter& meter) {
  if (profile.disk.source == SpeedSource::kCalibrated) return;
  const ReadStats reads = weights->stats();
  const double seconds = seconds_since(meter.start_ns);
  const uint64_t bytes = reads.bytes_read - meter.reads.bytes_read;
  const double stalled = static_cast<double>(reads.stall_ns - meter.reads.stall_ns) * 1e-9;
  const double speed = static_cast<double>(bytes) / seconds;
  const bool measured = stalled >= seconds / 2;
  const bool corrects = measured && !learned_disk;
  if (bytes < kTellingBytes || (!corrects && speed <= profile.disk.bytes_per_second)) return;
  profile.disk.bytes_per_second = speed;
  profile.disk.source = SpeedSource::kSweep;
  const MemoryPlan& plan = engine->plan;
  bounds = find_bounds(engine->model, plan.residency, profile);
  const Forecast now = forecast_speed(engine->model, plan.residency, plan.options.io, profile);
  if (corrects) stats.predicted_decode_tok_s = 1.0 / now.decode_seconds;
  learned_disk = learned_disk || measured;
  if (mirrors == nullptr) save_disk_speed(engine->paths.front(), profile.disk);
}

Result<std::span<const float>> Session::Impl::append(std::span<const Token> added, bool another_follows,
                                                     const std::function<void(double)>& on_progress) {
  FLEX_CHECK(check(added));
  const Meter meter = start_meter();
  const auto largest = static_cast<size_t>(engine->plan.batch.n_tokens);
  const size_t n_batches = (added.size() + largest - 1) / largest;
  std::span<const float> logits;
  for (size_t i = 0; i < n_batches; ++i) {
    const bool last = i + 1 == n_batches;
    const auto part = added.subspan(i * largest, std::min(largest, added.size() - i * largest));
    auto share = [&](double done) {
      on_progress((static_cast<double>(i) + done) / static_cast<double>(n_batches));
    };
    FLEX_TRY(logits, forward(part, false, last, !last || another_follows,
                             on_progress ? std::function<void(double)>(share) : nullptr));
  }
  stats.prefill_tokens += static_cast<int64_t>(added.size());
  stats.prefill_seconds += seconds_since(meter.start_ns);
  return logits;
}

Result<std::span<const float>> Session::Impl::decode(Token token, bool another_follows) {
  FLEX_CHECK(check({&token, 1}));
  const Meter meter = start_meter();
  FLEX_TRY(const std::span<const float> logits, forward({&token, 1}, false, true, another_follows, {}));
  const ReadStats reads = weights->stats();
  stats.decode_tokens += 1;
  stats.decode_seconds += seconds_since(meter.start_ns);
  stats.decode_stall_seconds += static_cast<double>(reads.stall_ns - meter.reads.stall_ns) * 1e-9;
  // Bytes belong to the sweep they were read for: what was there before it counts, what it read ahead does
  // not.
  stats.decode_bytes_read +=
      (reads.bytes_read - reads.ahead_bytes) - (meter.reads.bytes_read - meter.reads.ahead_bytes);
  stats.decode_cache_bytes += cache.shape().saved_bytes(n_tokens());
  stats.decode_expert_hits += reads.expert_hits - meter.reads.expert_hits;
  stats.decode_expert_misses += reads.expert_misses - meter.reads.expert_misses;
  return logits;
}

Result<uint64_t> Session::Impl::identity() {
  if (known_identity) return *known_identity;
  Hash hash;
  hash.add(engine->identity);
  hash.add(std::string_view(engine->kernels->name));
  FLEX_TRY(const uint64_t sampled_bytes, sample_weights(engine->model.schedule, files, hash));
  stats.bytes_read += sampled_bytes;
  known_identity = hash.value();
  return hash.value();
}

SessionStats Session::Impl::current_stats() const {
  SessionStats current = stats;
  const ReadStats reads = weights->stats();
  current.bytes_read += reads.bytes_read;
  current.stall_seconds = static_cast<double>(reads.stall_ns) * 1e-9;
  current.peak_resident_bytes = peak_resident_bytes();
  const auto cache_bytes = static_cast<double>(current.cache_bytes_per_token());
  current.bound_decode_tok_s = 1.0 / bounds.seconds(cache_bytes);
  return current;
}

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Result<std::span<const float>> Session::append(std::span<const Token> tokens) {
  if (tokens.empty())
    return make_error(ErrorCode::kUsage, "there is nothing to append: give at least one token");
  return impl_->append(tokens, true, {});
}

Status Session::append_with_logits(std::span<const Token> tokens,
                                   const std::function<Status(size_t, std::span<const float>)>& on_logits) {
  Impl& impl = *impl_;
  if (!impl.engine->plan.options.logits_everywhere) {
    return make_error(ErrorCode::kUsage,
                      "logits of every position need an engine opened with logits_everywhere");
  }
  FLEX_CHECK(impl.check(tokens));
  const auto largest = static_cast<size_t>(impl.engine->plan.batch.n_tokens);
  const auto vocab_size = static_cast<size_t>(impl.engine->model.hyperparameters.vocab_size);
  for (size_t begin = 0; begin < tokens.size(); begin += largest) {
    const auto part = tokens.subspan(begin, std::min(largest, tokens.size() - begin));
    FLEX_TRY(const std::span<const float> logits,
             impl.forward(part, true, true, begin + largest < tokens.size(), {}));
    for (size_t i = 0; i < part.size(); ++i) {
      FLEX_CHECK(on_logits(begin + i, logits.subspan(i * vocab_size, vocab_size)));
    }
  }
  return {};
}

Result<GenerateResult> Session::generate(const GenerateRequest& request,
                                         const std::function<void(const GenerateProgress&)>& on_progress,
                                         const std::function<void(double)>& on_prefill) {
  return impl_->generate(request, on_progress, on_prefill);
}

void Session::clear() {
  impl_->clear();
}

Status Session::rewind(int64_t n_tokens) {
  return impl_->rewind(n_tokens);
}

int64_t Session::reuse(std::span<const Token> prompt) {
  const std::vector<Token>& tokens = impl_->tokens;
  const auto differs = std::mismatch(tokens.begin(), tokens.end(), prompt.begin(), prompt.end()).first;
  const auto n_most = static_cast<int64_t>(prompt.empty() ? 0 : prompt.size() - 1);
  if (!impl_->rewind(std::min(differs - tokens.begin(), n_most))) impl_->clear();
  return n_tokens();
}

Status Session::save(const std::string& path, int64_t n_tokens) const {
  if (n_tokens < 1 || n_tokens > impl_->n_tokens()) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("{} tokens of {} cannot be saved", n_tokens, impl_->n_tokens()));
  }
  // Whoever loads them computes the last one again: what that sees must be there as well.
  const int64_t n_saved = n_tokens > impl_->earliest_resume() ? n_tokens : impl_->n_tokens();
  if (n_saved <= impl_->earliest_resume()) {
    return make_error(ErrorCode::kUsage, "layers with a sliding window have lost what the saved tokens see");
  }
  FLEX_TRY(const uint64_t identity, impl_->identity());
  return write_prompt_cache(path, identity, impl_->cache,
                            std::span(impl_->tokens).first(static_cast<size_t>(n_saved)));
}

Status Session::load(const std::string& path) {
  impl_->clear();
  FLEX_TRY(const uint64_t identity, impl_->identity());
  FLEX_TRY(const std::vector<Token> loaded, read_prompt_cache(path, identity, impl_->cache));
  FLEX_CHECK(impl_->check(loaded));
  impl_->tokens.assign(loaded.begin(), loaded.end());
  impl_->n_written = n_tokens();
  impl_->earliest = impl_->cache.shape().is_windowed_at(n_tokens()) ? n_tokens() - 1 : 0;
  return {};
}

int64_t Session::n_tokens() const {
  return impl_->n_tokens();
}
void Session::set_stop_token(std::stop_token stop) {
  impl_->weights->set_stop_token(std::move(stop));
}
SessionStats Session::stats() const {
  return impl_->current_stats();
}
std::vector<CopyStats> Session::copies() const {
  if (impl_->mirrors == nullptr) return {};
  std::vector<CopyStats> copies;
  for (const CopyRate& rate : impl_->mirrors->copies()) {
    const std::string& path = impl_->engine->paths[copies.size() * impl_->engine->n_files];
    copies.push_back({path, rate.bytes_read, rate.bytes_per_second});
  }
  return copies;
}
IoMode Session::io() const {
  return impl_->io;
}
const std::vector<std::string>& Session::notes() const {
  return impl_->notes;
}

}  // namespace flexinfer
