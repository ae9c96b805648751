// The limits within which a template runs, and the making of values within them.
#pragma once

#include <cstdint>
#include <ctime>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/template/arena.h"
#include "text/template/value.h"

namespace flexinfer::jinja {

struct Limits {
  uint64_t memory_bytes = 0;  // of all values made
  uint64_t output_bytes = 0;
  uint64_t steps = 0;  // a step is the work of some tens of nanoseconds
};
// What a template may use on a conversation of that size: more than any real one needs.
Limits limits_for(uint64_t data_bytes);

// State of one rendering; used by one thread.
class Sandbox {
 public:
  Sandbox(const Limits& limits, const std::tm& now)
      : arena_(limits.memory_bytes), steps_left_(limits.steps), now_(now) {}

  Arena& arena() { return arena_; }
  const std::tm& now() const { return now_; }

  // Before work is done: kUnsupported where there has been too much of it.
  Status charge(uint64_t n_steps);
  // Before n_bytes are looked at or copied.
  Status charge_bytes(uint64_t n_bytes) { return charge(1 + n_bytes / 16); }

  // Holds one level of nesting; kUnsupported where there are too many.
  class Level {
   public:
    explicit Level(Sandbox& sandbox) : sandbox_(sandbox) { ++sandbox_.depth_; }
    ~Level() { --sandbox_.depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    Status check() const;

   private:
    Sandbox& sandbox_;
  };

  Result<Value> list(std::span<const Value> items, ListKind kind = ListKind::kList);
  Result<Value> tuple(std::initializer_list<Value> items) { return list(items, ListKind::kTuple); }
  // Of entries in any order; where a key stands twice, the first place and the last value count.
  Result<Value> dict(std::vector<DictEntry> entries);
  // A copy of the bytes.
  Result<Value> text(std::string_view bytes, bool is_trusted);
  Result<Value> method(std::string_view name, Builtin builtin, const Value& self);
  Status set(Namespace& space, std::string_view name, const Value& value);

 private:
  Arena arena_;
  uint64_t steps_left_;
  int depth_ = 0;
  std::tm now_;
};

// Puts a text together, byte for byte with its marks.
class TextBuilder {
 public:
  // A run of bytes with the same mark.
  struct Run {
    size_t end = 0;
    bool is_trusted = true;
  };

  explicit TextBuilder(uint64_t limit_bytes) : limit_bytes_(limit_bytes) {}
  explicit TextBuilder(Sandbox& sandbox) : limit_bytes_(sandbox.arena().left_bytes()) {}

  // What goes beyond the limit is dropped, and finish() says so.
  void append(std::string_view bytes, bool is_trusted);
  void append(const Text& text);
  void append(char byte, bool is_trusted) { append(std::string_view(&byte, 1), is_trusted); }

  size_t size() const { return bytes_.size(); }
  bool is_full() const { return is_full_; }
  const std::string& bytes() const { return bytes_; }
  const std::vector<Run>& runs() const { return runs_; }

  Result<Text> finish(Sandbox& sandbox) const;

 private:
  uint64_t limit_bytes_;
  bool is_full_ = false;
  std::string bytes_;
  std::vector<Run> runs_;
};

}  // namespace flexinfer::jinja
