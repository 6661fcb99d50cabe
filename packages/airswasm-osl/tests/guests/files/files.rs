//! Files by Rust's own library, unmodified: what it can do is what the grants allow.
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};

fn told(what: &str, result: io::Result<()>) {
    match result {
        Ok(()) => println!("{what}: done"),
        Err(error) => println!("{what}: {:?}", error.kind()),
    }
}

fn use_files() -> io::Result<()> {
    fs::create_dir_all("/data/a/b")?;
    fs::write("/data/a/f", b"0123456789")?;
    let mut file = OpenOptions::new().read(true).write(true).open("/data/a/f")?;
    file.seek(SeekFrom::Start(4))?;
    file.write_all(b"XY")?;
    file.set_len(8)?;
    file.sync_all()?;
    OpenOptions::new().append(true).open("/data/a/f")?.write_all(b"end")?;
    let mut text = String::new();
    File::open("/data/a/f")?.read_to_string(&mut text)?;
    println!("content: {text}");
    fs::rename("/data/a/f", "/data/a/b/g")?;
    fs::copy("/data/a/b/g", "/data/h")?;
    let mut names: Vec<_> = fs::read_dir("/data")?
        .map(|entry| entry.map(|entry| entry.file_name().into_string().unwrap()))
        .collect::<Result<_, _>>()?;
    names.sort();
    println!("names: {}", names.join(" "));
    let status = fs::metadata("/data/h")?;
    println!("size: {} {}", status.len(), status.is_file());
    fs::remove_file("/data/a/b/g")?;
    fs::remove_dir_all("/data/a")
}

fn main() {
    told("files", use_files());
    told("other", fs::read("/other/f").map(drop));
    told("write", fs::write("/read-only/f", b"x"));
    told("missing", fs::read("/data/none").map(drop));
    told("slash", fs::read("/data/h/").map(drop));
    told("new", OpenOptions::new().write(true).create_new(true).open("/data/h").map(drop));
}
