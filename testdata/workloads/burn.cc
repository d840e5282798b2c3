// A name that is mangled: a member of a template in a namespace.
namespace freezeframe {
template <typename Number> struct Burner {
    volatile Number sink = 0;
    __attribute__((noinline)) void burn(Number count) {
        for (Number i = 0; i < count; i++) sink = sink + i * i;
    }
};
} // namespace freezeframe

int main() {
    freezeframe::Burner<unsigned long> burner;
    for (;;) burner.burn(1000000);
}
