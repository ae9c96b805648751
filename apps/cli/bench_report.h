// What a benchmark found, in the forms that are shown: table, JSON, CSV, curves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "json.h"
#include "measurement.h"

namespace flexinfer::cli {

// One way of running the model under one budget, and what its repetitions gave.
struct BenchRow {
  std::string technique;       // its name in an ablation, else empty
  EngineOptions options;       // as asked; budget and io as chosen, once they are known
  std::optional<Error> error;  // where it does not work under its budget
  std::vector<std::string> notes;
  std::vector<Measurement> measurements;
};

// "2.00 GiB, mmap" or "2.00 GiB, io uring, lock balanced, preserve flexible".
std::string describe(const BenchRow& row);

struct BenchReport {
  MachineInfo machine;
  Workload workload;
  uint64_t model_bytes = 0;
  int repeat = 1;
  std::vector<BenchRow> rows;
};

std::string report_text(const BenchReport& report);
Json report_json(const BenchReport& report);
// Comma-separated, a line of names first; figures that are not there are empty.
std::string report_csv(const BenchReport& report);
// An SVG picture: decoding speed against budget, one curve a technique, and the bound.
std::string report_svg(const BenchReport& report);

}  // namespace flexinfer::cli
