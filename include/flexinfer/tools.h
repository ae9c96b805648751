// What surrounds running a model: looking into a file, judging a model, making one up.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flexinfer/engine.h"
#include "flexinfer/error.h"

namespace flexinfer {

struct ModelInfo {
  struct Tensor {
    std::string name;
    std::string type;
    std::vector<uint64_t> dims;  // row length first
    uint32_t file = 0;
    uint64_t offset = 0;
    uint64_t size_bytes = 0;
  };
  std::vector<std::string> files;
  uint64_t file_bytes = 0;
  uint32_t version = 0;
  uint64_t alignment = 0;
  uint64_t n_parameters = 0;
  std::vector<std::pair<std::string, std::string>> metadata;  // values as text; long lists are shortened
  std::vector<Tensor> tensors;
};

// Header and tensor directory of any GGUF file, whether or not it can be run.
Result<ModelInfo> inspect_model(const std::string& path);

struct PerplexityResult {
  double perplexity = 0;
  int64_t n_tokens = 0;  // in the text
  int64_t n_windows = 0;
};

// The text is cut into whole windows of `window` tokens; the first token of each is replaced by BOS where the
// model adds one; the predictions of tokens window/2 + 1 .. window - 1 of each count. The session is cleared
// for every window; its engine must have been opened with logits_everywhere. kUsage where the text is shorter
// than one window.
Result<PerplexityResult> measure_perplexity(
    Session& session, const Vocabulary& vocabulary, std::span<const Token> text, int64_t window,
    const std::function<void(int64_t done, int64_t total)>& on_window);

// Names of the shapes that write_synthetic can make ("llama2-7b" ...), with their parameter counts.
std::vector<std::pair<std::string, uint64_t>> synthetic_shapes();

// A model file of a known shape with deterministic pseudo-random weights. `on_progress` returning false
// cancels; nothing is left behind then, or on an error.
Status write_synthetic(std::string_view shape, std::string_view type, const std::string& path, uint64_t seed,
                       const std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>& on_progress);

// What calibrate_machine measures.
struct Calibration {
  struct DiskSample {
    uint64_t request_bytes = 0;
    uint32_t depth = 0;  // requests in flight
    double bytes_per_second = 0;
  };
  struct Product {
    std::string type;  // of the weights
    // Of weights in memory, for one token: in the layout of the file, and in that of locked weights.
    double bytes_per_second = 0;
    double laid_out_bytes_per_second = 0;
    double multiply_adds_per_second = 0;  // for a batch of tokens
  };
  // The disk that holds the model; zero where none was given.
  double disk_bytes_per_second = 0;
  uint64_t request_bytes = 0;  // the smallest request that reaches it
  uint32_t depth = 0;          // the fewest of them in flight that do
  std::vector<DiskSample> disk_samples;
  double memory_bytes_per_second = 0;
  double region_seconds = 0;  // to hand work to all threads and wait for the last
  std::vector<Product> products;
  int n_threads = 0;
  std::string kernels;
  std::string profile_folder;  // where it was kept for the runs to come; empty where it could not be
};

struct CalibrationOptions {
  // Measures the disk on this file, and its types of weights; empty: all types, no disk.
  std::string model_path;
  int n_threads = 0;          // 0: as for a run
  IoMode io = IoMode::kAuto;  // kAuto, kUring or kThreads
  std::stop_token stop;       // kCancelled soon after it asks
};

// Measures what bounds a run, in under 15 seconds and at most 1 GiB of memory (a quarter of what is free),
// and keeps it for the plans and runs to come. `on_progress` (may be empty) is called with the share that is
// done.
Result<Calibration> calibrate_machine(const CalibrationOptions& options,
                                      const std::function<void(double)>& on_progress);

struct QuantizeResult {
  uint64_t source_bytes = 0;  // of all tensors
  uint64_t written_bytes = 0;
  std::vector<std::string> notes;  // what is not written in the type that was asked for, and why
};

// Writes a model (one file or a split set) with its matrices in another type: F32, F16, BF16, Q8_0, Q4_0,
// Q4_1, Q5_0, Q5_1, Q4_K, Q5_K or Q6_K. Vectors, norms, biases and routers stay F32; the output head is at
// least Q6_K; rows that are not whole blocks fall back to a type they fit. Streams through the file in some
// 30 MiB beside the header, whatever the model's size. The bytes do not depend on `n_threads` (0: the
// processors available). `on_progress` counts bytes of the source; false cancels; nothing is left behind
// then, or on an error.
Result<QuantizeResult> quantize_model(
    const std::string& source_path, const std::string& path, std::string_view type, int n_threads,
    const std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>& on_progress);

// The machine, for the reader of benchmarks.
struct MachineInfo {
  std::string cpu;
  int n_threads = 0;
  uint64_t memory_bytes = 0;
  std::string kernels;  // the instruction set in use
};
MachineInfo describe_machine();

}  // namespace flexinfer
