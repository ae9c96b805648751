#include "bench_report.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "chart.h"
#include "terminal.h"

namespace flexinfer::cli {
namespace {

double median(const std::vector<Measurement>& measurements, double Measurement::*figure) {
  std::vector<double> values;
  for (const Measurement& measurement : measurements)
    values.push_back(measurement.*figure);
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double share_of_bound(const Measurement& measured) {
  return measured.bound_decode_tok_s > 0 ? measured.decode_tok_s / measured.bound_decode_tok_s : 0;
}

// A figure of the report: its name in JSON and CSV, and whether it is a count.
struct Figure {
  const char* name;
  double Measurement::*value;
  bool is_count = false;
};
constexpr std::array kFigures = {
    Figure{"prefill_tok_s", &Measurement::prefill_tok_s},
    Figure{"decode_tok_s", &Measurement::decode_tok_s},
    Figure{"predicted_decode_tok_s", &Measurement::predicted_decode_tok_s},
    Figure{"bound_decode_tok_s", &Measurement::bound_decode_tok_s},
    Figure{"first_token_seconds", &Measurement::first_token_seconds},
    Figure{"bytes_read_per_token", &Measurement::bytes_read_per_token, true},
    Figure{"stall_share", &Measurement::stall_share},
    Figure{"peak_resident_bytes", &Measurement::peak_resident_bytes, true},
};
// Of the cgroup, where memory was limited.
constexpr std::array kLimitFigures = {
    Figure{"peak_charged_bytes", &Measurement::peak_charged_bytes, true},
    Figure{"limit_hits", &Measurement::limit_hits, true},
};

Measurement medians(const std::vector<Measurement>& measurements) {
  Measurement result;
  for (const Figure& figure : kFigures)
    result.*figure.value = median(measurements, figure.value);
  for (const Figure& figure : kLimitFigures)
    result.*figure.value = median(measurements, figure.value);
  return result;
}

bool is_too_small(const BenchRow& row) {
  return row.error && row.error->code == ErrorCode::kBudgetTooSmall;
}

Json figure_json(const Figure& figure, const Measurement& measured) {
  const double value = measured.*figure.value;
  if (figure.is_count) return static_cast<uint64_t>(std::llround(value));
  return value;
}

Json row_json(const BenchRow& row, const Workload& workload) {
  Json json = {{"budget_bytes", row.options.budget_bytes},
               {"io", to_string(row.options.io)},
               {"lock", to_string(row.options.lock)},
               {"preserve", to_string(row.options.preserve)}};
  if (!row.technique.empty()) json["technique"] = row.technique;
  if (row.error) {
    json["error"] = row.error->message;
    return json;
  }
  const Measurement measured = medians(row.measurements);
  for (const Figure& figure : kFigures)
    json[figure.name] = figure_json(figure, measured);
  json["share_of_bound"] = share_of_bound(measured);
  if (workload.limit_memory) {
    for (const Figure& figure : kLimitFigures)
      json[figure.name] = figure_json(figure, measured);
  }
  json["notes"] = row.notes;
  return json;
}

std::string limit_text(const Measurement& measured) {
  const auto hits = static_cast<uint64_t>(std::llround(measured.limit_hits));
  return hits == 0 ? "never hit" : fmt::format("hit {} times", hits);
}

std::vector<std::string> row_cells(const BenchRow& row, const Workload& workload) {
  const EngineOptions& options = row.options;
  std::vector<std::string> cells = {format_bytes(options.budget_bytes)};
  if (row.technique.empty()) {
    for (const std::string_view cell :
         {to_string(options.io), to_string(options.lock), to_string(options.preserve)})
      cells.emplace_back(cell);
  } else {
    cells.push_back(row.technique);
  }
  if (row.error) {
    cells.emplace_back(is_too_small(row) ? "too small" : "killed");
    return cells;
  }
  const Measurement measured = medians(row.measurements);
  const auto bytes = [](double value) { return format_bytes(static_cast<uint64_t>(std::llround(value))); };
  cells.insert(cells.end(),
               {format_figure(measured.decode_tok_s), format_figure(measured.predicted_decode_tok_s),
                format_figure(measured.bound_decode_tok_s), format_percent(share_of_bound(measured)),
                bytes(measured.bytes_read_per_token),
                options.io == IoMode::kMmap ? "in faults" : format_percent(measured.stall_share),
                format_figure(measured.prefill_tok_s), format_seconds(measured.first_token_seconds),
                bytes(measured.peak_resident_bytes)});
  if (workload.limit_memory) cells.push_back(limit_text(measured));
  return cells;
}

std::string technique_name(const BenchRow& row) {
  if (!row.technique.empty()) return row.technique;
  const EngineOptions& options = row.options;
  return fmt::format("{}, {}, {}", to_string(options.io), to_string(options.lock),
                     to_string(options.preserve));
}

// A field of CSV; those of this report hold commas at most.
std::string csv_field(const std::string& text) {
  return text.find(',') == std::string::npos ? text : "\"" + text + "\"";
}

// Curves in the order of their techniques, each over the budgets that it works under.
std::vector<ChartCurve> curves_of(const BenchReport& report) {
  std::vector<ChartCurve> curves;
  for (const BenchRow& row : report.rows) {
    const std::string name = technique_name(row);
    auto curve = std::ranges::find(curves, name, &ChartCurve::name);
    if (curve == curves.end()) curve = curves.insert(curves.end(), ChartCurve{name, {}});
    if (row.error) continue;
    curve->points.push_back(
        {static_cast<double>(row.options.budget_bytes), medians(row.measurements).decode_tok_s});
  }
  return curves;
}

// The bound of the technique that keeps the most in memory: no other has a higher one. What mmap reads is no
// measure of the disk: the kernel reads ahead on its own account.
ChartCurve bound_of(const BenchReport& report) {
  std::map<uint64_t, double> bounds;
  for (const BenchRow& row : report.rows) {
    if (row.error || row.options.io == IoMode::kMmap) continue;
    double& bound = bounds[row.options.budget_bytes];
    bound = std::max(bound, medians(row.measurements).bound_decode_tok_s);
  }
  ChartCurve curve{"bound: no engine exceeds it", {}};
  for (const auto& [budget_bytes, bound] : bounds)
    curve.points.push_back({static_cast<double>(budget_bytes), bound});
  return curve;
}

}  // namespace

std::string describe(const BenchRow& row) {
  const EngineOptions& options = row.options;
  const std::string budget = options.budget_bytes > 0 ? format_bytes(options.budget_bytes) : "default budget";
  if (!row.technique.empty()) return fmt::format("{}, {}", budget, row.technique);
  return fmt::format("{}, io {}, lock {}, preserve {}", budget, to_string(options.io),
                     to_string(options.lock), to_string(options.preserve));
}

std::string report_text(const BenchReport& report) {
  std::vector<std::string> header = {"budget"};
  if (report.rows.front().technique.empty()) {
    header.insert(header.end(), {"io", "lock", "preserve"});
  } else {
    header.emplace_back("technique");
  }
  header.insert(header.end(), {"decode tok/s", "predicted", "at most", "share", "read a token", "waited",
                               "prefill tok/s", "first token", "peak resident"});
  if (report.workload.limit_memory) header.emplace_back("memory limit");
  Table table(std::move(header));
  for (const BenchRow& row : report.rows)
    table.add(row_cells(row, report.workload));
  return table.text();
}

Json report_json(const BenchReport& report) {
  Json results = Json::array();
  for (const BenchRow& row : report.rows)
    results.push_back(row_json(row, report.workload));
  return {{"machine", to_json(report.machine)},
          {"model_bytes", report.model_bytes},
          {"prompt_tokens", report.workload.prompt_tokens},
          {"decode_tokens", report.workload.decode_tokens},
          {"repetitions", report.repeat},
          {"memory_limited", report.workload.limit_memory},
          {"results", std::move(results)}};
}

std::string report_csv(const BenchReport& report) {
  std::string text = "budget_bytes,technique,io,lock,preserve,state,share_of_bound";
  for (const Figure& figure : kFigures)
    text += fmt::format(",{}", figure.name);
  for (const Figure& figure : kLimitFigures)
    text += fmt::format(",{}", figure.name);
  text += "\n";
  for (const BenchRow& row : report.rows) {
    const Json json = row_json(row, report.workload);
    text +=
        fmt::format("{},{},{},{},{},{}", row.options.budget_bytes, csv_field(technique_name(row)),
                    to_string(row.options.io), to_string(row.options.lock), to_string(row.options.preserve),
                    is_too_small(row) ? "too small"
                    : row.error       ? "killed"
                                      : "done");
    const auto add = [&](const char* name) {
      text += "," + (json.contains(name) ? json.at(name).dump() : std::string());
    };
    add("share_of_bound");
    for (const Figure& figure : kFigures)
      add(figure.name);
    for (const Figure& figure : kLimitFigures)
      add(figure.name);
    text += "\n";
  }
  return text;
}

std::string report_svg(const BenchReport& report) {
  Chart chart;
  chart.title = fmt::format("{}: decoding speed against memory",
                            std::filesystem::path(report.workload.model).filename().string());
  chart.subtitle =
      fmt::format("{} of weights; {}, {} threads; medians of {}", format_bytes(report.model_bytes),
                  report.machine.cpu, report.machine.n_threads, report.repeat);
  chart.x_title = fmt::format("memory budget, and its share of the model{}",
                              report.workload.limit_memory ? "; each run in a cgroup of its budget" : "");
  chart.y_title = "decoding, tokens per second";
  chart.curves = curves_of(report);
  chart.bound = bound_of(report);
  std::set<uint64_t> budgets;
  for (const BenchRow& row : report.rows)
    budgets.insert(row.options.budget_bytes);
  for (const uint64_t budget_bytes : budgets) {
    const auto budget = static_cast<double>(budget_bytes);
    chart.x_ticks.push_back({budget, format_bytes(budget_bytes),
                             format_percent(budget / static_cast<double>(report.model_bytes))});
  }
  return draw_chart(chart);
}

}  // namespace flexinfer::cli
