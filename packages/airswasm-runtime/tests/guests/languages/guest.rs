//! A guest with all of Rust's standard library; the canonical ABI by hand.
use std::alloc::{alloc, realloc, Layout};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, SystemTime};

#[link(wasm_import_module = "test:languages/host")]
extern "C" {
    #[link_name = "reverse"]
    fn host_reverse(data: *const u8, size: usize, result: *mut Bytes);
}

#[repr(C)]
pub struct Bytes {
    data: *mut u8,
    size: usize,
}

fn lowered(value: Vec<u8>) -> *mut Bytes {
    let value = Box::leak(value.into_boxed_slice());
    Box::into_raw(Box::new(Bytes { data: value.as_mut_ptr(), size: value.len() }))
}

unsafe fn lifted(data: *mut u8, size: usize) -> Vec<u8> {
    if size == 0 { Vec::new() } else { Vec::from_raw_parts(data, size, size) }
}

unsafe fn free(result: *mut Bytes) {
    let bytes = Box::from_raw(result);
    drop(lifted(bytes.data, bytes.size));
}

#[no_mangle]
pub unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    if size == 0 {
        return align as *mut u8;
    }
    let made = if old_size == 0 {
        alloc(Layout::from_size_align(size, align).unwrap())
    } else {
        realloc(old, Layout::from_size_align(old_size, align).unwrap(), size)
    };
    assert!(!made.is_null(), "no memory");
    made
}

#[export_name = "echo"]
pub unsafe extern "C" fn echo(data: *mut u8, size: usize) -> *mut Bytes {
    lowered(lifted(data, size))
}

#[export_name = "relay"]
pub unsafe extern "C" fn relay(data: *mut u8, size: usize) -> *mut Bytes {
    let given = lifted(data, size);
    let mut result = Bytes { data: std::ptr::null_mut(), size: 0 };
    host_reverse(given.as_ptr(), given.len(), &mut result);
    lowered(lifted(result.data, result.size))
}

#[export_name = "say"]
pub unsafe extern "C" fn say(line: *mut u8, size: usize) {
    println!("{}", String::from_utf8(lifted(line, size)).unwrap());
}

#[export_name = "now"]
pub extern "C" fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
}

#[export_name = "random"]
pub extern "C" fn random() -> u64 {
    RandomState::new().hash_one(7)
}

#[export_name = "variable"]
pub unsafe extern "C" fn variable(name: *mut u8, size: usize) -> *mut Bytes {
    let name = String::from_utf8(lifted(name, size)).unwrap();
    lowered(std::env::var(name).unwrap_or_default().into_bytes())
}

#[export_name = "command-line"]
pub extern "C" fn arguments() -> *mut Bytes {
    lowered(std::env::args().collect::<Vec<_>>().join(" ").into_bytes())
}

#[export_name = "nap"]
pub extern "C" fn nap(ms: u32) {
    std::thread::sleep(Duration::from_millis(ms.into()));
}

#[export_name = "fail"]
pub extern "C" fn fail(at: u32) -> u32 {
    unlucky(&[1, 2, 3], at as usize)
}

#[inline(never)]
fn unlucky(numbers: &[u32], at: usize) -> u32 {
    numbers[at]
}

#[export_name = "cabi_post_echo"]
pub unsafe extern "C" fn after_echo(result: *mut Bytes) { free(result) }
#[export_name = "cabi_post_relay"]
pub unsafe extern "C" fn after_relay(result: *mut Bytes) { free(result) }
#[export_name = "cabi_post_variable"]
pub unsafe extern "C" fn after_variable(result: *mut Bytes) { free(result) }
#[export_name = "cabi_post_command-line"]
pub unsafe extern "C" fn after_arguments(result: *mut Bytes) { free(result) }
