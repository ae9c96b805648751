#include "support/terminal.h"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <stdexcept>

namespace flexinfer::testing {
namespace {

constexpr auto kTimeLimit = std::chrono::minutes(2);

[[noreturn]] void become(const std::vector<std::string>& arguments) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  setenv("TERM", "xterm", 1);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

Terminal::Terminal(const std::vector<std::string>& arguments) {
  const winsize size = {24, 80, 0, 0};
  pid_ = forkpty(&fd_, nullptr, nullptr, &size);
  if (pid_ < 0) throw std::runtime_error("forkpty failed");
  if (pid_ == 0) become(arguments);
}

Terminal::~Terminal() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close(fd_);
}

void Terminal::type(std::string_view keys) {
  if (write(fd_, keys.data(), keys.size()) != static_cast<ssize_t>(keys.size())) {
    throw std::runtime_error("the terminal takes no keys");
  }
}

bool Terminal::read_some() {
  pollfd output = {fd_, POLLIN, 0};
  if (poll(&output, 1, 100) <= 0) return true;
  char buffer[1 << 12];
  const ssize_t n = read(fd_, buffer, sizeof buffer);
  if (n <= 0) return false;  // the other end is closed
  screen_.append(buffer, static_cast<size_t>(n));
  return true;
}

bool Terminal::wait_for(std::string_view text) {
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  for (;;) {
    if (const size_t at = screen_.find(text, seen_); at != std::string::npos) {
      seen_ = at + text.size();
      return true;
    }
    if (std::chrono::steady_clock::now() > deadline || !read_some()) return false;
  }
}

int Terminal::wait() {
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  while (read_some()) {
    if (std::chrono::steady_clock::now() > deadline) kill(pid_, SIGKILL);
  }
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace flexinfer::testing
