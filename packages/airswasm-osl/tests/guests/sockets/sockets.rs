use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let outcome = match args[1].as_str() {
        "echo" => echo(&args[2]),
        "serve" => serve(&args[2]),
        "udp" => udp(&args[2]),
        "names" => names(&args[2]),
        other => Err(std::io::Error::other(format!("no {other}"))),
    };
    match outcome {
        Ok(text) => println!("ok {text}"),
        Err(error) => println!("error {:?} {error}", error.kind()),
    }
}

fn echo(address: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let sent: Vec<u8> = (0..300_000u32).map(|each| each as u8).collect();
    let mut other = stream.try_clone();
    let clone = other.is_ok();
    drop(other.as_mut().ok().map(|each| each.flush()));
    stream.write_all(&sent[..1000])?;
    let mut got = vec![0; 1000];
    stream.read_exact(&mut got)?;
    stream.shutdown(Shutdown::Write)?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    Ok(format!("{} {} {clone} {:?} {:?}", got == sent[..1000], rest.len(), stream.peer_addr()?.to_string() == address, stream.set_nodelay(true).map_err(|e| e.kind())))
}

fn serve(address: &str) -> std::io::Result<String> {
    let listener = TcpListener::bind(address)?;
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut peer, from) = listener.accept()?;
    client.write_all(b"ping")?;
    let mut got = [0; 4];
    peer.read_exact(&mut got)?;
    Ok(format!("{} {}", String::from_utf8_lossy(&got), from == client.local_addr()?))
}

fn udp(address: &str) -> std::io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.send_to(b"ping", address)?;
    let mut got = [0; 100];
    let (size, from) = socket.recv_from(&mut got)?;
    Ok(format!("{} {}", String::from_utf8_lossy(&got[..size]), from.to_string() == address))
}

fn names(name: &str) -> std::io::Result<String> {
    let found: Vec<String> = name.to_socket_addrs()?.map(|each| each.ip().to_string()).collect();
    Ok(found.join(" "))
}
