#include "residency/weight_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/bytes.h"
#include "base/clock.h"
#include "residency/constants.h"

namespace flexinfer {
namespace {

constexpr std::chrono::milliseconds kCancelInterval{50};  // how soon a wait notices that it is cancelled

}  // namespace

Result<std::unique_ptr<WeightStore>> WeightStore::create(const WeightSchedule& schedule,
                                                         const ResidencyPlan& plan,
                                                         std::span<const File> files,
                                                         std::unique_ptr<AsyncReader> reader,
                                                         Lookahead lookahead, WeightLayout* layout) {
  std::unique_ptr<WeightStore> store(new WeightStore(schedule, plan, std::move(reader), lookahead, layout));
  FLEX_CHECK(store->allocate());
  FLEX_TRY(Constants constants, read_constants(schedule, files));
  store->constants_ = std::move(constants.values);
  store->constant_bytes_read_ = constants.bytes_read;
  return store;
}

WeightStore::WeightStore(const WeightSchedule& schedule, const ResidencyPlan& plan,
                         std::unique_ptr<AsyncReader> reader, Lookahead lookahead, WeightLayout* layout)
    : schedule_(schedule),
      plan_(plan),
      sequence_(make_read_sequence(schedule, plan)),
      lookahead_(lookahead),
      layout_(layout),
      experts_(schedule, plan),
      slots_(plan.n_slots),
      arena_reads_(std::min<size_t>(kArenaReadsInFlight, sequence_.n_locked())),
      laid_out_(schedule.steps.size()),
      chosen_(schedule.steps.size()),
      reader_(std::move(reader)) {}

WeightStore::~WeightStore() = default;

Status WeightStore::allocate() {
  FLEX_TRY(arena_, PageBuffer::allocate(plan_.arena_bytes));
  FLEX_TRY(slot_memory_, PageBuffer::allocate(plan_.slot_bytes()));
  FLEX_TRY(lookup_memory_, PageBuffer::allocate(plan_.lookup_bytes));
  if (!arena_.try_lock() || !slot_memory_.try_lock()) {
    notes_.emplace_back(
        "the system does not let this process lock its memory (see ulimit -l): weights could be swapped out");
  }
  return {};
}

ReadStats WeightStore::stats() const {
  uint64_t ahead_bytes = 0;
  for (uint64_t i = streams_acquired_ + streams_left_; i < streams_issued_; ++i) {
    const ReadRequest& request = slots_[i % slots_.size()].request;
    if (request.state == ReadState::kDone) ahead_bytes += request.completed;
  }
  return {reader_->bytes_read() + constant_bytes_read_, ahead_bytes, stall_ns_, experts_.hits(),
          experts_.misses()};
}

void WeightStore::begin_sweep(const SweepOptions& options) {
  // After a failed piece the sweep begins anew: what was issued ahead lies behind pieces that are read again.
  if (streams_left_ > 0 || piece_failed()) forget_streams();
  if (piece_failed()) forget_pieces();
  ++sweep_number_;
  sweep_ = options;
  streams_left_ = options.with_head ? sequence_.n_streamed : sequence_.n_streamed_before_head;
  blocks_decided_ = 0;
  chosen_.assign(chosen_.size(), false);
  if (cursor_sweep_ < sweep_number_) {
    cursor_sweep_ = sweep_number_;
    cursor_ = 0;
  }
  if (lookahead_ == Lookahead::kSweep) issue_reads(schedule_.steps.size());
}

void WeightStore::land_reads() {
  while (reader_->in_flight() > 0)
    reader_->wait(kCancelInterval);
  note_completions();
}

// After an error or a cancel in the middle of a sweep: the slots are empty again.
void WeightStore::forget_streams() {
  land_reads();
  for (Slot& slot : slots_)
    slot = Slot{};
  streams_issued_ = 0;
  streams_acquired_ = 0;
  runs_acquired_ = 0;
  streams_left_ = 0;
  cursor_sweep_ = sweep_number_;
}

bool WeightStore::piece_failed() const {
  return std::any_of(arena_reads_.begin(), arena_reads_.end(),
                     [](const Slot& slot) { return slot.request.state == ReadState::kFailed; });
}

// The locked pieces that have arrived stay; the one that failed and those behind it will be read again.
void WeightStore::forget_pieces() {
  land_reads();
  for (Slot& slot : arena_reads_)
    slot = Slot{};
  pieces_issued_ = pieces_arrived_;
}

Status WeightStore::choose_experts(size_t block, std::span<const int32_t> experts) {
  if (sweep_number_ == 0 || block != static_cast<size_t>(blocks_decided_)) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("expert block {} was chosen from out of the sweep's order", block));
  }
  for (const int32_t expert : experts) {
    const size_t first = schedule_.expert_blocks[block].step_of(expert);
    for (size_t step = first; step < first + kExpertMatrices; ++step) {
      chosen_[step] = true;
      streams_left_ += sequence_.n_streamed_of(step);
    }
  }
  ++blocks_decided_;
  experts_.note_choice(block, experts);
  if (lookahead_ == Lookahead::kSweep) issue_reads(schedule_.steps.size());
  return {};
}

Result<WeightLease> WeightStore::acquire(size_t step, int64_t row_begin) {
  if (row_begin < plan_.steps[step].rows) return acquire_locked(step, row_begin);
  return acquire_streamed(step, row_begin);
}

bool WeightStore::at_hand(size_t step, int64_t row_begin) const {
  return row_begin < plan_.steps[step].rows && rows_ready(step) > row_begin;
}

const LockedRows& WeightStore::locked_rows(size_t step) const {
  return step < plan_.steps.size() ? plan_.steps[step] : plan_.embedding;
}

const WeightStep& WeightStore::matrix(size_t step) const {
  return step < schedule_.steps.size() ? schedule_.steps[step] : schedule_.embedding;
}

std::byte* WeightStore::arena_row(size_t step, int64_t row) const {
  return arena_.data() + locked_rows(step).arena_offset + static_cast<uint64_t>(row) * matrix(step).row_bytes;
}

// Rows of a step that have arrived in the arena, counted from its first.
int64_t WeightStore::rows_filled(size_t step) const {
  if (pieces_arrived_ >= sequence_.first_locked_piece[step + 1]) return locked_rows(step).rows;
  if (pieces_arrived_ <= sequence_.first_locked_piece[step]) return 0;
  return sequence_.reads[sequence_.locked_reads[pieces_arrived_ - 1]].row_end;
}

int64_t WeightStore::panel_rows(size_t step) const {
  return layout_ == nullptr ? 0 : layout_->panel_rows(matrix(step));
}

// Of these, the rows that compute may have: where rows are laid out, whole panels and what is left behind the
// last of them.
int64_t WeightStore::rows_ready(size_t step) const {
  const int64_t filled = rows_filled(step);
  const int64_t panel = panel_rows(step);
  return panel == 0 || filled == locked_rows(step).rows ? filled : filled / panel * panel;
}

void WeightStore::lay_out_ready_rows(size_t step) {
  const int64_t panel = panel_rows(step);
  if (panel == 0) return;
  const int64_t end = rows_ready(step) / panel * panel;
  if (end == laid_out_[step]) return;
  layout_->lay_out(matrix(step), arena_row(step, laid_out_[step]), end - laid_out_[step]);
  laid_out_[step] = end;
}

void WeightStore::copy_arena_row(size_t step, int64_t row, std::byte* out) const {
  if (step < laid_out_.size() && row < laid_out_[step]) {
    layout_->copy_row(matrix(step), arena_row(step, 0), row, out);
  } else {
    std::memcpy(out, arena_row(step, row), matrix(step).row_bytes);
  }
}

Result<WeightLease> WeightStore::acquire_locked(size_t step, int64_t row_begin) {
  auto ready = [&] { return rows_ready(step) > row_begin; };
  auto awaited = [&]() -> const Slot* {
    return pieces_arrived_ < pieces_issued_ ? &arena_reads_[pieces_arrived_ % arena_reads_.size()] : nullptr;
  };
  FLEX_CHECK(wait_for(step, ready, awaited));
  lay_out_ready_rows(step);
  return WeightLease(arena_row(step, row_begin), row_begin, rows_ready(step), row_begin < laid_out_[step]);
}

Result<WeightLease> WeightStore::acquire_streamed(size_t step, int64_t row_begin) {
  const WeightStep& weight = schedule_.steps[step];
  auto awaited = [&]() -> const Slot* {
    return streams_acquired_ < streams_issued_ ? &slots_[streams_acquired_ % slots_.size()] : nullptr;
  };
  auto ready = [&] {
    const Slot* slot = awaited();
    return slot != nullptr && slot->request.state == ReadState::kDone;
  };
  if (streams_left_ > 0) FLEX_CHECK(wait_for(step, ready, awaited));
  const auto index = static_cast<uint32_t>(slots_.empty() ? 0 : streams_acquired_ % slots_.size());
  const SweepRead* read = streams_left_ == 0 ? nullptr : &sequence_.reads[slots_[index].read];
  const RowRun* run = read == nullptr ? nullptr : &sequence_.runs_of(*read)[runs_acquired_];
  if (run == nullptr || run->step != step || run->row_begin != row_begin) {
    return make_error(ErrorCode::kUsage, fmt::format("row {} of {} was asked for out of the sweep's order",
                                                     row_begin, weight.name));
  }
  if (++runs_acquired_ == read->n_runs) {
    runs_acquired_ = 0;
    ++streams_acquired_;
    --streams_left_;
  }
  const auto n_slots = static_cast<uint32_t>(slots_.size());
  const uint32_t first = run->begins_before ? (index + n_slots - 1) % n_slots : index;
  return WeightLease(streamed_rows(*read, *run, index), run->row_begin, run->row_end, *this,
                     LeasedSlots{first, index});
}

std::byte* WeightStore::slot(uint64_t index) const {
  return slot_memory_.data() + plan_.wrap_bytes + index * plan_.slot_size;
}

// Where the rows begin: in the slot, or behind it in the one before, which is full.
const std::byte* WeightStore::streamed_rows(const SweepRead& read, const RowRun& run, uint32_t index) const {
  const WeightStep& step = schedule_.steps[run.step];
  const uint64_t offset = step.extent.offset + static_cast<uint64_t>(run.row_begin) * step.row_bytes;
  if (!run.begins_before) return slot(index) + (offset - read.read.offset);
  const uint64_t n_before = read.read.offset - offset;
  std::byte* rows = slot(index) - n_before;
  if (index == 0) std::memcpy(rows, slot(slots_.size()) - n_before, n_before);
  return rows;
}

void WeightStore::release(LeasedSlots slots) {
  --slots_[slots.last].uses_left;
  if (slots.first != slots.last) --slots_[slots.first].uses_left;
  if (lookahead_ == Lookahead::kSweep) issue_reads(schedule_.steps.size());
}

Status WeightStore::wait_for(size_t step, FunctionRef<bool()> ready, FunctionRef<const Slot*()> awaited) {
  const bool ahead = lookahead_ == Lookahead::kSweep;
  // The embedding's own rows come behind the head.
  const size_t through_step = ahead || step == schedule_.head_step() ? schedule_.steps.size() : step;
  const uint64_t start = now_ns();
  for (bool waited = false;; waited = true) {
    if (stop_.stop_requested()) return make_error(ErrorCode::kCancelled, "cancelled");
    if (ahead) {
      issue_reads(through_step);
    } else {
      note_completions();
    }
    if (ready() && (ahead || reader_->in_flight() == 0)) {
      if (waited) stall_ns_ += now_ns() - start;
      return {};
    }
    const Slot* slot = awaited();
    if (slot != nullptr && slot->request.state == ReadState::kFailed)
      return tl::unexpected(slot->request.error);
    if (!ahead && reader_->in_flight() == 0) issue_reads(through_step);
    if (reader_->in_flight() == 0 && awaited() == nullptr) {
      return make_error(ErrorCode::kUsage,
                        fmt::format("{} was asked for out of the sweep's order", schedule_.steps[step].name));
    }
    reader_->wait(kCancelInterval);
  }
}

void WeightStore::note_completions() {
  reader_->poll();
  while (pieces_arrived_ < pieces_issued_ &&
         arena_reads_[pieces_arrived_ % arena_reads_.size()].request.state == ReadState::kDone) {
    ++pieces_arrived_;
  }
}

void WeightStore::issue_reads(size_t through_step) {
  note_completions();
  while (issue_next(through_step)) {
  }
  reader_->flush();
}

// Whether the sweep of the cursor has yet to choose between this step's expert and others.
bool WeightStore::undecided(const WeightStep& step) const {
  return step.is_expert() && (cursor_sweep_ != sweep_number_ || step.block >= blocks_decided_);
}

// Issues the read at the cursor, or passes over that of an expert that was not chosen, and moves on; false
// where it must wait: for a slot, for a read into the arena to land, or for the decision of a router or a
// coming sweep.
bool WeightStore::issue_next(size_t through_step) {
  const bool in_current = cursor_sweep_ == sweep_number_;
  const size_t end = in_current && !sweep_.with_head ? sequence_.head_begin : sequence_.reads.size();
  if (cursor_ >= end) {
    if (!in_current || !sweep_.another_follows || lookahead_ == Lookahead::kNone) return false;
    ++cursor_sweep_;
    cursor_ = 0;
    return true;
  }
  if (!in_current && cursor_ >= sequence_.head_begin) return false;  // not known yet whether it will be used
  const SweepRead& read = sequence_.reads[cursor_];
  if (read.step > through_step) return false;
  if (!read.locked && read.step < schedule_.steps.size()) {
    const WeightStep& step = schedule_.steps[read.step];
    if (undecided(step)) return false;
    if (step.is_expert() && !chosen_[read.step]) {
      ++cursor_;
      return true;
    }
  }
  if (!(read.locked ? issue_locked(cursor_) : issue_streamed(cursor_))) return false;
  ++cursor_;
  return true;
}

bool WeightStore::issue_locked(size_t read) {
  if (sequence_.reads[read].ordinal < pieces_issued_) return true;  // an earlier sweep has brought it
  if (pieces_issued_ - pieces_arrived_ >= arena_reads_.size()) return false;
  start(arena_reads_[pieces_issued_ % arena_reads_.size()], read,
        arena_.data() + sequence_.reads[read].arena_offset, /*untouched=*/true);
  ++pieces_issued_;
  return true;
}

bool WeightStore::issue_streamed(size_t read) {
  const uint64_t index = streams_issued_ % slots_.size();
  if (slots_[index].uses_left > 0) return false;
  start(slots_[index], read, slot(index), /*untouched=*/streams_issued_ < slots_.size());
  ++streams_issued_;
  return true;
}

void WeightStore::start(Slot& slot, size_t read, std::byte* destination, bool untouched) {
  const SweepRead& wanted = sequence_.reads[read];
  slot.read = read;
  slot.uses_left = wanted.n_uses;
  slot.request = ReadRequest{};
  slot.request.file = wanted.read.file;
  slot.request.offset = wanted.read.offset;
  slot.request.length = wanted.read.size;
  slot.request.required = wanted.required;
  slot.request.buffer = destination;
  slot.request.untouched = untouched;
  reader_->submit(slot.request);
}

Status WeightStore::read_embedding_rows(std::span<const int32_t> rows, std::byte* out) {
  for (size_t begin = 0; begin < rows.size(); begin += kLookupRows) {
    const size_t n = std::min<size_t>(kLookupRows, rows.size() - begin);
    FLEX_CHECK(read_embedding_round(rows.subspan(begin, n), out + begin * schedule_.embedding.row_bytes));
  }
  return {};
}

ReadRequest WeightStore::lookup_request(int32_t row, uint32_t place) const {
  const WeightStep& embedding = schedule_.embedding;
  const uint64_t offset = embedding.extent.offset + static_cast<uint64_t>(row) * embedding.row_bytes;
  const Extent cover = page_cover({embedding.extent.file, offset, embedding.row_bytes});
  ReadRequest request;
  request.file = cover.file;
  request.offset = cover.offset;
  request.length = cover.size;
  request.required = offset + embedding.row_bytes - cover.offset;
  request.buffer = lookup_memory_.data() + place * lookup_row_bytes(schedule_);
  return request;
}

Status WeightStore::read_embedding_round(std::span<const int32_t> rows, std::byte* out) {
  const WeightStep& embedding = schedule_.embedding;
  const size_t step = schedule_.tied_embedding ? schedule_.head_step() : schedule_.steps.size();
  const int64_t resident = rows_filled(step);
  std::array<ReadRequest, kLookupRows> requests;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < resident) continue;
    requests[i] = lookup_request(rows[i], i);
    reader_->submit(requests[i]);
  }
  reader_->flush();
  Status status;
  for (uint32_t i = 0; i < rows.size(); ++i) {
    while (requests[i].state == ReadState::kInFlight)
      reader_->wait(kCancelInterval);
    if (requests[i].state == ReadState::kFailed) {
      status = tl::unexpected(requests[i].error);
      continue;  // the other reads are still on their way into our buffers
    }
    std::byte* row = out + i * embedding.row_bytes;
    if (rows[i] < resident) {
      copy_arena_row(step, rows[i], row);
    } else {
      std::memcpy(row, requests[i].buffer + (requests[i].required - embedding.row_bytes),
                  embedding.row_bytes);
    }
  }
  return status;
}

}  // namespace flexinfer
