// How many threads a parallel region gets.
#pragma once

namespace pylenet {

// `wanted` threads, but no more than there is work for, and one in a forked child whose parent has
// run a parallel region: GNU's OpenMP would wait there for threads that fork did not copy.
int team_size(int wanted, int work);

}  // namespace pylenet
