// Curves as an SVG picture that stands alone: axes, legend, colours for light and dark pages.
#pragma once

#include <string>
#include <vector>

namespace flexinfer::cli {

struct ChartPoint {
  double x = 0;
  double y = 0;
};

struct ChartCurve {
  std::string name;
  std::vector<ChartPoint> points;  // in the order of x
};

// A place on the x axis that is named, in two lines.
struct ChartTick {
  double x = 0;
  std::string label;
  std::string detail;
};

// All y are above zero; the y axis is linear, or logarithmic where the values differ tenfold.
struct Chart {
  std::string title;
  std::string subtitle;
  std::string x_title;
  std::string y_title;
  std::vector<ChartTick> x_ticks;  // at least one
  std::vector<ChartCurve> curves;
  ChartCurve bound;  // drawn as a line without marks, above which nothing can be; may have no points
};

// The document. A pure function.
std::string draw_chart(const Chart& chart);

}  // namespace flexinfer::cli
