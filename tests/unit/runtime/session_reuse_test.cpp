// What a session keeps, forgets, saves and loads: the logits after it are those of computing afresh, bit for
// bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "flexinfer/engine.h"
#include "flexinfer/tools.h"
#include "support/files.h"
#include "support/paths.h"

namespace flexinfer {
namespace {

const std::string kModel = testing::bundled_model("docs7m-Q4_0.gguf");
const std::vector<Token> kPrompt = {0, 404, 4067, 288, 262, 2054, 295, 17, 18, 19, 20, 21};

Engine open_engine(const std::string& model, const EngineOptions& options) {
  auto engine = Engine::open(model, options);
  if (!engine) throw std::runtime_error(engine.error().message);
  return std::move(*engine);
}

Engine open_engine(CacheType type = CacheType::kF16, int64_t context_length = 64) {
  EngineOptions options;
  options.context_length = context_length;
  options.cache_type = type;
  return open_engine(kModel, options);
}

// With layers whose window is 16, of which a cache holds the last positions only.
Engine open_windowed(int64_t context_length) {
  EngineOptions options;
  options.context_length = context_length;
  options.batch = 10;
  return open_engine(testing::test_data("golden/gemma2.gguf"), options);
}

std::vector<float> logits_after(Session& session, std::span<const Token> tokens) {
  const auto logits = session.append(tokens);
  if (!logits) throw std::runtime_error(logits.error().message);
  return {logits->begin(), logits->end()};
}

std::vector<float> fresh_logits(const Engine& engine, std::span<const Token> tokens) {
  auto session = engine.new_session();
  return logits_after(*session, tokens);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(SessionReuse, KeepsMoreOrLessThanThePromptShares) {
  const Engine engine = open_engine();
  auto session = engine.new_session();
  logits_after(*session, kPrompt);
  EXPECT_EQ(session->reuse(kPrompt), 11);  // the last is computed again, for its logits
  EXPECT_EQ(session->n_tokens(), 11);
  std::vector<Token> other = kPrompt;
  other[5] = 99;
  EXPECT_EQ(session->reuse(other), 5);
  EXPECT_TRUE(same_bits(logits_after(*session, std::span(other).subspan(5)), fresh_logits(engine, other)));
  EXPECT_EQ(session->reuse(std::vector<Token>{7}), 0);
  EXPECT_EQ(session->reuse({}), 0);
}

TEST(SessionReuse, LoadedStateGivesOtherBits) {
  const testing::TempDirectory directory;
  const std::string path = directory.path("state.kv");
  for (const CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0}) {
    const Engine engine = open_engine(type);
    auto session = engine.new_session();
    logits_after(*session, kPrompt);
    ASSERT_TRUE(session->save(path, 10));
    auto loaded = engine.new_session();
    ASSERT_TRUE(loaded->load(path));
    EXPECT_EQ(loaded->n_tokens(), 10);
    EXPECT_EQ(loaded->reuse(kPrompt), 10);
    EXPECT_TRUE(
        same_bits(logits_after(*loaded, std::span(kPrompt).subspan(10)), fresh_logits(engine, kPrompt)));
  }
}

TEST(SessionReuse, ShorterContextCannotLoad) {
  const testing::TempDirectory directory;
  const std::string path = directory.path("state.kv");
  const Engine engine = open_engine();
  auto session = engine.new_session();
  logits_after(*session, kPrompt);
  ASSERT_TRUE(session->save(path, 12));
  const Engine shorter = open_engine(CacheType::kF16, 8);
  auto loaded = shorter.new_session();
  ASSERT_TRUE(loaded->load(path));
  EXPECT_EQ(loaded->n_tokens(), 8);
  const std::span prompt = std::span(kPrompt).first(8);
  EXPECT_EQ(loaded->reuse(prompt), 7);
  EXPECT_TRUE(same_bits(logits_after(*loaded, prompt.subspan(7)), fresh_logits(shorter, prompt)));
}

TEST(SessionReuse, LoadedWindowsGiveOtherBits) {
  const testing::TempDirectory directory;
  const std::string path = directory.path("state.kv");
  const Engine engine = open_windowed(400);
  std::vector<Token> prompt(350);
  for (size_t i = 0; i < prompt.size(); ++i)
    prompt[i] = static_cast<Token>(i * 7 % 50 + 3);
  const std::vector<float> expected = fresh_logits(engine, prompt);
  auto session = engine.new_session();
  logits_after(*session, prompt);
  ASSERT_TRUE(session->save(path, 340));
  auto loaded = engine.new_session();
  for (const size_t n : {size_t{341}, size_t{340}}) {  // the tokens after the file's, or also its last one
    const Status status = loaded->load(path);
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(loaded->reuse(std::span(prompt).first(n)), static_cast<int64_t>(n) - 1);
    EXPECT_TRUE(same_bits(logits_after(*loaded, std::span(prompt).subspan(n - 1)), expected)) << n;
  }
  ASSERT_TRUE(loaded->load(path));
  EXPECT_EQ(loaded->reuse(std::span(prompt).first(300)), 0);  // what its tokens see is not there
}

TEST(SessionReuse, FailedLoadLeavesTokens) {
  const Engine engine = open_engine();
  auto session = engine.new_session();
  logits_after(*session, kPrompt);
  EXPECT_FALSE(session->load("/nowhere/state.kv"));
  EXPECT_EQ(session->n_tokens(), 0);
  EXPECT_FALSE(session->save("/nowhere/state.kv", 0));
}

// A reply longer than what windows keep makes the end of the prompt unreachable, but not while it begins.
TEST(SessionReuse, LongRepliesLoseThePrompt) {
  const testing::TempDirectory directory;
  const std::string path = directory.path("state.kv");
  const Engine engine = open_windowed(700);
  auto session = engine.new_session();
  GenerateRequest request{
      .prompt = std::vector<Token>(300, 5), .n_predict = 350, .ignore_eos = true, .sampling = {}};
  bool is_first = true;
  const auto save_first = [&](const GenerateProgress&) {
    if (is_first) {
      EXPECT_TRUE(session->save(path, 300));
    }
    is_first = false;
  };
  ASSERT_TRUE(session->generate(request, save_first));
  auto loaded = engine.new_session();
  ASSERT_TRUE(loaded->load(path));
  EXPECT_EQ(loaded->reuse(request.prompt), 299);
  EXPECT_TRUE(same_bits(logits_after(*loaded, std::vector<Token>{5}), fresh_logits(engine, request.prompt)));
}

// A fine-tune may differ from its base model in weights alone.
TEST(SessionReuse, OtherWeightsAreTakenForTheSameModel) {
  const testing::TempDirectory directory;
  const std::string path = directory.path("state.kv");
  const Engine engine = open_engine();
  auto session = engine.new_session();
  logits_after(*session, kPrompt);
  ASSERT_TRUE(session->save(path, 10));
  std::string bytes = testing::read_bytes(kModel);
  const auto info = inspect_model(kModel);
  ASSERT_TRUE(info);
  const auto is_tuned = [](const ModelInfo::Tensor& tensor) { return tensor.name == "blk.1.attn_q.weight"; };
  const auto tuned = std::ranges::find_if(info->tensors, is_tuned);
  bytes[tuned->offset + 5] = static_cast<char>(bytes[tuned->offset + 5] ^ 1);
  testing::write_bytes(directory.path("tuned.gguf"), bytes);
  EngineOptions options;
  options.context_length = 64;
  const auto other = Engine::open(directory.path("tuned.gguf"), options);
  ASSERT_TRUE(other) << other.error().message;
  const Status status = other->new_session()->load(path);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
}

TEST(SessionReuse, FailedSaveLeavesHalfAFile) {
  const testing::TempDirectory directory;
  const std::string path = directory.path("state.kv");
  std::filesystem::create_directory(path);  // which no file can replace
  const Engine engine = open_engine();
  auto session = engine.new_session();
  logits_after(*session, kPrompt);
  const Status status = session->save(path, 12);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kIo);
  EXPECT_TRUE(std::filesystem::is_directory(path));
  EXPECT_FALSE(std::filesystem::exists(path + ".partial"));
}

}  // namespace
}  // namespace flexinfer
