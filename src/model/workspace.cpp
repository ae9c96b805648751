#include "model/workspace.h"

#include "ops/elementwise.h"

namespace flexinfer {

Status Workspace::project(size_t matrix, MatmulInput& input, const Rows& out) {
  const WeightStep& weight = model.schedule.steps[matrix];
  for (int64_t row = 0; row < weight.rows;) {
    FLEX_TRY(const WeightLease lease, weights.acquire(matrix, row));
    const Rows part{out.data + row, out.n_rows, lease.row_end() - row, out.stride};
    const RowLayout layout = lease.laid_out() ? RowLayout::kInterleaved : RowLayout::kStored;
    input.multiply(weight.type, lease.rows(), weight.row_bytes, part.cols, part, layout);
    row = lease.row_end();
  }
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
