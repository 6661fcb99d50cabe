//! Ordinary `std::net`: what to do is the first argument, where is the second.

use std::io::{Error, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments[2].as_str();
    let outcome = match arguments[1].as_str() {
        "echo" => echo(at),
        "serve" => serve(at),
        "udp" => udp(at),
        "names" => names(at),
        other => Err(Error::other(format!("no {other}"))),
    };
    match outcome {
        Ok(text) => println!("ok {text}"),
        Err(error) => println!("error {:?} {error}", error.kind()),
    }
}

fn echo(address: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let sent: Vec<u8> = (0..100_000u32).map(|each| each as u8).collect();
    stream.write_all(&sent)?;
    let mut got = vec![0; sent.len()];
    stream.read_exact(&mut got)?;
    stream.shutdown(Shutdown::Write)?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    let is_peer = stream.peer_addr()?.to_string() == address;
    Ok(format!("{} {} {is_peer}", got == sent, rest.len()))
}

fn serve(address: &str) -> Result<String> {
    let listener = TcpListener::bind(address)?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut peer, from) = listener.accept()?;
    client.write_all(b"ping")?;
    let mut got = [0; 4];
    peer.read_exact(&mut got)?;
    Ok(format!("{} {}", String::from_utf8_lossy(&got), from == client.local_addr()?))
}

fn udp(address: &str) -> Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"ping", address)?;
    let mut got = [0; 100];
    let (size, from) = socket.recv_from(&mut got)?;
    Ok(format!("{} {}", String::from_utf8_lossy(&got[..size]), from.to_string() == address))
}

fn names(name: &str) -> Result<String> {
    let found: Vec<String> = name.to_socket_addrs()?.map(|each| each.ip().to_string()).collect();
    Ok(found.join(" "))
}
