#include "gguf/value_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <type_traits>

#include "gguf/format.h"

namespace flexinfer::gguf {
namespace {

constexpr uint64_t kTextBytes = sizeof(uint64_t);  // the least a text takes: its length
constexpr uint64_t kArrayBytes =
    sizeof(uint32_t) + sizeof(uint64_t);  // the least an array takes: type and count

template <class Stored>
using Widened = std::conditional_t<std::is_floating_point_v<Stored>, double,
                                   std::conditional_t<std::is_signed_v<Stored>, int64_t, uint64_t>>;

Result<ValueType> read_type(HeaderCursor& cursor, std::string_view what) {
  const uint64_t at = cursor.offset();
  FLEX_TRY(const uint32_t type, cursor.number<uint32_t>(what));
  if (type > static_cast<uint32_t>(ValueType::kFloat64)) {
    return cursor.error_at(at, ErrorCode::kCorrupt, fmt::format("{}: there is no type {}", what, type));
  }
  return static_cast<ValueType>(type);
}

// Calls `read` with a number of the C++ type that `type` is stored as. Requires the type of a number.
template <class T, class Read>
Result<T> with_number_type(const HeaderCursor& cursor, ValueType type, Read read) {
  switch (type) {
    case ValueType::kUint8:
      return read(uint8_t{});
    case ValueType::kInt8:
      return read(int8_t{});
    case ValueType::kUint16:
      return read(uint16_t{});
    case ValueType::kInt16:
      return read(int16_t{});
    case ValueType::kUint32:
      return read(uint32_t{});
    case ValueType::kInt32:
      return read(int32_t{});
    case ValueType::kFloat32:
      return read(float{});
    case ValueType::kUint64:
      return read(uint64_t{});
    case ValueType::kInt64:
      return read(int64_t{});
    case ValueType::kFloat64:
      return read(double{});
    default:
      return cursor.error(ErrorCode::kCorrupt, "a number is expected here");
  }
}

template <class Stored>
Result<MetadataValue> read_numbers(HeaderCursor& cursor, uint64_t count) {
  FLEX_CHECK(cursor.require(count, sizeof(Stored), "the numbers of an array"));
  FLEX_CHECK(cursor.claim(count, sizeof(Widened<Stored>), "the numbers of an array"));
  std::vector<Widened<Stored>> values;
  values.reserve(count);
  std::array<Stored, 1024> piece;
  while (values.size() < count) {
    const uint64_t n = std::min<uint64_t>(piece.size(), count - values.size());
    FLEX_CHECK(cursor.read(piece.data(), n * sizeof(Stored), "the numbers of an array"));
    values.insert(values.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(n));
  }
  return values;
}

Result<bool> read_bool(HeaderCursor& cursor) {
  const uint64_t at = cursor.offset();
  FLEX_TRY(const uint8_t byte, cursor.number<uint8_t>("a bool"));
  if (byte > 1)
    return cursor.error_at(at, ErrorCode::kCorrupt, fmt::format("a bool is 0 or 1, not {}", byte));
  return byte == 1;
}

Result<MetadataValue> read_bools(HeaderCursor& cursor, uint64_t count) {
  FLEX_CHECK(cursor.require(count, 1, "the bools of an array"));
  FLEX_CHECK(cursor.claim(count, sizeof(uint64_t), "the bools of an array"));
  std::vector<uint64_t> values;
  values.reserve(count);
  while (values.size() < count) {
    FLEX_TRY(const bool value, read_bool(cursor));
    values.push_back(value ? 1 : 0);
  }
  return values;
}

Result<MetadataValue> read_texts(HeaderCursor& cursor, uint64_t count) {
  FLEX_CHECK(cursor.require(count, kTextBytes, "the texts of an array"));
  FLEX_CHECK(cursor.claim(count, sizeof(uint64_t), "the texts of an array"));
  StringList texts;
  texts.reserve(count, 0);
  std::string text;
  for (uint64_t i = 0; i < count; ++i) {
    FLEX_CHECK(cursor.text(text, "a text of an array"));
    texts.add(text);
  }
  texts.shrink_to_fit();
  return texts;
}

Status skip_elements(HeaderCursor& cursor, ValueType type, uint64_t count, int depth);

// Skips an array that is an element of another.
Status skip_array(HeaderCursor& cursor, int depth) {
  if (depth > kDeepestArray) {
    return cursor.error(ErrorCode::kCorrupt, fmt::format("arrays are nested deeper than {}", kDeepestArray));
  }
  FLEX_TRY(const ValueType type, read_type(cursor, "the type of a nested array"));
  FLEX_TRY(const uint64_t count, cursor.number<uint64_t>("the length of a nested array"));
  return skip_elements(cursor, type, count, depth);
}

Status skip_elements(HeaderCursor& cursor, ValueType type, uint64_t count, int depth) {
  if (type == ValueType::kArray) {
    FLEX_CHECK(cursor.require(count, kArrayBytes, "the arrays of an array"));
    for (uint64_t i = 0; i < count; ++i)
      FLEX_CHECK(skip_array(cursor, depth + 1));
    return {};
  }
  if (type == ValueType::kText) {
    FLEX_CHECK(cursor.require(count, kTextBytes, "the texts of a nested array"));
    for (uint64_t i = 0; i < count; ++i) {
      FLEX_TRY(const uint64_t length, cursor.number<uint64_t>("a text of a nested array"));
      FLEX_CHECK(cursor.skip(length, "a text of a nested array"));
    }
    return {};
  }
  if (type == ValueType::kBool) {
    for (uint64_t i = 0; i < count; ++i)
      FLEX_CHECK(read_bool(cursor));
    return {};
  }
  return with_number_type<void>(cursor, type, [&](auto stored) -> Status {
    FLEX_CHECK(cursor.require(count, sizeof(stored), "the numbers of a nested array"));
    return cursor.skip(count * sizeof(stored), "the numbers of a nested array");
  });
}

Result<MetadataValue> read_array(HeaderCursor& cursor) {
  FLEX_TRY(const ValueType type, read_type(cursor, "the type of an array"));
  FLEX_TRY(const uint64_t count, cursor.number<uint64_t>("the length of an array"));
  if (type == ValueType::kText) return read_texts(cursor, count);
  if (type == ValueType::kBool) return read_bools(cursor, count);
  if (type == ValueType::kArray) {
    FLEX_CHECK(skip_elements(cursor, type, count, 1));
    return NestedArray{count};
  }
  return with_number_type<MetadataValue>(
      cursor, type, [&](auto stored) { return read_numbers<decltype(stored)>(cursor, count); });
}

}  // namespace

Result<MetadataValue> read_value(HeaderCursor& cursor) {
  FLEX_TRY(const ValueType type, read_type(cursor, "the type of a value"));
  if (type == ValueType::kArray) return read_array(cursor);
  if (type == ValueType::kBool) {
    FLEX_TRY(const bool value, read_bool(cursor));
    return value;
  }
  if (type == ValueType::kText) {
    std::string text;
    FLEX_CHECK(cursor.text(text, "a text"));
    return text;
  }
  return with_number_type<MetadataValue>(cursor, type, [&](auto stored) -> Result<MetadataValue> {
    FLEX_TRY(const auto value, cursor.number<decltype(stored)>("a number"));
    return Widened<decltype(stored)>{value};
  });
}

}  // namespace flexinfer::gguf
