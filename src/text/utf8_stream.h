// Bytes in, whole characters out.
#pragma once

#include <string>
#include <string_view>

namespace flexinfer {

// Holds back the beginning of a UTF-8 character until its last byte has come. Bytes that can never become a
// character are passed on as U+FFFD, so that what comes out is always valid UTF-8.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  // What is still held back, as U+FFFD: at the end of a text.
  std::string flush();

 private:
  std::string held_;
};

}  // namespace flexinfer
