// flexinfer inspect: what is in a model file.
#include <fmt/ranges.h>

#include <map>
#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "options.h"
#include "terminal.h"

namespace flexinfer::cli {
namespace {

struct InspectOptions {
  std::string model;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer inspect model.gguf
  flexinfer inspect model.gguf --json)";

struct TypeTotal {
  uint64_t n_tensors = 0;
  uint64_t size_bytes = 0;
};

std::map<std::string, TypeTotal> totals_by_type(const ModelInfo& model) {
  std::map<std::string, TypeTotal> totals;
  for (const ModelInfo::Tensor& tensor : model.tensors) {
    TypeTotal& total = totals[tensor.type];
    ++total.n_tensors;
    total.size_bytes += tensor.size_bytes;
  }
  return totals;
}

Json totals_json(const ModelInfo& model) {
  Json types = Json::object();
  for (const auto& [type, total] : totals_by_type(model)) {
    types[type] = {{"tensors", total.n_tensors}, {"size_bytes", total.size_bytes}};
  }
  return types;
}

std::string totals_text(const ModelInfo& model) {
  Table table({"type", "tensors", "bytes"});
  uint64_t size_bytes = 0;
  for (const auto& [type, total] : totals_by_type(model)) {
    table.add({type, fmt::format("{}", total.n_tensors), format_bytes(total.size_bytes)});
    size_bytes += total.size_bytes;
  }
  table.add({"all", fmt::format("{}", model.tensors.size()), format_bytes(size_bytes)});
  return table.text();
}

std::string metadata_text(const ModelInfo& model) {
  std::string text;
  for (const auto& [key, value] : model.metadata)
    text += fmt::format("{} = {}\n", printable(key), printable(value));
  return text;
}

std::string tensors_text(const ModelInfo& model, bool with_places) {
  Table table(with_places ? std::vector<std::string>{"tensor", "type", "shape", "bytes", "file", "offset"}
                          : std::vector<std::string>{"tensor", "type", "shape", "bytes"});
  for (const ModelInfo::Tensor& tensor : model.tensors) {
    std::vector<std::string> row = {printable(tensor.name), tensor.type,
                                    fmt::format("{}", fmt::join(tensor.dims, " x ")),
                                    format_bytes(tensor.size_bytes)};
    if (with_places) {
      row.push_back(fmt::format("{}", tensor.file));
      row.push_back(fmt::format("{}", tensor.offset));
    }
    table.add(std::move(row));
  }
  return table.text();
}

std::string head_text(const ModelInfo& model) {
  std::string text;
  for (const std::string& file : model.files)
    text += printable(file) + "\n";
  return text + fmt::format("GGUF version {}, {}, alignment {}, {} parameters, {} tensors\n", model.version,
                            format_bytes(model.file_bytes), model.alignment, model.n_parameters,
                            model.tensors.size());
}

int inspect(const InspectOptions& options) {
  const ModelInfo model = unwrap(inspect_model(options.model));
  if (options.output.json) {
    Json json = to_json(model);
    json["types"] = totals_json(model);
    print_json(json);
    return kDone;
  }
  std::string text = head_text(model) + "\n";
  if (!options.output.quiet) {
    text += metadata_text(model) + "\n" + tensors_text(model, options.output.verbose) + "\n";
  }
  write_stdout(text + totals_text(model));
  return kDone;
}

}  // namespace

Command add_inspect(CLI::App& program) {
  auto* app =
      program.add_subcommand("inspect", "Shows the metadata, tensors, sizes and types of a model file");
  const auto options = std::make_shared<InspectOptions>();
  add_model(*app, options->model);
  add_output_options(*app, options->output,
                     {.quiet = "only the totals", .verbose = "also where each tensor lies in its file"});
  app->footer(kExamples);
  return {app, [options] { return inspect(*options); }};
}

}  // namespace flexinfer::cli
