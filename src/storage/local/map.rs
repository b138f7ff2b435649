//! Maps of local files, and what happens where such a file is truncated.
//!
//! A read of a mapped page past the end of its file is a fault: the system sends SIGBUS, which ends the process. The
//! handler here replaces the rest of the map with zeros and lets the thread continue. What was read is discarded
//! afterwards: [`Mapping::is_cut`] is an error of the file. Faults elsewhere go to the handler that was there before.
//!
//! ```text
//! fault at an address -> the slot of a map contains it -> zero pages from there to the end of the map; mark the slot
//!                     -> no slot does                  -> the previous handler
//! ```
//!
//! The handler may interrupt any code, so it only reads atomics and calls `mmap`. Slots are a fixed array for the same
//! reason; it also bounds the number of maps (`vm.max_map_count` is 65,530 by default).

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// The most maps at a time.
pub const MAPS_MAX: usize = 1024;

/// The addresses of a map.
struct Slot {
    is_taken: AtomicBool,
    /// The first address; 0 while there is no map.
    start: AtomicUsize,
    /// The address after the last page.
    end: AtomicUsize,
    /// Whether pages were replaced.
    is_cut: AtomicBool,
}

static SLOTS: [Slot; MAPS_MAX] = [const {
    Slot {
        is_taken: AtomicBool::new(false),
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        is_cut: AtomicBool::new(false),
    }
}; MAPS_MAX];

/// The number of slots that are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A mapped file.
pub struct Mapping {
    map: memmap2::Mmap,
    slot: &'static Slot,
    /// Set when a map that was cut is dropped.
    was_cut: Arc<AtomicBool>,
}

impl Mapping {
    /// Maps the first `len` bytes of a file, whether or not it has as many; `None` where [`MAPS_MAX`] files are mapped.
    /// `was_cut` outlives the map: it is set when the map is dropped, if [`Self::is_cut`].
    ///
    /// # Errors
    /// Those of the system.
    #[allow(unsafe_code)]
    pub fn new(file: &File, len: usize, was_cut: &Arc<AtomicBool>) -> io::Result<Option<Self>> {
        install_handler()?;
        let Some(slot) = take_slot() else { return Ok(None) };
        // SAFETY: the map is read-only and private to this value. Another process may still change the file. Where it
        // truncates it, the handler keeps the pages readable. Where it writes to it, bytes change while they are read:
        // the decoders check every length and every index against what they have just read, and the reader discards
        // the result, since the version of the file differs.
        match unsafe { memmap2::MmapOptions::new().len(len).map(file) } {
            Ok(map) => {
                let start = map.as_ptr() as usize;
                slot.is_cut.store(false, Ordering::Relaxed);
                slot.end.store(start + len.next_multiple_of(page_size()), Ordering::Relaxed);
                slot.start.store(start, Ordering::Release);
                Ok(Some(Mapping { map, slot, was_cut: was_cut.clone() }))
            }
            Err(error) => {
                free_slot(slot);
                Err(error)
            }
        }
    }

    /// The number of maps.
    pub fn count() -> usize {
        TAKEN.load(Ordering::Relaxed)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Whether the file had fewer bytes, or the device failed, when some page was read. The bytes there are zeros.
    pub fn is_cut(&self) -> bool {
        self.slot.is_cut.load(Ordering::Relaxed)
    }

    /// Returns the pages within `start..end` to the system. A later read loads them again.
    #[allow(unsafe_code)]
    pub fn evict(&self, start: usize, end: usize) {
        let page = page_size();
        let (start, end) = (start.next_multiple_of(page), end.min(self.map.len()) / page * page);
        if start < end {
            // SAFETY: the map is of a file and read-only: a later read of these pages comes from the file again.
            let _ = unsafe {
                self.map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, start, end - start)
            };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.is_cut() {
            self.was_cut.store(true, Ordering::Relaxed);
        }
        // Before the system may give the addresses to others.
        self.slot.start.store(0, Ordering::SeqCst);
        free_slot(self.slot);
    }
}

fn take_slot() -> Option<&'static Slot> {
    let free = SLOTS
        .iter()
        .find(|slot| !slot.is_taken.load(Ordering::Relaxed) && !slot.is_taken.swap(true, Ordering::Acquire));
    TAKEN.fetch_add(usize::from(free.is_some()), Ordering::Relaxed);
    free
}

fn free_slot(slot: &Slot) {
    TAKEN.fetch_sub(1, Ordering::Relaxed);
    slot.is_taken.store(false, Ordering::Release);
}

#[allow(unsafe_code)]
fn page_size() -> usize {
    static SIZE: OnceLock<usize> = OnceLock::new();
    *SIZE.get_or_init(|| {
        // SAFETY: a call without memory.
        usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
    })
}

/// The handler that was there before.
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();

/// Installs the handler, once a process.
#[allow(unsafe_code)]
fn install_handler() -> io::Result<()> {
    static INSTALLED: OnceLock<Option<i32>> = OnceLock::new();
    let failed = INSTALLED.get_or_init(|| {
        page_size();
        // SAFETY: all bytes zero are a valid value of this C struct; both pointers are to live values of it. The
        // previous handler is stored before this one can run.
        unsafe {
            let mut previous: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGBUS, std::ptr::null(), &raw mut previous) != 0 {
                return io::Error::last_os_error().raw_os_error();
            }
            let _ = PREVIOUS.set(previous);
            let mut action: libc::sigaction = std::mem::zeroed();
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_bus_error;
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigemptyset(&raw mut action.sa_mask);
            if libc::sigaction(libc::SIGBUS, &raw const action, std::ptr::null_mut()) != 0 {
                return io::Error::last_os_error().raw_os_error();
            }
        }
        None
    });
    failed.map_or(Ok(()), |code| Err(io::Error::from_raw_os_error(code)))
}

/// The handler of SIGBUS.
#[allow(unsafe_code)]
extern "C" fn on_bus_error(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    /// The memory itself is damaged (`BUS_MCEERR_AR`): zeros would hide that.
    const DAMAGED_MEMORY: libc::c_int = 4;
    // SAFETY: the system passes a valid `info`; it has an address if the system sent the signal for a fault.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    // Codes of 0 and below: another process has sent the signal.
    let is_cut = (1..DAMAGED_MEMORY).contains(&code) && replace_pages(address);
    if !is_cut {
        forward(signal, info, context);
    }
}

/// Replaces the pages of the map that contains `address`, from there to its end, with zeros.
#[allow(unsafe_code)]
fn replace_pages(address: usize) -> bool {
    for slot in &SLOTS {
        let start = slot.start.load(Ordering::Acquire);
        if start == 0 || address < start {
            continue;
        }
        let end = slot.end.load(Ordering::Acquire);
        // The slot may have got another map in between.
        if address >= end || slot.start.load(Ordering::SeqCst) != start {
            continue;
        }
        let page = address / page_size() * page_size();
        // SAFETY: the pages belong to a live map of this module: the thread that faulted is reading it.
        let zeros = unsafe {
            libc::mmap(
                page as *mut libc::c_void,
                end - page,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED,
                -1,
                0,
            )
        };
        slot.is_cut.store(true, Ordering::Release);
        return zeros != libc::MAP_FAILED;
    }
    false
}

/// Calls the handler that was there before. The default action ends the process.
#[allow(unsafe_code)]
fn forward(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let (handler, flags) = PREVIOUS.get().map_or((libc::SIG_DFL, 0), |old| (old.sa_sigaction, old.sa_flags));
    // SAFETY: a handler has the type that its flags state; the arguments are those of this call. Setting the default
    // action and raising a signal are allowed in a handler.
    unsafe {
        if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        } else if flags & libc::SA_SIGINFO != 0 {
            let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                std::mem::transmute(handler);
            handler(signal, info, context);
        } else {
            let handler: extern "C" fn(libc::c_int) = std::mem::transmute(handler);
            handler(signal);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use std::process::Command;
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::*;

    /// Held by tests that need free slots.
    pub fn free_slots() -> MutexGuard<'static, ()> {
        static ONE_TEST: Mutex<()> = Mutex::new(());
        ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory pages of the file that is truncated.
    const PAGES: usize = 64;

    fn file(folder: &tempfile::TempDir) -> File {
        let path = folder.path().join("x");
        std::fs::write(&path, vec![7; PAGES * page_size()]).unwrap();
        File::options().read(true).write(true).open(path).unwrap()
    }

    #[test]
    fn pages_that_were_cut_off_are_zeros() {
        let _free = free_slots();
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        let len = PAGES * page_size();
        let was_cut = Arc::default();
        let [map, whole] = [(); 2].map(|()| Mapping::new(&file, len, &was_cut).unwrap().unwrap());
        assert_eq!(map.bytes().last(), Some(&7));
        file.set_len(10 * page_size() as u64 + 1).unwrap();
        map.evict(0, len);
        assert!(!map.is_cut());
        let (kept, cut) = map.bytes().split_at(11 * page_size());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert!(cut.iter().all(|byte| *byte == 0)));
            }
        });
        assert!(map.is_cut());
        assert_eq!(kept.iter().filter(|byte| **byte == 7).count(), 10 * page_size() + 1);
        assert!(!whole.is_cut(), "another map of the same file, of which no page was read");
        assert!(!was_cut.load(Ordering::Relaxed));
        drop(map);
        assert!(was_cut.load(Ordering::Relaxed));
    }

    #[test]
    #[ignore = "ends its process; started by the next test"]
    #[allow(unsafe_code)]
    fn reads_a_foreign_map_of_a_cut_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        let _map = Mapping::new(&file, page_size(), &Arc::default()).unwrap().unwrap();
        // SAFETY: the fault that follows is the point.
        let foreign = unsafe { memmap2::Mmap::map(&file).unwrap() };
        file.set_len(0).unwrap();
        std::process::exit(i32::from(foreign.contains(&7)));
    }

    #[test]
    fn faults_elsewhere_end_the_process_as_before() {
        use std::os::unix::process::ExitStatusExt;
        let name = "storage::local::map::tests::reads_a_foreign_map_of_a_cut_file";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--ignored", "--test-threads=1"])
            .output()
            .unwrap();
        assert_eq!(child.status.signal(), Some(libc::SIGBUS), "{child:?}");
    }

    #[test]
    fn the_number_of_maps_is_bounded() {
        let _free = free_slots();
        let folder = tempfile::tempdir().unwrap();
        let file = file(&folder);
        // Other tests map files at the same time.
        let maps: Vec<Mapping> = std::iter::from_fn(|| Mapping::new(&file, 1, &Arc::default()).unwrap())
            .take(2 * MAPS_MAX)
            .collect();
        assert!(maps.len() <= MAPS_MAX && maps.len() > MAPS_MAX / 2, "{}", maps.len());
        assert!(maps.iter().all(|map| map.bytes() == [7]));
        drop(maps);
        assert!(Mapping::new(&file, 1, &Arc::default()).unwrap().is_some());
    }
}
