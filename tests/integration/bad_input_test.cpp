// Files that are not what they claim to be: refused with one line, the right status and little memory.
#include <gtest/gtest.h>

#include <functional>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

constexpr int kFailed = 1;
constexpr int kTooSmallBudget = 3;
constexpr uint64_t kLittleMemory = 100 << 20;

// Replaces the first `old` behind the first `after`.
std::string replaced(std::string bytes, std::string_view after, std::string_view old, std::string_view with) {
  const size_t start = bytes.find(after);
  const size_t at = bytes.find(old, start);
  if (start == std::string::npos || at == std::string::npos)
    throw std::runtime_error("the model has changed");
  return bytes.replace(at, old.size(), with);
}

std::string number(uint64_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

struct BadModel {
  const char* name;
  std::function<std::string(std::string good)> make;
  const char* says;  // what the error must name
};

const BadModel kBadModels[] = {
    {"EmptyFile", [](const std::string&) { return std::string(); }, "model.gguf"},
    {"TextFile", [](const std::string&) { return std::string(5000, 'x') + "\n"; }, "model.gguf"},
    {"CutInTheMagic", [](const std::string& good) { return good.substr(0, 3); }, "model.gguf"},
    {"CutInTheHeader", [](const std::string& good) { return good.substr(0, 20); }, "model.gguf"},
    {"CutInTheMetadata", [](const std::string& good) { return good.substr(0, 100000); }, "model.gguf"},
    {"CutInTheTensorDirectory",
     [](const std::string& good) { return good.substr(0, good.find("blk.0.attn_k.weight") + 25); },
     "model.gguf"},
    {"CutInTheWeights", [](const std::string& good) { return good.substr(0, good.size() - 4096); },
     "model.gguf"},
    {"AbsurdTensorCount", [](std::string good) { return good.replace(8, 8, number(1ULL << 62)); },
     "model.gguf"},
    {"AbsurdKeyCount", [](std::string good) { return good.replace(16, 8, number(1ULL << 62)); },
     "model.gguf"},
    {"AbsurdStringLength", [](std::string good) { return good.replace(24, 8, number(1ULL << 62)); },
     "model.gguf"},
    {"UnknownVersion", [](std::string good) { return good.replace(4, 4, number(99).substr(0, 4)); }, "99"},
    {"UnknownArchitecture",
     [](const std::string& good) { return replaced(good, "general.architecture", "llama", "lambo"); },
     "lambo"},
    {"UnknownTensorType",
     [](std::string good) {
       const size_t type =
           good.find("blk.0.attn_k.weight") + 19 + 4 + 16;  // behind name, rank and two dimensions
       return good.replace(type, 4, number(250).substr(0, 4));
     },
     "250"},
    {"MissingTensor",
     [](const std::string& good) { return replaced(good, "blk.1.", "attn_v.weight", "attn_z.weight"); },
     "blk.1.attn_v.weight"},
    {"WrongShape",
     [](const std::string& good) {
       return replaced(good, "blk.0.attn_k.weight", number(256) + number(128), number(128) + number(256));
     },
     "blk.0.attn_k.weight"},
    {"AbsurdDimension",
     [](const std::string& good) {
       return replaced(good, "blk.0.attn_k.weight", number(256) + number(128),
                       number(256) + number(1ULL << 60));
     },
     "blk.0.attn_k.weight"},
};

class BadInput : public ::testing::TestWithParam<BadModel> {
 protected:
  TempDirectory directory_;
};

INSTANTIATE_TEST_SUITE_P(Models, BadInput, ::testing::ValuesIn(kBadModels),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST_P(BadInput, IsAccepted) {
  const std::string path = directory_.path("model.gguf");
  write_bytes(path, GetParam().make(read_bytes(kSmallModel)));
  for (const Arguments& arguments : {Arguments{"run", path, "-p", "Hello"}, Arguments{"plan", path}}) {
    SCOPED_TRACE(arguments.front());
    const ProcessResult result = run_flexinfer(arguments);
    expect_error(result, kFailed);
    EXPECT_NE(result.err.find(GetParam().says), std::string::npos) << result.err;
    if (!kSanitized) {
      EXPECT_LT(result.peak_resident_bytes, kLittleMemory);
    }
  }
}

TEST(BadPath, DirectoryIsReadAsAModel) {
  const TempDirectory directory;
  expect_error(run_flexinfer({"run", directory.path(""), "-p", "Hello"}), kFailed);
}

TEST(BadPath, MissingFileIsNotNamed) {
  const ProcessResult result = run_flexinfer({"run", "/does/not/exist.gguf", "-p", "Hello"});
  expect_error(result, kFailed);
  EXPECT_NE(result.err.find("/does/not/exist.gguf"), std::string::npos) << result.err;
}

TEST(BadPath, NewlineInTheNameBreaksTheErrorInTwo) {
  expect_error(run_flexinfer({"run", "/does/not\nexist.gguf", "-p", "Hello"}), kFailed);
}

TEST(BadPath, MissingPromptFileIsAccepted) {
  expect_error(run_flexinfer({"run", kSmallModel, "-f", "/does/not/exist.txt"}), kFailed);
}

TEST(BadBudget, TooSmallIsAccepted) {
  for (const char* command : {"run", "plan"}) {
    SCOPED_TRACE(command);
    const ProcessResult result =
        run_flexinfer({command, kLargerModel, "--budget", "1MiB"}, {.standard_input = "Hello"});
    expect_error(result, kTooSmallBudget);
    if (!kSanitized) {
      EXPECT_LT(result.peak_resident_bytes, kLittleMemory);
    }
  }
}

TEST(BadBudget, SmallestIsRefused) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer's memory changes the smallest budget";
  const Arguments context = {"-c", "256"};
  const std::string smallest = budget_between(kLargerModel, 0, context);
  EXPECT_EQ(run_json(Arguments{"plan", kLargerModel, "--budget", smallest} + context).at("budget_bytes"),
            std::stoull(smallest));
  const std::string less = std::to_string(std::stoull(smallest) * 9 / 10);
  expect_error(run_flexinfer(Arguments{"plan", kLargerModel, "--budget", less} + context), kTooSmallBudget);
}

}  // namespace
}  // namespace flexinfer::testing
