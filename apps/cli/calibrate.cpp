// flexinfer calibrate: measures what bounds a run on this machine, and keeps it.
#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "flexinfer/tools.h"
#include "interrupt.h"
#include "json.h"
#include "options.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct CalibrateOptions {
  std::string model;
  int n_threads = 0;
  IoMode io = IoMode::kAuto;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer calibrate model.gguf     # the disk that holds the model, memory, the model's types of weights
  flexinfer calibrate                # memory and all types of weights)";

std::string rate(double bytes_per_second) {
  return format_bytes(static_cast<uint64_t>(bytes_per_second)) + "/s";
}

std::string disk_text(const Calibration& calibration) {
  if (calibration.depth == 0) return "";
  Table table({"disk: request", "in flight", "bytes"});
  for (const Calibration::DiskSample& sample : calibration.disk_samples) {
    table.add(
        {format_bytes(sample.request_bytes), fmt::format("{}", sample.depth), rate(sample.bytes_per_second)});
  }
  return fmt::format("{}\nthe disk gives {} with {} requests of {} in flight\n\n", table.text(),
                     rate(calibration.disk_bytes_per_second), calibration.depth,
                     format_bytes(calibration.request_bytes));
}

std::string compute_text(const Calibration& calibration) {
  Table table({"weights", "streamed", "locked", "a batch of tokens"});
  for (const Calibration::Product& product : calibration.products) {
    table.add({product.type, rate(product.bytes_per_second), rate(product.laid_out_bytes_per_second),
               format_figure(product.multiply_adds_per_second * 1e-9) + " G multiply-adds/s"});
  }
  return fmt::format("memory gives {} to {} threads; handing them work takes {} us; {} kernels\n{}",
                     rate(calibration.memory_bytes_per_second), calibration.n_threads,
                     format_figure(calibration.region_seconds * 1e6), calibration.kernels, table.text());
}

Json calibration_json(const Calibration& calibration) {
  Json samples = Json::array();
  for (const Calibration::DiskSample& sample : calibration.disk_samples) {
    samples.push_back({{"request_bytes", sample.request_bytes},
                       {"depth", sample.depth},
                       {"bytes_per_second", sample.bytes_per_second}});
  }
  Json products = Json::array();
  for (const Calibration::Product& product : calibration.products) {
    products.push_back({{"type", product.type},
                        {"bytes_per_second", product.bytes_per_second},
                        {"laid_out_bytes_per_second", product.laid_out_bytes_per_second},
                        {"multiply_adds_per_second", product.multiply_adds_per_second}});
  }
  return {{"disk_bytes_per_second", calibration.disk_bytes_per_second},
          {"request_bytes", calibration.request_bytes},
          {"depth", calibration.depth},
          {"disk_samples", std::move(samples)},
          {"memory_bytes_per_second", calibration.memory_bytes_per_second},
          {"region_seconds", calibration.region_seconds},
          {"products", std::move(products)},
          {"n_threads", calibration.n_threads},
          {"kernels", calibration.kernels},
          {"profile_folder", calibration.profile_folder}};
}

int calibrate(const CalibrateOptions& options) {
  const Interrupt interrupt;
  ProgressBar bar(shows_progress(options.output), "calibrating");
  const Calibration calibration = unwrap(calibrate_machine({.model_path = options.model,
                                                            .n_threads = options.n_threads,
                                                            .io = options.io,
                                                            .stop = interrupt.token()},
                                                           [&](double share) { bar.show(share); }));
  bar.clear();
  if (options.output.json) {
    print_json(calibration_json(calibration));
  } else {
    write_stdout(disk_text(calibration) + compute_text(calibration));
  }
  if (!options.output.quiet) {
    if (calibration.profile_folder.empty()) {
      say("the profile could not be kept: set XDG_CACHE_HOME to a folder that can be written");
    } else {
      say("kept in {} for the plans and runs to come", printable(calibration.profile_folder));
    }
  }
  return kDone;
}

}  // namespace

Command add_calibrate(CLI::App& program) {
  auto* app = program.add_subcommand("calibrate",
                                     "Measures this machine (disk, memory, compute) and keeps the profile");
  const auto options = std::make_shared<CalibrateOptions>();
  app->add_option("MODEL", options->model, "a GGUF file on the disk to be measured; without one, no disk is")
      ->type_name("");
  add_threads(*app, options->n_threads);
  add_parsed(*app, "--io", options->io, "how the disk is read: auto, uring, threads", parse_io_mode)
      ->type_name("MODE")
      ->default_str("auto");
  add_output_options(*app, options->output,
                     {.quiet = "nothing but the figures and errors", .verbose = "the same as without"});
  app->footer(kExamples);
  return {app, [options] { return calibrate(*options); }};
}

}  // namespace flexinfer::cli
