#include "support/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

#include "support/paths.h"

namespace flexinfer::testing {
namespace {

constexpr int kPipeBytes = 4096;  // a program that nobody listens to is soon held up
constexpr auto kTimeLimit = std::chrono::minutes(2);

struct Pipe {
  int ends[2] = {-1, -1};
  Pipe() {
    if (pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
  }
};

int file_holding(const std::string& content) {
  const int fd = memfd_create("standard input", MFD_CLOEXEC);
  if (fd < 0 || write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    throw std::runtime_error("cannot prepare standard input");
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

void enter_cgroup(const std::string& directory) {
  const int fd = open((directory + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "0", 1) != 1) _exit(126);
  close(fd);
}

[[noreturn]] void become(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  if (!options.cgroup.empty()) enter_cgroup(options.cgroup);
  for (const auto& [name, value] : options.environment)
    setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  for (const std::string& argument : arguments)
    argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  const int in = file_holding(options.standard_input);
  const Pipe out;
  const Pipe err;
  fcntl(out.ends[1], F_SETPIPE_SZ, kPipeBytes);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(in, STDIN_FILENO);
    dup2(out.ends[1], STDOUT_FILENO);
    dup2(err.ends[1], STDERR_FILENO);
    become(arguments, options);
  }
  close(in);
  close(out.ends[1]);
  close(err.ends[1]);
  out_ = out.ends[0];
  err_ = err.ends[0];
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

Process::~Process() {
  if (pid_ > 0) {
    send(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  close_output();
  if (err_ >= 0) close(err_);
}

void Process::wait_for_output(size_t n_bytes) {
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  while (result_.out.size() < n_bytes && std::chrono::steady_clock::now() < deadline && read_some()) {
  }
}

void Process::send(int signal) const {
  kill(pid_, signal);
}

void Process::close_output() {
  if (out_ >= 0) close(out_);
  out_ = -1;
}

bool Process::read_some() {
  pollfd streams[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  poll(streams, 2, 100);
  const auto drain = [](const pollfd& stream, int& fd, std::string& text) {
    if ((stream.revents & (POLLIN | POLLHUP)) == 0) return;
    char buffer[1 << 14];
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n > 0) {
      text.append(buffer, static_cast<size_t>(n));
    } else {
      close(fd);
      fd = -1;
    }
  };
  drain(streams[0], out_, result_.out);
  drain(streams[1], err_, result_.err);
  return out_ >= 0 || err_ >= 0;
}

ProcessResult Process::wait() {
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  while (read_some()) {
    if (std::chrono::steady_clock::now() < deadline) continue;
    result_.err += "(killed by the test: it took too long)";
    send(SIGKILL);
    break;
  }
  int status = 0;
  rusage usage{};
  wait4(pid_, &status, 0, &usage);
  pid_ = -1;
  if (WIFEXITED(status)) result_.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result_.signal = WTERMSIG(status);
  result_.peak_resident_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return std::move(result_);
}

std::vector<std::string> flexinfer_command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program());
  return arguments;
}

ProcessResult run_flexinfer(std::vector<std::string> arguments, const ProcessOptions& options) {
  return Process(flexinfer_command(std::move(arguments)), options).wait();
}

}  // namespace flexinfer::testing
