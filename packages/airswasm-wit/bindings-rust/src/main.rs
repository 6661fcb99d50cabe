//! Writes the bindings in `bindings/rust/src/generated` after a change of `wit/`:
//!
//! ```sh
//! cargo run --release wit packages/airswasm-wit/src/airswasm/wit/bindings/rust/src/generated
//! ```
//!
//! For developers of airswasm; the crate that authors use carries the result, so that it needs no
//! generator, no macro that is run by the compiler, and no other crate.

use std::path::Path;

use anyhow::Context;
use wit_bindgen_core::{wit_parser::Resolve, Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

const HOST: [&str; 12] = [
    "logging", "messaging", "timers", "storage", "capabilities", "tracing", "filesystem", "process",
    "tcp", "udp", "dns", "http",
];
const GUEST: [&str; 5] = ["handler", "lifecycle", "callbacks", "health", "migration"];
const PACKAGE: &str = "airswasm:component";
const VERSION: &str = "0.1.0";

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let wit = arguments.next().context("the folder of the WIT")?;
    let out = arguments.next().context("the folder to write to")?;
    let imports = HOST.map(|name| format!("import {PACKAGE}/{name}@{VERSION};")).concat();
    let derives = vec!["PartialEq".into(), "Eq".into()];
    write(&wit, &out, "host", &imports, Opts { additional_derive_attributes: derives, ..options() })?;
    for name in GUEST {
        let mut options = Opts {
            pub_export_macro: true,
            export_macro_name: Some(format!("airswasm_export_{name}")),
            default_bindings_module: Some(format!("airswasm_component::guest_{name}")),
            ..options()
        };
        if name == "callbacks" {
            let messaging = format!("{PACKAGE}/messaging@{VERSION}");
            options.with = vec![(messaging, WithOption::Path("crate::messaging".into()))];
        }
        write(&wit, &out, name, &format!("export {PACKAGE}/{name}@{VERSION};"), options)?;
    }
    Ok(())
}

fn options() -> Opts {
    Opts { generate_all: true, runtime_path: Some("crate::runtime".into()), ..Opts::default() }
}

fn write(wit: &str, out: &str, name: &str, items: &str, options: Opts) -> anyhow::Result<()> {
    let mut resolve = Resolve::default();
    resolve.push_path(wit)?;
    let world = format!("package airswasm:guest-{name}; world guest-{name} {{ {items} }}");
    let package = resolve.push_str("world.wit", &world)?;
    let world = resolve.select_world(&[package], None)?;
    let mut files = Files::default();
    let mut generator: Box<dyn WorldGenerator> = Box::new(options.build());
    generator.generate(&mut resolve, world, &mut files)?;
    for (_, content) in files.iter() {
        std::fs::write(Path::new(out).join(format!("{name}.rs")), content)?;
    }
    Ok(())
}
