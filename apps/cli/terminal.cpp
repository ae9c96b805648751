#include "terminal.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <iterator>

#include "failure.h"

namespace flexinfer::cli {

void write_stdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) return;
  throw Failure(ErrorCode::kIo, fmt::format("cannot write to standard output: {}", std::strerror(errno)));
}

void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
}

bool stderr_is_terminal() {
  return isatty(STDERR_FILENO) == 1;
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

std::string format_seconds(double seconds) {
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1e3);
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  const auto minutes = static_cast<int64_t>(std::llround(seconds / 60));
  if (minutes < 60) return fmt::format("{} min", minutes);
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::string format_figure(double value) {
  if (!std::isfinite(value)) return "-";
  const double magnitude = std::fabs(value);
  if (magnitude >= 100 || magnitude == 0) return fmt::format("{:.0f}", value);
  if (magnitude >= 10) return fmt::format("{:.1f}", value);
  if (magnitude >= 1) return fmt::format("{:.2f}", value);
  return fmt::format("{:.3g}", value);
}

std::string format_percent(double share) {
  return fmt::format("{:.0f} %", share * 100);
}

ProgressBar::ProgressBar(bool visible, std::string label) : visible_(visible), label_(std::move(label)) {}

void ProgressBar::show(double share, std::string_view detail) {
  using namespace std::chrono_literals;
  const auto now = std::chrono::steady_clock::now();
  if (!visible_ || (drawn_ && now - last_ < 100ms)) return;
  last_ = now;
  drawn_ = true;
  constexpr int kCells = 30;
  const int full = static_cast<int>(std::clamp(share, 0.0, 1.0) * kCells);
  write_stderr(fmt::format("\r\x1b[K{} [{:=<{}}{:{}}] {:>5} {}", label_, "", full, "", kCells - full,
                           format_percent(share), detail));
}

void ProgressBar::clear() {
  if (drawn_) write_stderr("\r\x1b[K");
  drawn_ = false;
}

void LiveLine::show(std::string_view text) {
  if (!visible_) return;
  // Index and cursor up make sure that there is a line below without leaving the column; then: save the
  // cursor, go down, draw, come back.
  write_stderr(
      fmt::format("\x1b"
                  "D\x1b[A\x1b"
                  "7\x1b[B\r\x1b[K[{}]\x1b"
                  "8",
                  text));
  drawn_ = true;
}

void LiveLine::clear() {
  if (drawn_) write_stderr("\x1b[J");
  drawn_ = false;
}

std::string Table::text() const {
  std::vector<size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace flexinfer::cli
