#include "child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "failure.h"

namespace flexinfer::cli {
namespace {

constexpr int kCannotStart = 127;  // as a shell reports it

[[noreturn]] void fail(const char* what) {
  const int error = errno;
  throw Failure(ErrorCode::kIo, fmt::format("cannot {}: {}", what, std::strerror(error)));
}

// Memory that a stream of the child is written to: no pipe has to be emptied while the child runs.
class Capture {
 public:
  explicit Capture(const char* name) : fd_(memfd_create(name, MFD_CLOEXEC)) {
    if (fd_ < 0) fail("keep what a child process writes");
  }
  ~Capture() { close(fd_); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  int descriptor() const { return fd_; }

  std::string text() const {
    std::string text;
    char buffer[1 << 14];
    for (ssize_t n = 0; (n = pread(fd_, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0;)
      text.append(buffer, static_cast<size_t>(n));
    return text;
  }

 private:
  int fd_;
};

// What happens between fork and exec. The parent may have had threads: nothing here takes a lock.
[[noreturn]] void become(char** argv, const char* cgroup_file, const Capture& out, const Capture& err,
                         pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(kCannotStart);  // it ended before the line above
  dup2(out.descriptor(), STDOUT_FILENO);
  dup2(err.descriptor(), STDERR_FILENO);
  if (*cgroup_file != '\0') {
    const int fd = open(cgroup_file, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1) {
      dprintf(STDERR_FILENO, "cannot enter %s: %s\n", cgroup_file, strerror(errno));
      _exit(kCannotStart);
    }
  }
  execv("/proc/self/exe", argv);
  _exit(kCannotStart);
}

// Waits for the end of the child and leaves it to be reaped, so that its number stays its own meanwhile.
void wait_for_end(pid_t child, const std::stop_token& stop) {
  const std::stop_callback interrupt(stop, [child] { kill(child, SIGINT); });
  siginfo_t info{};
  while (waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
}

}  // namespace

ChildResult run_child(const std::vector<std::string>& arguments, const std::string& cgroup,
                      const std::stop_token& stop) {
  std::string name = "flexinfer";
  std::vector<std::string> words = arguments;
  std::vector<char*> argv = {name.data()};
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string cgroup_file = cgroup.empty() ? "" : cgroup + "/cgroup.procs";
  const Capture out("standard output");
  const Capture err("standard error");
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) become(argv.data(), cgroup_file.c_str(), out, err, parent);
  if (child < 0) fail("start a child process");
  wait_for_end(child, stop);
  int status = 0;
  waitpid(child, &status, 0);
  ChildResult result;
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.out = out.text();
  result.err = err.text();
  return result;
}

}  // namespace flexinfer::cli
