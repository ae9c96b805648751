#include "conversation.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "failure.h"

namespace flexinfer::cli {
namespace {

bool is_user(const Message& message) {
  return message.role == "user";
}

}  // namespace

Conversation::Conversation(const std::optional<std::string>& system) {
  if (system) add("system", *system);
}

bool Conversation::drop_oldest_turn() {
  const auto begin = messages_.begin() + static_cast<ptrdiff_t>(n_system());
  const auto first = std::find_if(begin, messages_.end(), is_user);
  const auto next =
      first == messages_.end() ? first : std::find_if(std::next(first), messages_.end(), is_user);
  if (next == messages_.end()) return false;
  messages_.erase(begin, next);
  return true;
}

void Conversation::reset() {
  messages_.resize(n_system());
}

Json Conversation::to_json() const {
  Json list = Json::array();
  for (const Message& message : messages_)
    list.push_back({{"role", message.role}, {"content", message.content}});
  return {{"messages", std::move(list)}};
}

void Conversation::read_json(const std::string& text, const std::string& path) {
  const auto refuse = [&path] {
    throw Failure(
        ErrorCode::kUsage,
        fmt::format(
            "{}: is no conversation: {{\"messages\": [{{\"role\": \"user\", \"content\": \"...\"}}]}} "
            "is one",
            path));
  };
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("messages") || !json.at("messages").is_array()) refuse();
  std::vector<Message> messages;
  for (const Json& message : json.at("messages")) {
    if (!message.is_object() || !message.contains("role") || !message.contains("content")) refuse();
    if (!message.at("role").is_string() || !message.at("content").is_string()) refuse();
    messages.push_back({message.at("role"), message.at("content")});
  }
  messages_ = std::move(messages);
}

}  // namespace flexinfer::cli
