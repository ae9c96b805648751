#include "base/page_buffer.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace flexinfer {
namespace {

bool mapped(const std::byte* page) {
  unsigned char resident = 0;
  // mincore knows addresses without a mapping by failing; it takes no pointer to const.
  return ::mincore(const_cast<std::byte*>(page), kPageBytes, &resident) == 0;
}

TEST(PageBuffer, StartsOnAHugePageAndHoldsWholeZeroPages) {
  for (const uint64_t size :
       {uint64_t{1}, kPageBytes, kPageBytes + 1, kHugePageBytes, 3 * kHugePageBytes + 5}) {
    const PageBuffer buffer = PageBuffer::allocate(size).value();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % kHugePageBytes, 0U);
    EXPECT_EQ(buffer.size(), align_up(size, kPageBytes));
    const std::span<std::byte> bytes = buffer.bytes();
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; }));
    std::fill(bytes.begin(), bytes.end(), std::byte{1});
  }
}

TEST(PageBuffer, OfNoBytesHasNoMemory) {
  const PageBuffer buffer = PageBuffer::allocate(0).value();
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(buffer.size(), 0U);
  EXPECT_TRUE(buffer.try_lock());
}

TEST(PageBuffer, LockedMakesNoPageResidentBeforeItsFirstTouch) {
  const PageBuffer buffer = PageBuffer::allocate(64 * kHugePageBytes).value();
  if (!buffer.try_lock()) GTEST_SKIP() << "this system does not let the test lock 128 MiB";
  std::vector<unsigned char> resident(buffer.size() / kPageBytes);
  ASSERT_EQ(::mincore(buffer.data(), buffer.size(), resident.data()), 0);
  EXPECT_EQ(std::count(resident.begin(), resident.end(), 0), static_cast<ptrdiff_t>(resident.size()));
}

TEST(PageBuffer, RefusesWhatNoMachineHas) {
  for (const uint64_t size : {uint64_t{1} << 60, std::numeric_limits<uint64_t>::max()}) {
    const Result<PageBuffer> buffer = PageBuffer::allocate(size);
    ASSERT_FALSE(buffer);
    EXPECT_EQ(buffer.error().code, ErrorCode::kIo);
  }
}

TEST(PageBuffer, IsUnmappedWhenItIsDestroyed) {
  const std::byte* begin = nullptr;
  {
    const PageBuffer buffer = PageBuffer::allocate(kPageBytes).value();
    begin = buffer.data();
    EXPECT_TRUE(mapped(begin));
  }
  EXPECT_FALSE(mapped(begin));
}

TEST(PageBuffer, MovesItsMemory) {
  PageBuffer first = PageBuffer::allocate(kPageBytes).value();
  std::byte* begin = first.data();
  begin[0] = std::byte{42};
  PageBuffer second = std::move(first);
  EXPECT_EQ(second.data(), begin);
  EXPECT_EQ(second.data()[0], std::byte{42});
  EXPECT_EQ(first.size(),
            0U);  // NOLINT(bugprone-use-after-move): the state of a moved-from buffer is promised
}

TEST(PageBuffer, ReleasesWhatItHeldWhenAnotherIsMovedIn) {
  PageBuffer target = PageBuffer::allocate(kPageBytes).value();
  PageBuffer source = PageBuffer::allocate(2 * kPageBytes).value();
  const std::byte* released = target.data();
  target = std::move(source);
  EXPECT_EQ(target.size(), 2 * kPageBytes);
  EXPECT_EQ(source.size(),
            0U);  // NOLINT(bugprone-use-after-move): the state of a moved-from buffer is promised
  EXPECT_FALSE(mapped(released));
}

}  // namespace
}  // namespace flexinfer
