// What a Session holds: the weights' source, the cache, the forward pass and the counts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "io/file.h"
#include "io/mirror_reader.h"
#include "model/kv_cache.h"
#include "model/panel_layout.h"
#include "model/transformer.h"
#include "residency/weight_source.h"
#include "runtime/engine_impl.h"
#include "runtime/forecast.h"

namespace flexinfer {

struct Session::Impl {
  static Result<std::unique_ptr<Impl>> create(std::shared_ptr<const Engine::Impl> engine);

  // What sweeps cost: read before and after a phase.
  struct Meter {
    uint64_t start_ns = 0;
    ReadStats reads;
  };
  Meter start_meter() const;

  // Appends one batch at the end of the sequence. Its tokens are within the limits.
  Result<std::span<const float>> forward(std::span<const Token> tokens, bool all_logits, bool last_logits,
                                         bool another_follows,
                                         const std::function<void(double)>& on_progress);
  // Appends tokens in batches; logits after the last. `another_follows`: whether a sweep comes after these.
  Result<std::span<const float>> append(std::span<const Token> tokens, bool another_follows,
                                        const std::function<void(double)>& on_progress);
  Result<std::span<const float>> decode(Token token, bool another_follows);
  Status check(std::span<const Token> tokens) const;
  void clear();
  Status rewind(int64_t length);
  int64_t earliest_resume() const;
  Result<GenerateResult> generate(const GenerateRequest& request,
                                  const std::function<void(const GenerateProgress&)>& on_progress,
                                  const std::function<void(double)>& on_prefill);
  Result<std::unique_ptr<WeightSource>> make_source();
  int64_t n_tokens() const { return static_cast<int64_t>(tokens.size()); }
  // What the numbers in the cache depend on, beside its shape and the tokens: the model, and the kernels,
  // which may differ in the last bits.
  Result<uint64_t> identity();
  SessionStats current_stats() const;
  void learn_disk_speed(const Meter& meter);

  std::shared_ptr<const Engine::Impl> engine;
  std::vector<File> files;
  IoMode io = IoMode::kAuto;  // what reads them, once there is something that does
  ThreadPool pool;
  KvCache cache;
  const MirrorReader* mirrors = nullptr;  // where there are several copies; owned by `weights`
  std::unique_ptr<PanelLayout> layout;
  std::unique_ptr<WeightSource> weights;
  std::unique_ptr<Transformer> transformer;
  std::vector<Token> tokens;  // in the KV cache, by position
  int64_t n_written = 0;  // the most tokens since the sequence began: older ones may have made room for them
  int64_t earliest = 0;   // a loaded sequence cannot be cut back further than to here
  std::optional<uint64_t> known_identity;
  SessionStats stats;
  MachineProfile profile;     // as this session has come to know the machine
  Bounds bounds;              // by the profile
  bool learned_disk = false;  // whether a sweep of this session has measured the disk
  std::vector<std::string> notes;
  std::vector<BatchToken> batch;  // of the current forward pass

  Impl(std::shared_ptr<const Engine::Impl> engine_impl, int n_threads)
      : engine(std::move(engine_impl)), pool(n_threads) {}
};

}  // namespace flexinfer
