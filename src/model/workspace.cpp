#include "model/workspace.h"

#include <array>
#include <utility>

#include "ops/elementwise.h"

namespace flexinfer {

namespace {

// Products of rows that are there, to be computed together.
class PendingProducts {
 public:
  explicit PendingProducts(MatmulInput& input) : input_(input) {}

  bool is_full() const { return n_ == kMost; }
  void add(const WeightStep& weight, WeightLease lease, const Rows& out) {
    const int64_t row = lease.row_begin();
    const RowLayout layout = lease.laid_out() ? RowLayout::kInterleaved : RowLayout::kStored;
    const Rows part{out.data + row, out.n_rows, lease.row_end() - row, out.stride};
    products_[n_] = {weight.type, lease.rows(), weight.row_bytes, layout, part};
    leases_[n_++].emplace(std::move(lease));
  }
  void multiply() {
    if (n_ > 0) input_.multiply({products_.data(), n_});
    while (n_ > 0)
      leases_[--n_].reset();
  }

 private:
  static constexpr size_t kMost = 3;  // q, k and v

  MatmulInput& input_;
  std::array<MatrixProduct, kMost> products_;
  std::array<std::optional<WeightLease>, kMost> leases_;
  size_t n_ = 0;
};

}  // namespace

MatmulInput Workspace::make_input(const Rows& rows, size_t matrix, FunctionRef<void(int64_t t)> make_row) {
  MatmulInput made = input(rows);
  made.make_rows(model.schedule.steps[matrix].type, make_row);
  return made;
}

MatmulInput Workspace::normed_input(const Rows& in, size_t vector, const Rows& rows, size_t matrix) {
  return make_input(rows, matrix, [&](int64_t t) { norm(in.only(t), vector, rows.only(t)); });
}

// Rows at hand wait for the next ones, as long as these are at hand too.
Status Workspace::project(MatmulInput& input, std::initializer_list<Projection> projections) {
  PendingProducts pending(input);
  for (const auto& [matrix, out] : projections) {
    const WeightStep& weight = model.schedule.steps[matrix];
    for (int64_t row = 0; row < weight.rows;) {
      const bool at_hand = weights.at_hand(matrix, row);
      if (!at_hand || pending.is_full()) pending.multiply();
      FLEX_TRY(WeightLease lease, weights.acquire(matrix, row));
      row = lease.row_end();
      pending.add(weight, std::move(lease), out);
      if (!at_hand) pending.multiply();
    }
  }
  pending.multiply();
  return {};
}

void Workspace::norm(const Rows& in, size_t vector, const Rows& out) {
  rms_norm(compute, in, weights.constant(vector), model.hyperparameters.norm_epsilon, out);
}

void Workspace::norm_if(std::optional<size_t> vector, const Rows& rows) {
  if (vector) norm(rows, *vector, rows);
}

void Workspace::norm_heads_if(std::optional<size_t> vector, const Rows& heads) {
  if (vector) rms_norm_heads(compute, weights.constant(*vector), model.hyperparameters.norm_epsilon, heads);
}

void Workspace::add_bias_if(std::optional<size_t> vector, const Rows& rows) {
  if (vector) add_bias(compute, weights.constant(*vector), rows);
}

}  // namespace flexinfer
