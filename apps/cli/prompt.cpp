#include "prompt.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "failure.h"
#include "options.h"
#include "terminal.h"

namespace flexinfer::cli {
namespace {

// `name` says what is read, for the error.
std::string read_all(std::FILE* file, const std::string& name) {
  std::string content;
  char buffer[1 << 16];
  for (size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, file)) > 0;)
    content.append(buffer, n);
  if (std::ferror(file) != 0) {
    throw Failure(ErrorCode::kIo, fmt::format("{}: cannot read: {}", name, std::strerror(errno)));
  }
  return content;
}

}  // namespace

void add_text_options(CLI::App& app, PromptOptions& options) {
  auto* text = app.add_option("-p,--prompt", options.text, "the text")->type_name("TEXT");
  app.add_option("-f,--file", options.file, "a file that holds the text, taken byte for byte")
      ->type_name("FILE")
      ->excludes(text);
  app.add_flag("--parse-special", options.parse_special,
               "text that spells a control token becomes that token");
  app.add_flag("--no-bos", options.no_bos,
               "add no token for the beginning or end of text, even where the model asks for it");
}

void add_tokens_option(CLI::App& app, PromptOptions& options) {
  auto* tokens = add_parsed(app, "--tokens", options.tokens, "the text as token ids: 1,15,9", parse_tokens)
                     ->type_name("IDS");
  for (const char* other : {"--prompt", "--file", "--parse-special", "--no-bos"})
    tokens->excludes(app.get_option(other));
}

std::string read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw Failure(ErrorCode::kIo, fmt::format("{}: cannot open: {}", path, std::strerror(errno)));
  return read_all(file.get(), path);
}

std::string read_text(const PromptOptions& options) {
  if (options.text) return *options.text;
  if (options.file) return read_file(*options.file);
  if (isatty(STDIN_FILENO) == 1) say("reading the text from the terminal; Ctrl-D ends it");
  return read_all(stdin, "standard input");
}

std::vector<Token> prompt_tokens(const PromptOptions& options, const std::string& text,
                                 const Vocabulary& vocabulary) {
  if (!options.tokens.empty()) return options.tokens;
  auto tokens = unwrap(vocabulary.encode(text, options.parse_special, !options.no_bos));
  if (tokens.empty())
    throw Failure(ErrorCode::kUsage,
                  "the prompt is empty: give it with -p, -f, --tokens or on standard input");
  return tokens;
}

}  // namespace flexinfer::cli
