#include "runtime/machine_profile.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

namespace flexinfer {
namespace {

using Json = nlohmann::json;

constexpr double kAssumedMultiplyAdds = 60e9;  // a second, of all threads together
constexpr double kAssumedMemoryShare = 0.8;    // of the memory's speed, that a product of one token reaches
constexpr double kLeastSpeed = 1e3;            // less was never measured: the file is damaged
constexpr double kMostSpeed = 1e15;
constexpr uint64_t kLeastRequest = 16 * kKiB;
constexpr uint64_t kMostRequest = 64 * kMiB;
constexpr uint32_t kMostDepth = 1024;
constexpr std::array kSourceNames = {"assumed", "sweep", "calibrated"};

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

// A name that survives a reboot where the filesystem has one; else the device's number.
std::optional<std::string> filesystem_id(const std::string& path) {
  struct statvfs filesystem {};
  struct stat status {};
  if (::statvfs(path.c_str(), &filesystem) != 0 || ::stat(path.c_str(), &status) != 0) return std::nullopt;
  return fmt::format("{:x}", filesystem.f_fsid != 0 ? filesystem.f_fsid : status.st_dev);
}

std::filesystem::path disk_file(const std::string& model_path) {
  const std::string folder = profile_folder();
  const std::optional<std::string> id = filesystem_id(model_path);
  if (folder.empty() || !id) return {};
  return std::filesystem::path(folder) / fmt::format("disk-{}-{}.json", host_name(), *id);
}

std::filesystem::path compute_file(std::string_view kernels, int n_threads) {
  const std::string folder = profile_folder();
  if (folder.empty()) return {};
  return std::filesystem::path(folder) /
         fmt::format("compute-{}-{}-{}.json", host_name(), kernels, n_threads);
}

Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  return Json::parse(file, nullptr, false);  // discarded where damaged or absent
}

// Beside its place first: a reader finds the old file or the new one, never half of one.
bool write_json(const std::filesystem::path& path, const Json& json) {
  if (path.empty()) return false;
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::filesystem::path beside = path;
  beside += fmt::format(".{}", ::getpid());
  std::ofstream file(beside);
  file << json.dump(2) << "\n";
  file.close();
  if (file.fail()) return false;
  std::filesystem::rename(beside, path, error);
  return !error;
}

std::optional<double> number(const Json& json, const char* key, double least, double most) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_number()) return std::nullopt;
  const double value = json[key].get<double>();
  if (!(value >= least && value <= most)) return std::nullopt;
  return value;
}

std::optional<double> speed(const Json& json, const char* key) {
  return number(json, key, kLeastSpeed, kMostSpeed);
}

DiskSpeed load_disk_speed(const std::string& model_path) {
  const std::filesystem::path path = disk_file(model_path);
  const Json json = path.empty() ? Json() : read_json(path);
  const auto bytes_per_second = speed(json, "bytes_per_second");
  const auto request = number(json, "request_bytes", kLeastRequest, kMostRequest);
  const auto depth = number(json, "depth", 1, kMostDepth);
  if (!bytes_per_second || !request || !depth) return {};
  const bool calibrated = json.value("source", Json()) == kSourceNames[2];
  return {*bytes_per_second, align_down(static_cast<uint64_t>(*request), kPageBytes),
          static_cast<uint32_t>(*depth), calibrated ? SpeedSource::kCalibrated : SpeedSource::kSweep};
}

ComputeSpeed load_compute_speed(std::string_view kernels, int n_threads) {
  const std::filesystem::path path = compute_file(kernels, n_threads);
  const Json json = path.empty() ? Json() : read_json(path);
  const auto memory = speed(json, "memory_bytes_per_second");
  const auto region = number(json, "region_seconds", 1e-9, 1);
  if (!memory || !region || !json.contains("products") || !json["products"].is_object()) return {};
  ComputeSpeed compute;
  compute.memory_bytes_per_second = *memory;
  compute.region_seconds = *region;
  compute.measured = true;
  for (const auto& [name, product] : json["products"].items()) {
    const GgmlTypeInfo* type = find_ggml_type(std::string_view(name));
    const auto bytes = speed(product, "bytes_per_second");
    const auto laid_out = speed(product, "laid_out_bytes_per_second");
    const auto multiply_adds = speed(product, "multiply_adds_per_second");
    if (type != nullptr && bytes && laid_out && multiply_adds)
      compute.products.push_back({type->type, *bytes, *laid_out, *multiply_adds});
  }
  return compute;
}

}  // namespace

DiskSpeed together(const DiskSpeed& a, const DiskSpeed& b) {
  return {a.bytes_per_second + b.bytes_per_second, std::max(a.request_bytes, b.request_bytes),
          a.depth + b.depth, std::min(a.source, b.source)};
}

ProductSpeed ComputeSpeed::product(GgmlType type) const {
  for (const ProductSpeed& product : products) {
    if (product.type == type) return product;
  }
  const double assumed = memory_bytes_per_second * kAssumedMemoryShare;
  return {type, assumed, assumed, kAssumedMultiplyAdds};
}

std::string profile_folder() {
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0') {
    return std::filesystem::path(cache) / "flexinfer";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::filesystem::path(home) / ".cache" / "flexinfer";
  }
  return {};
}

MachineProfile load_profile(const std::string& model_path, std::string_view kernels, int n_threads) {
  return {load_disk_speed(model_path), load_compute_speed(kernels, n_threads)};
}

bool save_disk_speed(const std::string& model_path, const DiskSpeed& disk) {
  return write_json(disk_file(model_path), {{"bytes_per_second", disk.bytes_per_second},
                                            {"request_bytes", disk.request_bytes},
                                            {"depth", disk.depth},
                                            {"source", kSourceNames[static_cast<size_t>(disk.source)]}});
}

bool save_compute_speed(std::string_view kernels, int n_threads, const ComputeSpeed& compute) {
  Json products = Json::object();
  for (const ProductSpeed& product : compute.products) {
    products[std::string(ggml_type_info(product.type).name)] = {
        {"bytes_per_second", product.bytes_per_second},
        {"laid_out_bytes_per_second", product.laid_out_bytes_per_second},
        {"multiply_adds_per_second", product.multiply_adds_per_second}};
  }
  return write_json(compute_file(kernels, n_threads),
                    {{"memory_bytes_per_second", compute.memory_bytes_per_second},
                     {"region_seconds", compute.region_seconds},
                     {"products", std::move(products)}});
}

}  // namespace flexinfer
