// flexinfer chat: a conversation at the terminal, or through a pipe.
#include <unistd.h>

#include <memory>
#include <optional>

#include "command.h"
#include "conversation.h"
#include "exit_status.h"
#include "failure.h"
#include "flexinfer/chat.h"
#include "json.h"
#include "line_reader.h"
#include "output_file.h"
#include "prompt.h"
#include "prompt_cache.h"
#include "show_generation.h"
#include "terminal.h"
#include "work.h"

namespace flexinfer::cli {
namespace {

struct ChatOptions {
  std::string model;
  std::optional<std::string> system;
  std::optional<std::string> template_file;
  std::optional<std::string> prompt_cache;
  EngineOptions engine;
  SamplingOptions sampling;
  int64_t n_predict = -1;
  OutputOptions output;
};

constexpr auto kExamples = R"(Examples:
  flexinfer chat model.gguf
  flexinfer chat model.gguf --budget 4GiB --system "You answer in one sentence."
  flexinfer chat model.gguf --template chatml.jinja --prompt-cache assistant.kv
  printf 'Hello\nAnd in French?\n' | flexinfer chat model.gguf --temp 0

Ctrl-C stops a reply, Ctrl-D ends. A backslash at the end of a line continues it. /help names the commands.)";

// Beside a conversation that was saved stands what was computed of it.
constexpr auto kComputedSuffix = ".kv";

constexpr auto kHelp = R"(/reset      forget the conversation, but for the system message
/save FILE  write the conversation to FILE, as JSON, and what was computed of it to FILE.kv
/load FILE  go on with a conversation from a file; what FILE.kv has is not computed again
/stats      how fast it was, what was read and what is in memory
/help       this
/exit       end; so does Ctrl-D
A backslash at the end of a line continues the message in the next one; pasted lines are one message.
)";

bool is_terminal() {
  return isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
}

ChatTemplate open_template(const ChatOptions& options) {
  if (options.template_file) {
    return unwrap(ChatTemplate::from_source(options.model, read_file(*options.template_file)));
  }
  auto opened = ChatTemplate::open(options.model);
  if (!opened && opened.error().code == ErrorCode::kUnsupported)
    opened.error().message += ": name another with --template FILE";
  return unwrap(std::move(opened));
}

class Chat {
 public:
  Chat(const ChatOptions& options, Interrupt& interrupt)
      : options_(options),
        interrupt_(interrupt),
        is_terminal_(is_terminal()),
        template_(open_template(options)),
        model_(options.model, options.engine, options.output, interrupt),
        conversation_(options.system),
        cache_(options.prompt_cache),
        lines_(interrupt, is_terminal_) {}

  int run();

 private:
  // Whether the conversation goes on.
  bool command(const std::string& text);
  void try_command(const std::string& name, const std::string& argument);
  void save(const std::string& path);
  void load(const std::string& path);
  void try_reply(const std::string& message);
  void reply();
  std::vector<Token> fitting_prompt();
  std::vector<Token> prompt() const;
  int64_t context_length() const { return model_.engine().plan().context_length; }
  void say_turn(const SessionStats& before, size_t n_tokens, int64_t n_reused);
  void say_stats();

  const ChatOptions& options_;
  Interrupt& interrupt_;
  bool is_terminal_;
  ChatTemplate template_;
  OpenModel model_;
  Conversation conversation_;
  PromptCache cache_;
  LineReader lines_;
};

int Chat::run() {
  if (is_terminal_ && !options_.output.quiet)
    say("/help names the commands; Ctrl-C stops a reply, Ctrl-D ends");
  for (;;) {
    const Input input = lines_.next("> ");
    if (input.end == InputEnd::kEnd) break;
    if (input.end == InputEnd::kStopped) {
      if (!is_terminal_) return kInterrupted;
      interrupt_.reset();
      say("(Ctrl-D ends)");
    } else if (input.text.starts_with('/')) {
      if (!command(input.text)) break;
    } else if (!input.text.empty()) {
      try_reply(input.text);
    }
  }
  cache_.keep(model_.session(), static_cast<size_t>(model_.session().n_tokens()));
  say_notes(cache_.take_notes());
  return kDone;
}

bool Chat::command(const std::string& text) {
  const size_t space = text.find(' ');
  const std::string name = text.substr(0, space);
  if (name == "/exit") return false;
  try {
    try_command(name, space == std::string::npos ? "" : text.substr(space + 1));
  } catch (const Failure& failure) {
    if (!is_terminal_) throw;
    say("{}", printable(failure.what()));
  }
  return true;
}

void Chat::try_command(const std::string& name, const std::string& argument) {
  if (name == "/help") return write_stdout(kHelp);
  if (name == "/stats") return say_stats();
  if (name == "/reset") return conversation_.reset();
  const bool names_file = name == "/save" || name == "/load";
  if (!names_file)
    throw Failure(ErrorCode::kUsage, fmt::format("{}: there is no such command; see /help", name));
  if (argument.empty()) throw Failure(ErrorCode::kUsage, fmt::format("{} needs the name of a file", name));
  return name == "/save" ? save(argument) : load(argument);
}

void Chat::save(const std::string& path) {
  OutputFile file(path);
  const std::string json = json_text(conversation_.to_json(), 2) + "\n";
  file.write(std::as_bytes(std::span(json)));
  file.commit();
  Session& session = model_.session();
  if (session.n_tokens() == 0) return;
  if (const Status saved = session.save(path + kComputedSuffix, session.n_tokens()); !saved)
    say_notes({saved.error().message});
}

// What was computed is a help and no part of the conversation: without it all is computed anew.
void Chat::load(const std::string& path) {
  conversation_.read_json(read_file(path), path);
  const std::string computed = path + kComputedSuffix;
  if (access(computed.c_str(), F_OK) != 0) return;
  if (const Status loaded = model_.session().load(computed); !loaded) say_notes({loaded.error().message});
}

// On a terminal a failed reply takes the message back and leaves the conversation as it was.
void Chat::try_reply(const std::string& message) {
  conversation_.add("user", message);
  try {
    reply();
  } catch (const Failure& failure) {
    if (!is_terminal_) throw;
    say("{}", printable(failure.what()));
    if (conversation_.messages().back().role == "user") conversation_.take_back();
  }
  interrupt_.reset();
}

std::vector<Token> Chat::prompt() const {
  Json json = conversation_.to_json();
  json["add_generation_prompt"] = true;
  const ChatPrompt rendered = unwrap(template_.render(json_text(json)));
  const Vocabulary& vocabulary = model_.engine().vocabulary();
  std::vector<Token> tokens = unwrap(vocabulary.encode(rendered));
  const bool has_bos = !tokens.empty() && tokens.front() == vocabulary.bos();
  if (vocabulary.adds_bos() && !has_bos) tokens.insert(tokens.begin(), vocabulary.bos());
  return tokens;
}

// The conversation as tokens; its oldest turns are dropped until an eighth of the context is left for the
// reply.
std::vector<Token> Chat::fitting_prompt() {
  int n_dropped = 0;
  std::vector<Token> tokens = prompt();
  const auto most = static_cast<size_t>(context_length() - context_length() / 8);
  while (tokens.size() > most && conversation_.drop_oldest_turn()) {
    ++n_dropped;
    tokens = prompt();
  }
  if (n_dropped > 0 && !options_.output.quiet) {
    say("note: the context of {} tokens is full: the oldest {} of the conversation dropped", context_length(),
        n_dropped == 1 ? "turn is" : fmt::format("{} turns are", n_dropped));
  }
  return tokens;
}

void Chat::reply() {
  const std::vector<Token> tokens = fitting_prompt();
  const SessionStats before = model_.session().stats();
  const int64_t n_reused = cache_.restore(model_.session(), tokens);
  say_notes(cache_.take_notes());
  model_.session().set_stop_token(interrupt_.token());
  const GenerateRequest request{.prompt = {tokens.begin() + n_reused, tokens.end()},
                                .n_predict = options_.n_predict,
                                .ignore_eos = false,
                                .sampling = options_.sampling};
  const GenerateResult result = show_generation(model_, request, options_.output, interrupt_);
  const bool is_interrupted = result.finish_reason == "interrupted";
  if (is_interrupted && !is_terminal_) throw Failure(ErrorCode::kCancelled, "interrupted");
  if (is_interrupted && result.text.empty()) return conversation_.take_back();
  conversation_.add("assistant", result.text);
  const bool is_full = model_.session().n_tokens() == context_length();
  if (is_full && !options_.output.quiet) say("note: the reply ends here: the context is full (--ctx)");
  if (is_terminal_ && !options_.output.quiet) say_turn(before, result.tokens.size(), n_reused);
}

// One dim line.
void Chat::say_turn(const SessionStats& before, size_t n_tokens, int64_t n_reused) {
  const SessionStats now = model_.session().stats();
  const double seconds = now.decode_seconds - before.decode_seconds;
  const double n_decoded = static_cast<double>(now.decode_tokens - before.decode_tokens);
  say("\x1b[2m{} tokens, {} tok/s; {} of prompt read, {} kept\x1b[0m", n_tokens,
      format_figure(seconds > 0 ? n_decoded / seconds : 0), now.prefill_tokens - before.prefill_tokens,
      n_reused);
}

void Chat::say_stats() {
  const SessionStats stats = model_.session().stats();
  say("{} messages; {} of {} tokens of context in use", conversation_.messages().size(),
      model_.session().n_tokens(), context_length());
  say("prefill {} tokens, {} tok/s; decode {} tokens, {} tok/s (predicted {}, at most {})",
      stats.prefill_tokens, format_figure(stats.prefill_tok_s()), stats.decode_tokens,
      format_figure(stats.decode_tok_s()), format_figure(stats.predicted_decode_tok_s),
      format_figure(stats.bound_decode_tok_s));
  say_resources(stats, model_.engine().plan(), options_.output.verbose);
}

int chat(const ChatOptions& options) {
  Interrupt interrupt(is_terminal() ? Insistence::kIsIgnored : Insistence::kEndsTheProcess);
  return Chat(options, interrupt).run();
}

}  // namespace

Command add_chat(CLI::App& program) {
  auto* app = program.add_subcommand("chat", "Holds a conversation, with the model's own chat template");
  const auto options = std::make_shared<ChatOptions>();
  add_model(*app, options->model);
  app->add_option("--system", options->system, "what the model is told before the conversation")
      ->type_name("TEXT")
      ->group(kTextGroup);
  app->add_option("--template", options->template_file, "a chat template to use instead of the model's own")
      ->type_name("FILE")
      ->group(kTextGroup);
  add_number<int64_t>(*app, "-n,--predict", options->n_predict, -1, std::numeric_limits<int64_t>::max(),
                      "most tokens of a reply; -1: until the model ends it or the context is full")
      ->group(kTextGroup);
  add_prompt_cache(*app, options->prompt_cache);
  add_sampling_options(*app, options->sampling);
  add_memory_options(*app, options->engine);
  add_movement_options(*app, options->engine);
  app->footer(kExamples);
  app->add_flag("-q,--quiet", options->output.quiet, "nothing but the replies and errors")
      ->group(kOutputGroup);
  app->add_flag("-v,--verbose", options->output.verbose, "more in /stats")->group(kOutputGroup);
  return {app, [options] { return chat(*options); }};
}

}  // namespace flexinfer::cli
