// Systems that forbid io_uring, imitated by a system call filter on one thread.
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <thread>

#include "base/bytes.h"
#include "base/page_buffer.h"
#include "io/async_reader.h"
#include "unit/io/scratch_file.h"

namespace flexinfer {
namespace {

using std::chrono::milliseconds;

// From now on, `number` fails with EPERM in the calling thread.
bool forbid_system_call(uint32_t number) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

class UringRefused : public testing::Test {
 protected:
  ReadRequest request() const {
    ReadRequest read;
    read.buffer = buffer_.data();
    read.length = kPageBytes;
    read.required = kPageBytes;
    return read;
  }

  const ScratchFile scratch_{random_bytes(kPageBytes, 1)};
  const std::vector<File> files_ = [&] {
    std::vector<File> files;
    files.push_back(File::open_direct(scratch_.path()).value());
    return files;
  }();
  const PageBuffer buffer_ = PageBuffer::allocate(kPageBytes).value();
};

TEST_F(UringRefused, FallsBackToThreadsAndSaysWhy) {
  bool filtered = false;
  std::string note;
  std::unique_ptr<AsyncReader> reader;
  std::thread([&] {
    filtered = forbid_system_call(__NR_io_uring_setup);
    reader = make_best_reader(files_, 4, &note).value();
  }).join();
  if (!filtered) GTEST_SKIP() << "this system does not filter system calls";
  EXPECT_STREQ(reader->name(), "threads");
  EXPECT_NE(note.find("io_uring is not available: Operation not permitted"), std::string::npos) << note;
  ReadRequest read = request();
  reader->submit(read);
  while (reader->in_flight() > 0)
    reader->wait(milliseconds(100));
  EXPECT_EQ(read.state, ReadState::kDone) << read.error.message;
}

TEST_F(UringRefused, FailsReadsInsteadOfWaitingWhereTheKernelTakesNone) {
  auto reader = make_uring_reader(files_, 4);
  if (!reader) GTEST_SKIP() << reader.error().message;
  bool filtered = false;
  ReadRequest first = request();
  ReadRequest second = request();
  std::thread([&] {
    filtered = forbid_system_call(__NR_io_uring_enter);
    for (ReadRequest* read : {&first, &second}) {
      (*reader)->submit(*read);
      (*reader)->wait(std::chrono::hours(24));
    }
  }).join();
  if (!filtered) GTEST_SKIP() << "this system does not filter system calls";
  for (const ReadRequest* read : {&first, &second}) {
    EXPECT_EQ(read->state, ReadState::kFailed);
    EXPECT_NE(read->error.message.find(scratch_.path() + " at offset 0: Operation not permitted"),
              std::string::npos)
        << read->error.message;
  }
  EXPECT_EQ((*reader)->in_flight(), 0U);
}

TEST(BestReader, SaysNothingWhereTheRingIsGranted) {
  if (const auto ring = make_uring_reader({}, 4); !ring) GTEST_SKIP() << ring.error().message;
  std::string note = "stale";
  const auto reader = make_best_reader({}, 4, &note);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_STREQ((*reader)->name(), "io_uring");
  EXPECT_EQ(note, "");
}

}  // namespace
}  // namespace flexinfer
