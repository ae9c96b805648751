// A store over made-up weights, its reader's record, and sweeps that compare every leased row with the file.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/testing/test_readers.h"
#include "residency/weight_store.h"
#include "unit/residency/schedule_maker.h"

namespace flexinfer {

// Holds its caller to the rules of reads in flight: spoils the whole buffer of a read when it is submitted,
// so that who still reads there sees it, and notices where a request in flight is touched.
class StrictReader final : public ReaderDecorator {
 public:
  using ReaderDecorator::ReaderDecorator;

  void submit(ReadRequest& request) override {
    std::memset(request.buffer, 0xA5, request.length);
    requests_.push_back(&request);
    ReaderDecorator::submit(request);
  }
  void poll() override {
    ReaderDecorator::poll();
    std::erase_if(requests_,
                  [](const ReadRequest* request) { return request->state != ReadState::kInFlight; });
    check();
  }
  void wait(std::chrono::milliseconds timeout) override {
    ReaderDecorator::wait(timeout);
    poll();
  }

 private:
  void check() const { EXPECT_EQ(requests_.size(), in_flight()) << "a request in flight was touched"; }

  std::vector<ReadRequest*> requests_;  // in flight
};

// Reads of the made-up files that land out of order, a few in each poll.
inline std::unique_ptr<AsyncReader> memory_reader(const MadeWeights& weights, const ResidencyPlan& plan,
                                                  uint32_t seed = 1, unsigned per_poll = 3) {
  return std::make_unique<MemoryReader>(weights.contents(), reader_depth(plan), seed, per_poll);
}

struct RecordedStore {
  std::unique_ptr<WeightStore> store;
  const RecordingReader* record = nullptr;

  size_t n_reads() const { return record->reads().size(); }
};

inline RecordedStore make_store(const MadeWeights& weights, const ResidencyPlan& plan,
                                std::unique_ptr<AsyncReader> reader,
                                Lookahead lookahead = Lookahead::kSweep) {
  auto recording = std::make_unique<RecordingReader>(std::make_unique<StrictReader>(std::move(reader)));
  const RecordingReader* record = recording.get();
  return {
      WeightStore::create(weights.schedule(), plan, weights.files(), std::move(recording), lookahead).value(),
      record};
}

inline ResidencyPlan make_plan(const WeightSchedule& schedule, uint64_t weight_bytes, uint64_t slot_bytes = 0,
                               LockPolicy lock = LockPolicy::kBalanced) {
  return plan_residency(schedule, {.weight_bytes = weight_bytes, .slot_bytes = slot_bytes, .lock = lock})
      .value();
}

// About half of the weights locked, the rest streamed through the fewest slots.
inline ResidencyPlan half_locked(const WeightSchedule& schedule) {
  return make_plan(schedule, (minimum_weight_bytes(schedule) + full_weight_bytes(schedule)) / 2);
}

inline ResidencyPlan all_locked(const WeightSchedule& schedule) {
  return make_plan(schedule, full_weight_bytes(schedule));
}

// Nothing locked, and slots for more than a sweep.
inline ResidencyPlan all_streamed(const WeightSchedule& schedule) {
  const uint64_t pool_bytes = 32 * full_weight_bytes(schedule);
  return make_plan(schedule, minimum_weight_bytes(schedule) + pool_bytes, pool_bytes, LockPolicy::kNone);
}

struct HeldLease {
  size_t step = 0;
  WeightLease lease;
};

inline Status check_lease(const MadeWeights& weights, const HeldLease& held) {
  const WeightStep& step = weights.schedule().steps[held.step];
  if (weights.are_rows(step, held.lease.row_begin(), held.lease.row_end(), held.lease.rows())) return {};
  return make_error(ErrorCode::kCorrupt,
                    "wrong bytes in " + step.name + " from row " + std::to_string(held.lease.row_begin()));
}

// So many leases can stay open behind the one in use: each ends in a slot of its own at most, and one of them
// begins in another.
inline size_t most_held(const ResidencyPlan& plan) {
  return plan.n_slots > 0 ? plan.n_slots - 2 : 4;
}

// What the router of a made-up mixture chooses in a sweep: some of the experts of each block.
using Choices = std::vector<std::vector<int32_t>>;

inline Choices some_experts(const WeightSchedule& schedule, uint32_t seed) {
  Choices choices;
  std::mt19937 random(seed);
  for (const ExpertBlock& block : schedule.expert_blocks) {
    std::vector<int32_t>& chosen = choices.emplace_back();
    for (int32_t expert = 0; expert < block.n_experts; ++expert) {
      if (random() % 2 == 0) chosen.push_back(expert);
    }
  }
  return choices;
}

inline bool is_chosen(const WeightSchedule& schedule, const Choices& choices, size_t step) {
  if (!schedule.steps[step].is_expert()) return true;
  const auto block = static_cast<size_t>(schedule.steps[step].block);
  const auto expert =
      static_cast<int32_t>((step - schedule.expert_blocks[block].first_step) / kExpertMatrices);
  return std::ranges::count(choices[block], expert) > 0;
}

// A whole sweep of a model without experts, or with these. The last `n_held` leases stay open behind the one
// in use, and are compared again at their end.
inline Status sweep(WeightSource& source, const MadeWeights& weights, const SweepOptions& options = {},
                    size_t n_held = 0, const Choices& choices = {}) {
  source.begin_sweep(options);
  const WeightSchedule& schedule = weights.schedule();
  std::deque<HeldLease> held;
  size_t block = 0;
  for (size_t step = 0; step < schedule.steps.size() - (options.with_head ? 0 : 1); ++step) {
    if (block < choices.size() && step == schedule.expert_blocks[block].first_step) {
      FLEX_CHECK(source.choose_experts(block, choices[block]));
      ++block;
    }
    if (!is_chosen(schedule, choices, step)) continue;
    for (int64_t row = 0; row < schedule.steps[step].rows; row = held.back().lease.row_end()) {
      if (held.size() > n_held) {
        FLEX_CHECK(check_lease(weights, held.front()));
        held.pop_front();
      }
      FLEX_TRY(WeightLease lease, source.acquire(step, row));
      if (lease.row_begin() != row || lease.row_end() <= row)
        return make_error(ErrorCode::kUsage, "other rows");
      held.push_back({step, std::move(lease)});
      FLEX_CHECK(check_lease(weights, held.back()));
    }
  }
  for (; !held.empty(); held.pop_front())
    FLEX_CHECK(check_lease(weights, held.front()));
  return {};
}

// The rows of the embedding that are asked for, compared with the file.
inline Status look_up(WeightSource& source, const MadeWeights& weights, const std::vector<int32_t>& rows) {
  const WeightStep& embedding = weights.schedule().embedding;
  std::vector<std::byte> bytes(rows.size() * embedding.row_bytes);
  FLEX_CHECK(source.read_embedding_rows(rows, bytes.data()));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!weights.are_rows(embedding, rows[i], rows[i] + 1, bytes.data() + i * embedding.row_bytes)) {
      return make_error(ErrorCode::kCorrupt, "wrong bytes in row " + std::to_string(rows[i]));
    }
  }
  return {};
}

// More rows than one round reads, the first and last among them, some twice.
inline std::vector<int32_t> some_rows(const WeightSchedule& schedule) {
  std::vector<int32_t> rows;
  const auto last = static_cast<int32_t>(schedule.embedding.rows - 1);
  for (int32_t i = 0; i < 40; ++i)
    rows.push_back(i % 3 == 0 ? last - last * i / 40 : last * i / 40);
  return rows;
}

// What the sweeps must have read, in order: the streamed reads of each, the locked ones in the first that
// meets them.
inline std::vector<Extent> expected_reads(const WeightSchedule& schedule, const ResidencyPlan& plan,
                                          const std::vector<SweepOptions>& sweeps) {
  const ReadSequence sequence = make_read_sequence(schedule, plan);
  std::vector<Extent> reads;
  uint32_t n_locked = 0;
  for (const SweepOptions& options : sweeps) {
    const size_t end = options.with_head ? sequence.reads.size() : sequence.head_begin;
    for (size_t i = 0; i < end; ++i) {
      const SweepRead& read = sequence.reads[i];
      if (read.locked && read.ordinal < n_locked) continue;
      if (read.locked) ++n_locked;
      reads.push_back(read.read);
    }
  }
  return reads;
}

inline bool same_reads(const std::vector<Extent>& a, const std::vector<Extent>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Extent& x, const Extent& y) {
    return x.file == y.file && x.offset == y.offset && x.size == y.size;
  });
}

}  // namespace flexinfer
