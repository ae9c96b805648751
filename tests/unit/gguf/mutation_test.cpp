// Files that were well formed and were then cut or damaged: whatever happens to their bytes, the reader
// answers with an error or with a model that lies inside its file.
#include <gtest/gtest.h>

#include <random>

#include "unit/gguf/gguf_bytes.h"

namespace flexinfer {
namespace {

// Holds every kind of value and ends with the last byte of its last tensor.
GgufBytes small_model() {
  GgufBytes bytes;
  bytes.header(3, 9);
  bytes.text_pair("general.architecture", "llama").pair("general.alignment", kWireUint32, 32u);
  bytes.pair("f", kWireFloat32, 1.0f).pair("yes", kWireBool, uint8_t{1}).pair("i", kWireInt64, int64_t{-1});
  bytes.array("tokens", kWireString, 3).text("a").text("").text("bc");
  bytes.array("scores", kWireFloat32, 2).number(0.0f).number(-1.0f);
  bytes.array("bools", kWireBool, 2).raw({"\1\0", 2});
  bytes.array("nested", kWireArray, 1).number<uint32_t>(kWireUint8).number<uint64_t>(2).data(2);
  bytes.tensor("token_embd.weight", {32, 2}, 2, 0)
      .tensor("norm", {8}, 0, 64)
      .tensor("w", {2, 2, 2, 2}, 1, 96);
  return bytes.pad(32).data(128);
}

void expect_error_or_sound(const Result<GgufFile>& result, size_t file_bytes) {
  if (!result) {
    const std::string& message = result.error().message;
    EXPECT_NE(message.find("model.gguf: at byte "), std::string::npos) << message;
    for (const char c : message)
      ASSERT_TRUE(c >= ' ' && c <= '~') << message;
    return;
  }
  for (const TensorInfo& tensor : result->tensors()) {
    ASSERT_LE(tensor.extent.size, file_bytes);
    ASSERT_LE(tensor.extent.end(), file_bytes);
    ASSERT_EQ(tensor.extent.size, row_bytes(tensor.type, tensor.cols()).value() * tensor.rows());
    ASSERT_EQ(result->find_tensor(tensor.name), &tensor);
  }
}

TEST(GgufMutations, ACutAtAnyByteIsAnError) {
  const TempFolder folder;
  const std::string whole = small_model().bytes();
  ASSERT_TRUE(open_bytes(folder, whole));
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    expect_refusal(open_bytes(folder, std::string_view(whole).substr(0, length)), ErrorCode::kCorrupt, "");
  }
}

TEST(GgufMutations, AnyByteMayChange) {
  const TempFolder folder;
  const std::string whole = small_model().bytes();
  for (size_t position = 0; position < whole.size(); ++position) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      SCOPED_TRACE(testing::Message() << "byte " << position << " ^ " << flip);
      std::string changed = whole;
      changed[position] = static_cast<char>(changed[position] ^ flip);
      expect_error_or_sound(open_bytes(folder, changed), changed.size());
    }
  }
}

TEST(GgufMutations, ManyBytesMayChangeAtOnce) {
  const TempFolder folder;
  const std::string whole = small_model().bytes();
  constexpr char kTelling[] = {'\x00', '\x01', '\x04', '\x08', '\x09', '\x0c', '\x7f', '\x80', '\xff'};
  std::mt19937 random(17);
  for (int round = 0; round < 1500; ++round) {
    SCOPED_TRACE(round);
    std::string changed = whole;
    for (uint32_t i = 0; i <= random() % 6; ++i)
      changed[random() % changed.size()] = kTelling[random() % 9];
    expect_error_or_sound(open_bytes(folder, changed), changed.size());
  }
}

}  // namespace
}  // namespace flexinfer
