// Templates that would not end, or take all memory: each must end with an error, soon and in little memory.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/sanitizer.h"
#include "unit/text/template/rendering.h"

namespace flexinfer::jinja {
namespace {

constexpr long kMostBytes = 64L << 20;

std::string repeated(std::string_view text, size_t n) {
  std::string all;
  for (; n > 0; --n)
    all += text;
  return all;
}

// Renders in a process of its own, whose whole memory counts.
struct Outcome {
  bool is_error = false;
  long peak_bytes = 0;
};
Outcome render_apart(const std::string& source) {
  const pid_t child = fork();
  if (child == 0)
    _exit(render(source, R"({"messages": [{"role": "user", "content": "Hi"}]})").starts_with("error: ") ? 7
                                                                                                        : 0);
  int status = 0;
  rusage usage = {};
  wait4(child, &status, 0, &usage);
  return {WIFEXITED(status) && WEXITSTATUS(status) == 7, usage.ru_maxrss * 1024};
}

struct Hostile {
  const char* name;
  std::string source;
};

// Loops and calls.
std::vector<Hostile> endless_templates() {
  const std::string endless = "{% for a in range(99999) %}{% for b in range(99999) %}";
  return {
      {"nested loops", endless + "{% endfor %}{% endfor %}"},
      {"loops that print", endless + "abcdefghij{% endfor %}{% endfor %}"},
      {"loops that set",
       "{% set n = namespace(s='') %}" + endless + "{% set n.s = n.s + 'abc' %}{% endfor %}{% endfor %}"},
      {"loops that look up", endless + "{{ messages[0].content.strip() }}{% endfor %}{% endfor %}"},
      {"recursion", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"},
      {"recursion by two", "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}"},
      {"shallow recursion by many", "{% macro f(n) %}{% if n %}" + repeated("{{ f(n - 1) }}", 20) +
                                        "{% endif %}{% endmacro %}{{ f(15) }}"},
      {"recursion by callers",
       "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{{ f() }}"},
      {"map of map", endless + "{{ range(999) | map('string') | join }}{% endfor %}{% endfor %}"},
      {"many variables", repeated("{% set a", 1) + repeated(" = 1 %}{% set a", 20000) + " = 1 %}" + endless +
                             "{{ zz }}{% endfor %}{% endfor %}"},
      {"many names",
       [] {
         std::string s;
         for (int i = 0; i < 12000; ++i)
           s += "{% set v" + std::to_string(i) + "=1%}";
         return s;
       }() +
           endless + "{{ zz }}{% endfor %}{% endfor %}"},
  };
}

// Values that double, nest or repeat.
std::vector<Hostile> growing_templates() {
  const std::string doubling = repeated("{% set s = s + s %}", 40);
  return {
      {"doubling", "{% set s = 'a' %}" + doubling},
      {"doubling with ~", "{% set s = 'a' %}" + repeated("{% set s = s ~ s %}", 40)},
      {"doubling lists", "{% set s = [1] %}" + doubling},
      {"doubling in a block", "{% set s = 'a' %}" + repeated("{% set s %}{{ s }}{{ s }}{% endset %}", 40)},
      {"doubling by replacing", "{% set s = 'aaaa' %}" + repeated("{% set s = s.replace('a', s) %}", 9)},
      {"doubling by joining", "{% set s = 'aaaa' %}" + repeated("{% set s = s.join([s, s, s]) %}", 40)},
      {"nested lists printed", "{% set s = [1] %}" + repeated("{% set s = [s, s] %}", 60) + "{{ s }}"},
      {"nested lists as JSON", "{% set s = [1] %}" + repeated("{% set s = {'a': s, 'b': s} %}", 60) +
                                   "{{ s | tojson(indent=9999) }}"},
      {"nested lists compared", "{% set s = [1] %}{% set t = [1] %}" +
                                    repeated("{% set s = [s, s] %}{% set t = [t, t] %}", 60) +
                                    "{{ s == t }}"},
      {"a list that grows deep",
       "{% set n = namespace(s=[]) %}{% for i in range(99999) %}{% set n.s = [n.s] %}{% endfor %}{{ n.s }}"},
      {"a list in itself",
       "{% set n = namespace() %}{% set n.a = [n, n] %}{{ n.a == [n, [n]] }}{{ [n.a, n] | tojson }}"},
      {"repetition", "{{ 'a' * 9999999999 }}"},
      {"repetition of a list", "{{ [1] * 9999999999 }}"},
      {"repetition of repetition", "{{ ('a' * 9999) * 9999 }}"},
      {"a long range", "{{ range(9999999999) }}"},
      {"many ranges", "{% for i in range(9999) %}{% set x = range(99999) %}{% endfor %}"},
      {"long padding", "{{ 'a'.center(9999999999) }}"},
      {"wide formats", "{{ '%9999999999d' % 1 }}" + repeated("{{ '%9999d' % 1 }}", 1000)},
      {"wide JSON", "{{ [[[1]]] | tojson(indent=9999999999) }}"},
      {"wide indents", "{{ ('a\\n' * 99999) | indent(99999) }}"},
  };
}

// Much work in few constructs.
std::vector<Hostile> slow_templates() {
  const std::string long_text = "{% set s = 'ab' * 500000 %}";
  return {
      {"texts cut up", long_text + "{% for i in range(999) %}{% set x = s.split('a') %}{% endfor %}"},
      {"texts replaced",
       long_text + "{% for i in range(99999) %}{% set x = s.replace('c', 'd') %}{% endfor %}"},
      {"texts searched",
       long_text + "{% set t = 'ab' * 99999 ~ 'b' %}{% for i in range(99999) %}{{ t in s }}{% endfor %}"},
      {"texts stripped", long_text + "{% for i in range(99999) %}{{ s.strip('ab') }}{% endfor %}"},
      {"texts looped over", long_text + "{% for a in s %}{% for b in s %}{% endfor %}{% endfor %}"},
      {"texts indexed", long_text + "{% for i in range(99999) %}{{ s[-1] }}{% endfor %}"},
      {"texts counted",
       long_text + "{% for i in range(99999) %}{% if s.count('b') %}{% endif %}{% endfor %}"},
      {"sorting", "{% for i in range(9999) %}{% set x = range(99999) | sort(reverse=true) %}{% endfor %}"},
      {"unique", "{{ range(99999) | unique | list }}"},
      {"powers", "{{ 9 ** 9 ** 9 ** 9 }}"},
      {"whole numbers", "{{ 9223372036854775807 + 1 }}"},
      {"the least whole number", "{{ (-9223372036854775807 - 1) // -1 }}"},
  };
}

// Sources that are deep, long or torn.
std::vector<Hostile> broken_templates() {
  return {
      {"deep parentheses", "{{ " + std::string(100000, '(') + "1" + std::string(100000, ')') + " }}"},
      {"deep lists", "{{ " + std::string(100000, '[') + std::string(100000, ']') + " }}"},
      {"deep dictionaries", "{{ " + repeated("{1:", 50000) + "1" + std::string(50000, '}') + " }}"},
      {"deep not", "{% if " + repeated("not ", 60000) + "x %}{% endif %}"},
      {"deep minus", "{{ " + std::string(100000, '-') + "1 }}"},
      {"deep if", repeated("{% if 1 %}", 20000)},
      {"deep elif", "{% if 0 %}" + repeated("{% elif 0 %}", 20000) + "{% endif %}"},
      {"deep for", repeated("{% for a in [1] %}", 10000)},
      {"deep macros", repeated("{% macro a() %}", 10000)},
      {"long sums", "{{ 1" + repeated("+1", 100000) + " }}"},
      {"long chains of filters", "{{ 1" + repeated("|int", 50000) + " }}"},
      {"long chains of attributes", "{{ a" + repeated(".b", 100000) + " }}"},
      {"long chains of calls", "{{ a" + repeated("()", 100000) + " }}"},
      {"long chains of tests", "{{ a" + repeated(" is b", 40000) + " }}"},
      {"long chains of or", "{{ a" + repeated(" or a", 40000) + " }}"},
      {"long chains of conditions", "{{ a" + repeated(" if a", 40000) + " }}"},
      {"a list that is too long", "{{ [" + repeated("1,", 120000) + "] | tojson(indent=200) }}"},
      {"a source that is too long", std::string(300 << 10, 'a')},
      {"a comment without end", repeated("{#", 100000)},
      {"raw blocks without end", repeated("{% raw %}", 20000)},
      {"broken bytes", "\xFF{{ 1 }}"},
  };
}

std::vector<Hostile> hostile_templates() {
  std::vector<Hostile> all;
  for (const auto& group : {endless_templates(), growing_templates(), slow_templates(), broken_templates()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

TEST(HostileTemplates, TakeTooMuchMemory) {
  if (testing::kSanitized) GTEST_SKIP() << "a sanitizer's own memory would count";
  for (const Hostile& hostile : hostile_templates()) {
    const Outcome outcome = render_apart(hostile.source);
    EXPECT_TRUE(outcome.is_error) << hostile.name;
    EXPECT_LT(outcome.peak_bytes, kMostBytes) << hostile.name;
    RecordProperty(hostile.name, std::to_string(outcome.peak_bytes >> 20) + " MiB");
  }
}

TEST(HostileTemplates, BreakTheInterpreter) {
  for (const Hostile& hostile : hostile_templates())
    EXPECT_TRUE(render(hostile.source).starts_with("error: ")) << hostile.name;
}

// What a real conversation needs is allowed, however long it is.
TEST(LongConversations, AreRefused) {
  std::string variables = R"({"messages": [)";
  for (int i = 0; i < 3000; ++i) {
    variables += (i > 0 ? "," : "") + std::string(R"({"role": ")") + (i % 2 == 0 ? "user" : "assistant") +
                 R"(", "content": ")" + repeated("some words ", 100) + "\"}";
  }
  variables += "]}";
  const std::string text = render(
      "{% set ns = namespace(last=0) %}{% for m in messages %}{% if m.role == 'user' %}{% set ns.last = "
      "loop.index0 %}"
      "{% endif %}{% endfor %}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'].strip() + "
      "'<|end|>' }}"
      "{% if loop.index0 > ns.last and '</think>' in m.content %}{{ m.content.split('</think>')[-1] }}{% "
      "endif %}"
      "{% endfor %}",
      variables);
  EXPECT_GT(text.size(), 3000000U) << text.substr(0, 200);
}

}  // namespace
}  // namespace flexinfer::jinja
