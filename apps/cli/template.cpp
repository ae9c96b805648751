// flexinfer template: what a model's chat template makes of a conversation.
#include <memory>
#include <optional>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "flexinfer/chat.h"
#include "flexinfer/engine.h"
#include "json.h"
#include "options.h"
#include "prompt.h"
#include "terminal.h"

namespace flexinfer::cli {
namespace {

struct TemplateOptions {
  std::string model;
  std::string conversation;
  std::string name;
  OutputOptions output;
};

constexpr auto kExamples = R"(The file holds one JSON object; its members are the template's variables:
  {"messages": [{"role": "user", "content": "Hello"}], "add_generation_prompt": true}

Examples:
  flexinfer template model.gguf -f conversation.json
  flexinfer template vocabulary.gguf -f conversation.json --name tool_use --json)";

int show_prompt(const TemplateOptions& options) {
  const std::string conversation = read_file(options.conversation);
  const ChatTemplate chat = unwrap(ChatTemplate::open(options.model, options.name));
  const ChatPrompt prompt = unwrap(chat.render(conversation));
  if (options.output.json) {
    print_json({{"text", prompt.text()}});
  } else {
    write_stdout(prompt.text());
  }
  if (options.output.verbose) {
    const Vocabulary vocabulary = unwrap(Vocabulary::open(options.model));
    say("{} tokens", unwrap(vocabulary.encode(prompt)).size());
  }
  return kDone;
}

}  // namespace

Command add_template(CLI::App& program) {
  auto* app = program.add_subcommand(
      "template",
      "Shows the prompt that the model's chat template makes; works on vocabulary-only files too");
  const auto options = std::make_shared<TemplateOptions>();
  add_model(*app, options->model);
  app->add_option("-f,--file", options->conversation, "the conversation, as JSON")
      ->required()
      ->type_name("FILE");
  app->add_option("--name", options->name, "one of several templates: tokenizer.chat_template.NAME")
      ->type_name("NAME");
  add_output_options(*app, options->output,
                     {.quiet = "nothing but the prompt and errors", .verbose = "also the number of tokens"});
  app->footer(kExamples);
  return {app, [options] { return show_prompt(*options); }};
}

}  // namespace flexinfer::cli
