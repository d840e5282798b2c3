//! Explains a bundle offline.

fn main() {}
