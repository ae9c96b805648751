// Weights through mmap and page faults: how others do it, for comparison. It cannot keep a budget: the pages
// belong to the kernel.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "io/file.h"
#include "residency/weight_source.h"

namespace flexinfer {

class MappedSource final : public WeightSource {
 public:
  // Maps every file and reads the constants. The schedule must outlive the source.
  static Result<std::unique_ptr<MappedSource>> create(const WeightSchedule& schedule,
                                                      std::span<const File> files);
  ~MappedSource() override;

  void begin_sweep(const SweepOptions&) override {}
  Status choose_experts(size_t, std::span<const int32_t>) override { return {}; }
  Result<WeightLease> acquire(size_t step, int64_t row_begin) override;
  bool at_hand(size_t, int64_t) const override { return true; }
  Status read_embedding_rows(std::span<const int32_t> rows, std::byte* out) override;
  // Bytes this process has caused to be read from disk since creation, by the kernel's own account; no
  // stalls: they hide in the page faults.
  ReadStats stats() const override;

 protected:
  void release(LeasedSlots) override {}

 private:
  struct Mapping {
    const std::byte* data = nullptr;
    uint64_t size = 0;
  };
  explicit MappedSource(const WeightSchedule& schedule) : schedule_(schedule) {}

  const WeightSchedule& schedule_;
  std::vector<Mapping> mappings_;
  uint64_t bytes_read_before_ = 0;
};

}  // namespace flexinfer
