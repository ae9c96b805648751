// GGUF files made by hand, byte by byte, for the tests of the reader: well formed or not.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "gguf/gguf_file.h"

namespace flexinfer {

// The numbers of the specification, written out again so that an error in the reader's own is found.
enum WireType : uint32_t {
  kWireUint8 = 0,
  kWireInt8 = 1,
  kWireUint16 = 2,
  kWireInt16 = 3,
  kWireUint32 = 4,
  kWireInt32 = 5,
  kWireFloat32 = 6,
  kWireBool = 7,
  kWireString = 8,
  kWireArray = 9,
  kWireUint64 = 10,
  kWireInt64 = 11,
  kWireFloat64 = 12,
};

class GgufBytes {
 public:
  GgufBytes& header(uint64_t n_tensors, uint64_t n_pairs, uint32_t version = 3) {
    return raw("GGUF").number(version).number(n_tensors).number(n_pairs);
  }
  GgufBytes& raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }
  template <class T>
  requires std::is_arithmetic_v<T> GgufBytes& number(T value) {
    return raw({reinterpret_cast<const char*>(&value), sizeof(value)});
  }
  GgufBytes& text(std::string_view text) { return number<uint64_t>(text.size()).raw(text); }
  GgufBytes& key(std::string_view key, uint32_t type) { return text(key).number(type); }
  template <class T>
  GgufBytes& pair(std::string_view name, uint32_t type, T value) {
    return key(name, type).number(value);
  }
  GgufBytes& text_pair(std::string_view name, std::string_view value) {
    return key(name, kWireString).text(value);
  }
  GgufBytes& array(std::string_view name, uint32_t element, uint64_t count) {
    return key(name, kWireArray).number(element).number(count);
  }
  GgufBytes& tensor(std::string_view name, std::initializer_list<uint64_t> dims, uint32_t type,
                    uint64_t offset) {
    text(name).number(static_cast<uint32_t>(dims.size()));
    for (const uint64_t dim : dims)
      number(dim);
    return number(type).number(offset);
  }
  GgufBytes& pad(size_t alignment) {
    while (bytes_.size() % alignment != 0)
      bytes_.push_back('\0');
    return *this;
  }
  GgufBytes& data(size_t n) {
    bytes_.append(n, '\x5a');
    return *this;
  }

  size_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

inline void write_file(const std::string& path, std::string_view bytes) {
  std::filesystem::remove(path);  // a file written over may be flushed to the disk when it is closed: slow
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(out.flush()) << path;
}

// A folder of its own, removed with all it holds.
class TempFolder {
 public:
  TempFolder() {
    std::string name = testing::TempDir() + "flexinfer-gguf-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr) << name;
    path_ = name;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }

  std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }
  bool is_empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::string path_;
};

inline Result<GgufFile> open_bytes(const TempFolder& folder, std::string_view bytes) {
  const std::string path = folder.file("model.gguf");
  write_file(path, bytes);
  return GgufFile::open(path);
}

// Every refusal is one printable line that begins with the file and names the place.
inline void expect_refusal(const Result<GgufFile>& result, ErrorCode code, std::string_view part_of_message) {
  ASSERT_FALSE(result.has_value());
  const std::string& message = result.error().message;
  EXPECT_EQ(result.error().code, code) << message;
  EXPECT_NE(message.find(part_of_message), std::string::npos) << message;
  EXPECT_NE(message.find(".gguf: at byte "), std::string::npos) << message;
  for (const char c : message)
    EXPECT_TRUE(c >= ' ' && c <= '~') << message;
}

}  // namespace flexinfer
