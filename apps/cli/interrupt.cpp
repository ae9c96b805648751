#include "interrupt.h"

#include <cstdlib>

#include "exit_status.h"

namespace flexinfer::cli {

Interrupt::Interrupt(Insistence insistence) : insistence_(insistence) {
  sigemptyset(&watched_);
  sigaddset(&watched_, SIGINT);
  pthread_sigmask(SIG_BLOCK, &watched_, &previous_mask_);
  watcher_ = std::thread([this] { watch(); });
}

Interrupt::~Interrupt() {
  ending_ = true;
  pthread_kill(watcher_.native_handle(), SIGINT);  // wakes the watcher and no other
  watcher_.join();
  pthread_sigmask(SIG_SETMASK, &previous_mask_, nullptr);
}

std::stop_token Interrupt::token() const {
  const std::lock_guard lock(mutex_);
  return source_.get_token();
}

bool Interrupt::request_stop() {
  const std::lock_guard lock(mutex_);
  return source_.request_stop();
}

void Interrupt::reset() {
  const std::lock_guard lock(mutex_);
  source_ = std::stop_source();
}

void Interrupt::watch() {
  for (;;) {
    int signal = 0;
    sigwait(&watched_, &signal);
    if (ending_) return;
    if (!request_stop() && insistence_ == Insistence::kEndsTheProcess) std::_Exit(kInterrupted);
  }
}

}  // namespace flexinfer::cli
