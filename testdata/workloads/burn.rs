//! A name that is mangled by rustc.
mod furnace {
    pub struct Burner(pub u64);
    impl Burner {
        #[inline(never)]
        pub fn burn(&mut self, count: u64) {
            for number in 0..count {
                self.0 = std::hint::black_box(self.0.wrapping_add(number * number));
            }
        }
    }
}

fn main() {
    let mut burner = furnace::Burner(0);
    loop {
        burner.burn(1_000_000);
    }
}
