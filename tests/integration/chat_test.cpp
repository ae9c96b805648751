// flexinfer chat: turns, commands, interruption; through a pipe and at a terminal.
#include <gtest/gtest.h>

#include <algorithm>

#include "integration/cli.h"
#include "support/terminal.h"

namespace flexinfer::testing {
namespace {

constexpr auto kTemplate =
    "{% for message in messages %}{% if message.role == 'nobody' %}{{ raise_exception('no such role') }}{% "
    "endif %}"
    "{{ message.role }}:{{ message.content }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif "
    "%}";

class Chat : public ::testing::Test {
 protected:
  Chat() { write_bytes(directory_.path("template"), kTemplate); }

  Arguments arguments(const Arguments& more = {}) const {
    return Arguments{"chat", kSmallModel, "--template", directory_.path("template"), "--temp", "0"} +
           (more.empty() ? Arguments{"-n", "8"} : more);
  }
  ProcessResult chat(const std::string& input, const Arguments& more = {}) const {
    return run_flexinfer(arguments(more), {.standard_input = input});
  }
  // The conversation that a chat with this input ends with.
  Json conversation(const std::string& input, const Arguments& more = {}) const {
    const std::string path = directory_.path("saved.json");
    const ProcessResult result = chat(input + "/save " + path + "\n", more);
    EXPECT_EQ(result.exit_status, 0) << result.err;
    return Json::parse(read_bytes(path)).at("messages");
  }
  // What the model says to a prompt without a chat.
  std::string run(const std::string& prompt) const {
    return run_json({"run", kSmallModel, "-p", prompt, "--temp", "0", "-n", "8"}).at("text");
  }

  size_t n_tokens(const std::string& text) const {
    return run_json({"tokenize", kSmallModel, "-p", text}).at("tokens").size();
  }
  TempDirectory directory_;
};

TEST_F(Chat, RepliesDifferFromThoseToTheWholePrompt) {
  const Json messages = conversation("What is a file?\nAnd a directory?\n");
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0], Json({{"role", "user"}, {"content", "What is a file?"}}));
  EXPECT_EQ(messages[1].at("role"), "assistant");
  const std::string first = messages[1].at("content");
  EXPECT_EQ(first, run("user:What is a file?\nassistant:"));
  EXPECT_EQ(messages[3].at("content"),
            run("user:What is a file?\nassistant:" + first + "\nuser:And a directory?\nassistant:"));
}

TEST_F(Chat, RepliesAreNotOnStandardOutput) {
  const ProcessResult result = chat("What is a file?\n", {"-n", "8", "-q"});
  EXPECT_EQ(result.out, run("user:What is a file?\nassistant:") + "\n");
  EXPECT_EQ(result.err, "");
}

TEST_F(Chat, BackslashEndsTheMessage) {
  const Json messages = conversation("one\\\ntwo\n");
  EXPECT_EQ(messages[0].at("content"), "one\ntwo");
}

TEST_F(Chat, LastLineWithoutANewlineIsLost) {
  const ProcessResult result = chat("What is a file?");
  EXPECT_EQ(std::ranges::count(result.out, '\n'), 1) << result.out;
}

TEST_F(Chat, ResetForgetsTheSystemMessage) {
  const Json messages = conversation("one\n/reset\ntwo\n", {"-n", "2", "--system", "Be brief."});
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0], Json({{"role", "system"}, {"content", "Be brief."}}));
  EXPECT_EQ(messages[1].at("content"), "two");
}

TEST_F(Chat, LoadedConversationsGoOnElsewhere) {
  const std::string path = directory_.path("loaded.json");
  write_bytes(path, R"({"messages":[{"role":"user","content":"one"},{"role":"assistant","content":"1"}]})");
  const Json messages = conversation("/load " + path + "\ntwo\n");
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[1].at("content"), "1");
  EXPECT_EQ(messages[3].at("content"), run("user:one\nassistant:1\nuser:two\nassistant:"));
}

TEST_F(Chat, FullContextEndsTheConversation) {
  std::string input;
  for (int i = 0; i < 6; ++i)
    input += "Tell me more about the files of this system, and of the next one.\n";
  const ProcessResult result = chat(input, {"-n", "16", "-c", "128", "--system", "Be brief."});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_NE(result.err.find("dropped"), std::string::npos) << result.err;
  const Json messages = conversation(input, {"-n", "16", "-c", "128", "--system", "Be brief."});
  EXPECT_EQ(messages[0].at("role"), "system");
  EXPECT_EQ(messages[1].at("role"), "user");
  EXPECT_LT(messages.size(), 13u);
}

TEST_F(Chat, TokensAreComputedAgain) {
  const std::string first = "What is a file, what is a directory, and what is the difference between them?";
  const size_t n_first = n_prefilled(chat(first + "\n/stats\n"));
  const size_t n_both = n_prefilled(chat(first + "\nAnd a link?\n/stats\n"));
  // And the last token of the reply, from which nothing followed.
  EXPECT_LE(n_both - n_first, 1 + n_tokens("\nuser:And a link?\nassistant:"));
}

TEST_F(Chat, SavedConversationsAreComputedAgain) {
  const std::string path = directory_.path("kept.json");
  const std::string first = "What is a file, what is a directory, and what is the difference between them?";
  const Json whole = conversation(first + "\nAnd a link?\n");
  chat(first + "\n/save " + path + "\n");
  const std::string later = "/load " + path + "\nAnd a link?\n";
  EXPECT_LT(n_prefilled(chat(later + "/stats\n")), n_tokens(first));
  EXPECT_EQ(conversation(later), whole);

  write_bytes(path + ".kv", "notes to myself");
  const ProcessResult result = chat(later);
  EXPECT_EQ(result.exit_status, 0);
  EXPECT_NE(result.err.find("is no prompt cache"), std::string::npos) << result.err;
  EXPECT_EQ(conversation(later), whole);
}

TEST_F(Chat, UsersWordsBecomeSpecialTokens) {
  const std::string words = "<s></s><unk>";
  EXPECT_EQ(n_prefilled(chat(words + "\n/stats\n")), n_tokens("user:" + words + "\nassistant:"));
  EXPECT_EQ(conversation(words + "\n")[1].at("content"), run("user:" + words + "\nassistant:"));
}

TEST_F(Chat, BudgetIsExceeded) {
  if (kSanitized) GTEST_SKIP() << "sanitizers take memory of their own";
  const Arguments context = {"-c", "256"};
  const std::string budget = budget_between(kSmallModel, 0, context);
  std::string input;
  for (int i = 0; i < 5; ++i)
    input += "Tell me more about the files of this system, and of the next one.\n";
  input += "/save " + directory_.path("saved.json") + "\n";
  const ProcessResult result = chat(input, context + Arguments{"-n", "8", "--budget", budget});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_LT(result.peak_resident_bytes, std::stoull(budget));
}

TEST_F(Chat, MistakesAreNotOneLine) {
  expect_error(chat("/nonsense\n"), 2);
  expect_error(chat("/save\n"), 2);
  expect_error(chat("/load /nowhere/conversation.json\n"), 1);
  expect_error(run_flexinfer({"chat", kSmallModel}), 1);  // it has no template
}

TEST_F(Chat, PromptCacheIsNotKept) {
  const Arguments cached = {
      "-n", "2", "--prompt-cache", directory_.path("chat.kv"), "--system", "Be brief, be brief."};
  EXPECT_GT(n_prefilled(chat("one\n/stats\n", cached)), 5u);
  EXPECT_EQ(n_prefilled(chat("one\n/stats\n", cached)), 1u);
}

TEST_F(Chat, InterruptionEndsTheProgram) {
  const std::string path = directory_.path("saved.json");
  Terminal terminal(flexinfer_command(arguments({"-n", "-1", "-c", "4096"})));
  const auto type = [&terminal](const std::string& keys, const std::string& answer) {
    terminal.type(keys);
    EXPECT_TRUE(terminal.wait_for(answer)) << terminal.screen();
  };
  ASSERT_TRUE(terminal.wait_for("> "));
  type("Never sent", "sent");
  type("\x03", "(Ctrl-D ends)");
  type("Hello\r", "tok/s]");  // the line below a reply that comes
  type("\x03\x03", "> ");     // once more than needed
  type("Go on\r", "tok/s]");
  type("\x03", "> ");
  type("/save " + path + "\r", "> ");
  type("\x04", "");
  EXPECT_EQ(terminal.wait(), 0) << terminal.screen();
  const Json messages = Json::parse(read_bytes(path)).at("messages");
  ASSERT_EQ(messages.size(), 4u);
  EXPECT_EQ(messages[0].at("content"), "Hello");
  EXPECT_NE(messages[1].at("content"), "");
  EXPECT_EQ(messages[2].at("content"), "Go on");
}

TEST_F(Chat, HistoryIsNotThere) {
  Terminal terminal(flexinfer_command(arguments({"-n", "1"})));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("/nonsense\r");
  ASSERT_TRUE(terminal.wait_for("no such command"));
  ASSERT_TRUE(terminal.wait_for("> "));
  terminal.type("\x1b[A\r");
  EXPECT_TRUE(terminal.wait_for("no such command")) << terminal.screen();
  terminal.type("/exit\r");
  EXPECT_EQ(terminal.wait(), 0) << terminal.screen();
}

}  // namespace
}  // namespace flexinfer::testing
