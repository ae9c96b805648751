#include "model/metadata_reader.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace flexinfer {

std::string MetadataReader::full_key(std::string_view key) const {
  return fmt::format("{}.{}", prefix_, key);
}

void MetadataReader::fail(ErrorCode code, const std::string& message) {
  if (!error_) error_ = Error{code, fmt::format("{}: {}", file_.paths().front(), message)};
}

std::optional<int64_t> MetadataReader::find_integer(std::string_view key, int64_t least, int64_t most) {
  const auto value = file_.metadata().unsigned_number(full_key(key));
  if (!value) {
    fail(value.error().code, value.error().message);
    return least;
  }
  if (!*value) return std::nullopt;
  if (**value < static_cast<uint64_t>(least) || **value > static_cast<uint64_t>(most)) {
    fail(ErrorCode::kCorrupt,
         fmt::format("{} is {}, expected {} to {}", full_key(key), **value, least, most));
    return least;
  }
  return static_cast<int64_t>(**value);
}

int64_t MetadataReader::integer(std::string_view key, int64_t least, int64_t most) {
  const std::optional<int64_t> value = find_integer(key, least, most);
  if (!value) fail(ErrorCode::kCorrupt, fmt::format("the key {} is missing", full_key(key)));
  return value.value_or(least);
}

int64_t MetadataReader::integer_or(std::string_view key, int64_t fallback, int64_t least, int64_t most) {
  return find_integer(key, least, most).value_or(fallback);
}

std::optional<double> MetadataReader::find_positive(std::string_view key) {
  const auto value = file_.metadata().number(full_key(key));
  if (!value) {
    fail(value.error().code, value.error().message);
    return 1.0;
  }
  if (!*value) return std::nullopt;
  if (!(**value > 0) || !std::isfinite(**value)) {
    fail(ErrorCode::kCorrupt, fmt::format("{} is {}, expected a positive number", full_key(key), **value));
    return 1.0;
  }
  return **value;
}

double MetadataReader::positive(std::string_view key) {
  const std::optional<double> value = find_positive(key);
  if (!value) fail(ErrorCode::kCorrupt, fmt::format("the key {} is missing", full_key(key)));
  return value.value_or(1.0);
}

double MetadataReader::positive_or(std::string_view key, double fallback) {
  return find_positive(key).value_or(fallback);
}

double MetadataReader::not_negative_or(std::string_view key, double fallback) {
  const auto value = file_.metadata().number(full_key(key));
  return value && *value && **value == 0 ? 0.0 : positive_or(key, fallback);
}

std::string MetadataReader::text_or(std::string_view key, std::string_view fallback) {
  const auto value = file_.metadata().text(full_key(key));
  if (!value) fail(value.error().code, value.error().message);
  return value && *value != nullptr ? **value : std::string(fallback);
}

Status MetadataReader::require_tensor(std::string_view tensor) const {
  if (file_.find_tensor(tensor) != nullptr) return {};
  return contradiction(fmt::format("tensor '{}' is missing", tensor));
}

Result<int64_t> MetadataReader::vocabulary_rows(std::string_view tensor) const {
  FLEX_CHECK(require_tensor(tensor));
  const TensorInfo* embedding = file_.find_tensor(tensor);
  if (embedding->rows() > static_cast<uint64_t>(std::numeric_limits<int32_t>::max())) {
    return contradiction(
        fmt::format("tensor '{}' has {} rows, more than there can be tokens", tensor, embedding->rows()));
  }
  return static_cast<int64_t>(embedding->rows());
}

Status MetadataReader::status() const {
  if (error_) return tl::unexpected(*error_);
  return {};
}

tl::unexpected<Error> MetadataReader::unsupported(std::string_view key, std::string_view value) const {
  return make_error(ErrorCode::kUnsupported, fmt::format("{}: {} is {}, which is not supported",
                                                         file_.paths().front(), full_key(key), value));
}

tl::unexpected<Error> MetadataReader::contradiction(std::string_view what) const {
  return make_error(ErrorCode::kCorrupt, fmt::format("{}: {}", file_.paths().front(), what));
}

}  // namespace flexinfer
