#include "chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string_view>

namespace flexinfer::cli {
namespace {

// The picture's measures, in its own units.
constexpr double kWidth = 900;
constexpr double kHeight = 500;
constexpr double kLeft = 78;
constexpr double kRight = 640;
constexpr double kTop = 76;
constexpr double kBottom = 420;
constexpr double kLegendLeft = kRight + 24;
constexpr double kLegendLine = 24;
constexpr double kTickWidth = 56;  // what the label of an x tick needs

// What tells curves apart: colours on a light and a dark page, and marks that need no colour. More curves
// begin again.
struct Style {
  const char* light;
  const char* dark;
  const char* mark;  // a path around its middle
};
constexpr std::array kStyles = {
    Style{"#c2261b", "#ff7b72", "M-4.5 -4.5 H4.5 V4.5 H-4.5 Z"},                         // square
    Style{"#c77700", "#f2b134", "M0 -6 L5.5 4.5 H-5.5 Z"},                               // triangle
    Style{"#4d8a0f", "#9bd05a", "M0 6 L5.5 -4.5 H-5.5 Z"},                               // upside down
    Style{"#0b86a3", "#45cbe6", "M0 -6 L6 0 L0 6 L-6 0 Z"},                              // diamond
    Style{"#7c3aed", "#c0a5ff", "M-2 -6 H2 V-2 H6 V2 H2 V6 H-2 V2 H-6 V-2 H-2 Z"},       // plus
    Style{"#d02670", "#ff8fc0", "M-6 -3 L-3 -6 L6 3 L3 6 Z M-6 3 L3 -6 L6 -3 L-3 6 Z"},  // cross
    Style{"#1d4ed8", "#79a8ff", "M-5 0 A5 5 0 1 0 5 0 A5 5 0 1 0 -5 0 Z"},               // circle
    Style{"#6b5440", "#d0b49c", "M-6 -3 H6 V3 H-6 Z"},                                   // bar
};

constexpr auto kSheet = R"(    text { font-family: system-ui, sans-serif; font-size: 12px; fill: #1f2937; }
    .title { font-size: 17px; font-weight: 600; }
    .faint { fill: #57606e; }
    .page { fill: #ffffff; }
    .grid { stroke: #dde3ea; }
    .axis { stroke: #57606e; }
    .bound { stroke: #1f2937; stroke-width: 2; stroke-dasharray: 7 5; fill: none; }
    .curve { stroke-width: 2.2; fill: none; stroke-linejoin: round; }
    .mark { stroke: #ffffff; stroke-width: 1; }
)";
constexpr auto kDarkSheet = R"(    text { fill: #e5e9f0; }
    .faint { fill: #a9b4c4; }
    .page { fill: #0d1117; }
    .grid { stroke: #2a323d; }
    .axis { stroke: #a9b4c4; }
    .bound { stroke: #e5e9f0; }
    .mark { stroke: #0d1117; }
)";

std::string curve_colours(const char* Style::*colour) {
  std::string sheet;
  for (size_t i = 0; i < kStyles.size(); ++i) {
    sheet += fmt::format("    .c{0} .curve {{ stroke: {1}; }} .c{0} .mark {{ fill: {1}; }}\n", i,
                         kStyles[i].*colour);
  }
  return sheet;
}

std::string style_sheet() {
  return fmt::format("  <style>\n{}{}    @media (prefers-color-scheme: dark) {{\n{}{}    }}\n  </style>\n",
                     kSheet, curve_colours(&Style::light), kDarkSheet, curve_colours(&Style::dark));
}

// From values to places along one axis.
struct Scale {
  double low = 0;
  double high = 1;
  bool logarithmic = false;
  double at_low = 0;
  double at_high = 1;

  double operator()(double value) const {
    const double share =
        logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return at_low + share * (at_high - at_low);
  }
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    }
  }
  return out;
}

std::string text_at(double x, double y, std::string_view anchor, std::string_view style,
                    std::string_view text) {
  return fmt::format("  <text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y,
                     anchor, style, escaped(text));
}

std::string line(double x1, double y1, double x2, double y2, std::string_view style) {
  return fmt::format("  <line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>\n", x1,
                     y1, x2, y2, style);
}

// The round numbers 1, 2 and 5 times a power of ten from `low` to `high`.
std::vector<double> round_numbers(double low, double high) {
  std::vector<double> numbers;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double number = factor * power;
      if (number >= low * 0.999 && number <= high * 1.001) numbers.push_back(number);
    }
  }
  return numbers;
}

// Multiples of a round step, at most six of them, the last above `high`.
std::vector<double> steps_above(double high) {
  const double step = round_numbers(high / 6, high * 2).front();
  std::vector<double> steps;
  for (int i = 0; steps.empty() || steps.back() < high; ++i)
    steps.push_back(step * i);
  return steps;
}

struct Axis {
  Scale scale;
  std::vector<double> ticks;
};

Axis y_axis(const Chart& chart) {
  double low = std::numeric_limits<double>::max();
  double high = 0;
  const auto take = [&](const ChartCurve& curve) {
    for (const ChartPoint& point : curve.points) {
      low = std::min(low, point.y);
      high = std::max(high, point.y);
    }
  };
  take(chart.bound);
  std::ranges::for_each(chart.curves, take);
  if (high <= 0) return {{0, 1, false, kBottom, kTop}, {0, 1}};
  if (high < 10 * low) {
    std::vector<double> ticks = steps_above(high);
    return {{0, ticks.back(), false, kBottom, kTop}, std::move(ticks)};
  }
  const double least = std::max(low, high / 1e6);
  return {{least / 1.3, high * 1.3, true, kBottom, kTop}, round_numbers(least / 1.3, high * 1.3)};
}

Scale x_scale(const Chart& chart) {
  const double first = chart.x_ticks.front().x;
  const double last = chart.x_ticks.back().x;
  const double margin = last > first ? (last - first) * 0.06 : first * 0.5;
  return {first - margin, last + margin, false, kLeft, kRight};
}

std::string draw_axes(const Chart& chart, const Scale& x, const Axis& y) {
  std::string out;
  for (const double tick : y.ticks) {
    out += line(kLeft, y.scale(tick), kRight, y.scale(tick), "grid");
    out += text_at(kLeft - 8, y.scale(tick) + 4, "end", "faint", fmt::format("{:.6g}", tick));
  }
  out += line(kLeft, kBottom, kRight, kBottom, "axis") + line(kLeft, kTop, kLeft, kBottom, "axis");
  double free_from = 0;  // labels that would run into one before are left out
  for (const ChartTick& tick : chart.x_ticks) {
    out += line(x(tick.x), kBottom, x(tick.x), kBottom + 5, "axis");
    if (x(tick.x) - kTickWidth / 2 < free_from) continue;
    free_from = x(tick.x) + kTickWidth / 2;
    out += text_at(x(tick.x), kBottom + 20, "middle", "", tick.label);
    out += text_at(x(tick.x), kBottom + 35, "middle", "faint", tick.detail);
  }
  out += text_at((kLeft + kRight) / 2, kBottom + 60, "middle", "", chart.x_title);
  out += fmt::format(
      "  <text transform=\"translate(22 {:.1f}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n",
      (kTop + kBottom) / 2, escaped(chart.y_title + (y.scale.logarithmic ? " (logarithmic)" : "")));
  return out;
}

std::string mark(size_t style, double x, double y) {
  return fmt::format("    <path class=\"mark\" transform=\"translate({:.1f} {:.1f})\" d=\"{}\"/>\n", x, y,
                     kStyles[style].mark);
}

std::string polyline(const std::vector<ChartPoint>& points, const Scale& x, const Scale& y) {
  std::string path;
  for (const ChartPoint& point : points)
    path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? "M" : " L", x(point.x), y(point.y));
  return path;
}

std::string draw_curve(const ChartCurve& curve, size_t style, const Scale& x, const Scale& y) {
  std::string out = fmt::format("  <g class=\"c{}\">\n    <path class=\"curve\" d=\"{}\"/>\n", style,
                                polyline(curve.points, x, y));
  for (const ChartPoint& point : curve.points)
    out += mark(style, x(point.x), y(point.y));
  return out + "  </g>\n";
}

// From the highest curve to the lowest, as they stand at their right ends.
std::string draw_legend(const Chart& chart, const std::vector<size_t>& order) {
  double y = kTop - kLegendLine + 8;
  std::string out;
  if (!chart.bound.points.empty()) {
    y += kLegendLine;
    out += line(kLegendLeft, y, kLegendLeft + 30, y, "bound");
    out += text_at(kLegendLeft + 38, y + 4, "start", "", chart.bound.name);
  }
  for (const size_t i : order) {
    y += kLegendLine;
    const size_t style = i % kStyles.size();
    out += fmt::format(
        "  <g class=\"c{}\">\n    <path class=\"curve\" d=\"M{:.1f} {:.1f} "
        "h30\"/>\n",
        style, kLegendLeft, y);
    out += mark(style, kLegendLeft + 15, y) + "  </g>\n";
    out += text_at(kLegendLeft + 38, y + 4, "start", "", chart.curves[i].name);
  }
  return out;
}

}  // namespace

std::string draw_chart(const Chart& chart) {
  const Axis y = y_axis(chart);
  const Scale x = x_scale(chart);
  std::vector<size_t> order;
  for (size_t i = 0; i < chart.curves.size(); ++i) {
    if (!chart.curves[i].points.empty()) order.push_back(i);
  }
  std::ranges::stable_sort(order, std::greater{}, [&](size_t i) { return chart.curves[i].points.back().y; });
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\">\n",
      kWidth, kHeight);
  out += style_sheet();
  out += fmt::format("  <rect width=\"{}\" height=\"{}\" class=\"page\"/>\n", kWidth, kHeight);
  out += text_at(kLeft, 30, "start", "title", chart.title);
  out += text_at(kLeft, 52, "start", "faint", chart.subtitle);
  out += draw_axes(chart, x, y);
  out += fmt::format("  <path class=\"bound\" d=\"{}\"/>\n", polyline(chart.bound.points, x, y.scale));
  for (size_t i = 0; i < chart.curves.size(); ++i)
    out += draw_curve(chart.curves[i], i % kStyles.size(), x, y.scale);
  return out + draw_legend(chart, order) + "</svg>\n";
}

}  // namespace flexinfer::cli
