// SPDX-FileCopyrightText: The sparsellm authors
// SPDX-License-Identifier: Apache-2.0

#include "sparsellm/pack/layout_efficiencies.hpp"

#include <cmath>
#include <cstdio>
#include <limits>
#include <string>

#include "catch2_any.hpp"
#include "sparsellm/cpu/executors/executor.hpp"
#include "sparsellm/cpu/executors/serial_executor.hpp"
#include "sparsellm/cpu/family_efficiencies.hpp"
#include "sparsellm/model/measure_layouts.hpp"
#include "sparsellm/pack/efficiency_table.hpp"

using namespace sparsellm;

namespace {

// What every curve keeps: in [0, 1], nothing below the shortest run, and longer runs not less.
void check_laws(const efficiency_curve& curve) {
  double last = 0;
  for (std::size_t bytes = 0; bytes < 100000; bytes += 32) {
    const double efficiency = curve.at(bytes);
    REQUIRE(efficiency >= last);
    REQUIRE(efficiency <= 1.0);
    if (bytes < curve.shortest_run()) REQUIRE(efficiency == 0.0);
    last = efficiency;
  }
  CHECK(last == curve.points().back().efficiency);
  for (const efficiency_curve::point& p : curve.points())
    if (p.run_bytes >= curve.shortest_run())
      CHECK(std::fabs(curve.at(p.run_bytes) - p.efficiency) < 1e-12);
}

void check_laws(const layout_efficiencies& machine) {
  for (const element_class c : all_element_classes) {
    CAPTURE(name(c));
    check_laws(machine.of(c));
  }
}

bool same(const efficiency_curve& a, const efficiency_curve& b) {
  bool equal = a.shortest_run() == b.shortest_run() && a.points().size() == b.points().size();
  for (std::size_t i = 0; equal && i < a.points().size(); ++i)
    equal = a.points()[i].run_bytes == b.points()[i].run_bytes &&
            a.points()[i].efficiency == b.points()[i].efficiency;
  return equal;
}

bool same(const layout_efficiencies& a, const layout_efficiencies& b) {
  bool equal = true;
  for (const element_class c : all_element_classes) equal = equal && same(a.of(c), b.of(c));
  return equal;
}

const std::string header = "sparsellm layout efficiencies 1\n";
const std::string row =
    "machine A B, 2 threads\nfloats 0 384:0.5 8192:0.75\nquantized 256 256:0.6\n"
    "super_blocks 256 256:0.1\n";

}  // namespace

TEST_CASE("efficiency_curve: linear between points, nothing below the shortest run") {
  const efficiency_curve ramp(0, {{100, 0.5}, {300, 1.0}});
  CHECK(ramp.at(0) == 0.0);
  CHECK(ramp.at(50) == 0.25);
  CHECK(ramp.at(200) == 0.75);
  CHECK(ramp.at(100000) == 1.0);
  const efficiency_curve step(100, {{100, 0.5}});
  CHECK(step.at(99) == 0.0);
  CHECK(step.at(100) == 0.5);
  check_laws(ramp);
  check_laws(step);
  check_laws(default_efficiencies());
  for (const cpu::processor_family& f : cpu::measured_families()) check_laws(f.efficiencies);
}

TEST_CASE("efficiency_curve: refuses what is no efficiency") {
  const double not_a_number = std::numeric_limits<double>::quiet_NaN();
  const double infinite = std::numeric_limits<double>::infinity();
  for (const double wrong : {0.0, -0.5, 1.01, not_a_number, infinite, -infinite})
    CHECK_SAYS(efficiency_curve(0, {{384, 0.5}, {512, wrong}}), value_error,
               "above 0 and at most 1 expected, got ");
  CHECK_SAYS(efficiency_curve(0, {}), value_error, "1 to 64 points expected, got 0");
  CHECK_SAYS(efficiency_curve(0, std::vector<efficiency_curve::point>(65, {1, 0.5})), value_error,
             "1 to 64 points expected, got 65");
  CHECK_SAYS(efficiency_curve(0, {{0, 0.5}}), value_error, "at least 1 byte expected, got 0");
  CHECK_SAYS(efficiency_curve(0, {{2, 0.5}, {2, 0.5}}), value_error, "got 2 after 2");
  CHECK_SAYS(efficiency_curve(0, {{2, 0.5}, {3, 0.4}}), value_error, "got 0.4 after 0.5");
}

TEST_CASE("family_efficiencies: a row for who made the processor, else what every machine has") {
  for (const cpu::processor_family& f : cpu::measured_families()) {
    CHECK(&cpu::family_efficiencies(f.weakest, f.vendor) == &f.efficiencies);
    CHECK(&cpu::family_efficiencies(cpu::isa::amx_int8, f.vendor) == &f.efficiencies);
    CHECK(&cpu::family_efficiencies(cpu::isa::avx2, f.vendor) == &default_efficiencies());
  }
  CHECK(&cpu::family_efficiencies(cpu::isa::amx_int8, "SomebodyElse") == &default_efficiencies());
  CHECK(&cpu::family_efficiencies(cpu::isa::neon, cpu::processor_vendor()) ==
        &default_efficiencies());
}

TEST_CASE("efficiency_table: what is written is read, to the bit") {
  efficiency_table table;
  const layout_efficiencies odd{
      {7, {{9, 1.0 / 3.0}, {1000000007, 0.999999999999}}}, {0, {{1, 1e-9}}}, {256, {{256, 1.0}}}};
  table.set("one", default_efficiencies());
  table.set("Some CPU @ 2.3GHz, avx2, 8 threads", odd);
  const efficiency_table back = parse_efficiencies(to_text(table));
  REQUIRE(back.rows().size() == 2);
  CHECK(same(*back.find("one"), default_efficiencies()));
  CHECK(same(*back.find("Some CPU @ 2.3GHz, avx2, 8 threads"), odd));
  CHECK(back.find("two") == nullptr);
  CHECK(to_text(back) == to_text(table));
  table.set("one", odd);
  CHECK(table.rows().size() == 2);
  CHECK(same(*table.find("one"), odd));
  CHECK(parse_efficiencies(header).rows().empty());
  CHECK(same(parse_efficiencies(header + row).find("A B, 2 threads")->floats,
             {0, {{384, 0.5}, {8192, 0.75}}}));
  CHECK(parse_efficiencies(header + row.substr(0, row.size() - 1)).rows().size() == 1);
  for (const char* wrong : {"", " a", "a ", "a\nb", "\t"})
    CHECK_SAYS(table.set(wrong, odd), value_error, "the name of a machine");
}

TEST_CASE("efficiency_table: malformed files are refused with their line") {
  const auto refuses = [](const std::string& text, const char* says) {
    CAPTURE(text);
    CHECK_SAYS(parse_efficiencies(text), format_error, says);
  };
  refuses("", "line 1: 'sparsellm layout efficiencies 1' expected, got the end");
  refuses("sparsellm layout efficiencies 2\n", "got 'sparsellm layout efficiencies 2'");
  refuses(header + "\n", "line 2: 'machine' and its name expected, got ''");
  refuses(header + "machine A\n", "line 3: 'floats' and its numbers expected, got the end");
  refuses(header + "machine \n" + row.substr(row.find('\n') + 1), "the name of a machine");
  refuses(header + row + row, "line 6: every machine once expected");
  const auto with = [](const std::string& floats) {
    return header + "machine A\n" + floats + "\nquantized 256 256:0.6\nsuper_blocks 256 256:0.1\n";
  };
  refuses(with("floats"), "line 3: 'floats' and its numbers expected, got 'floats'");
  refuses(with("floats x"), "line 3: a number expected, got 'floats x'");
  refuses(with("floats -1 1:0.5"), "line 3: a number expected");
  refuses(with("floats 0"), "line 3: efficiency_curve: 1 to 64 points expected, got 0");
  refuses(with("floats 0 384"), "the bytes of a run and ':' expected");
  refuses(with("floats 0 384 0.5"), "the bytes of a run and ':' expected");
  refuses(with("floats 0 384:"), "line 3: a number expected");
  refuses(with("floats 0 384:0.5x"), "line 3: a number expected");
  refuses(with("floats 0 384:0.5  512:0.5"), "the bytes of a run and ':' expected");
  refuses(with("floats 0 99999999999999999999999:0.5"), "the bytes of a run and ':' expected");
  for (const char* wrong : {"nan", "0", "-0.5", "1.5", "inf"})
    refuses(with("floats 0 384:" + std::string(wrong)), "above 0 and at most 1 expected");
  refuses(with("floats 0 384:0.5 256:0.6"), "ascending runs");
  refuses(with("quantized 0 384:0.5"), "'floats' and its numbers expected");
}

TEST_CASE("efficiency_table: a file is read and replaced, and errors name it") {
  const std::string path = "layout_efficiencies_test.txt";
  efficiency_table table;
  table.set("A", default_efficiencies());
  save_efficiencies(table, path);
  CHECK(to_text(load_efficiencies(path)) == to_text(table));
  replace_file(path, "nonsense");
  CHECK_SAYS(load_efficiencies(path), format_error, "'layout_efficiencies_test.txt', line 1: ");
  std::remove(path.c_str());
  CHECK_SAYS(load_efficiencies(path), file_error, "cannot open 'layout_efficiencies_test.txt'");
}

// What it measures depends on the machine and on what else runs; what it gives is always a row.
TEST_CASE("measure_layouts: fills a row, whatever the executor") {
  constexpr std::size_t memory = std::size_t{40} << 20;
  cpu::executor two(2);
  cpu::serial_executor one;
  for (const layout_efficiencies& measured :
       {measure_layouts(two, memory), measure_layouts(one, memory)}) {
    check_laws(measured);
    for (const element_class c : all_element_classes) CHECK(measured.of(c).points().size() == 3);
    efficiency_table table;
    table.set(machine_name(two), measured);
    CHECK(same(*parse_efficiencies(to_text(table)).find(machine_name(two)), measured));
  }
  CHECK_SAYS(measure_layouts(one, 1000), shape_error, "bytes of memory expected, got 1000");
}

TEST_CASE("machine_name: says what efficiencies depend on") {
  cpu::executor exec(3);
  exec.use(cpu::isa::scalar);
  CHECK(machine_name(exec) == cpu::processor_name() + ", scalar, 3 threads");
}
