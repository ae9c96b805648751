#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "base/processors.h"
#include "base/thread_pool.h"
#include "flexinfer/tools.h"
#include "gguf/file_type.h"
#include "gguf/format.h"
#include "gguf/gguf_writer.h"
#include "gguf/quote.h"
#include "io/file.h"
#include "quant/dequantize.h"
#include "runtime/piece_reader.h"
#include "runtime/quantize_plan.h"

namespace flexinfer {
namespace {

constexpr uint64_t kPieceElements = uint64_t{1} << 20;  // a multiple of every type's block
constexpr int64_t kStripElements = 4096;                // and so is this

// A run of elements of one tensor.
struct Piece {
  const QuantizedTensor* tensor;
  uint64_t begin;
  uint64_t n_elements;

  Extent source() const {
    const TensorInfo& info = *tensor->source;
    return {info.extent.file, info.extent.offset + *row_bytes(info.type, begin),
            *row_bytes(info.type, n_elements)};
  }
  uint64_t output_bytes() const { return *row_bytes(tensor->type, n_elements); }
};

std::vector<Piece> cut_into_pieces(const QuantizePlan& plan) {
  std::vector<Piece> pieces;
  for (const QuantizedTensor& tensor : plan.tensors) {
    const uint64_t n_elements = tensor.n_elements();
    for (uint64_t begin = 0; begin < n_elements; begin += kPieceElements) {
      pieces.push_back({&tensor, begin, std::min(kPieceElements, n_elements - begin)});
    }
  }
  return pieces;
}

// The greatest magnitude that a weight may have: the scales of blocks are halves.
float greatest_weight(GgmlType type) {
  const bool has_range_of_float = type == GgmlType::kF32 || type == GgmlType::kBF16;
  return has_range_of_float ? std::numeric_limits<float>::infinity() : 65504.0f;
}

// Converts elements [begin, end) of a piece, whole strips but for the last. False where a weight is too great
// for the type, or none.
bool convert(const Piece& piece, const std::byte* in, int64_t begin, int64_t end, std::byte* out) {
  const GgmlType from = piece.tensor->source->type;
  const GgmlType to = piece.tensor->type;
  const float greatest = greatest_weight(to);
  bool all_fit = true;
  std::array<float, kStripElements> strip;
  for (int64_t at = begin; at < end; at += kStripElements) {
    const int64_t n = std::min(kStripElements, end - at);
    dequantize_row(from, in + *row_bytes(from, static_cast<uint64_t>(at)), n, strip.data());
    for (int64_t i = 0; i < n; ++i) {
      const bool fits = std::fabs(strip[static_cast<size_t>(i)]) <= greatest;
      all_fit = all_fit && fits;
      if (!fits) strip[static_cast<size_t>(i)] = 0;
    }
    quantize_row(to, strip.data(), n, out + *row_bytes(to, static_cast<uint64_t>(at)));
  }
  return all_fit;
}

// While the threads convert a piece, one more writes the piece before it.
class Converter {
 public:
  Converter(GgufWriter& writer, int n_threads) : writer_(writer), pool_(n_threads + 1) {}

  Status allocate(uint64_t largest_bytes) {
    for (PageBuffer& buffer : buffers_) {
      FLEX_TRY(buffer, PageBuffer::allocate(largest_bytes));
    }
    return {};
  }

  Status push(const Piece& piece, std::span<const std::byte> in) {
    std::byte* out = buffers_[current_].data();
    std::atomic<bool> all_fit = true;
    Status written;
    pool_.run([&](int worker, int n_workers) {
      const int n_converting = n_workers - 1;
      if (worker == n_converting) {
        written = writer_.append(pending_);
      } else if (!convert_part(piece, in, out, worker, n_converting)) {
        all_fit = false;
      }
    });
    FLEX_CHECK(written);
    if (!all_fit) return does_not_fit(piece);
    pending_ = {out, piece.output_bytes()};
    current_ = 1 - current_;
    return {};
  }

  Status finish() { return writer_.append(pending_); }

 private:
  static bool convert_part(const Piece& piece, std::span<const std::byte> in, std::byte* out, int worker,
                           int n_workers) {
    const auto n = static_cast<int64_t>(piece.n_elements);
    const Range range = static_range(n, worker, n_workers, kStripElements);
    if (piece.tensor->type != piece.tensor->source->type)
      return convert(piece, in.data(), range.begin, range.end, out);
    if (worker == 0) std::memcpy(out, in.data(), in.size());
    return true;
  }

  static tl::unexpected<Error> does_not_fit(const Piece& piece) {
    const std::string_view type = ggml_type_info(piece.tensor->type).name;
    return make_error(
        ErrorCode::kCorrupt,
        fmt::format("tensor {} holds a weight that is no finite number or beyond the 65504 of a half, "
                    "which {} cannot hold: try BF16",
                    quote(piece.tensor->source->name), type));
  }

  GgufWriter& writer_;
  ThreadPool pool_;
  std::array<PageBuffer, 2> buffers_;
  size_t current_ = 0;
  std::span<const std::byte> pending_;  // converted, not yet written
};

bool describes_the_file(std::string_view key) {
  return key == gguf::kAlignmentKey || key == gguf::kSplitNumberKey || key == gguf::kSplitCountKey ||
         key == gguf::kSplitTensorsKey || key == kFileTypeKey || key == kQuantizationVersionKey;
}

// All keys as they are, but for those that describe the file itself.
Status copy_metadata(const GgufFile& from, GgmlType type, GgufWriter& to) {
  FLEX_TRY(const File file, File::open_buffered(from.paths().front()));
  std::vector<std::byte> value;
  for (const MetadataPlace& place : from.metadata_places()) {
    if (describes_the_file(place.key)) continue;
    value.resize(place.value.size);
    FLEX_CHECK(file.read_at(place.value.offset, value.data(), value.size()));
    file.drop_cache(place.value.offset, place.value.size);
    to.set_encoded(place.key, value);
  }
  if (const auto number = file_type_of(type)) to.set_u32(kFileTypeKey, *number);
  to.set_u32(kQuantizationVersionKey, kQuantizationVersion);
  return {};
}

Status write_pieces(const GgufFile& file, const std::vector<Piece>& pieces, int n_threads, GgufWriter& writer,
                    FunctionRef<bool(uint64_t, uint64_t)> progress) {
  std::vector<Extent> sources;
  uint64_t largest_source = 0;
  uint64_t largest_output = 0;
  for (const Piece& piece : pieces) {
    sources.push_back(piece.source());
    largest_source = std::max(largest_source, sources.back().size);
    largest_output = std::max(largest_output, piece.output_bytes());
  }
  FLEX_TRY(PieceReader reader, PieceReader::create(file.paths(), std::move(sources), largest_source));
  Converter converter(writer, n_threads);
  FLEX_CHECK(converter.allocate(largest_output));
  const uint64_t total_bytes = file.tensor_bytes();
  uint64_t done_bytes = 0;
  const auto keep_waiting = [&] { return progress(done_bytes, total_bytes); };
  for (const Piece& piece : pieces) {
    FLEX_TRY(const std::span<const std::byte> bytes, reader.next(keep_waiting));
    FLEX_CHECK(converter.push(piece, bytes));
    done_bytes += bytes.size();
    if (!keep_waiting()) return make_error(ErrorCode::kCancelled, "cancelled");
  }
  return converter.finish();
}

QuantizeResult summarise(const GgufFile& file, const QuantizePlan& plan) {
  QuantizeResult result;
  result.notes = plan.notes;
  result.source_bytes = file.tensor_bytes();
  for (const QuantizedTensor& tensor : plan.tensors)
    result.written_bytes += *row_bytes(tensor.type, tensor.n_elements());
  return result;
}

}  // namespace

Result<QuantizeResult> quantize_model(const std::string& source_path, const std::string& path,
                                      std::string_view type_name, int n_threads,
                                      const std::function<bool(uint64_t, uint64_t)>& on_progress) {
  const GgmlTypeInfo* type = find_ggml_type(type_name);
  if (type == nullptr) {
    return make_error(ErrorCode::kUsage,
                      fmt::format("{} is no known weight type: try Q4_K or Q8_0", quote(type_name)));
  }
  FLEX_TRY(const GgufFile file, GgufFile::open(source_path));
  FLEX_TRY(const QuantizePlan plan, plan_quantize(file, type->type));
  GgufWriter writer(path, file.alignment());
  FLEX_CHECK(copy_metadata(file, type->type, writer));
  for (const QuantizedTensor& tensor : plan.tensors) {
    const TensorInfo& source = *tensor.source;
    writer.add_tensor(source.name, tensor.type, std::span(source.dims).first(source.n_dims));
  }
  FLEX_CHECK(writer.begin_data());
  auto progress = [&](uint64_t done, uint64_t total) { return !on_progress || on_progress(done, total); };
  FLEX_CHECK(write_pieces(file, cut_into_pieces(plan), n_threads > 0 ? n_threads : available_cores(), writer,
                          progress));
  FLEX_CHECK(writer.finish());
  return summarise(file, plan);
}

}  // namespace flexinfer
