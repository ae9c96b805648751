#include "interrupt.h"

#include <cstdlib>

#include "exit_status.h"

namespace flexinfer::cli {

Interrupt::Interrupt() {
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

void Interrupt::watch() {
  for (;;) {
    int signal = 0;
    sigwait(&watched_, &signal);
    if (ending_) return;
    if (!source_.request_stop()) std::_Exit(kInterrupted);
  }
}

}  // namespace flexinfer::cli
