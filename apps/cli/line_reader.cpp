#include "line_reader.h"

#include <histedit.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>

namespace flexinfer::cli {
namespace {

constexpr int kTurnMs = 50;   // how long a wait goes on before the interrupt is looked at
constexpr int kPasteMs = 20;  // how soon the next line of a paste is there
constexpr int kHistoryLines = 1000;

bool has_input(int timeout_ms) {
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, timeout_ms) > 0;
}

// One byte of standard input.
InputEnd read_byte(const Interrupt& interrupt, char& byte) {
  while (!interrupt.requested()) {
    if (!has_input(kTurnMs)) continue;
    const ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 1) return InputEnd::kLine;
    if (n == 0 || errno != EINTR) return InputEnd::kEnd;
  }
  return InputEnd::kStopped;
}

}  // namespace

class LineReader::Source {
 public:
  virtual ~Source() = default;
  virtual Input line(const std::string& prompt) = 0;
  virtual bool goes_on() const = 0;  // whether the line just read is one of several that came at once
  virtual void remember(const std::string& text) = 0;
};

class LineReader::Pipe : public Source {
 public:
  explicit Pipe(const Interrupt& interrupt) : interrupt_(interrupt) {}

  Input line(const std::string&) override {
    std::string text;
    for (;;) {
      char byte = 0;
      const InputEnd end = read_byte(interrupt_, byte);
      if (end == InputEnd::kLine && byte != '\n') {
        text += byte;
        continue;
      }
      const bool is_unfinished = end == InputEnd::kEnd && !text.empty();  // a last line without a newline
      return {is_unfinished ? InputEnd::kLine : end, text};
    }
  }
  bool goes_on() const override { return false; }
  void remember(const std::string&) override {}

 private:
  const Interrupt& interrupt_;
};

class LineReader::Editor : public Source {
 public:
  explicit Editor(const Interrupt& interrupt) : interrupt_(interrupt) {
    if (std::setlocale(LC_CTYPE, "") == nullptr || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    editor_ = el_init("flexinfer", stdin, stdout, stderr);
    history_ = history_init();
    HistEvent event;
    history(history_, &event, H_SETSIZE, kHistoryLines);
    history(history_, &event, H_SETUNIQUE, 1);
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(editor_, EL_PROMPT, &Editor::prompt_of);
    el_set(editor_, EL_GETCFN, &Editor::next_character);
    el_set(editor_, EL_HIST, history, history_);
    el_set(editor_, EL_EDITOR, "emacs");
    el_source(editor_, nullptr);  // the user's own ~/.editrc
  }
  ~Editor() override {
    history_end(history_);
    el_end(editor_);
  }

  Input line(const std::string& prompt) override {
    prompt_ = prompt;
    ended_ = InputEnd::kLine;
    el_set(editor_, EL_PREP_TERM, 1);  // before the prompt: what is typed from then on is read as it is
    int n = 0;
    const char* text = el_gets(editor_, &n);
    if (text != nullptr && n > 0) {
      Input input{InputEnd::kLine, {text, static_cast<size_t>(n)}};
      if (input.text.ends_with('\n')) input.text.pop_back();
      return input;
    }
    std::fputs("\n", stdout);
    std::fflush(stdout);
    return {ended_ == InputEnd::kStopped ? InputEnd::kStopped : InputEnd::kEnd, {}};
  }
  bool goes_on() const override { return has_input(kPasteMs); }
  void remember(const std::string& text) override {
    HistEvent event;
    history(history_, &event, H_ENTER, text.c_str());
  }

 private:
  static Editor& of(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Editor*>(self);
  }
  static char* prompt_of(EditLine* editor) { return of(editor).prompt_.data(); }

  // A character of the terminal, whose bytes may come one by one. 0 and -1 end the line.
  static int next_character(EditLine* editor, wchar_t* character) {
    Editor& self = of(editor);
    std::mbstate_t state{};
    for (;;) {
      char byte = 0;
      self.ended_ = read_byte(self.interrupt_, byte);
      if (self.ended_ != InputEnd::kLine) return self.ended_ == InputEnd::kEnd ? 0 : -1;
      const size_t n = std::mbrtowc(character, &byte, 1, &state);
      if (n == static_cast<size_t>(-2)) continue;  // more bytes belong to it
      if (n != static_cast<size_t>(-1)) return 1;
      state = {};  // no character of this locale: passed over
    }
  }

  const Interrupt& interrupt_;
  EditLine* editor_ = nullptr;
  History* history_ = nullptr;
  std::string prompt_;
  InputEnd ended_ = InputEnd::kLine;
};

LineReader::LineReader(Interrupt& interrupt, bool is_terminal) {
  if (is_terminal) {
    source_ = std::make_unique<Editor>(interrupt);
  } else {
    source_ = std::make_unique<Pipe>(interrupt);
  }
}

LineReader::~LineReader() = default;

Input LineReader::next(const std::string& prompt) {
  Input input = source_->line(prompt);
  if (input.end != InputEnd::kLine) return input;
  for (;;) {
    const bool has_backslash = input.text.ends_with('\\');
    if (has_backslash) input.text.pop_back();
    if (!has_backslash && !source_->goes_on()) break;
    Input more = source_->line("... ");
    if (more.end == InputEnd::kStopped) return more;
    if (more.end == InputEnd::kEnd) break;
    input.text += "\n" + more.text;
  }
  source_->remember(input.text);
  return input;
}

}  // namespace flexinfer::cli
