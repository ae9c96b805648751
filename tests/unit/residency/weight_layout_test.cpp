// Locked rows that are laid out while the arena fills.
#include "residency/weight_layout.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "unit/residency/sweeps.h"

namespace flexinfer {
namespace {

// Turns the bytes of each panel around, so that a panel laid out twice is as it was, and counts.
class ReversedPanels final : public WeightLayout {
 public:
  static constexpr int64_t kPanelRows = 3;

  int64_t panel_rows(const WeightStep& step) const override {
    return step.type == GgmlType::kF32 ? 0 : kPanelRows;
  }
  void lay_out(const WeightStep& step, std::byte* rows, int64_t n_rows) override {
    ASSERT_EQ(n_rows % kPanelRows, 0);
    n_laid_out_[step.name] += n_rows;
    const auto panel_bytes = static_cast<std::ptrdiff_t>(kPanelRows * static_cast<int64_t>(step.row_bytes));
    for (int64_t row = 0; row < n_rows; row += kPanelRows, rows += panel_bytes)
      std::reverse(rows, rows + panel_bytes);
  }
  void copy_row(const WeightStep& step, const std::byte* rows, int64_t row, std::byte* out) const override {
    const uint64_t panel_bytes = kPanelRows * step.row_bytes;
    const std::byte* end = rows + static_cast<uint64_t>(row / kPanelRows + 1) * panel_bytes;
    std::reverse_copy(end - static_cast<uint64_t>(row % kPanelRows + 1) * step.row_bytes,
                      end - static_cast<uint64_t>(row % kPanelRows) * step.row_bytes, out);
  }
  int64_t n_laid_out(const WeightStep& step) const {
    const auto found = n_laid_out_.find(step.name);
    return found == n_laid_out_.end() ? 0 : found->second;
  }

 private:
  std::map<std::string, int64_t> n_laid_out_;
};

class WeightLayoutTest : public testing::TestWithParam<bool> {
 protected:
  static Shape shape(bool tied) {
    Shape shape;
    shape.tied = tied;
    return shape;
  }

  std::unique_ptr<WeightStore> make_store(const ResidencyPlan& plan) {
    return WeightStore::create(weights_.schedule(), plan, weights_.files(),
                               memory_reader(weights_, plan, 1, 1), Lookahead::kSweep, &layout_)
        .value();
  }

  // Whether a lease gives the rows of the file in the layout it claims.
  bool is_right(const WeightStep& step, const WeightLease& lease) const {
    const int64_t n = lease.row_end() - lease.row_begin();
    const int64_t n_laid = lease.laid_out() ? n / ReversedPanels::kPanelRows * ReversedPanels::kPanelRows : 0;
    std::vector<std::byte> rows(static_cast<size_t>(n) * step.row_bytes);
    std::copy_n(lease.rows(), rows.size(), rows.data());
    for (int64_t row = 0; row < n_laid; ++row)
      layout_.copy_row(step, lease.rows(), row, &rows[static_cast<size_t>(row) * step.row_bytes]);
    return weights_.are_rows(step, lease.row_begin(), lease.row_end(), rows.data());
  }

  void sweep_right(WeightStore& store) {
    store.begin_sweep({true, true});
    const std::vector<WeightStep>& steps = weights_.schedule().steps;
    for (size_t step = 0; step < steps.size(); ++step) {
      for (int64_t row = 0; row < steps[step].rows;) {
        const Result<WeightLease> lease = store.acquire(step, row);
        ASSERT_TRUE(lease) << lease.error().message;
        ASSERT_TRUE(is_right(steps[step], *lease)) << steps[step].name << " from row " << row;
        row = lease->row_end();
      }
    }
  }

  const MadeWeights weights_{shape(GetParam())};
  ReversedPanels layout_;
};

INSTANTIATE_TEST_SUITE_P(Embedding, WeightLayoutTest, testing::Bool(),
                         [](const auto& which) { return which.param ? "Tied" : "OfItsOwn"; });

TEST_P(WeightLayoutTest, GivesOtherRowsThanThoseOfTheFile) {
  for (const ResidencyPlan& plan : {all_locked(weights_.schedule()), half_locked(weights_.schedule())}) {
    layout_ = {};
    const auto store = make_store(plan);
    for (int i = 0; i < 3; ++i)
      ASSERT_NO_FATAL_FAILURE(sweep_right(*store)) << "sweep " << i;
  }
}

TEST_P(WeightLayoutTest, LaysOutTwiceOrNotAll) {
  const ResidencyPlan plan = half_locked(weights_.schedule());
  const auto store = make_store(plan);
  for (int i = 0; i < 2; ++i)
    ASSERT_NO_FATAL_FAILURE(sweep_right(*store));
  const std::vector<WeightStep>& steps = weights_.schedule().steps;
  for (size_t i = 0; i < steps.size(); ++i) {
    const int64_t panel = layout_.panel_rows(steps[i]);
    const int64_t expected = panel == 0 ? 0 : plan.steps[i].rows / panel * panel;
    EXPECT_EQ(layout_.n_laid_out(steps[i]), expected) << steps[i].name;
  }
}

TEST_P(WeightLayoutTest, LooksUpRowsAsTheyAreLaidOut) {
  const ResidencyPlan plan = all_locked(weights_.schedule());
  const auto store = make_store(plan);
  const auto vocab = static_cast<int32_t>(weights_.schedule().embedding.rows);
  const std::vector<int32_t> rows = {0, 1, 2, 5, vocab / 2, vocab - 2, vocab - 1};
  for (int i = 0; i < 3; ++i) {
    const Status status = look_up(*store, weights_, rows);
    ASSERT_TRUE(status) << status.error().message;
    ASSERT_NO_FATAL_FAILURE(sweep_right(*store));
  }
}

}  // namespace
}  // namespace flexinfer
