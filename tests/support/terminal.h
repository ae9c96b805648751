// A program at a terminal: what it draws, and keys that are pressed.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace flexinfer::testing {

// All three standard streams are one pseudo-terminal. A wait that takes longer than two minutes ends.
class Terminal {
 public:
  explicit Terminal(const std::vector<std::string>& arguments);
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(std::string_view keys);
  // Until `text` has appeared after everything that was waited for before; false where the program ends, or
  // the time does, without it.
  bool wait_for(std::string_view text);
  // The exit status; -1 where a signal ended it.
  int wait();
  // All that has appeared.
  const std::string& screen() const { return screen_; }

 private:
  bool read_some();

  pid_t pid_ = -1;
  int fd_ = -1;
  std::string screen_;
  size_t seen_ = 0;  // end of what was waited for
};

}  // namespace flexinfer::testing
