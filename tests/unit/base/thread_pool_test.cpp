#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace flexinfer {
namespace {

TEST(StaticRange, CoversEverythingOnceInOrderInFairParts) {
  for (int64_t n = 0; n < 70; ++n) {
    for (const int64_t grain : {1, 2, 7, 32}) {
      for (int count = 1; count < 20; ++count) {
        int64_t reached = 0;
        int64_t fewest = n;
        int64_t most = 0;
        for (int index = 0; index < count; ++index) {
          const Range range = static_range(n, index, count, grain);
          ASSERT_EQ(range.begin, reached);
          ASSERT_LE(range.begin, range.end);
          ASSERT_TRUE(range.begin % grain == 0 || range.begin == n);
          reached = range.end;
          fewest = std::min(fewest, range.end - range.begin);
          most = std::max(most, range.end - range.begin);
        }
        ASSERT_EQ(reached, n);
        // The last grain may be a part of one, which can take up to a grain more from the smallest share.
        ASSERT_LE(most - fewest, grain == 1 ? 1 : 2 * grain - 1) << n << " by " << grain << " over " << count;
      }
    }
  }
}

TEST(StaticRange, HoldsForTheRowsOfTheLargestTensors) {
  const int64_t n = int64_t{1} << 40;
  EXPECT_EQ(static_range(n, 0, 64, 4).begin, 0);
  EXPECT_EQ(static_range(n, 63, 64, 4).end, n);
}

TEST(ThreadPool, HasAtLeastTheOwnerAsAWorker) {
  EXPECT_EQ(ThreadPool(0).size(), 1);
  EXPECT_EQ(ThreadPool(-3).size(), 1);
}

TEST(ThreadPool, OfOneWorkerRunsInTheOwnersThread) {
  ThreadPool pool(1);
  std::thread::id ran_in;
  pool.run([&](int worker, int n_workers) {
    EXPECT_EQ(worker, 0);
    EXPECT_EQ(n_workers, 1);
    ran_in = std::this_thread::get_id();
  });
  EXPECT_EQ(ran_in, std::this_thread::get_id());
}

// More workers than this machine has processors, too: none may wait for another one by spinning alone.
TEST(ThreadPool, RunsEveryWorkerOnceInEveryRegion) {
  constexpr int kRegions = 500;
  for (const int n_threads : {2, 3, 16}) {
    ThreadPool pool(n_threads);
    std::vector<int> runs(static_cast<size_t>(n_threads),
                          0);  // written without atomics: the regions order the writes
    for (int region = 0; region < kRegions; ++region) {
      pool.run([&](int worker, int n_workers) {
        ASSERT_EQ(n_workers, n_threads);
        ++runs[static_cast<size_t>(worker)];
      });
      for (const int count : runs)
        ASSERT_EQ(count, region + 1);
    }
  }
}

TEST(ThreadPool, WakesWorkersThatWentToSleep) {
  ThreadPool pool(3);
  for (int region = 0; region < 5; ++region) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::atomic<int> ran = 0;
    pool.run([&](int, int) { ++ran; });
    EXPECT_EQ(ran, 3);
  }
}

TEST(ThreadPool, WaitsForAWorkerThatIsLate) {
  ThreadPool pool(3);
  std::atomic<int> finished = 0;
  pool.run([&](int worker, int) {
    if (worker == 2) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++finished;
  });
  EXPECT_EQ(finished, 3);
}

TEST(ThreadPool, SplitsALoopWithGapsOrEmptyParts) {
  for (const int n_threads : {1, 2, 4}) {
    ThreadPool pool(n_threads);
    for (const int64_t grain : {1, 2, 16}) {
      for (const int64_t n : {0, 1, 3, 4, 5, 64, 1000}) {
        std::vector<int> touched(static_cast<size_t>(n), 0);
        pool.parallel_for(n, grain, [&](int worker, int64_t begin, int64_t end) {
          EXPECT_LT(worker, n_threads);
          EXPECT_LT(begin, end);
          EXPECT_EQ(begin % grain, 0);
          EXPECT_TRUE(end % grain == 0 || end == n);
          for (int64_t i = begin; i < end; ++i)
            ++touched[static_cast<size_t>(i)];
        });
        for (const int count : touched)
          ASSERT_EQ(count, 1);
      }
    }
  }
}

// Loops so short that most end before some workers have woken; these come late, to whatever region is open.
TEST(ThreadPool, LetsALateWorkerTouchARegionThatIsOver) {
  constexpr int kRegions = 500;
  for (const int n_threads : {2, 3, 16}) {
    ThreadPool pool(n_threads);
    for (int region = 0; region < kRegions; ++region) {
      std::vector<int> touched(8, 0);  // written without atomics
      pool.parallel_for(8, 1, [&](int, int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          ++touched[static_cast<size_t>(i)];
      });
      ASSERT_EQ(touched, std::vector<int>(8, 1));
      if (region % 10 != 0) continue;
      std::atomic<int> ran = 0;
      pool.run([&](int, int) { ++ran; });
      ASSERT_EQ(ran, n_threads);
    }
  }
}

TEST(ThreadPool, WakesAWorkerForWhatIsOneGrain) {
  ThreadPool pool(3);
  pool.parallel_for(16, 16, [caller = std::this_thread::get_id()](int worker, int64_t, int64_t) {
    EXPECT_EQ(worker, 0);
    EXPECT_EQ(std::this_thread::get_id(), caller);
  });
}

// The owner does not begin before the other worker is stuck in its first step; it must then do all other
// steps.
TEST(ThreadPool, LeavesTheShareOfALateWorkerUndone) {
  ThreadPool pool(2);
  std::atomic<bool> stuck = false;
  std::atomic<int> done = 0;
  pool.parallel_for(1000, 1, [&](int worker, int64_t begin, int64_t end) {
    if (worker == 1) {
      stuck = true;
      EXPECT_LE(end - begin, 250) << "half of its share";
      while (done.load() < 1000 - (end - begin))
        std::this_thread::yield();
    } else {
      while (!stuck.load())
        std::this_thread::yield();
    }
    done += static_cast<int>(end - begin);
  });
  EXPECT_EQ(done, 1000);
}

TEST(ThreadPool, IsDestroyedWhileItsWorkersSpinOrSleep) {
  for (int i = 0; i < 200; ++i) {
    ThreadPool pool(4);
    if (i % 2 == 0) pool.run([](int, int) {});
    if (i % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace
}  // namespace flexinfer
