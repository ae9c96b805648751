// flexinfer tokenize: text to token ids.
#include <fmt/ranges.h>

#include <memory>

#include "command.h"
#include "exit_status.h"
#include "failure.h"
#include "json.h"
#include "options.h"
#include "prompt.h"
#include "terminal.h"

namespace flexinfer::cli {
namespace {

struct TokenizeOptions {
  std::string model;
  PromptOptions prompt;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer tokenize model.gguf -p "Once upon a time"
  flexinfer tokenize vocabulary.gguf -f book.txt --no-bos --json)";

std::string pieces_text(const std::vector<Token>& tokens, const Vocabulary& vocabulary) {
  std::string text;
  for (const Token token : tokens)
    text += fmt::format("{:>7}  '{}'\n", token, printable(vocabulary.decode(token)));
  return text;
}

int tokenize(const TokenizeOptions& options) {
  const std::string text = read_text(options.prompt);
  const Vocabulary vocabulary = unwrap(Vocabulary::open(options.model));
  const std::vector<Token> tokens =
      unwrap(vocabulary.encode(text, options.prompt.parse_special, !options.prompt.no_bos));
  if (options.output.json) {
    print_json({{"tokens", tokens}});
  } else if (options.output.verbose) {
    write_stdout(pieces_text(tokens, vocabulary));
  } else {
    write_stdout(fmt::format("{}\n", fmt::join(tokens, " ")));
  }
  return kDone;
}

}  // namespace

Command add_tokenize(CLI::App& program) {
  auto* app =
      program.add_subcommand("tokenize", "Shows the token ids of a text; works on vocabulary-only files too");
  const auto options = std::make_shared<TokenizeOptions>();
  add_model(*app, options->model);
  add_text_options(*app, options->prompt);
  add_output_options(
      *app, options->output,
      {.quiet = "nothing but the ids and errors", .verbose = "one token a line, with its text"});
  app->footer(kExamples);
  return {app, [options] { return tokenize(*options); }};
}

}  // namespace flexinfer::cli
