#include "gguf/gguf_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "gguf/format.h"
#include "gguf/output_file.h"
#include "gguf/quote.h"

namespace flexinfer {
namespace {

using gguf::ValueType;

// The bytes of a header as they grow.
class ByteSink {
 public:
  template <class T>
  void number(T value) {
    numbers(std::span<const T>(&value, 1));
  }
  template <class T>
  void numbers(std::span<const T> values) {
    const auto bytes = std::as_bytes(values);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void type(ValueType type) { number(static_cast<uint32_t>(type)); }
  void text(std::string_view text) {
    number<uint64_t>(text.size());
    raw(text);
  }
  void raw(std::string_view text) { numbers(std::span<const char>(text)); }
  void array(ValueType element, uint64_t count) {
    type(ValueType::kArray);
    type(element);
    number(count);
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct PlannedTensor {
  std::string name;
  GgmlType type;
  std::vector<uint64_t> dims;
  uint64_t size_bytes;
};

std::optional<uint64_t> tensor_bytes(GgmlType type, std::span<const uint64_t> dims) {
  if (dims.empty() || dims.size() > gguf::kMostDims) return std::nullopt;
  std::optional<uint64_t> size = row_bytes(type, dims[0]);
  for (const uint64_t dim : dims.subspan(1))
    size = size ? checked_mul(*size, dim) : std::nullopt;
  return size.value_or(0) > 0 ? size : std::nullopt;
}

}  // namespace

struct GgufWriter::Impl {
  std::string path;
  uint64_t alignment;
  ByteSink pairs;
  std::set<std::string, std::less<>> keys;
  std::set<std::string, std::less<>> tensor_names;
  uint64_t n_pairs = 0;
  std::vector<PlannedTensor> tensors;
  std::optional<Error> wrong_call;  // the first

  std::optional<OutputFile> file;
  size_t tensor = 0;     // the one being written
  uint64_t written = 0;  // bytes of it

  void refuse(std::string reason) {
    if (!wrong_call) wrong_call = Error{ErrorCode::kUsage, fmt::format("cannot write {}: {}", path, reason)};
  }
  ByteSink& pair(std::string_view key);
  ByteSink header() const;
  uint64_t padded(uint64_t size) const { return align_up(size, alignment); }
  Status pad(uint64_t size);
};

ByteSink& GgufWriter::Impl::pair(std::string_view key) {
  if (key.empty()) refuse("a metadata key is empty");
  if (!keys.emplace(key).second) refuse(fmt::format("metadata key {} is given twice", quote(key)));
  ++n_pairs;
  pairs.text(key);
  return pairs;
}

ByteSink GgufWriter::Impl::header() const {
  ByteSink sink;
  sink.raw(gguf::kMagic);
  sink.number(gguf::kVersion);
  sink.number<uint64_t>(tensors.size());
  sink.number(n_pairs);
  sink.numbers(pairs.bytes());
  uint64_t offset = 0;
  for (const PlannedTensor& planned : tensors) {
    sink.text(planned.name);
    sink.number(static_cast<uint32_t>(planned.dims.size()));
    sink.numbers(std::span<const uint64_t>(planned.dims));
    sink.number(static_cast<uint32_t>(planned.type));
    sink.number(offset);
    offset += padded(planned.size_bytes);
  }
  return sink;
}

// Zeros from `size` to the next multiple of the alignment.
Status GgufWriter::Impl::pad(uint64_t size) {
  static constexpr std::array<std::byte, kPageBytes> kZeros{};
  uint64_t left = padded(size) - size;
  while (left > 0) {
    const uint64_t n = std::min<uint64_t>(left, kZeros.size());
    FLEX_CHECK(file->append(std::span(kZeros).first(n)));
    left -= n;
  }
  return {};
}

GgufWriter::GgufWriter(std::string path, uint64_t alignment) : impl_(std::make_unique<Impl>()) {
  impl_->path = std::move(path);
  impl_->alignment = alignment;
  if (!gguf::is_alignment(alignment)) {
    impl_->refuse(
        fmt::format("an alignment of {} is not a power of two from {} on", alignment, gguf::kAlignmentUnit));
  } else if (alignment != gguf::kDefaultAlignment) {
    set_u32(gguf::kAlignmentKey, static_cast<uint32_t>(alignment));
  }
}

GgufWriter::~GgufWriter() = default;

void GgufWriter::set_u32(std::string_view key, uint32_t value) {
  ByteSink& sink = impl_->pair(key);
  sink.type(ValueType::kUint32);
  sink.number(value);
}

void GgufWriter::set_f32(std::string_view key, float value) {
  ByteSink& sink = impl_->pair(key);
  sink.type(ValueType::kFloat32);
  sink.number(value);
}

void GgufWriter::set_bool(std::string_view key, bool value) {
  ByteSink& sink = impl_->pair(key);
  sink.type(ValueType::kBool);
  sink.number<uint8_t>(value ? 1 : 0);
}

void GgufWriter::set_text(std::string_view key, std::string_view value) {
  ByteSink& sink = impl_->pair(key);
  sink.type(ValueType::kText);
  sink.text(value);
}

void GgufWriter::set_texts(std::string_view key, std::span<const std::string> values) {
  ByteSink& sink = impl_->pair(key);
  sink.array(ValueType::kText, values.size());
  for (const std::string& value : values)
    sink.text(value);
}

void GgufWriter::set_f32s(std::string_view key, std::span<const float> values) {
  ByteSink& sink = impl_->pair(key);
  sink.array(ValueType::kFloat32, values.size());
  sink.numbers(values);
}

void GgufWriter::set_i32s(std::string_view key, std::span<const int32_t> values) {
  ByteSink& sink = impl_->pair(key);
  sink.array(ValueType::kInt32, values.size());
  sink.numbers(values);
}

void GgufWriter::set_encoded(std::string_view key, std::span<const std::byte> value) {
  impl_->pair(key).numbers(value);
}

void GgufWriter::add_tensor(std::string_view name, GgmlType type, std::span<const uint64_t> dims) {
  Impl& impl = *impl_;
  const std::optional<uint64_t> size = tensor_bytes(type, dims);
  if (name.empty()) impl.refuse("a tensor has no name");
  if (!size) {
    impl.refuse(fmt::format("tensor {} has dimensions that are impossible in {}, which comes in blocks of {}",
                            quote(name), ggml_type_info(type).name, ggml_type_info(type).block_elements));
  }
  if (!impl.tensor_names.emplace(name).second) {
    impl.refuse(fmt::format("tensor {} is given twice", quote(name)));
  }
  impl.tensors.push_back({std::string(name), type, {dims.begin(), dims.end()}, size.value_or(0)});
}

Status GgufWriter::begin_data() {
  Impl& impl = *impl_;
  if (impl.file) impl.refuse("begin_data is called twice");
  if (impl.wrong_call) return tl::unexpected(*impl.wrong_call);
  const ByteSink header = impl.header();
  uint64_t size = impl.padded(header.bytes().size());
  for (const PlannedTensor& planned : impl.tensors)
    size += impl.padded(planned.size_bytes);
  FLEX_TRY(impl.file, OutputFile::create(impl.path, size));
  FLEX_CHECK(impl.file->append(header.bytes()));
  return impl.pad(header.bytes().size());
}

Status GgufWriter::append(std::span<const std::byte> bytes) {
  Impl& impl = *impl_;
  if (!impl.file) impl.refuse("no data can follow before begin_data");
  while (!bytes.empty() && !impl.wrong_call) {
    if (impl.tensor == impl.tensors.size()) {
      impl.refuse(fmt::format("{} bytes more than the tensors have", bytes.size()));
      break;
    }
    const uint64_t size = impl.tensors[impl.tensor].size_bytes;
    const uint64_t n = std::min<uint64_t>(bytes.size(), size - impl.written);
    FLEX_CHECK(impl.file->append(bytes.first(n)));
    bytes = bytes.subspan(n);
    impl.written += n;
    if (impl.written == size) {
      FLEX_CHECK(impl.pad(size));
      ++impl.tensor;
      impl.written = 0;
    }
  }
  if (impl.wrong_call) return tl::unexpected(*impl.wrong_call);
  return {};
}

Status GgufWriter::finish() {
  Impl& impl = *impl_;
  if (!impl.file) impl.refuse("finish is called before begin_data");
  if (impl.tensor < impl.tensors.size()) {
    const PlannedTensor& planned = impl.tensors[impl.tensor];
    impl.refuse(fmt::format("tensor {} has {} bytes, {} were given", quote(planned.name), planned.size_bytes,
                            impl.written));
  }
  if (impl.wrong_call) return tl::unexpected(*impl.wrong_call);
  FLEX_CHECK(impl.file->commit());
  impl.file.reset();
  return {};
}

}  // namespace flexinfer
