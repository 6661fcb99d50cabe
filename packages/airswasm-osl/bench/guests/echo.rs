//! Sends and receives so many bytes so many times, at most 256 KiB on the way.

use std::io::{Read, Result, Write};
use std::net::TcpStream;

const ON_THE_WAY: usize = 256 * 1024;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let size: usize = arguments[2].parse().expect("a size");
    let rounds: usize = arguments[3].parse().expect("a number");
    let mut stream = TcpStream::connect(&arguments[1])?;
    let data = vec![7u8; size];
    let mut got = vec![0u8; size];
    for _ in 0..rounds {
        for (sent, received) in data.chunks(ON_THE_WAY).zip(got.chunks_mut(ON_THE_WAY)) {
            stream.write_all(sent)?;
            stream.read_exact(received)?;
        }
    }
    Ok(())
}
