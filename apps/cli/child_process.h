// This program as a process of its own: what runs there can be measured, limited and killed by itself.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

namespace flexinfer::cli {

struct ChildResult {
  int exit_status = -1;  // -1 where a signal ended it
  int signal = 0;        // 0 where it ended by itself
  std::string out;
  std::string err;
};

// Runs this very program with `arguments` to its end, from its start on in the cgroup at the folder `cgroup`
// where one is named. A requested stop interrupts the child; the end of this process kills it. Throws Failure
// where it cannot be started.
ChildResult run_child(const std::vector<std::string>& arguments, const std::string& cgroup,
                      const std::stop_token& stop);

}  // namespace flexinfer::cli
