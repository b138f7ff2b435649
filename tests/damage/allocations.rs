//! An allocator that counts the allocated bytes.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static GLOBAL: Counting = Counting;

fn add_allocated(size: usize) {
    let allocated = ALLOCATED.fetch_add(size, Relaxed) + size;
    PEAK.fetch_max(allocated, Relaxed);
}

// SAFETY: every call goes to the system's allocator with the caller's arguments.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add_allocated(layout.size());
        // SAFETY: the contract of the caller is that of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add_allocated(layout.size());
        // SAFETY: the contract of the caller is that of the system's allocator.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the contract of the caller is that of the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add_allocated(size);
        ALLOCATED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the contract of the caller is that of the system's allocator.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Resets the peak; returns the bytes allocated now.
pub fn start() -> usize {
    let allocated = ALLOCATED.load(Relaxed);
    PEAK.store(allocated, Relaxed);
    allocated
}

/// The peak of the allocated bytes since [`start`].
pub fn peak() -> usize {
    PEAK.load(Relaxed)
}
