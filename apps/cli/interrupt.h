// SIGINT as a stop request.
#pragma once

#include <atomic>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <thread>

namespace flexinfer::cli {

// What further SIGINTs do while a stop is requested.
enum class Insistence : uint8_t { kEndsTheProcess, kIsIgnored };

// While one lives, the first SIGINT requests a stop; after a reset the next one does. To be made before any
// other thread is started: they inherit a mask that leaves the signal to this one.
class Interrupt {
 public:
  explicit Interrupt(Insistence insistence = Insistence::kEndsTheProcess);
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  std::stop_token token() const;
  bool requested() const { return token().stop_requested(); }
  // False where one has been requested already.
  bool request_stop();
  // Tokens that were given out stay as they are.
  void reset();

 private:
  void watch();

  Insistence insistence_;
  mutable std::mutex mutex_;  // of source_
  std::stop_source source_;
  std::atomic<bool> ending_ = false;
  sigset_t watched_{};
  sigset_t previous_mask_{};
  std::thread watcher_;
};

}  // namespace flexinfer::cli
