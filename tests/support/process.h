// Runs a program as a user does: arguments and standard input in, output, exit status and peak memory out.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace flexinfer::testing {

struct ProcessOptions {
  std::string standard_input = {};
  std::vector<std::pair<std::string, std::string>> environment = {};  // added to the test's own
  std::string cgroup = {};  // directory of a memory cgroup to start in; empty: the test's own
};

struct ProcessResult {
  int exit_status = -1;  // -1 where a signal ended it
  int signal = 0;        // 0 where it ended by itself
  std::string out;
  std::string err;
  uint64_t peak_resident_bytes = 0;
};

// A program that runs. One that takes longer than two minutes is killed, so that a hang is a failure.
class Process {
 public:
  explicit Process(const std::vector<std::string>& arguments, const ProcessOptions& options = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Until standard output holds that many bytes, or ends.
  void wait_for_output(size_t n_bytes);
  void send(int signal) const;
  // From here on the program writes into a pipe that nobody reads.
  void close_output();
  ProcessResult wait();

 private:
  // Reads what there is on both streams; false when both have ended.
  bool read_some();

  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  ProcessResult result_;
};

// The program under test with these arguments, to its end.
ProcessResult run_flexinfer(std::vector<std::string> arguments, const ProcessOptions& options = {});
std::vector<std::string> flexinfer_command(std::vector<std::string> arguments);

}  // namespace flexinfer::testing
