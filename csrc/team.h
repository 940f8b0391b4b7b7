// How many threads a parallel region gets.
#pragma once

namespace pylenet {

// `wanted` threads, but no more than there are units, nor more than are repaid: starting a thread
// costs some microseconds, so each gets at least some 20 (`cost` is of one unit, in vector
// operations). One in a forked child whose parent has run a parallel region: GNU's OpenMP would
// wait there for threads that fork did not copy.
int team_size(int wanted, int units, double cost);

}  // namespace pylenet
