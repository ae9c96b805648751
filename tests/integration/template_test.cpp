// flexinfer template: a conversation to a prompt.
#include <gtest/gtest.h>

#include "integration/cli.h"

namespace flexinfer::testing {
namespace {

// A number as GGUF files hold it.
template <class T>
std::string little_endian(T number) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(T); ++i)
    bytes.push_back(static_cast<char>(number >> (8 * i)));
  return bytes;
}
std::string counted(std::string_view text) {
  return little_endian<uint64_t>(text.size()) + std::string(text);
}

// A file with nothing but texts in its metadata.
std::string metadata_file(const std::vector<std::pair<std::string, std::string>>& texts) {
  constexpr uint32_t kString = 8;
  std::string bytes = "GGUF" + little_endian<uint32_t>(3) + little_endian<uint64_t>(0) +
                      little_endian<uint64_t>(texts.size());
  for (const auto& [key, text] : texts)
    bytes += counted(key) + little_endian(kString) + counted(text);
  return bytes;
}

class TemplateCommand : public ::testing::Test {
 protected:
  TemplateCommand() {
    write_bytes(model_, metadata_file({{"tokenizer.chat_template",
                                        "{% if not messages %}{{ raise_exception('no messages') }}{% endif %}"
                                        "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
                                        "{% if add_generation_prompt %}[assistant]{% endif %}"},
                                       {"tokenizer.chat_template.tool_use", "{{ tools | tojson }}"}}));
    write_bytes(conversation_, R"({"messages": [{"role": "user", "content": "Grüße"}], "tools": [{"a": 1}],
                                   "add_generation_prompt": true})");
  }
  TempDirectory directory_;
  std::string model_ = directory_.path("template.gguf");
  std::string conversation_ = directory_.path("conversation.json");
};

TEST_F(TemplateCommand, PrintsAnotherText) {
  const ProcessResult result = run_flexinfer({"template", model_, "-f", conversation_});
  EXPECT_EQ(result.exit_status, 0) << result.err;
  EXPECT_EQ(result.out, "[user] Grüße\n[assistant]");
  EXPECT_EQ(run_json({"template", model_, "-f", conversation_, "--json"}), (Json{{"text", result.out}}));
  EXPECT_EQ(run_json({"template", model_, "-f", conversation_, "--name", "tool_use", "--json"}),
            (Json{{"text", R"([{"a": 1}])"}}));
}

TEST_F(TemplateCommand, HidesWhatTheTemplateRefuses) {
  write_bytes(conversation_, R"({"messages": []})");
  const ProcessResult result = run_flexinfer({"template", model_, "-f", conversation_});
  expect_error(result, 1);
  EXPECT_NE(result.err.find("no messages"), std::string::npos) << result.err;
}

TEST_F(TemplateCommand, AcceptsWhatIsNoConversation) {
  write_bytes(conversation_, "Hello");
  expect_error(run_flexinfer({"template", model_, "-f", conversation_}), 2);
  expect_error(run_flexinfer({"template", model_, "-f", directory_.path("missing.json")}), 1);
}

TEST_F(TemplateCommand, AcceptsAModelWithoutATemplate) {
  expect_error(run_flexinfer({"template", kSmallModel, "-f", conversation_}), 1);
  expect_error(run_flexinfer({"template", model_, "-f", conversation_, "--name", "other"}), 1);
}

}  // namespace
}  // namespace flexinfer::testing
