#include <algorithm>
#include <optional>
#include <set>

#include "base/bytes.h"
#include "base/processors.h"
#include "base/thread_pool.h"
#include "flexinfer/tools.h"
#include "gguf/gguf_file.h"
#include "kernels/kernel_table.h"
#include "ops/matmul.h"
#include "runtime/calibrate_compute.h"
#include "runtime/calibrate_disk.h"
#include "runtime/machine.h"
#include "runtime/machine_profile.h"
#include "runtime/readers.h"

namespace flexinfer {
namespace {

constexpr double kDiskSeconds = 8.0;
constexpr double kComputeSeconds = 3.0;
constexpr double kDiskShare = kDiskSeconds / (kDiskSeconds + kComputeSeconds);  // where a model is given
constexpr uint64_t kMostMemory = kGiB;
constexpr uint64_t kMemoryShare = 4;  // of what is free, at most this part

// All types of the tables of GGML that can be computed with.
std::vector<GgmlType> computable_types() {
  std::vector<GgmlType> types;
  for (uint32_t id = 0; id <= static_cast<uint32_t>(GgmlType::kMXFP4); ++id) {
    const GgmlTypeInfo* info = find_ggml_type(id);
    if (info != nullptr && can_multiply(info->type)) types.push_back(info->type);
  }
  return types;
}

// Of the matrices of a file.
std::vector<GgmlType> matrix_types(const GgufFile& file) {
  std::set<GgmlType> types;
  for (const TensorInfo& tensor : file.tensors()) {
    if (tensor.rows() > 1 && can_multiply(tensor.type)) types.insert(tensor.type);
  }
  return {types.begin(), types.end()};
}

Status measure_disk(const CalibrationOptions& options, const GgufFile& model, uint64_t memory_bytes,
                    Calibration& calibration, DiskSpeed& speed) {
  std::vector<std::string> ignored;  // the model's own commands say what the filesystem refuses
  FLEX_TRY(const std::vector<File> files, open_files(model.paths(), options.io, ignored));
  FLEX_TRY(DiskCalibration disk, calibrate_disk(files, options.io, kDiskSeconds, memory_bytes, options.stop));
  speed = disk.speed;
  calibration.disk_bytes_per_second = disk.speed.bytes_per_second;
  calibration.request_bytes = disk.speed.request_bytes;
  calibration.depth = disk.speed.depth;
  calibration.disk_samples = std::move(disk.samples);
  return {};
}

Calibration describe(const ComputeSpeed& compute, std::string_view kernels, int n_threads) {
  Calibration calibration;
  calibration.kernels = kernels;
  calibration.n_threads = n_threads;
  calibration.memory_bytes_per_second = compute.memory_bytes_per_second;
  calibration.region_seconds = compute.region_seconds;
  for (const ProductSpeed& product : compute.products) {
    calibration.products.push_back({std::string(ggml_type_info(product.type).name), product.bytes_per_second,
                                    product.laid_out_bytes_per_second, product.multiply_adds_per_second});
  }
  return calibration;
}

}  // namespace

Result<Calibration> calibrate_machine(const CalibrationOptions& options,
                                      const std::function<void(double)>& on_progress) {
  if (options.io == IoMode::kSync || options.io == IoMode::kMmap)
    return make_error(ErrorCode::kUsage, "a disk is calibrated with the reader auto, uring or threads");
  const auto report = [&](double share) {
    if (on_progress) on_progress(share);
  };
  const bool with_disk = !options.model_path.empty();
  std::optional<GgufFile> model;
  if (with_disk) {
    FLEX_TRY(model, GgufFile::open(options.model_path));
  }
  FLEX_TRY(const KernelTable* kernels, choose_kernels());
  const uint64_t memory_bytes =
      align_down(std::min(kMostMemory, memory_state().available_bytes / kMemoryShare), kPageBytes);
  ThreadPool pool(options.n_threads > 0 ? options.n_threads : available_cores());
  const double compute_share = with_disk ? 1 - kDiskShare : 1;
  FLEX_TRY(const ComputeSpeed compute,
           calibrate_compute({*kernels, pool}, with_disk ? matrix_types(*model) : computable_types(),
                             kComputeSeconds, memory_bytes, options.stop,
                             [&](double share) { report(share * compute_share); }));
  Calibration calibration = describe(compute, kernels->name, pool.size());
  report(compute_share);
  bool saved = save_compute_speed(kernels->name, pool.size(), compute);
  if (with_disk) {
    DiskSpeed disk;
    FLEX_CHECK(measure_disk(options, *model, memory_bytes, calibration, disk));
    saved = save_disk_speed(model->paths().front(), disk) && saved;
  }
  if (saved) calibration.profile_folder = profile_folder();
  return calibration;
}

}  // namespace flexinfer
