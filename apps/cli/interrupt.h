// SIGINT as a stop request.
#pragma once

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

namespace flexinfer::cli {

// While one lives, the first SIGINT requests a stop and the second ends the process at once. To be made
// before any other thread is started: they inherit a mask that leaves the signal to this one.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }
  void request_stop() { source_.request_stop(); }

 private:
  void watch();

  std::stop_source source_;
  std::atomic<bool> ending_ = false;
  sigset_t watched_{};
  sigset_t previous_mask_{};
  std::thread watcher_;
};

}  // namespace flexinfer::cli
