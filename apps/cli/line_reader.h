// What the user types: lines from a terminal, with editing and history, or from a pipe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "interrupt.h"

namespace flexinfer::cli {

enum class InputEnd : uint8_t { kLine, kStopped, kEnd };

struct Input {
  InputEnd end = InputEnd::kEnd;
  std::string text;  // of kLine: one line, or several that belong together, without the last newline
};

// A line that ends in a backslash goes on in the next one. On a terminal lines that are already there when
// one ends, as after a paste, belong to it too. SIGINT while waiting gives kStopped. One thread.
class LineReader {
 public:
  // `is_terminal`: whether both ends are one, so that lines can be edited.
  LineReader(Interrupt& interrupt, bool is_terminal);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  Input next(const std::string& prompt);

 private:
  class Source;
  class Pipe;
  class Editor;
  std::unique_ptr<Source> source_;
};

}  // namespace flexinfer::cli
