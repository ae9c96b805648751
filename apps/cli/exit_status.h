// The exit statuses that scripts rely on.
#pragma once

#include "flexinfer/error.h"

namespace flexinfer::cli {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUsage = 2;
inline constexpr int kTooSmallBudget = 3;
inline constexpr int kInterrupted = 130;  // as a shell reports SIGINT

constexpr int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return kWrongUsage;
    case ErrorCode::kBudgetTooSmall:
      return kTooSmallBudget;
    case ErrorCode::kCancelled:
      return kInterrupted;
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
      break;
  }
  return kFailed;
}

}  // namespace flexinfer::cli
