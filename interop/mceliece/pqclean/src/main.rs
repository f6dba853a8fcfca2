//! `generate DIR 460896|460896f` writes pk and sk; `encapsulate DIR N` reads pk, writes ct0, ss0, …; `decapsulate DIR N`
//! reads sk and ct0, …, writes ss0, …
use pqcrypto_classicmceliece::{mceliece460896 as plain, mceliece460896f as f};
use pqcrypto_traits::kem::{Ciphertext, PublicKey, SecretKey, SharedSecret};
use std::{env, fs};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let (verb, folder, what) = (&arguments[1], &arguments[2], &arguments[3]);
    let read = |name: &str| fs::read(format!("{folder}/{name}")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(format!("{folder}/{name}"), bytes).unwrap();
    let count = || what.parse::<u32>().unwrap();
    match (verb.as_str(), what.as_str()) {
        ("generate", "460896f") => {
            let (public, secret) = f::keypair();
            write("pk", public.as_bytes());
            write("sk", secret.as_bytes());
        }
        ("generate", _) => {
            let (public, secret) = plain::keypair();
            write("pk", public.as_bytes());
            write("sk", secret.as_bytes());
        }
        ("encapsulate", _) => {
            let public = plain::PublicKey::from_bytes(&read("pk")).unwrap();
            for i in 0..count() {
                let (key, ciphertext) = plain::encapsulate(&public);
                write(&format!("ct{i}"), ciphertext.as_bytes());
                write(&format!("ss{i}"), key.as_bytes());
            }
        }
        _ => {
            let secret = plain::SecretKey::from_bytes(&read("sk")).unwrap();
            for i in 0..count() {
                let ciphertext = plain::Ciphertext::from_bytes(&read(&format!("ct{i}"))).unwrap();
                write(&format!("ss{i}"), plain::decapsulate(&ciphertext, &secret).as_bytes());
            }
        }
    }
}
