// What the blocks of a forward pass work with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>

#include "base/function_ref.h"
#include "base/result.h"
#include "model/activations.h"
#include "model/model.h"
#include "ops/compute.h"
#include "ops/matmul.h"
#include "residency/weight_source.h"

namespace flexinfer {

// Where a matrix's product goes.
struct Projection {
  size_t matrix;
  const Rows& out;
};

// Model and weights must outlive it. Weights are given by their index, as Model holds them.
struct Workspace {
  const Model& model;
  const Compute compute;
  WeightSource& weights;
  Activations activations;

  // An input of matrices; one at a time uses the scratch.
  MatmulInput input(const Rows& rows) { return {compute, rows, activations.quantised}; }
  // The input of this matrix and of others after it: rows that make_row(t) writes.
  MatmulInput make_input(const Rows& rows, size_t matrix, FunctionRef<void(int64_t t)> make_row);
  // The same with rows = RMSNorm of `in`, scaled by a vector.
  MatmulInput normed_input(const Rows& in, size_t vector, const Rows& rows, size_t matrix);
  // out = matrix times input for each projection in turn, over the rows as they become available.
  Status project(MatmulInput& input, std::initializer_list<Projection> projections);
  // out = RMSNorm of `in`, scaled by a vector.
  void norm(const Rows& in, size_t vector, const Rows& out);
  // What models have where `vector` is set: a norm of the rows in place, one of each of their heads, an
  // addend.
  void norm_if(std::optional<size_t> vector, const Rows& rows);
  void norm_heads_if(std::optional<size_t> vector, const Rows& heads);
  void add_bias_if(std::optional<size_t> vector, const Rows& rows);
};

}  // namespace flexinfer
