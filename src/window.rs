//! Rolling windows by prefix sums.
