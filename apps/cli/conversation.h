// The messages of a chat, as templates and files see them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "json.h"

namespace flexinfer::cli {

struct Message {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

class Conversation {
 public:
  // `system`: the message that stands before all others and is never dropped.
  explicit Conversation(const std::optional<std::string>& system);

  void add(std::string role, std::string content) {
    messages_.push_back({std::move(role), std::move(content)});
  }
  void take_back() { messages_.pop_back(); }
  // Forgets the first user's message that is left and all up to the next; false where there is no next.
  bool drop_oldest_turn();
  // Forgets all but the system message.
  void reset();

  const std::vector<Message>& messages() const { return messages_; }

  // {"messages": [{"role":, "content":}]}
  Json to_json() const;
  // The same, from a file: replaces what there is. Throws Failure, naming `path`, where it is anything else.
  void read_json(const std::string& text, const std::string& path);

 private:
  size_t n_system() const { return !messages_.empty() && messages_.front().role == "system" ? 1 : 0; }

  std::vector<Message> messages_;
};

}  // namespace flexinfer::cli
