//! Large arrays on large pages.
//!
//! Memory that is new to a process costs a page fault for every 4 KiB. Where the system has free pages of 2 MiB, an array
//! of millions of cells is there with a hundredth of the faults: the share of each channel of 20 million rows (two
//! million rows of output) took 126 instead of 208 ms (AMD EPYC, two threads). Linux gives them to memory that asks for
//! them (`/sys/kernel/mm/transparent_hugepage/enabled`: `madvise`); elsewhere nothing changes.

/// Vectors of fewer bytes are left as they are: a large page could be most of their memory.
const LEAST: usize = 4 << 20;

/// The vector; the part of its memory that was not used yet may be on large pages.
pub fn prefer<T>(vec: Vec<T>) -> Vec<T> {
    #[cfg(target_os = "linux")]
    {
        /// Every page size of Linux divides it.
        const ALIGNMENT: usize = 1 << 16;
        let bytes = vec.capacity().saturating_mul(size_of::<T>());
        let start = vec.as_ptr().cast::<u8>().cast_mut();
        let before = start.align_offset(ALIGNMENT);
        if bytes >= LEAST && before < bytes {
            let (start, len) = (start.wrapping_add(before), (bytes - before) & !(ALIGNMENT - 1));
            // SAFETY: the range lies within the allocation of the vector, and the advice does not change its contents.
            // A system that knows no large pages refuses it, which does no harm.
            #[allow(unsafe_code)]
            let _ = unsafe { rustix::mm::madvise(start.cast(), len, rustix::mm::Advice::LinuxHugepage) };
        }
    }
    vec
}

/// Lengthens or shortens a vector; new values are zero.
pub fn resize(vec: &mut Vec<i64>, len: usize) {
    if len > vec.capacity() && size_of_val(&**vec) >= LEAST {
        let mut more = prefer(Vec::with_capacity(len.max(2 * vec.len())));
        more.extend_from_slice(vec);
        *vec = more;
    }
    vec.resize(len, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_stay_what_they_are() {
        for len in [0, 1, LEAST / 8 - 1, LEAST / 8, LEAST / 4 + 12_345] {
            let mut vec = prefer(vec![7u64; len]);
            assert!(vec.len() == len && vec.iter().all(|v| *v == 7));
            vec.extend([8, 9]);
            assert!(vec.len() == len + 2 && vec.last() == Some(&9));
            let mut cells = vec![7; len];
            resize(&mut cells, len + 3);
            assert_eq!(cells.split_off(len), [0; 3]);
            assert!(cells.len() == len && cells.iter().all(|v| *v == 7));
            let mut empty = prefer(Vec::<u64>::with_capacity(len));
            empty.extend(0..len as u64);
            assert_eq!(empty.last().copied(), (len as u64).checked_sub(1));
        }
    }
}
