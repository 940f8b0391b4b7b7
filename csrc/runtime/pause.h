// What a loop does that looks at memory until another thread writes there.
#pragma once

namespace pylenet {

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace pylenet
