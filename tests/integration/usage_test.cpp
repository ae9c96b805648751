// Wrong usage, and the help that prevents it.
#include <gtest/gtest.h>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

constexpr int kWrongUsage = 2;

class WrongUsage : public ::testing::TestWithParam<Arguments> {};

const std::string kModel = kSmallModel;

INSTANTIATE_TEST_SUITE_P(
    Cli, WrongUsage,
    ::testing::Values(
        Arguments{}, Arguments{"fly", "model.gguf"}, Arguments{"--fly"}, Arguments{"run"},
        Arguments{"run", kModel, "--fly"}, Arguments{"run", kModel, "-p", "a", "-f", "b"},
        Arguments{"run", kModel, "--tokens", "1", "-p", "a"}, Arguments{"run", kModel, "--tokens", "1,,2"},
        Arguments{"run", kModel, "--tokens", "-1"}, Arguments{"run", kModel, "--tokens", "1,2x"},
        Arguments{"run", kModel, "--tokens", "1,99999999"},
        Arguments{"run", kModel, "-p", "a", "--budget", "0"},
        Arguments{"run", kModel, "-p", "a", "--budget", "four"},
        Arguments{"run", kModel, "-p", "a", "--budget", "-1G"},
        Arguments{"run", kModel, "-p", "a", "--budget", "4XiB"},
        Arguments{"run", kModel, "-p", "a", "-c", "0"},
        Arguments{"run", kModel, "-p", "a", "-c", "99999999999999999999"},
        Arguments{"run", kModel, "-p", "a", "-t", "0"}, Arguments{"run", kModel, "-p", "a", "-n", "-2"},
        Arguments{"run", kModel, "-p", "a", "-n", "3x"}, Arguments{"run", kModel, "-p", "a", "--temp", "-1"},
        Arguments{"run", kModel, "-p", "a", "--temp", "nan"},
        Arguments{"run", kModel, "-p", "a", "--top-k", "-1"},
        Arguments{"run", kModel, "-p", "a", "--top-p", "1.1"},
        Arguments{"run", kModel, "-p", "a", "--min-p", "-0.1"},
        Arguments{"run", kModel, "-p", "a", "--seed", "-1"},
        Arguments{"run", kModel, "-p", "a", "--repeat-penalty", "0"},
        Arguments{"run", kModel, "-p", "a", "--io", "fax"},
        Arguments{"run", kModel, "-p", "a", "--lock", "all"},
        Arguments{"run", kModel, "-p", "a", "--preserve", "jam"},
        Arguments{"run", kModel, "-p", "a", "--cache-type", "f64"},
        Arguments{"run", kModel, "-p", "a", "--batch", "0"},
        Arguments{"run", kModel, "-p", "a", "--slots", "0"}, Arguments{"run", kModel, "-p", "a", "-q", "-v"},
        Arguments{"run", kModel, "-p", "two words", "-c", "1"},
        Arguments{"plan", kModel, "--budgets", "10%.."}, Arguments{"plan", kModel, "--budgets", "0%"},
        Arguments{"plan", kModel, "-p", "a"}, Arguments{"bench", kModel, "--budget", "1G", "--budgets", "1G"},
        Arguments{"bench", kModel, "--io", "uring,fax"}, Arguments{"bench", kModel, "--repeat", "0"},
        Arguments{"logits", kModel, "--tokens", "1"}, Arguments{"logits", kModel, "--output", "x"},
        Arguments{"logits", kModel, "--tokens", "1", "--output", "/dev/null"}, Arguments{"template", kModel},
        Arguments{"template", kModel, "-f", kModel, "--fly"}, Arguments{"perplexity", kModel},
        Arguments{"perplexity", kModel, "-f", kModel, "--window", "1"}, Arguments{"synth"},
        Arguments{"synth", "tiny"}, Arguments{"synth", "elephant", "-o", "never-made.gguf"},
        Arguments{"synth", "tiny", "--type", "Q4_9", "-o", "never-made.gguf"}));

TEST_P(WrongUsage, IsAccepted) {
  expect_error(run_flexinfer(GetParam()), kWrongUsage);
}

TEST(EmptyPrompt, IsAcceptedWithoutBos) {
  expect_error(run_flexinfer({"run", kModel, "--no-bos"}, {.standard_input = ""}), kWrongUsage);
}

TEST(Help, LacksAnOptionOrAnExample) {
  const Arguments model_options = {"--budget", "--ctx",  "--threads", "--cache-type",
                                   "--batch",  "--io",   "--lock",    "--preserve",
                                   "--slots",  "--json", "--quiet",   "--verbose"};
  const std::vector<std::pair<std::string, Arguments>> commands = {
      {"run", model_options + Arguments{"--prompt", "--file", "--tokens", "--predict", "--temp", "--top-k",
                                        "--top-p", "--min-p", "--repeat-penalty", "--seed", "--ignore-eos"}},
      {"plan", model_options + Arguments{"--budgets"}},
      {"bench",
       model_options + Arguments{"--budgets", "--repeat", "--prompt-tokens", "--predict", "--warm-up"}},
      {"logits", model_options + Arguments{"--tokens", "--output"}},
      {"perplexity", model_options + Arguments{"--file", "--window"}},
      {"tokenize", {"--prompt", "--file", "--parse-special", "--no-bos", "--json"}},
      {"template", {"--file", "--name", "--json"}},
      {"inspect", {"--json"}},
      {"synth", {"--type", "--output", "--seed", "--list", "--force", "--json"}}};
  const ProcessResult program = run_flexinfer({"--help"});
  EXPECT_EQ(program.exit_status, 0);
  for (const auto& [command, options] : commands) {
    EXPECT_NE(program.out.find("\n  " + command), std::string::npos) << command;
    const ProcessResult help = run_flexinfer({command, "--help"});
    EXPECT_EQ(help.exit_status, 0);
    EXPECT_NE(help.out.find("  flexinfer " + command + " "), std::string::npos)
        << "no example for " << command;
    for (const std::string& option : options)
      EXPECT_NE(help.out.find(option), std::string::npos) << command << option;
  }
}

TEST(Version, IsNotShown) {
  const ProcessResult result = run_flexinfer({"--version"});
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_TRUE(result.out.starts_with("flexinfer ")) << result.out;
}

}  // namespace
}  // namespace flexinfer::testing
