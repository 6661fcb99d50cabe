//! What the generated bindings need at run time.

use std::alloc::{alloc, dealloc, handle_alloc_error, Layout};

/// Memory for a list that is passed to the host; freed with it.
pub struct Cleanup {
    start: *mut u8,
    layout: Layout,
}

impl Cleanup {
    /// Allocates memory; null, and nothing to free, where none is needed.
    pub fn new(layout: Layout) -> (*mut u8, Option<Cleanup>) {
        if layout.size() == 0 {
            return (std::ptr::null_mut(), None);
        }
        let start = unsafe { alloc(layout) };
        if start.is_null() {
            handle_alloc_error(layout);
        }
        (start, Some(Cleanup { start, layout }))
    }

    /// Leaves the memory to its new owner.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        unsafe { dealloc(self.start, self.layout) }
    }
}

/// Runs the module's constructors, once.
#[cfg(target_arch = "wasm32")]
pub fn run_ctors_once() {
    use std::sync::atomic::{AtomicBool, Ordering};

    static HAVE_RUN: AtomicBool = AtomicBool::new(false);
    extern "C" {
        fn __wasm_call_ctors();
    }
    if !HAVE_RUN.swap(true, Ordering::Relaxed) {
        unsafe { __wasm_call_ctors() }
    }
}

/// Keeps the allocator that the host calls: WASI's C library has one, and without WASI this crate.
pub fn maybe_link_cabi_realloc() {
    #[cfg(all(target_arch = "wasm32", target_env = ""))]
    {
        #[used]
        static KEPT: unsafe extern "C" fn(*mut u8, usize, usize, usize) -> *mut u8 = cabi_realloc;
    }
}

#[cfg(all(target_arch = "wasm32", target_env = ""))]
#[no_mangle]
unsafe extern "C" fn cabi_realloc(
    start: *mut u8,
    old_size: usize,
    align: usize,
    size: usize,
) -> *mut u8 {
    if size == 0 {
        return align as *mut u8;
    }
    let layout = Layout::from_size_align_unchecked(size.max(old_size), align);
    let found = if old_size == 0 {
        alloc(layout)
    } else {
        let old = Layout::from_size_align_unchecked(old_size, align);
        std::alloc::realloc(start, old, size)
    };
    if found.is_null() {
        handle_alloc_error(layout);
    }
    found
}
