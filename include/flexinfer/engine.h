// The door: open a model under a budget, make a session, generate.
//
//   auto engine = Engine::open("model.gguf", options);           // plans, reads no weights yet
//   auto session = engine->new_session();
//   auto result = session->generate(request, on_text);           // the first sweep reads the model,
//                                                                // later ones what streams
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "flexinfer/chat.h"
#include "flexinfer/error.h"
#include "flexinfer/options.h"
#include "flexinfer/stats.h"

namespace flexinfer {

using Token = int32_t;

// The words of a model: needs neither weights nor hyperparameters, works on vocabulary-only files.
// Immutable; thread-safe; cheap to move.
class Vocabulary {
 public:
  static Result<Vocabulary> open(const std::string& model_path);
  // Text to ids. Text that spells a control token becomes one only with parse_special; BOS and EOS are added
  // with add_special where the model asks for them.
  Result<std::vector<Token>> encode(std::string_view text, bool parse_special, bool add_special) const;
  // A rendered conversation to ids: control tokens come from what is trusted only, and nothing is added.
  Result<std::vector<Token>> encode(const ChatPrompt& prompt) const;
  // The bytes of a token in running text; may be part of a character. Empty for control tokens.
  std::string decode(Token token) const;
  int32_t size() const;
  Token bos() const;  // -1 where there is none
  bool adds_bos() const;
  bool is_end_of_generation(Token token) const;

  Vocabulary(Vocabulary&&) noexcept;
  Vocabulary& operator=(Vocabulary&&) noexcept;
  ~Vocabulary();
  struct Impl;  // the library's own

 private:
  friend class Engine;
  explicit Vocabulary(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

struct GenerateRequest {
  std::vector<Token> prompt;  // at least one token
  int64_t n_predict = 128;    // < 0: until the context is full
  bool ignore_eos = false;
  SamplingOptions sampling;
};

struct GenerateResult {
  std::string text;
  std::vector<Token> tokens;  // without an end-of-generation token
  std::string finish_reason;  // "length" or "stop"
};

// Progress of a generation, after each token. `text` holds whole UTF-8 characters only, and may be empty.
struct GenerateProgress {
  std::string_view text;
  Token token = 0;
  const SessionStats& stats;
};

class Engine;

// One sequence of tokens and its KV cache. Used by one thread at a time; must not outlive its engine.
class Session {
 public:
  // Appends tokens and returns the logits after the last one: vocab_size floats, valid until the next call.
  // Long inputs are cut into batches. kUsage where a token is out of range or the context is full.
  Result<std::span<const float>> append(std::span<const Token> tokens);
  // The same with the logits after every token, handed to `on_logits(index, logits)` in order.
  // The engine must have been opened with logits_everywhere.
  Status append_with_logits(
      std::span<const Token> tokens,
      const std::function<Status(size_t index, std::span<const float> logits)>& on_logits);
  // Forgets all tokens; weights stay where they are.
  void clear();
  // Keeps the first n_tokens tokens and forgets the others, so that only what follows is computed again.
  // kUsage where there are fewer, and where layers with a sliding window no longer hold what the next token
  // sees: then clear, and append from the start.
  Status rewind(int64_t n_tokens);
  // Rewinds to what the sequence and the beginning of `prompt` have in common, of which the prompt's last
  // token is no part: its logits will be wanted. Returns how many tokens are left, none where a sliding
  // window has lost them; the rest of the prompt is to be appended.
  int64_t reuse(std::span<const Token> prompt);
  int64_t n_tokens() const;  // in the KV cache

  // The first `n_tokens` and what was computed from them, to a file that appears whole or not at all; all
  // tokens where rewinding to so few is not possible. kUsage where there are none; kIo.
  Status save(const std::string& path, int64_t n_tokens) const;
  // Forgets all tokens, then takes those of a saved file, as many as the context holds: as if they had been
  // appended, bit for bit. kUsage where the file is none that save has written, kCorrupt where it is damaged,
  // kUnsupported where it belongs to another model, processor or cache type, kIo: then there are no tokens.
  Status load(const std::string& path);

  // Appends the prompt and samples until a stop. `on_progress` (may be empty) is called after every token;
  // `on_prefill` (may be empty) with the share of the prompt's sweep work that is done. Within `on_progress`
  // the session may be saved: it holds all tokens but the one that is reported.
  Result<GenerateResult> generate(const GenerateRequest& request,
                                  const std::function<void(const GenerateProgress&)>& on_progress = {},
                                  const std::function<void(double)>& on_prefill = {});

  // Every wait ends with kCancelled soon after a stop is requested; the session can be cleared and used
  // again.
  void set_stop_token(std::stop_token stop);

  SessionStats stats() const;
  IoMode io() const;                      // how weights are read; never kAuto
  std::vector<CopyStats> copies() const;  // what came from where; empty without mirrors
  // What the system refused and what was done instead, a line each.
  const std::vector<std::string>& notes() const;

  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();
  struct Impl;  // the library's own

 private:
  friend class Engine;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A model and the plan of its memory. Immutable after open.
class Engine {
 public:
  // Reads the header, makes the plan. kBudgetTooSmall, naming the smallest budget that works and what takes
  // the room, before any weight is read.
  static Result<Engine> open(const std::string& model_path, const EngineOptions& options);

  const PlanSummary& plan() const;
  const EngineOptions& options() const;  // with every zero replaced by what was chosen
  const Vocabulary& vocabulary() const;
  const std::vector<std::string>& notes() const;
  // Allocates what the plan says. One session at a time: the budget holds one KV cache and one set of
  // weights.
  Result<Session> new_session() const;

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();
  struct Impl;  // the library's own

 private:
  explicit Engine(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

}  // namespace flexinfer
