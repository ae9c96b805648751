#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/processors.h"
#include "gguf/gguf_file.h"
#include "runtime/engine_impl.h"
#include "runtime/machine.h"
#include "runtime/mirrors.h"
#include "runtime/model_identity.h"
#include "runtime/session_impl.h"
#include "runtime/vocabulary_impl.h"

namespace flexinfer {
namespace {

// Program, libraries, stacks and allocator, before anything of the model: measured on the command line
// program, which stays a good third below.
constexpr uint64_t kProgramBytes = 12 * kMiB;
constexpr uint64_t kThreadBytes = 128 * kKiB;  // touched stack and kernel stack of a thread
constexpr uint64_t kReadBytes = 128;           // bookkeeping of one read of the first sweep
constexpr uint64_t kReadLength = kMiB;
constexpr uint64_t kStepBytes = 256;   // of one matrix of the schedule, and of the read that ends in it
constexpr uint64_t kHeaderFactor = 3;  // metadata in memory, and the allocator's slack, per byte in the file
constexpr uint64_t kSafetyBytes = 2 * kMiB;  // what may come on top of what is resident now
constexpr int kMostThreads = 1024;

// What the process takes apart from weights, cache and activations. An estimate from the model's own sizes,
// so that the same model gives the same plan; what is resident already counts where it is more (a host
// program may be large).
uint64_t estimate_program_bytes(const GgufFile& file, const Model& model, const Vocabulary::Impl& vocabulary,
                                int n_threads) {
  const uint64_t header_bytes = file.file_bytes() - std::min(file.file_bytes(), file.tensor_bytes());
  const uint64_t estimate = kProgramBytes + vocabulary.tokenizer->resident_bytes() +
                            kHeaderFactor * header_bytes + static_cast<uint64_t>(n_threads) * kThreadBytes +
                            file.tensor_bytes() / kReadLength * kReadBytes +
                            model.schedule.steps.size() * kStepBytes;
  return align_up(std::max(estimate, resident_bytes() + kSafetyBytes), 64 * kKiB);
}

// What is free, less a margin for the rest of the machine.
uint64_t default_budget() {
  const MemoryState state = memory_state();
  return state.available_bytes - std::min(state.available_bytes / 10, 2 * kGiB);
}

Status check_counts(const EngineOptions& options) {
  if (options.context_length < 0 || options.n_threads < 0 || options.batch < 0) {
    return make_error(ErrorCode::kUsage, "context length, threads and batch cannot be negative");
  }
  if (options.n_threads > kMostThreads) {
    return make_error(ErrorCode::kUsage, fmt::format("{} threads are more than the {} that can be used",
                                                     options.n_threads, kMostThreads));
  }
  return {};
}

}  // namespace

Engine::Engine(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::open(const std::string& model_path, const EngineOptions& options) {
  auto impl = std::make_shared<Impl>();
  impl->opened_ns = now_ns();
  FLEX_CHECK(check_counts(options));
  FLEX_TRY(impl->kernels, choose_kernels());
  FLEX_TRY(const GgufFile file, GgufFile::open(model_path));
  FLEX_TRY(impl->model, read_model(file));
  impl->paths = file.paths();
  impl->n_files = static_cast<uint32_t>(impl->paths.size());
  for (const std::string& mirror : options.mirrors) {
    FLEX_TRY(const std::vector<std::string> paths, mirror_paths(file, mirror));
    impl->paths.insert(impl->paths.end(), paths.begin(), paths.end());
  }
  impl->identity = model_identity(file);
  auto vocabulary = std::make_shared<Vocabulary::Impl>();
  FLEX_TRY(vocabulary->tokenizer, Tokenizer::create(file.metadata()));
  EngineOptions chosen = options;
  if (chosen.n_threads == 0) chosen.n_threads = available_cores();
  if (chosen.budget_bytes == 0) chosen.budget_bytes = default_budget();
  impl->inputs.program_bytes = estimate_program_bytes(file, impl->model, *vocabulary, chosen.n_threads);
  impl->inputs.profile = load_profile(impl->paths.front(), impl->kernels->name, chosen.n_threads);
  for (const std::string& mirror : options.mirrors) {
    DiskSpeed& disk = impl->inputs.profile.disk;
    disk = together(disk, load_profile(mirror, impl->kernels->name, chosen.n_threads).disk);
  }
  FLEX_TRY(impl->plan, plan_memory(impl->model, chosen, impl->inputs));
  const int64_t trained = impl->model.hyperparameters.context_length;
  if (impl->plan.options.context_length > trained) {
    impl->notes.push_back(fmt::format("a context of {} tokens is more than the {} this model was trained for",
                                      impl->plan.options.context_length, trained));
  }
  impl->vocabulary.push_back(Vocabulary(std::move(vocabulary)));
  return Engine(std::move(impl));
}

const PlanSummary& Engine::plan() const {
  return impl_->plan.summary;
}
const EngineOptions& Engine::options() const {
  return impl_->plan.options;
}
const Vocabulary& Engine::vocabulary() const {
  return impl_->vocabulary.front();
}
const std::vector<std::string>& Engine::notes() const {
  return impl_->notes;
}

Result<Session> Engine::new_session() const {
  FLEX_TRY(auto impl, Session::Impl::create(impl_));
  return Session(std::move(impl));
}

}  // namespace flexinfer
