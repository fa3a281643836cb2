//! Limits of a process that the system keeps (`setrlimit`), and its end without the program's own cleaning up.

/// What is limited.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resource {
    /// Seconds of computing.
    Cpu,
    /// Bytes that are not mapped from files. Where the system does not count these apart, all.
    Data,
    /// Bytes of the address space.
    AddressSpace,
}

#[cfg(all(unix, target_pointer_width = "64"))]
mod unix {
    use super::Resource;
    use std::ffi::c_int;

    /// `struct rlimit`, of two `rlim_t`.
    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    struct Limit {
        soft: u64,
        hard: u64,
    }

    unsafe extern "C" {
        /// <https://man7.org/linux/man-pages/man2/getrlimit.2.html>
        fn getrlimit(resource: c_int, limit: *mut Limit) -> c_int;
        fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
        /// <https://man7.org/linux/man-pages/man2/_exit.2.html>
        fn _exit(code: c_int) -> !;
    }

    /// As the system's headers have them.
    fn number(resource: Resource) -> c_int {
        let linux = cfg!(target_os = "linux");
        match resource {
            Resource::Cpu => 0,
            Resource::Data if linux => 2,
            Resource::AddressSpace if linux => 9,
            Resource::Data | Resource::AddressSpace => 5,
        }
    }

    pub fn limit(resource: Resource, most: u64) {
        let mut limit = Limit { soft: u64::MAX, hard: u64::MAX };
        // SAFETY: the pointer is to a struct of the layout that the call asks for, and it lives until the call returns.
        if unsafe { getrlimit(number(resource), &raw mut limit) } != 0 {
            return;
        }
        limit.soft = most.min(limit.hard);
        // SAFETY: as above. Where the system refuses, the limit stays as it is.
        unsafe { setrlimit(number(resource), &raw const limit) };
    }

    pub fn exit(code: i32) -> ! {
        // SAFETY: the call has no conditions; it does not return.
        unsafe { _exit(code) }
    }
}

#[cfg(all(unix, target_pointer_width = "64"))]
pub(super) use unix::{exit, limit};

/// Limits this process, to less where the system allows less; without effect where the system has no such limits.
#[cfg(not(all(unix, target_pointer_width = "64")))]
pub(super) fn limit(_resource: Resource, _most: u64) {}

/// Ends this process at once, whatever its other threads do.
#[cfg(not(all(unix, target_pointer_width = "64")))]
pub(super) fn exit(code: i32) -> ! {
    std::process::exit(code)
}
