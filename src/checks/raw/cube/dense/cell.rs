//! Sums of 32 bits, or of 64.

/// The type of values and cells.
pub trait Cell: Copy + Default + PartialEq + Send + Sync {
    /// Converts a value; `None` where `systems` of them could overflow a cell, or 65,536 of them 64 bits.
    fn of(steps: i128, systems: usize) -> Option<Self>;
    fn add(&mut self, value: Self);
    fn subtract(&mut self, value: Self);
    fn wide(self) -> i64;
}

/// The methods that are the same for both widths.
macro_rules! wrapping {
    () => {
        #[inline]
        fn add(&mut self, value: Self) {
            *self = self.wrapping_add(value);
        }
        #[inline]
        fn subtract(&mut self, value: Self) {
            *self = self.wrapping_sub(value);
        }
    };
}

impl Cell for i32 {
    fn of(steps: i128, systems: usize) -> Option<Self> {
        let most = i32::MAX.unsigned_abs() as usize / systems.max(1);
        i32::try_from(steps).ok().filter(|steps| steps.unsigned_abs() as usize <= most)
    }
    #[inline]
    fn wide(self) -> i64 {
        self.into()
    }
    wrapping!();
}

impl Cell for i64 {
    fn of(steps: i128, _systems: usize) -> Option<Self> {
        i64::try_from(steps).ok().filter(|steps| steps.unsigned_abs() <= 1 << 46)
    }
    #[inline]
    fn wide(self) -> i64 {
        self
    }
    wrapping!();
}
