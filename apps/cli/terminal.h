// What the user sees: text, lines, progress, tables.
#pragma once

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flexinfer::cli {

// Writes and flushes. Throws Failure where standard output does not take it.
void write_stdout(std::string_view text);
// What standard error does not take is lost: there is nowhere to say so.
void write_stderr(std::string_view text);

template <class... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  write_stderr(fmt::format(format, std::forward<Args>(args)...) + "\n");
}

bool stderr_is_terminal();

// Text from a file, made fit for one line of a terminal: control characters become escapes (\n, \x1b).
std::string printable(std::string_view text);

// "1 h 04 min", "12.3 s", "85 ms".
std::string format_seconds(double seconds);
// Three significant digits: "0.482", "34.1", "1230".
std::string format_figure(double value);
// "43 %"
std::string format_percent(double share);

// One line of standard error that is drawn over itself at most ten times a second, and gone with the object.
class ProgressBar {
 public:
  ProgressBar(bool visible, std::string label);
  ~ProgressBar() { clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(double share, std::string_view detail = {});
  void clear();

 private:
  bool visible_;
  bool drawn_ = false;
  std::string label_;
  std::chrono::steady_clock::time_point last_;
};

// A line below the running text that says how fast it comes; the text may be on the same terminal.
class LiveLine {
 public:
  explicit LiveLine(bool visible) : visible_(visible) {}
  ~LiveLine() { clear(); }
  LiveLine(const LiveLine&) = delete;
  LiveLine& operator=(const LiveLine&) = delete;

  void show(std::string_view text);
  void clear();  // before more text is written

 private:
  bool visible_;
  bool drawn_ = false;
};

// Columns as wide as their widest cell: the first is set to the left, the others to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : rows_{std::move(header)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace flexinfer::cli
